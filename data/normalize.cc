#include "data/normalize.h"

#include <cmath>
#include <utility>

namespace athanor {
namespace {

float ForChannel(const std::vector<float>& values, int64_t c, float none) {
  if (values.empty()) return none;
  return values.size() == 1 ? values[0] : values[c];
}

absl::Status CheckCount(const std::vector<float>& values, int64_t channels, absl::string_view what) {
  int64_t n = values.size();
  if (n > 1 && n != channels) {
    return MakeError(ErrorClass::kAttr, "normalization: %d values of %s for %d channels", n, what, channels);
  }
  return absl::OkStatus();
}

template <typename T>
void ApplyTo(const Normalization& norm, absl::Span<const T> in, int64_t channels, absl::Span<float> out) {
  ATH_CHECK(in.size() == out.size() && in.size() % channels == 0);
  const int64_t part = in.size() / channels;
  for (int64_t c = 0; c < channels; ++c) {
    const float std = ForChannel(norm.std, c, 1);
    const float factor = norm.scale / std, offset = ForChannel(norm.mean, c, 0) / std;
    const T* x = in.data() + c * part;
    float* y = out.data() + c * part;
    for (int64_t i = 0; i < part; ++i) y[i] = static_cast<float>(x[i]) * factor - offset;
  }
}

// Adds f(x) for every value x of every channel to that channel's sum.
template <typename T, typename F>
void SumByChannel(const Dataset& d, int64_t channels, std::vector<double>* sums, const F& f) {
  absl::Span<const T> values = d.features.as<T>();
  const int64_t part = values.size() / d.size() / channels;
  const T* x = values.data();
  for (int64_t n = 0; n < d.size(); ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (int64_t i = 0; i < part; ++i) sum += f(c, static_cast<double>(*x++));
      (*sums)[c] += sum;
    }
  }
}

template <typename T>
Normalization Compute(const Dataset& d, float scale) {
  const int64_t channels = NumChannels(d.sample_shape());
  const double count = static_cast<double>(d.features.num_elements()) / static_cast<double>(channels);
  std::vector<double> mean(channels), variance(channels);
  SumByChannel<T>(d, channels, &mean, [&](int64_t, double x) { return x * scale; });
  for (double& m : mean) m /= count;
  SumByChannel<T>(d, channels, &variance, [&](int64_t c, double x) {
    double distance = x * scale - mean[c];
    return distance * distance;
  });
  Normalization norm;
  norm.scale = scale;
  for (int64_t c = 0; c < channels; ++c) {
    norm.mean.push_back(static_cast<float>(mean[c]));
    norm.std.push_back(UsableStd(std::sqrt(variance[c] / count), mean[c], scale));
  }
  return norm;
}

}  // namespace

Normalization Normalization::MeanStd(std::vector<float> mean, std::vector<float> std, float scale) {
  return {scale, std::move(mean), std::move(std)};
}

absl::Status Normalization::Check(int64_t channels, float largest) const {
  ATH_RETURN_IF_ERROR(CheckCount(mean, channels, "mean"));
  ATH_RETURN_IF_ERROR(CheckCount(std, channels, "std"));
  if (!std::isfinite(scale)) return MakeError(ErrorClass::kAttr, "normalization: the scale is %f", scale);
  for (float m : mean) {
    if (!std::isfinite(m)) return MakeError(ErrorClass::kAttr, "normalization: a mean is %f", m);
  }
  for (float s : std) {
    if (!std::isfinite(s) || s <= 0) {
      return MakeError(ErrorClass::kAttr, "normalization: a std is %f, it must be finite and above 0", s);
    }
  }
  for (int64_t c = 0; c < channels && !std.empty(); ++c) {
    const float s = ForChannel(std, c, 1), m = ForChannel(mean, c, 0);
    if (std::isfinite(largest * (scale / s)) && std::isfinite(m / s)) continue;
    return MakeError(ErrorClass::kAttr,
                     "normalization: the std of channel %d is %g: divided by it, values up to %g or the mean %g "
                     "are not finite",
                     c, s, largest * scale, m);
  }
  return absl::OkStatus();
}

void Normalization::Apply(absl::Span<const uint8_t> in, int64_t channels, absl::Span<float> out) const {
  ApplyTo(*this, in, channels, out);
}

void Normalization::Apply(absl::Span<const float> in, int64_t channels, absl::Span<float> out) const {
  ApplyTo(*this, in, channels, out);
}

float UsableStd(double std, double mean, float scale) {
  const auto s = static_cast<float>(std);
  const bool usable = s > 0 && std::isfinite(scale / s) && std::isfinite(static_cast<float>(mean) / s);
  return usable ? s : 1;
}

int64_t NumChannels(const Shape& sample_shape) { return sample_shape.empty() ? 1 : sample_shape[0]; }

Normalization ComputeMeanStd(const Dataset& dataset, float scale) {
  return dataset.features.dtype() == DType::kU8 ? Compute<uint8_t>(dataset, scale) : Compute<float>(dataset, scale);
}

}  // namespace athanor
