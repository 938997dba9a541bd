// What operators along one axis share.
#ifndef ATHANOR_COMPILER_OPS_AXIS_H_
#define ATHANOR_COMPILER_OPS_AXIS_H_

#include "compiler/opdef/op_def.h"
#include "runtime/core/axis_loops.h"

namespace athanor {

// The checked attribute "axis" of a tensor of this rank, not negative.
inline int AxisOf(const Attributes& attrs, size_t rank) {
  const int64_t axis = attrs.Int("axis");
  return static_cast<int>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
}

inline AttrDef AxisAttr(std::optional<AttrValue> default_value = std::nullopt,
                        std::string doc = "the dimension, in [-rank, rank)") {
  return {.name = "axis", .type = AttrType::kInt, .doc = std::move(doc), .default_value = std::move(default_value)};
}

// DTYPE error unless the input holds indices.
inline absl::Status CheckIndices(const InferContext& c, int i, absl::string_view what) {
  const DType dtype = c.Input(i).dtype;
  if (dtype == DType::kS32 || dtype == DType::kS64) return absl::OkStatus();
  return c.Error(ErrorClass::kDtype, "input \"%s\" is %s, expected element type s32 or s64", what,
                 c.Input(i).ToString());
}

// Element number `position` of the indices; INDEX error naming its place, value and limit unless it is in [0, limit).
inline absl::StatusOr<int64_t> IndexAt(const ReferenceContext& c, const DoubleTensor& indices, int64_t position,
                                       int64_t limit) {
  const double value = indices[position];
  if (value >= 0 && value < static_cast<double>(limit)) return static_cast<int64_t>(value);
  std::string at;
  for (size_t d = indices.shape.size(); d-- > 0;) {
    at = std::to_string(position % indices.shape[d]) + (at.empty() ? "" : ",") + at;
    position /= indices.shape[d];
  }
  return c.Error(ErrorClass::kIndex, "indices[%s] = %d is not in [0, %d)", at, static_cast<int64_t>(value), limit);
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_AXIS_H_
