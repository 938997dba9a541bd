// Results of kernels against plain loops in double.
#ifndef ATHANOR_RUNTIME_KERNELS_TESTING_CLOSE_H_
#define ATHANOR_RUNTIME_KERNELS_TESTING_CLOSE_H_

#include <algorithm>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/core/tensor.h"

namespace athanor {

// All elements within `tolerance` of the wanted ones, relative to the largest of those. NaN and infinities must be
// equal.
inline void ExpectClose(const Tensor& got, const std::vector<double>& want, double tolerance = 1e-5) {
  ASSERT_EQ(got.num_elements(), static_cast<int64_t>(want.size()));
  double scale = 1e-30;
  for (double w : want) {
    if (std::isfinite(w)) scale = std::max(scale, std::abs(w));
  }
  absl::Span<const float> values = got.as<float>();
  for (size_t i = 0; i < want.size(); ++i) {
    bool close = std::isfinite(want[i]) ? std::abs(values[i] - want[i]) <= tolerance * scale
                                        : (std::isnan(want[i]) ? std::isnan(values[i]) : values[i] == want[i]);
    ASSERT_TRUE(close) << "element " << i << " of " << ShapeToString(got.shape()) << " is " << values[i]
                       << ", expected " << want[i] << " (scale " << scale << ")";
  }
}

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_TESTING_CLOSE_H_
