// From stored values to what a network is fed: y = (x * scale - mean[c]) / std[c].
//
// A channel is the first dimension of a sample: the colour of an image [channels, height, width], the column of a row
// [features].
#ifndef ATHANOR_DATA_NORMALIZE_H_
#define ATHANOR_DATA_NORMALIZE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "data/dataset.h"
#include "runtime/core/shape.h"
#include "runtime/core/status.h"

namespace athanor {

// A plain value: it is kept with a trained model, so that what is fed later is prepared alike.
struct Normalization {
  float scale = 1;
  std::vector<float> mean, std;  // none (0 and 1), one for all channels, or one for each; in units of x * scale

  // u8 to 0 .. 1.
  static Normalization ScaleBy255() { return {1.0f / 255.0f, {}, {}}; }
  static Normalization MeanStd(std::vector<float> mean, std::vector<float> std, float scale = 1);

  // ATTR error for a count that is not 0, 1 or `channels`, for what is not finite, for a std that is not > 0, and for a
  // std so small that a stored value of up to `largest` (255 of bytes) would become infinite. Apply demands that it was
  // called.
  absl::Status Check(int64_t channels, float largest = 1) const;

  // One sample of `channels` equal parts; both spans have its size. Computed as x * (scale / std) - mean / std in f32.
  void Apply(absl::Span<const uint8_t> in, int64_t channels, absl::Span<float> out) const;
  void Apply(absl::Span<const float> in, int64_t channels, absl::Span<float> out) const;

  bool operator==(const Normalization&) const = default;
};

// Of a sample of this shape; 1 for a scalar.
int64_t NumChannels(const Shape& sample_shape);

// Mean and (population) standard deviation of each channel of x * scale over a sound data set, summed in double in the
// order of the samples. A constant channel gets a std of 1, as does one that UsableStd refuses.
Normalization ComputeMeanStd(const Dataset& dataset, float scale = 1);

// `std`, or 1 where dividing by it would not be finite: that of a constant channel, or one near the smallest f32.
float UsableStd(double std, double mean, float scale);

}  // namespace athanor

#endif  // ATHANOR_DATA_NORMALIZE_H_
