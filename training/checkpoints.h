// The checkpoints that a run keeps in its folder:
//
//   step-<steps>.ckpt   the last K
//   last.ckpt           the newest of them
//   best.ckpt           that of the best evaluation, as long as none is better
//
// Each appears whole under its name or not at all (runtime/core/file.h), so a process that is killed at any moment leaves
// a newest checkpoint that loads. last.ckpt and best.ckpt are further names (hard links) of one written file, or copies
// where the file system has no links.
#ifndef ATHANOR_TRAINING_CHECKPOINTS_H_
#define ATHANOR_TRAINING_CHECKPOINTS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/container/checkpoint_io.h"
#include "runtime/core/status.h"

namespace athanor {

// The right to train in a folder, which one run has at a time. It ends with the object and with the process.
class FolderLock {
 public:
  // PATH error if another holds it. A file system that cannot lock gives it to all.
  static absl::StatusOr<FolderLock> Take(const std::string& folder);
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

class CheckpointFolder {
 public:
  // `keep` >= 1 is the number of step files that stay. Nothing is touched yet.
  CheckpointFolder(std::string folder, int64_t keep);

  // Removes what killed processes have left behind: temporary files whose process no longer lives; and with `forget`, for
  // a run that starts anew, the checkpoints of the run that was here before.
  absl::Status Clean(bool forget);

  // Writes the checkpoint and makes it last.ckpt, and best.ckpt first if it is the `best`; then removes the oldest step
  // files. Aborted, naming the tensor, and nothing is written, if one holds a NaN or infinity. PATH errors.
  absl::Status Save(const Checkpoint& checkpoint, bool best);

  struct Found {
    Checkpoint checkpoint;
    std::string path;
    std::vector<std::string> skipped;  // the newer ones that could not be read: their errors
  };
  // The newest checkpoint that can be read: last.ckpt, else the step files from the newest on. PATH error if there is none
  // at all; if none can be read, the error of the newest.
  absl::StatusOr<Found> LoadNewest() const;
  // best.ckpt.
  absl::StatusOr<Checkpoint> LoadBest() const;

  std::string last_path() const { return folder_ + "/last.ckpt"; }
  std::string best_path() const { return folder_ + "/best.ckpt"; }
  // Of the step files, in ascending order.
  std::vector<int64_t> Steps() const;
  std::string StepPath(int64_t step) const;

 private:
  absl::Status GiveName(const std::string& file, const Checkpoint& checkpoint, const std::string& name) const;
  std::string folder_;
  int64_t keep_;
};

// The checkpoint that a path means: a .ckpt file, or a run's folder (its best.ckpt, or last.ckpt if there is none).
std::string CheckpointPathOf(const std::string& path);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_CHECKPOINTS_H_
