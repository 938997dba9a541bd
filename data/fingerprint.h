// What tells the samples of one data set from those of another.
#ifndef ATHANOR_DATA_FINGERPRINT_H_
#define ATHANOR_DATA_FINGERPRINT_H_

#include <cstdint>

#include "data/sample_source.h"

namespace athanor {

// A hash of the fields and of 128 samples (all, if there are fewer) spread over the set, as a network sees them in the first
// epoch: with their normalization, augmentation and labels. Errors of Read, with the sample's number.
absl::StatusOr<uint64_t> Fingerprint(const SampleSource& source);

}  // namespace athanor

#endif  // ATHANOR_DATA_FINGERPRINT_H_
