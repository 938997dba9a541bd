#include "runtime/core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

constexpr int64_t kReadChunk = int64_t{1} << 20;

absl::Status SystemError(absl::string_view path, absl::string_view what, int error) {
  return MakeError(ErrorClass::kPath, "%s: %s: %s", path, what, std::generic_category().message(error));
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  // The result of close(2): an error of a delayed write may come only here.
  int Close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

int OpenRetrying(const std::string& path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// A path with a NUL would silently name another file.
absl::Status CheckPath(const std::string& path) {
  if (path.empty()) return MakeError(ErrorClass::kPath, "the path is empty");
  if (path.find('\0') != std::string::npos) {
    return MakeError(ErrorClass::kPath, "%s: the path holds a NUL character", path.c_str());
  }
  return absl::OkStatus();
}

absl::string_view KindName(mode_t mode) {
  if (S_ISDIR(mode)) return "is a directory";
  if (S_ISFIFO(mode)) return "is a FIFO";
  if (S_ISSOCK(mode)) return "is a socket";
  return "is a device";
}

absl::Status TooLarge(const std::string& path, int64_t bytes, int64_t max_bytes) {
  return MakeError(ErrorClass::kLimit, "%s: %d bytes or more are above the limit of %d", path, bytes, max_bytes);
}

// Reads to the end, whatever size the file was said to have: it may grow or shrink meanwhile.
absl::Status ReadToEnd(int fd, const std::string& path, int64_t expected, int64_t max_bytes, std::string* out) {
  out->resize(expected + 1);  // one more byte finds the end without another resize
  int64_t have = 0;
  while (true) {
    if (have == static_cast<int64_t>(out->size())) out->resize(have + kReadChunk);
    ssize_t n = ::read(fd, out->data() + have, out->size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError(path, "cannot read", errno);
    if (n == 0) break;
    have += n;
    if (have > max_bytes) return TooLarge(path, have, max_bytes);
  }
  out->resize(have);
  return absl::OkStatus();
}

// Where the bytes of `path` are: the path itself, or where its link leads.
absl::StatusOr<std::string> ResolveTarget(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return path;
    return SystemError(path, "cannot write", errno);
  }
  if (!S_ISLNK(info.st_mode)) {
    if (!S_ISREG(info.st_mode)) return MakeError(ErrorClass::kPath, "%s: %s", path, KindName(info.st_mode));
    return path;
  }
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return SystemError(path, "cannot follow the link", errno);
  std::string target(resolved);
  std::free(resolved);
  if (::stat(target.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return MakeError(ErrorClass::kPath, "%s: %s", path, KindName(info.st_mode));
  }
  return target;
}

// A file that did not exist before, named after `base`.
int CreateTemporary(const std::string& base, std::string* name) {
  static std::atomic<uint64_t> counter{0};
  for (int attempt = 0; attempt < 1000; ++attempt) {
    *name = absl::StrCat(base, ".tmp-", ::getpid(), "-", counter++);
    int fd = OpenRetrying(*name, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

// 0, or the error number.
int WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), std::min<size_t>(bytes.size(), size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    bytes.remove_prefix(n);
  }
  return 0;
}

std::string FolderOf(const std::string& path) {
  size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncFolder(const std::string& path) {
  Fd folder(OpenRetrying(FolderOf(path), O_RDONLY | O_DIRECTORY));
  // EINVAL: a file system whose folders know no sync.
  if (folder.get() < 0 || (::fsync(folder.get()) != 0 && errno != EINVAL)) {
    return SystemError(path, "written, but its folder cannot be synced", errno);
  }
  return absl::OkStatus();
}

absl::Status WriteAndSync(Fd& file, const std::string& path, absl::Span<const absl::string_view> pieces) {
  for (absl::string_view piece : pieces) {
    if (int error = WriteAll(file.get(), piece); error != 0) return SystemError(path, "cannot write", error);
  }
  // Not retried: after a failed sync the kernel may have dropped the pages, and a second one would lie.
  if (::fsync(file.get()) != 0) return SystemError(path, "cannot sync", errno);
  if (file.Close() != 0) return SystemError(path, "cannot close", errno);
  return absl::OkStatus();
}

// An open regular file and its size.
absl::StatusOr<int> OpenRegular(const std::string& path, int64_t* size) {
  ATH_RETURN_IF_ERROR(CheckPath(path));
  // O_NONBLOCK: opening a FIFO without a writer would wait.
  Fd file(OpenRetrying(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) return SystemError(path, "cannot open", errno);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return SystemError(path, "cannot read", errno);
  if (!S_ISREG(info.st_mode)) return MakeError(ErrorClass::kPath, "%s: %s", path, KindName(info.st_mode));
  *size = info.st_size;
  return file.Release();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  int64_t size = 0;
  ATH_ASSIGN_OR_RETURN(int fd, OpenRegular(path, &size));
  Fd file(fd);
  if (size > max_bytes) return TooLarge(path, size, max_bytes);
  try {
    std::string content;
    ATH_RETURN_IF_ERROR(ReadToEnd(file.get(), path, size, max_bytes, &content));
    return content;
  } catch (const std::bad_alloc&) {
    return MakeError(ErrorClass::kLimit, "%s: no memory for %d bytes", path, size);
  }
}

absl::StatusOr<InputFile> InputFile::Open(const std::string& path) {
  int64_t size = 0;
  ATH_ASSIGN_OR_RETURN(int fd, OpenRegular(path, &size));
  return InputFile(path, fd, size);
}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

absl::Status InputFile::ReadAt(int64_t offset, void* out, int64_t n) const {
  char* to = static_cast<char*>(out);
  while (n > 0) {
    ssize_t got = ::pread(fd_, to, std::min<int64_t>(n, int64_t{1} << 30), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path_, "cannot read", errno);
    if (got == 0) return MakeError(ErrorClass::kFormat, "%s: ends at byte %d, having been cut short", path_, offset);
    to += got, offset += got, n -= got;
  }
  return absl::OkStatus();
}

absl::Status WriteFileAtomic(const std::string& path, absl::Span<const absl::string_view> pieces) {
  ATH_RETURN_IF_ERROR(CheckPath(path));
  ATH_ASSIGN_OR_RETURN(std::string target, ResolveTarget(path));
  std::string temporary;
  Fd file(CreateTemporary(target, &temporary));
  if (file.get() < 0) return SystemError(path, "cannot create", errno);
  absl::Status status = WriteAndSync(file, path, pieces);
  if (status.ok() && ::rename(temporary.c_str(), target.c_str()) != 0) {
    status = SystemError(path, "cannot rename the temporary file", errno);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncFolder(target);
}

absl::Status ProbeWritableDir(const std::string& dir) {
  ATH_RETURN_IF_ERROR(CheckPath(dir));
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  // Some libraries report an error for an existing folder behind a link: what counts is what is there.
  struct stat info;
  if (::stat(dir.c_str(), &info) != 0) {
    return SystemError(dir, "cannot make the folder", error ? error.value() : errno);
  }
  if (!S_ISDIR(info.st_mode)) return MakeError(ErrorClass::kPath, "%s: is not a directory", dir);
  std::string temporary;
  Fd file(CreateTemporary(dir + "/probe", &temporary));
  if (file.get() < 0) return SystemError(dir, "cannot create a file in the folder", errno);
  if (::unlink(temporary.c_str()) != 0) return SystemError(dir, "cannot remove a file from the folder", errno);
  return absl::OkStatus();
}

}  // namespace athanor
