// The state of a training run as a .ckpt file: weights, optimizer slots and running statistics by name and row-major,
// the random seed, and where the run stands. Portable between plans, processors and thread counts.
#ifndef ATHANOR_RUNTIME_CONTAINER_CHECKPOINT_IO_H_
#define ATHANOR_RUNTIME_CONTAINER_CHECKPOINT_IO_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/core/attributes.h"
#include "runtime/core/tensor.h"

namespace athanor {

struct Checkpoint {
  uint64_t model_hash = 0;  // Plan::model_hash
  std::string model_name;
  int64_t step = 0;         // steps done since the start
  int64_t epoch = 0;        // epochs done
  int64_t batch_index = 0;  // batches done of the current epoch
  uint64_t seed = 0;
  Attributes meta;  // the schedule's state, options of the run
  std::vector<std::pair<std::string, Tensor>> tensors;
};

// Atomically (see runtime/core/file.h). CKPT error for what ReadCheckpoint would refuse, PATH error.
absl::Status WriteCheckpoint(const Checkpoint& checkpoint, const std::string& path);
absl::StatusOr<std::string> SerializeCheckpoint(const Checkpoint& checkpoint);

struct CheckpointOptions {
  bool allow_nonfinite = false;  // take NaN and infinite weights
};

// CKPT errors naming the file (or `name`) for a damaged checkpoint, negative counters, a tensor that is there twice or
// holds a NaN or infinity; FORMAT for another kind of file; VERSION, LIMIT, PATH.
absl::StatusOr<Checkpoint> ReadCheckpoint(const std::string& path, const CheckpointOptions& options = {});
absl::StatusOr<Checkpoint> ParseCheckpoint(absl::string_view bytes, absl::string_view name,
                                           const CheckpointOptions& options = {});

// What a run expects of a tensor.
struct TensorSpec {
  std::string name;
  DType dtype = DType::kUndefined;
  Shape shape;
};

// CKPT error naming the first five differences (missing, extra, other type or shape) in the order of `expected`, and
// the number of all, unless the checkpoint holds exactly the expected tensors. `plan_name` is for the error.
absl::Status DiffAgainst(const Checkpoint& checkpoint, absl::Span<const TensorSpec> expected,
                         absl::string_view plan_name);

// The name of the first floating tensor with a NaN or infinity; empty when there is none.
std::string FirstNonFinite(const Checkpoint& checkpoint);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CONTAINER_CHECKPOINT_IO_H_
