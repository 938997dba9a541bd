// Normalizations by name, and kept with a model.
#ifndef ATHANOR_DATA_NORMALIZE_SPEC_H_
#define ATHANOR_DATA_NORMALIZE_SPEC_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "data/normalize.h"
#include "data/sample_source.h"
#include "runtime/core/attributes.h"
#include "runtime/core/status.h"

namespace athanor {

// none                 values as they are stored
// scale255             x / 255
// standardize          mean 0 and standard deviation 1 of each channel over the training samples
// MEAN/STD             given, for each channel or one for all: "0.1307/0.3081", "0.49,0.48,0.45/0.25,0.24,0.26"; of
//                      bytes in units of x / 255
struct NormalizeSpec {
  enum class Kind { kNone, kScale255, kStandardize, kGiven };
  Kind kind = Kind::kStandardize;
  std::vector<float> mean, std;  // of kGiven
};

// REQ error naming the text and what there is.
absl::StatusOr<NormalizeSpec> ParseNormalizeSpec(absl::string_view text);

// For the samples of `stored`, whose field "x" is u8 or f32 as stored; standardize reads all of them (bytes by
// `threads` threads, 0: as many as there are; the sums are exact, so the result is the same). A constant channel gets a
// standard deviation of 1. Errors of the reads, with the sample; ATTR error for a number of values that does not fit.
absl::StatusOr<Normalization> MakeNormalization(const NormalizeSpec& spec, const SampleSource& stored, int threads = 0);

// As input_scale, input_mean and input_std, which is where NormalizationOf (training/predictor.h) finds them.
void StoreNormalization(const Normalization& normalization, Attributes* metadata);

}  // namespace athanor

#endif  // ATHANOR_DATA_NORMALIZE_SPEC_H_
