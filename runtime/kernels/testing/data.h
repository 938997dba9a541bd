// Data for tests of kernels.
#ifndef ATHANOR_RUNTIME_KERNELS_TESTING_DATA_H_
#define ATHANOR_RUNTIME_KERNELS_TESTING_DATA_H_

#include <cstdint>
#include <vector>

#include "runtime/core/tensor.h"

namespace athanor {

// Every element type that tensors may have.
inline constexpr DType kAllDTypes[] = {DType::kF32, DType::kF64, DType::kS32,  DType::kS64,
                                       DType::kU8,  DType::kS8,  DType::kBF16, DType::kBool};

// Uniform f32 in [low, high), the same in every run; `stream` tells tensors apart.
Tensor RandomTensor(Shape shape, uint64_t stream, double low = -1, double high = 1);
// Element i is 1 + i % 119 (a bool: whether i % 3 is 0), in any element type: for kernels that only move elements.
Tensor CountingTensor(DType dtype, Shape shape);
// The bits of an element, whatever its type.
uint64_t ElementBits(const Tensor& t, int64_t i);
// Whether all that is stored beside the elements of an f32 tensor, in a layout with padding, is zero.
bool PaddedWithZeros(const Tensor& row_major, const std::vector<std::byte>& stored);
// Calls f(index, i) for every index of `shape` in row-major order; i counts.
template <typename F>
void ForEachIndex(const Shape& shape, F&& f) {
  const int64_t elements = *NumElements(shape);
  Shape index(shape.size(), 0);
  for (int64_t i = 0; i < elements; ++i) {
    f(static_cast<const Shape&>(index), i);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}
// Where an index lies in a row-major tensor.
inline int64_t RowMajorOffset(const Shape& shape, const Shape& index) {
  int64_t offset = 0;
  for (size_t d = 0; d < shape.size(); ++d) offset = offset * shape[d] + index[d];
  return offset;
}

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_TESTING_DATA_H_
