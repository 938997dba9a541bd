// Programs to plan, made from a seed: well formed (VerifyProgram), layouts decided, nothing placed. Their kernels exist
// in the registry as far as planning needs them; they cannot run:
//   "test.copy"  any operands, nothing in place
//   "test.unary" {0,0}; "test.binary" {0,0} and {0,1}; "test.pair" {0,0} and {1,1}
//   "test.sgd"   (w, g) -> w and (w, g, m) -> (w, m): {0,0} and {1,2}
#ifndef ATHANOR_COMPILER_PLANNING_TESTING_RANDOM_PROGRAM_H_
#define ATHANOR_COMPILER_PLANNING_TESTING_RANDOM_PROGRAM_H_

#include <cstdint>
#include <random>

#include "compiler/program/text.h"

namespace athanor {

using Rng = std::mt19937_64;

// Uniform in [0, n).
inline int64_t Below(Rng& rng, int64_t n) { return static_cast<int64_t>(rng() % static_cast<uint64_t>(n)); }
inline bool Chance(Rng& rng, int percent) { return Below(rng, 100) < percent; }

// About `calls` calls: in-place-able and other kernels over buffers of few sizes (64 bytes to 1 KiB), views of views,
// scratch, variables that are read and updated under several buffers, results that nothing reads, outputs that are
// views, that are used further, that are variables.
Program RandomProgram(Rng& rng, int calls);

// The shape of training: `layers` layers forward (convolution with scratch, activation), each activation used again
// backwards, all updates at the very end. 5 calls a layer.
Program TrainingProgram(Rng& rng, int layers);

// The program as a plan of one entry, with its variables as they are.
Plan PlanOf(Program program);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PLANNING_TESTING_RANDOM_PROGRAM_H_
