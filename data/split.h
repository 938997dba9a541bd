// Splitting a data set into a training and a test set. Which sample goes where is a pure function of the seed and the
// labels, the same on every machine.
#ifndef ATHANOR_DATA_SPLIT_H_
#define ATHANOR_DATA_SPLIT_H_

#include <cstdint>

#include "absl/types/span.h"
#include "data/dataset.h"
#include "runtime/core/status.h"

namespace athanor {

// A copy of these samples, in this order; each index is 0 .. size()-1. LIMIT error if there is no memory.
absl::StatusOr<Dataset> SelectSamples(const Dataset& dataset, absl::Span<const int64_t> indices);

// `test_fraction` (between 0 and 1) of the samples, chosen at random, become the test set, rounded down; of every class
// its share to within one sample. Both keep the order of `dataset`. ATTR error for a fraction out of range, DATA error
// if a set would be empty or the data set is not sound.
absl::StatusOr<TrainTest> SplitDataset(const Dataset& dataset, double test_fraction, uint64_t seed);

// Cross-validation: part `fold` (0 .. folds-1) of `folds` (2 or more) equal random parts is the test set, all others
// are the training set. Over all folds each sample is in one test set. Errors as above.
absl::StatusOr<TrainTest> FoldDataset(const Dataset& dataset, int64_t fold, int64_t folds, uint64_t seed);

}  // namespace athanor

#endif  // ATHANOR_DATA_SPLIT_H_
