// Where `athanor data --write-batches` writes to.
#ifndef ATHANOR_CLI_BATCH_FILE_H_
#define ATHANOR_CLI_BATCH_FILE_H_

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"

namespace athanor {

// The output, a device or pipe, or a regular file that takes its name once all is written: until then, and after an error,
// what had the name before is as it was.
class BatchFile {
 public:
  // "-" is the output. REQ error for a file that is one of `inputs`, PATH error for one that cannot be written.
  static absl::StatusOr<BatchFile> Create(const std::string& path, const std::vector<std::string>& inputs);
  BatchFile(BatchFile&& other) noexcept;
  BatchFile& operator=(BatchFile&&) = delete;
  ~BatchFile();

  absl::Status Write(const void* data, size_t bytes);
  absl::Status Finish();  // nothing can be written after it

 private:
  BatchFile() = default;
  absl::Status Failed() const;
  std::string path_, temporary_;  // temporary_ is empty where it is written in place
  std::FILE* file_ = nullptr;
};

}  // namespace athanor

#endif  // ATHANOR_CLI_BATCH_FILE_H_
