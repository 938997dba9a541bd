// A file that only grows, by whole pieces.
#ifndef ATHANOR_TRAINING_LOGS_APPEND_FILE_H_
#define ATHANOR_TRAINING_LOGS_APPEND_FILE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"

namespace athanor {

class AppendFile {
 public:
  // Makes the file where it is missing. PATH error with the system's error text, also for what is no regular file.
  static absl::StatusOr<AppendFile> Open(const std::string& path);
  ~AppendFile();
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&& other) noexcept;

  // Writes all of it and hands it to the disk; on failure the file is cut back to what it was.
  absl::Status Append(absl::string_view bytes);
  const std::string& path() const { return path_; }

 private:
  AppendFile(std::string path, int fd, int64_t size) : path_(std::move(path)), fd_(fd), size_(size) {}
  std::string path_;
  int fd_;
  int64_t size_;
};

}  // namespace athanor

#endif  // ATHANOR_TRAINING_LOGS_APPEND_FILE_H_
