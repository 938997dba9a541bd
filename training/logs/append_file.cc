#include "training/logs/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace athanor {
namespace {

absl::Status SystemError(const std::string& path, const char* what) {
  return MakeError(ErrorClass::kPath, "%s: %s: %s", path, what, std::strerror(errno));
}

}  // namespace

absl::StatusOr<AppendFile> AppendFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
  if (fd < 0) return SystemError(path, "cannot be opened for writing");
  AppendFile file(path, fd, 0);  // closes it on the way out
  struct stat info;
  if (fstat(fd, &info) != 0) return SystemError(path, "cannot be examined");
  if (!S_ISREG(info.st_mode)) return MakeError(ErrorClass::kPath, "%s is no regular file", path);
  file.size_ = info.st_size;
  return file;
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) close(fd_);
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

absl::Status AppendFile::Append(absl::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(fd_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      absl::Status status = SystemError(path_, "cannot be written to");
      if (done > 0 && ftruncate(fd_, size_) != 0) return AddContext(status, "its last line is torn");
      return status;
    }
    done += static_cast<size_t>(n);
  }
  size_ += static_cast<int64_t>(bytes.size());
  if (fdatasync(fd_) != 0) return SystemError(path_, "cannot be handed to the disk");
  return absl::OkStatus();
}

}  // namespace athanor
