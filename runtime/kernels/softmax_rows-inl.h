// The pieces of softmax over one row of contiguous floats, for the instruction set being compiled: Highway's
// foreach_target.h includes this file once for each.
#if defined(ATHANOR_RUNTIME_KERNELS_SOFTMAX_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_SOFTMAX_ROWS_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_SOFTMAX_ROWS_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_SOFTMAX_ROWS_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "runtime/kernels/partial_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// e^x for x <= 0. Highway's Exp makes 0 of NaN, which would hide it from the loss.
inline FloatVec ExpOrNaN(FloatVec x) { return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(FloatTag(), x)); }

inline float RowMax(const float* x, int64_t n) {
  const FloatTag d;
  const float lowest = -std::numeric_limits<float>::infinity();
  FloatVec max = hn::Set(d, lowest);
  int64_t i = 0;
  for (; i + FloatLanes() <= n; i += FloatLanes()) max = hn::Max(max, hn::LoadU(d, x + i));
  if (i < n) max = hn::Max(max, LoadPart(x + i, n - i, lowest));
  return hn::GetLane(hn::MaxOfLanes(d, max));
}

// The sum of e^(x - max); stores the terms in y unless it is null. y may be x.
inline float RowExpSum(const float* x, int64_t n, float max, float* y) {
  const FloatTag d;
  const FloatVec shift = hn::Set(d, max);
  FloatVec sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + FloatLanes() <= n; i += FloatLanes()) {
    const FloatVec e = ExpOrNaN(hn::Sub(hn::LoadU(d, x + i), shift));
    sum = hn::Add(sum, e);
    if (y != nullptr) hn::StoreU(e, d, y + i);
  }
  if (i < n) {
    // Behind the row stand values that add nothing, even where the maximum is NaN or infinite.
    const FloatVec e = ExpOrNaN(hn::Sub(LoadPart(x + i, n - i, 0), shift));
    sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(n - i)), e));
    if (y != nullptr) StorePart(e, y + i, n - i);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// What the softmax of a row is made of.
struct RowSums {
  float max, sum;  // of x; of e^(x - max)
};

// A row that fits a vector, without going through memory: y = softmax(x), or the logarithm of it. y may be x.
inline RowSums ShortRowSoftmax(const float* x, int64_t n, bool log, float* y) {
  const FloatTag d;
  const auto row = hn::FirstN(d, static_cast<size_t>(n));
  const FloatVec v = LoadPart(x, n, -std::numeric_limits<float>::infinity());
  const FloatVec max = hn::MaxOfLanes(d, v), shifted = hn::Sub(v, max);
  const FloatVec e = hn::IfThenElseZero(row, ExpOrNaN(shifted));
  const RowSums sums{hn::GetLane(max), hn::GetLane(hn::SumOfLanes(d, e))};
  if (log) {
    StorePart(hn::Sub(shifted, hn::Set(d, std::log(sums.sum))), y, n);
  } else {
    StorePart(hn::Mul(e, hn::Set(d, 1 / sums.sum)), y, n);
  }
  return sums;
}

// y = (x - shift) * scale. y may be x.
inline void RowShiftScale(const float* x, int64_t n, float shift, float scale, float* y) {
  const FloatTag d;
  const FloatVec s = hn::Set(d, shift), f = hn::Set(d, scale);
  int64_t i = 0;
  for (; i + FloatLanes() <= n; i += FloatLanes()) hn::StoreU(hn::Mul(hn::Sub(hn::LoadU(d, x + i), s), f), d, y + i);
  if (i < n) StorePart(hn::Mul(hn::Sub(LoadPart(x + i, n - i, 0), s), f), y + i, n - i);
}

inline RowSums RowSoftmax(const float* x, int64_t n, bool log, float* y) {
  if (n <= FloatLanes()) return ShortRowSoftmax(x, n, log, y);
  const float max = RowMax(x, n);
  const RowSums sums{max, RowExpSum(x, n, max, log ? nullptr : y)};
  if (log) {
    // Two subtractions: the sum of maximum and logarithm could lose the logarithm.
    RowShiftScale(x, n, max, 1, y);
    RowShiftScale(y, n, std::log(sums.sum), 1, y);
  } else {
    RowShiftScale(y, n, 0, 1 / sums.sum, y);
  }
  return sums;
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif  // ATHANOR_RUNTIME_KERNELS_SOFTMAX_ROWS_INL_H_
