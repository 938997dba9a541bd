// What the operators of optimizers share.
#ifndef ATHANOR_COMPILER_OPS_OPTIMIZER_H_
#define ATHANOR_COMPILER_OPS_OPTIMIZER_H_

#include <cmath>
#include <string>

#include "compiler/opdef/op_def.h"

namespace athanor {

// SHAPE or DTYPE error unless input i, where it is given, is of the type of input 0, the parameter.
inline absl::Status CheckLikeParam(const InferContext& c, int i, absl::string_view what) {
  if (!c.HasInput(i) || c.Input(i) == c.Input(0)) return absl::OkStatus();
  return c.Error(c.Input(i).dtype == c.Input(0).dtype ? ErrorClass::kShape : ErrorClass::kDtype,
                 "input \"%s\" is %s, but input \"param\" is %s", what, c.Input(i).ToString(), c.Input(0).ToString());
}

// Error unless input i, where it is given, is a scalar of this type.
inline absl::Status CheckScalar(const InferContext& c, int i, absl::string_view what, DType dtype) {
  if (!c.HasInput(i)) return absl::OkStatus();
  ATH_RETURN_IF_ERROR(c.CheckDtype(i, what, dtype));
  return c.CheckRank(i, what, 0, 0);
}

// What the kernels check when they run: ATTR errors.
inline absl::Status CheckLr(const ReferenceContext& c, double lr) {
  if (lr >= 0 && std::isfinite(lr)) return absl::OkStatus();
  return c.Error(ErrorClass::kAttr, "the learning rate \"lr\" is %g, expected a finite number >= 0", lr);
}
inline absl::Status CheckStep(const ReferenceContext& c, double step) {
  if (step >= 1) return absl::OkStatus();
  return c.Error(ErrorClass::kAttr, "\"step\" is %g, expected 1 in the first step and more later", step);
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_OPTIMIZER_H_
