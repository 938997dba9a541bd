// The order of samples. A permutation is a pure function of (seed, epoch, size), the same on every machine and for
// every later version: checkpoints name a position in it.
#ifndef ATHANOR_DATA_SAMPLER_H_
#define ATHANOR_DATA_SAMPLER_H_

#include <cstdint>

#include "absl/types/span.h"

namespace athanor {

// Fills `out` with a random permutation of 0 .. out.size()-1; allocates nothing.
//
// Fisher-Yates from the last element down, by the 64-bit numbers (low word first, two a block, in order) of the Philox
// stream of `seed` for shuffling in `epoch`, brought below each bound without bias (D. Lemire, "Fast random integer
// generation in an interval", 2019).
void RandomPermutation(uint64_t seed, uint64_t epoch, absl::Span<int64_t> out);

}  // namespace athanor

#endif  // ATHANOR_DATA_SAMPLER_H_
