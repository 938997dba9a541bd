// Whole files: read into owned memory (never mapped, so that a file which is cut short while in use gives old content
// or an error and not a signal), and written so that a reader, or a restart after a crash, sees the old content or the
// new one and never a mixture.
#ifndef ATHANOR_RUNTIME_CORE_FILE_H_
#define ATHANOR_RUNTIME_CORE_FILE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/core/status.h"

namespace athanor {

// The content of a regular file. PATH error for what is missing, unreadable or no regular file (a FIFO is refused, not
// waited for); LIMIT error for more than `max_bytes`, before they are read.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes);

// An open regular file, read at any place. Safe to use from several threads.
class InputFile {
 public:
  // PATH errors as ReadFile's.
  static absl::StatusOr<InputFile> Open(const std::string& path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;

  int64_t size() const { return size_; }  // when it was opened
  // Fills `n` bytes from `offset` on. PATH error if they cannot be read; FORMAT error if the file ends before, having
  // been cut short after it was opened.
  absl::Status ReadAt(int64_t offset, void* out, int64_t n) const;

 private:
  InputFile(std::string path, int fd, int64_t size) : path_(std::move(path)), fd_(fd), size_(size) {}
  std::string path_;
  int fd_;
  int64_t size_;
};

// Writes the pieces, one behind the other, to a temporary file "<path>.tmp-<pid>-<number>", syncs it, renames it to
// `path` and syncs the folder. A link is followed; what is there and is no regular file is refused.
// PATH error with the path and the system's error text; the former content is then as it was, unless the message says
// that only the sync of the folder failed. The temporary file stays behind only if the process is killed.
absl::Status WriteFileAtomic(const std::string& path, absl::Span<const absl::string_view> pieces);

// Makes `dir` with its parents where missing, and creates and removes a file there. PATH error with the system's error
// text: to be called before a long run whose results go there.
absl::Status ProbeWritableDir(const std::string& dir);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_FILE_H_
