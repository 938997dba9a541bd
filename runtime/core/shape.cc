#include "runtime/core/shape.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/core/checked.h"

namespace athanor {

absl::StatusOr<int64_t> NumElements(absl::Span<const int64_t> shape) {
  if (shape.size() > kMaxRank) {
    return MakeError(ErrorClass::kShape, "rank %d is above the limit of %d", shape.size(), kMaxRank);
  }
  // The nonzero dimensions are multiplied apart, so that a zero cannot hide an overflow.
  int64_t product = 1;
  bool empty = false;
  for (int64_t dim : shape) {
    if (dim < 0) {
      return MakeError(ErrorClass::kShape, "shape %s has the negative dimension %d", ShapeToString(shape), dim);
    }
    if (dim == 0) {
      empty = true;
      continue;
    }
    auto next = CheckedMul(product, dim);
    if (!next) {
      return MakeError(ErrorClass::kLimit, "the element count of shape %s overflows 64 bits", ShapeToString(shape));
    }
    product = *next;
  }
  return empty ? 0 : product;
}

absl::StatusOr<int64_t> NumBytes(DType dtype, absl::Span<const int64_t> shape) {
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(shape));
  auto bytes = CheckedMul(elements, static_cast<int64_t>(DTypeSize(dtype)));
  if (!bytes) {
    return MakeError(ErrorClass::kLimit, "the byte count of %s%s overflows 64 bits", DTypeName(dtype),
                     ShapeToString(shape));
  }
  return *bytes;
}

std::string ShapeToString(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

std::vector<int64_t> RowMajorStrides(absl::Span<const int64_t> shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (int i = static_cast<int>(shape.size()) - 2; i >= 0; --i) {
    strides[i] = strides[i + 1] * std::max<int64_t>(shape[i + 1], 1);
  }
  return strides;
}

absl::StatusOr<Shape> BroadcastShapes(absl::Span<const int64_t> a, absl::Span<const int64_t> b) {
  Shape out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1;
    int64_t db = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) {
      return MakeError(ErrorClass::kShape, "shapes %s and %s do not broadcast: %d against %d", ShapeToString(a),
                       ShapeToString(b), da, db);
    }
    out[out.size() - 1 - i] = da == 1 ? db : da;
  }
  return out;
}

}  // namespace athanor
