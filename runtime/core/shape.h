// Concrete shapes: int64 dimensions, row-major. A rank-0 shape is a scalar with one element.
#ifndef ATHANOR_RUNTIME_CORE_SHAPE_H_
#define ATHANOR_RUNTIME_CORE_SHAPE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "runtime/core/dtype.h"
#include "runtime/core/status.h"

namespace athanor {

using Shape = std::vector<int64_t>;

inline constexpr int kMaxRank = 8;

// Product of the dimensions. SHAPE error for a negative dimension or rank > kMaxRank, LIMIT error if the product
// overflows int64 (also when a later dimension is 0).
absl::StatusOr<int64_t> NumElements(absl::Span<const int64_t> shape);
// NumElements * DTypeSize, checked.
absl::StatusOr<int64_t> NumBytes(DType dtype, absl::Span<const int64_t> shape);
// "[2,3]"; "[]" for a scalar.
std::string ShapeToString(absl::Span<const int64_t> shape);
// Strides in elements of a dense row-major array.
std::vector<int64_t> RowMajorStrides(absl::Span<const int64_t> shape);
// NumPy's broadcasting of two shapes; SHAPE error naming both when they do not fit.
absl::StatusOr<Shape> BroadcastShapes(absl::Span<const int64_t> a, absl::Span<const int64_t> b);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_SHAPE_H_
