// The loops of a reduction over a row-major tensor, forward and backward.
#ifndef ATHANOR_RUNTIME_KERNELS_REDUCTION_NEST_H_
#define ATHANOR_RUNTIME_KERNELS_REDUCTION_NEST_H_

#include <array>

#include "runtime/kernels/own_loop.h"

namespace athanor {

// Dimensions that are visited together, outermost first, with their strides in the tensor that is reduced.
struct LoopDims {
  int rank = 0;
  std::array<int64_t, kMaxRank> sizes = {}, strides = {};
  int64_t count = 1;  // product of the sizes

  void Append(int64_t size, int64_t stride) {
    sizes[rank] = size, strides[rank++] = stride;
    count *= size;
  }
  // Of the i-th visit, in elements.
  int64_t Offset(int64_t i) const {
    int64_t offset = 0;
    for (int d = rank; d-- > 1;) {
      offset += i % sizes[d] * strides[d];
      i /= sizes[d];
    }
    return offset + i * strides[0];  // no division where there is only one
  }
};

// The result's element (k, j) is the reduction over r and i of x[kept.Offset(k) + reduced.Offset(r) + i], j = 0 and
// i < inner, if the innermost dimension is reduced; else of x[kept.Offset(k) + reduced.Offset(r) + j], j < inner.
struct ReductionNest {
  LoopDims kept, reduced;
  int64_t inner = 1;
  bool inner_reduced = true;

  // Elements of x an element of the result.
  int64_t count() const { return reduced.count * (inner_reduced ? inner : 1); }
  int64_t results() const { return kept.count * (inner_reduced ? 1 : inner); }
};

// `axes` are in range, in ascending order, each once; no dimension is 0.
ReductionNest MakeNest(const Shape& x, const Ints& axes);

// Reads attributes axes and keepdims of a call that reduces x to y (or brings the gradient of y back to x), and checks
// them and y. PLAN errors.
absl::Status ReadReduction(const CallSpec& spec, const MemoryDesc& x, const MemoryDesc& y, ReductionNest* nest,
                           DType dtype = DType::kF32);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_REDUCTION_NEST_H_
