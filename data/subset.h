// Some of a source's samples, and the split of a training set into a smaller one and a validation set.
#ifndef ATHANOR_DATA_SUBSET_H_
#define ATHANOR_DATA_SUBSET_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "data/sample_source.h"
#include "runtime/core/status.h"

namespace athanor {

// Sample i is sample indices[i] of `base`; errors name the latter. CHECK-fails for an index outside.
std::shared_ptr<const SampleSource> MakeSubset(std::shared_ptr<const SampleSource> base, std::vector<int64_t> indices);

struct Split {
  std::vector<int64_t> train, validation;  // each in rising order
};

// round(share * samples) of the samples, at least one, chosen by the seed, are for validation. REQ error for a share
// that is not above 0 and below 1; DATA error if nothing would be left for training.
absl::StatusOr<Split> SplitForValidation(int64_t samples, double share, uint64_t seed);

}  // namespace athanor

#endif  // ATHANOR_DATA_SUBSET_H_
