#include "training/checkpoints.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/core/file.h"

namespace athanor {

absl::StatusOr<FolderLock> FolderLock::Take(const std::string& folder) {
  FolderLock lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.fd_ >= 0 && ::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return MakeError(ErrorClass::kPath, "%s: another run trains in this folder", folder);
  }
  return lock;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kPrefix = "step-", kSuffix = ".ckpt", kTemporary = ".tmp-";

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  return names;
}

// Of "step-00000500.ckpt": 500; -1 for another name.
int64_t StepOf(absl::string_view name) {
  int64_t step = -1;
  if (!absl::ConsumePrefix(&name, kPrefix) || !absl::ConsumeSuffix(&name, kSuffix)) return -1;
  return absl::SimpleAtoi(name, &step) && step >= 0 ? step : -1;
}

// "last.ckpt.tmp-<pid>-<number>" of a process that no longer lives.
bool IsAbandoned(absl::string_view name) {
  size_t at = name.find(kTemporary);
  if (at == absl::string_view::npos) return false;
  absl::string_view rest = name.substr(at + kTemporary.size());
  int pid = 0;
  if (!absl::SimpleAtoi(rest.substr(0, rest.find('-')), &pid) || pid <= 0) return false;
  return ::kill(pid, 0) != 0 && errno == ESRCH;
}

absl::Status SyncFolder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // EINVAL: a file system whose folders know no sync.
  const bool ok = fd >= 0 && (::fsync(fd) == 0 || errno == EINVAL);
  const std::error_code error(errno, std::generic_category());
  if (fd >= 0) ::close(fd);
  if (ok) return absl::OkStatus();
  return MakeError(ErrorClass::kPath, "%s: cannot sync the folder: %s", folder, error.message());
}

}  // namespace

CheckpointFolder::CheckpointFolder(std::string folder, int64_t keep) : folder_(std::move(folder)), keep_(keep) {
  ATH_CHECK(keep >= 1);
}

std::string CheckpointFolder::StepPath(int64_t step) const {
  return absl::StrFormat("%s/%s%08d%s", folder_, kPrefix, step, kSuffix);
}

std::vector<int64_t> CheckpointFolder::Steps() const {
  std::vector<int64_t> steps;
  for (const std::string& name : FilesIn(folder_)) {
    if (int64_t step = StepOf(name); step >= 0) steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

absl::Status CheckpointFolder::Clean(bool forget) {
  for (const std::string& name : FilesIn(folder_)) {
    const bool old = forget && (StepOf(name) >= 0 || name == "last.ckpt" || name == "best.ckpt");
    if (!old && !IsAbandoned(name)) continue;
    const std::string path = absl::StrCat(folder_, "/", name);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return MakeError(ErrorClass::kPath, "%s: cannot remove: %s", path, std::generic_category().message(errno));
    }
  }
  return absl::OkStatus();
}

// The name is another one of the file that is written already, or a copy.
absl::Status CheckpointFolder::GiveName(const std::string& file, const Checkpoint& checkpoint,
                                        const std::string& name) const {
  const std::string temporary = absl::StrCat(name, ".tmp-", ::getpid(), "-link");
  ::unlink(temporary.c_str());
  if (::link(file.c_str(), temporary.c_str()) != 0) return WriteCheckpoint(checkpoint, name);
  if (::rename(temporary.c_str(), name.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return MakeError(ErrorClass::kPath, "%s: cannot rename the temporary file: %s", name,
                     std::generic_category().message(error));
  }
  ::unlink(temporary.c_str());  // it stays where both names were one file before
  return absl::OkStatus();
}

absl::Status CheckpointFolder::Save(const Checkpoint& checkpoint, bool best) {
  if (std::string bad = FirstNonFinite(checkpoint); !bad.empty()) {
    return absl::AbortedError(absl::StrFormat(
        "\"%s\" is not finite after step %d: no checkpoint is written, the last one stays. A smaller learning rate or "
        "--clip-norm often helps",
        bad, checkpoint.step));
  }
  const std::string path = StepPath(checkpoint.step);
  ATH_RETURN_IF_ERROR(WriteCheckpoint(checkpoint, path));
  // The best first: a run that goes on from the last one finds the best that it knows of.
  if (best) ATH_RETURN_IF_ERROR(GiveName(path, checkpoint, best_path()));
  ATH_RETURN_IF_ERROR(GiveName(path, checkpoint, last_path()));
  ATH_RETURN_IF_ERROR(SyncFolder(folder_));
  std::vector<int64_t> steps = Steps();
  for (size_t i = 0; i + keep_ < steps.size(); ++i) {
    if (steps[i] != checkpoint.step) ::unlink(StepPath(steps[i]).c_str());
  }
  return absl::OkStatus();
}

absl::StatusOr<CheckpointFolder::Found> CheckpointFolder::LoadNewest() const {
  std::vector<std::string> paths;
  std::error_code error;
  if (fs::exists(last_path(), error)) paths.push_back(last_path());
  std::vector<int64_t> steps = Steps();
  for (auto it = steps.rbegin(); it != steps.rend(); ++it) {
    const bool same = !paths.empty() && fs::equivalent(last_path(), StepPath(*it), error);
    if (!same) paths.push_back(StepPath(*it));
  }
  if (paths.empty()) {
    return MakeError(ErrorClass::kPath, "%s: there is no checkpoint to resume from", last_path());
  }
  Found found;
  absl::Status newest;
  for (const std::string& path : paths) {
    absl::StatusOr<Checkpoint> checkpoint = ReadCheckpoint(path);
    if (checkpoint.ok()) {
      found.checkpoint = *std::move(checkpoint);
      found.path = path;
      return found;
    }
    if (newest.ok()) newest = checkpoint.status();
    found.skipped.push_back(std::string(checkpoint.status().message()));
  }
  return newest;
}

absl::StatusOr<Checkpoint> CheckpointFolder::LoadBest() const { return ReadCheckpoint(best_path()); }

std::string CheckpointPathOf(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  const std::string best = absl::StrCat(path, "/best.ckpt");
  return fs::exists(best, error) ? best : absl::StrCat(path, "/last.ckpt");
}

}  // namespace athanor
