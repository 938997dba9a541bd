// The loops of row_normalization.cc, for the instruction set being compiled: Highway's foreach_target.h includes this
// file once for each.
#ifndef ATHANOR_RUNTIME_KERNELS_ROW_NORMALIZATION_ARGS_
#define ATHANOR_RUNTIME_KERNELS_ROW_NORMALIZATION_ARGS_

#include <cstdint>

namespace athanor {
namespace row_normalization {

// x is [samples, groups, channels, area]; scale and bias are [groups, channels], null where there are none.
struct Args {
  const float* x = nullptr;
  const float* dy = nullptr;
  const float* scale = nullptr;
  const float* bias = nullptr;
  float* result = nullptr;    // y or dx
  float* partials = nullptr;  // [parts, 2, groups, channels]: parts of dscale and dbias. Null: not wanted
  int64_t samples = 1, groups = 1, channels = 1, area = 1;
  bool center = true;
  double epsilon = 0;

  int64_t row_size() const { return channels * area; }
  int64_t affine_size() const { return groups * channels; }
};

inline constexpr int64_t kPiece = 2048;  // floats that are added up in float before double takes over

}  // namespace row_normalization
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_ROW_NORMALIZATION_ARGS_

#if defined(ATHANOR_RUNTIME_KERNELS_ROW_NORMALIZATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_ROW_NORMALIZATION_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_ROW_NORMALIZATION_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_ROW_NORMALIZATION_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "runtime/kernels/vector_loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

// The same of a long range, in double from piece to piece.
template <typename F>
HWY_INLINE Sums AddUpPieces(int64_t n, const F& f) {
  Sums sums;
  for (int64_t at = 0; at < n; at += row_normalization::kPiece) {
    const int64_t size = std::min(row_normalization::kPiece, n - at);
    const Sums piece = AddUpVectors(
        size, [&](int64_t i, int64_t count, FloatVec& a, FloatVec& b) ATH_INLINE { f(at + i, count, a, b); });
    sums.a += piece.a;
    sums.b += piece.b;
  }
  return sums;
}

// The mean is mean + rest, which one float would round by more than what is left of x after it is subtracted.
struct RowStatistics {
  float mean = 0, rest = 0, slope = 0;  // slope = 1 / sqrt(var + epsilon)
};

// Piece by piece: the sums of the deviations from an approximate mean and of their squares, which corrects that mean;
// pieces are put together as Chan, Golub and LeVeque (1983) do.
inline RowStatistics Statistics(const float* x, int64_t n, bool center, double epsilon) {
  const FloatTag d;
  double mean = 0, squares = 0;
  for (int64_t at = 0; at < n; at += row_normalization::kPiece) {
    const float* piece = x + at;
    const int64_t size = std::min(row_normalization::kPiece, n - at);
    float near_mean = 0;
    if (center) {
      const Sums sum = AddUpVectors(size, [&](int64_t i, int64_t count, FloatVec& a, FloatVec&) ATH_INLINE {
        a = hn::Add(a, LoadSome(piece + i, count));
      });
      near_mean = static_cast<float>(sum.a / static_cast<double>(size));
    }
    const FloatVec shift = hn::Set(d, near_mean);
    const Sums s = AddUpVectors(size, [&](int64_t i, int64_t count, FloatVec& a, FloatVec& b) ATH_INLINE {
      const FloatVec v = KeepSome(hn::Sub(LoadSome(piece + i, count), shift), count);
      a = hn::Add(a, v);
      b = hn::MulAdd(v, v, b);
    });
    if (!center) {
      squares += s.b;
      continue;
    }
    const double here = static_cast<double>(size), before = static_cast<double>(at);
    const double delta = near_mean + s.a / here - mean;
    mean += delta * here / (before + here);
    squares += s.b - s.a * s.a / here + delta * delta * before * here / (before + here);
  }
  const double variance = std::max(squares / static_cast<double>(n), 0.0);  // NaN stays NaN
  const float rounded = static_cast<float>(mean);
  return {rounded, static_cast<float>(mean - rounded), static_cast<float>(1 / std::sqrt(variance + epsilon))};
}

struct Normalizer {
  explicit Normalizer(const RowStatistics& s)
      : mean(hn::Set(FloatTag(), s.mean)), rest(hn::Set(FloatTag(), s.rest)), slope(hn::Set(FloatTag(), s.slope)) {}
  HWY_INLINE FloatVec Centered(FloatVec x) const { return hn::Sub(hn::Sub(x, mean), rest); }
  HWY_INLINE FloatVec operator()(FloatVec x) const { return hn::Mul(Centered(x), slope); }
  FloatVec mean, rest, slope;
};

// A row of one element a channel.
inline void NormalizeDense(const row_normalization::Args& a, int64_t row, const float* x, float* y) {
  const Normalizer x_hat(Statistics(x, a.channels, a.center, a.epsilon));
  const int64_t channel = row % a.groups * a.channels;
  const float* scale = a.scale == nullptr ? nullptr : a.scale + channel;
  const float* bias = a.bias == nullptr ? nullptr : a.bias + channel;
  ForEachVector(a.channels, [&](int64_t i, int64_t count) ATH_INLINE {
    FloatVec v = x_hat(LoadSome(x + i, count));
    if (scale != nullptr) v = hn::Mul(v, LoadSome(scale + i, count));
    if (bias != nullptr) v = hn::Add(v, LoadSome(bias + i, count));
    StoreSome(v, y + i, count);
  });
}

// A row of channels of several elements each.
inline void NormalizeAreas(const row_normalization::Args& a, int64_t row, const float* x, float* y) {
  const FloatTag d;
  const RowStatistics s = Statistics(x, a.row_size(), a.center, a.epsilon);
  const Normalizer x_hat(s);
  for (int64_t k = 0; k < a.channels; ++k) {
    const int64_t channel = row % a.groups * a.channels + k, at = k * a.area;
    const FloatVec factor = hn::Set(d, a.scale == nullptr ? s.slope : s.slope * a.scale[channel]);
    const FloatVec bias = hn::Set(d, a.bias == nullptr ? 0 : a.bias[channel]);
    ForEachVector(a.area, [&](int64_t i, int64_t count) ATH_INLINE {
      StoreSome(hn::MulAdd(x_hat.Centered(LoadSome(x + at + i, count)), factor, bias), y + at + i, count);
    });
  }
}

void NormalizeRows(const row_normalization::Args& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t at = row * a.row_size();
    a.area == 1 ? NormalizeDense(a, row, a.x + at, a.result + at) : NormalizeAreas(a, row, a.x + at, a.result + at);
  }
}

// Adds the row's terms of dscale and dbias to these, unless they are null.
inline void BackwardDense(const row_normalization::Args& a, int64_t row, float* dscale, float* dbias) {
  const FloatTag d;
  const float* x = a.x + row * a.channels;
  const float* dy = a.dy + row * a.channels;
  float* dx = a.result + row * a.channels;
  const float* scale = a.scale == nullptr ? nullptr : a.scale + row % a.groups * a.channels;
  const Normalizer x_hat(Statistics(x, a.channels, a.center, a.epsilon));
  auto gradient = [&](FloatVec g, int64_t i, int64_t count) ATH_INLINE {
    return scale == nullptr ? g : hn::Mul(g, LoadSome(scale + i, count));
  };
  const Sums sums = AddUpPieces(a.channels, [&](int64_t i, int64_t count, FloatVec& s, FloatVec& s_hat) ATH_INLINE {
    const FloatVec g = gradient(LoadSome(dy + i, count), i, count);  // zeros behind the end
    s = hn::Add(s, g);
    s_hat = hn::MulAdd(g, x_hat(LoadSome(x + i, count)), s_hat);
  });
  const double n = static_cast<double>(a.channels);
  const FloatVec mean = hn::Set(d, a.center ? static_cast<float>(sums.a / n) : 0.0f);
  const FloatVec mean_hat = hn::Set(d, static_cast<float>(sums.b / n));
  ForEachVector(a.channels, [&](int64_t i, int64_t count) ATH_INLINE {
    const FloatVec g = LoadSome(dy + i, count), h = x_hat(LoadSome(x + i, count));
    const FloatVec v = hn::NegMulAdd(h, mean_hat, hn::Sub(gradient(g, i, count), mean));
    StoreSome(hn::Mul(v, x_hat.slope), dx + i, count);
    if (dscale == nullptr) return;
    StoreSome(hn::MulAdd(g, h, LoadSome(dscale + i, count)), dscale + i, count);
    StoreSome(hn::Add(g, LoadSome(dbias + i, count)), dbias + i, count);
  });
}

// Writes part number `part` of dscale and dbias. Area is 1.
void NormalizeBackwardSamples(const row_normalization::Args& a, int64_t part, int64_t begin, int64_t end) {
  const int64_t size = a.affine_size();
  float* sums = a.partials == nullptr ? nullptr : a.partials + part * 2 * size;
  if (sums != nullptr) std::fill_n(sums, 2 * size, 0.0f);
  for (int64_t row = begin * a.groups; row < end * a.groups; ++row) {
    const int64_t channel = row % a.groups * a.channels;
    float* dscale = sums == nullptr ? nullptr : sums + channel;
    BackwardDense(a, row, dscale, sums == nullptr ? nullptr : dscale + size);
  }
}

// Part number n of dscale and dbias is sample n's.
inline void BackwardAreas(const row_normalization::Args& a, int64_t row) {
  const FloatTag d;
  const int64_t size = a.affine_size(), first = row % a.groups * a.channels;
  float* dscale = a.partials + row / a.groups * 2 * size + first;
  float* dbias = dscale + size;
  const RowStatistics s = Statistics(a.x + row * a.row_size(), a.row_size(), a.center, a.epsilon);
  const Normalizer x_hat(s);
  auto scale = [&](int64_t k) { return a.scale == nullptr ? 1.0f : a.scale[first + k]; };
  double sum = 0, sum_hat = 0;
  for (int64_t k = 0; k < a.channels; ++k) {
    const int64_t at = row * a.row_size() + k * a.area;
    const Sums sums = AddUpPieces(a.area, [&](int64_t i, int64_t count, FloatVec& g, FloatVec& g_hat) ATH_INLINE {
      const FloatVec dy = LoadSome(a.dy + at + i, count);
      g = hn::Add(g, dy);
      g_hat = hn::MulAdd(dy, x_hat(LoadSome(a.x + at + i, count)), g_hat);
    });
    sum += sums.a * scale(k);
    sum_hat += sums.b * scale(k);
    dscale[k] = static_cast<float>(sums.b);
    dbias[k] = static_cast<float>(sums.a);
  }
  const double n = static_cast<double>(a.row_size());
  const FloatVec mean = hn::Set(d, a.center ? static_cast<float>(sum / n) : 0.0f);
  const FloatVec mean_hat = hn::Set(d, static_cast<float>(sum_hat / n));
  for (int64_t k = 0; k < a.channels; ++k) {
    const int64_t at = row * a.row_size() + k * a.area;
    const FloatVec factor = hn::Set(d, scale(k));
    ForEachVector(a.area, [&](int64_t i, int64_t count) ATH_INLINE {
      const FloatVec h = x_hat(LoadSome(a.x + at + i, count));
      const FloatVec g = hn::MulSub(LoadSome(a.dy + at + i, count), factor, mean);
      StoreSome(hn::Mul(hn::NegMulAdd(h, mean_hat, g), x_hat.slope), a.result + at + i, count);
    });
  }
}

void NormalizeBackwardRows(const row_normalization::Args& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) BackwardAreas(a, row);
}

// sums[i] = the sum over parts of partials[part * stride + i].
void AddUpPartials(const float* partials, int64_t parts, int64_t stride, int64_t n, float* sums) {
  constexpr int64_t kColumns = 64;
  for (int64_t i = 0; i < n; i += kColumns) {
    const int64_t count = std::min(kColumns, n - i);
    double columns[kColumns] = {};
    for (int64_t part = 0; part < parts; ++part) {
      for (int64_t j = 0; j < count; ++j) columns[j] += partials[part * stride + i + j];
    }
    std::copy_n(columns, count, sums + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif  // ATHANOR_RUNTIME_KERNELS_ROW_NORMALIZATION_INL_H_
