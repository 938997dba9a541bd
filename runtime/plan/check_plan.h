// Checks that the numbers of a plan make sense one by one, so that code may index and add with them: the first thing
// that is done with a plan from a file. That the buffers do not overlap in time is VerifyMemory's work.
#ifndef ATHANOR_RUNTIME_PLAN_CHECK_PLAN_H_
#define ATHANOR_RUNTIME_PLAN_CHECK_PLAN_H_

#include <cstdint>

#include "runtime/core/status.h"
#include "runtime/plan/plan.h"

namespace athanor {

struct PlanLimits {
  int64_t max_memory = 0;  // of weights and activations together, in bytes; 0: the machine's main memory
};

// oneDNN's limit of post-ops of a primitive, and ours of threads.
inline constexpr size_t kMaxPostOps = 32;
inline constexpr int kMaxThreads = 4096;

// Checked, in linear time:
// - names are printable UTF-8; those of variables, entries, and an entry's inputs and of its outputs are unique and
//   not empty;
// - buffers, variables and operands of post-ops that are referred to exist; views form no cycles and are no larger than
//   what they view;
// - a layout is a permutation of the dimensions with inner blocks, and the bytes hold what it says;
// - offsets and sizes are multiples of kAlignment and inside their arena (or kUnplaced), without overflow;
// - a variable's data has its type; threads, flops, kinds and symbols are in range.
// PLAN error naming variable, entry, buffer or call; LIMIT error with both numbers for more memory than allowed.
absl::Status CheckPlan(const Plan& plan, const PlanLimits& limits = {});

// The bytes that a tensor takes in this layout, with the dimensions padded to whole blocks, without alignment. PLAN
// error for a layout that is none or does not fit the rank; SHAPE, LIMIT and DTYPE errors.
absl::StatusOr<int64_t> BytesInLayout(const MemoryDesc& desc);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_PLAN_CHECK_PLAN_H_
