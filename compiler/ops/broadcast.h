// NumPy's broadcasting in the references of operators.
#ifndef ATHANOR_COMPILER_OPS_BROADCAST_H_
#define ATHANOR_COMPILER_OPS_BROADCAST_H_

#include <cstdint>
#include <vector>

#include "runtime/core/shape.h"

namespace athanor {

// Element strides of an operand of shape `from` when it is read as the shape `to` that it broadcasts to: 0 along the
// dimensions that repeat.
inline std::vector<int64_t> BroadcastStrides(const Shape& from, const Shape& to) {
  std::vector<int64_t> strides(to.size(), 0), own = RowMajorStrides(from);
  for (size_t k = 1; k <= from.size(); ++k) {
    if (from[from.size() - k] != 1) strides[to.size() - k] = own[from.size() - k];
  }
  return strides;
}

// Calls f(i, ia, ib) for every element i of `out` in row-major order, with the elements of a and b that it takes.
template <typename F>
void ForEachBroadcast(const Shape& out, const Shape& a, const Shape& b, F&& f) {
  const int64_t elements = *NumElements(out);
  const std::vector<int64_t> stride_a = BroadcastStrides(a, out), stride_b = BroadcastStrides(b, out);
  Shape index(out.size(), 0);
  int64_t ia = 0, ib = 0;
  for (int64_t i = 0; i < elements; ++i) {
    f(i, ia, ib);
    for (int d = static_cast<int>(out.size()) - 1; d >= 0; --d) {
      ia += stride_a[d], ib += stride_b[d];
      if (++index[d] < out[d]) break;
      ia -= stride_a[d] * out[d], ib -= stride_b[d] * out[d];
      index[d] = 0;
    }
  }
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_BROADCAST_H_
