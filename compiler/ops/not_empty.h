// Shape rules of operators that make no sense of an empty tensor.
#ifndef ATHANOR_COMPILER_OPS_NOT_EMPTY_H_
#define ATHANOR_COMPILER_OPS_NOT_EMPTY_H_

#include "compiler/opdef/contexts.h"

namespace athanor {

// SHAPE error when a dimension of the input is the number 0.
inline absl::Status CheckNotEmpty(const InferContext& c, int i, absl::string_view what) {
  for (const Dim& d : c.Input(i).dims) {
    if (d.symbolic() || d.size != 0) continue;
    return c.Error(ErrorClass::kShape, "input \"%s\" is %s: it is empty", what, c.Input(i).ToString());
  }
  return absl::OkStatus();
}

// A floating-point input with no dimension of 0.
inline absl::Status CheckNumbers(const InferContext& c, int i, absl::string_view what) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(i, what));
  return CheckNotEmpty(c, i, what);
}

// SHAPE error unless the input is of this type.
inline absl::Status CheckSameType(const InferContext& c, int i, absl::string_view what, const TensorType& type,
                                  absl::string_view like) {
  if (c.Input(i) == type) return absl::OkStatus();
  ErrorClass error = c.Input(i).dtype == type.dtype ? ErrorClass::kShape : ErrorClass::kDtype;
  return c.Error(error, "input \"%s\" is %s, expected %s like %s", what, c.Input(i).ToString(), type.ToString(), like);
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_NOT_EMPTY_H_
