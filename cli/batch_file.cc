#include "cli/batch_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace athanor {

absl::StatusOr<BatchFile> BatchFile::Create(const std::string& path, const std::vector<std::string>& inputs) {
  BatchFile out;
  out.path_ = path;
  if (path == "-") {
    out.file_ = stdout;
    return out;
  }
  struct stat there, input;
  const bool exists = ::stat(path.c_str(), &there) == 0;
  for (const std::string& name : inputs) {
    if (!exists || ::stat(name.c_str(), &input) != 0) continue;
    if (there.st_dev != input.st_dev || there.st_ino != input.st_ino) continue;
    return MakeError(ErrorClass::kReq, "%s: the batches would overwrite the data they are made of", path);
  }
  if (!exists || S_ISREG(there.st_mode)) out.temporary_ = absl::StrCat(path, ".tmp-", ::getpid());
  out.file_ = std::fopen(out.temporary_.empty() ? path.c_str() : out.temporary_.c_str(), "wb");
  if (out.file_ == nullptr) {
    out.temporary_.clear();
    return out.Failed();
  }
  return out;
}

BatchFile::BatchFile(BatchFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, "")),
      file_(std::exchange(other.file_, nullptr)) {}

BatchFile::~BatchFile() {
  if (file_ != nullptr && file_ != stdout) std::fclose(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

absl::Status BatchFile::Failed() const {
  return MakeError(ErrorClass::kPath, "%s: cannot write the batches: %s", path_, std::strerror(errno));
}

absl::Status BatchFile::Write(const void* data, size_t bytes) {
  return std::fwrite(data, 1, bytes, file_) == bytes ? absl::OkStatus() : Failed();
}

absl::Status BatchFile::Finish() {
  if (std::fflush(file_) != 0) return Failed();
  if (temporary_.empty()) return absl::OkStatus();
  if (::fsync(::fileno(file_)) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) return Failed();
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace athanor
