// Elementwise operators on several tensors that broadcast as NumPy does: what they share.
#ifndef ATHANOR_COMPILER_OPS_NARY_H_
#define ATHANOR_COMPILER_OPS_NARY_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"

namespace athanor {

struct NaryOp {
  std::string name, doc;
  std::vector<PortDef> inputs;
  PortDef output = {"y", "f32, the broadcast shape"};
  InferFn infer;
  Elem (*formula)(absl::Span<const Elem> x) = nullptr;  // null: `lower` or `expand` is set by the caller
  double (*reference)(absl::Span<const double> x);
  GradientFn gradient = nullptr;  // null: not differentiable
  bool commutative = false;
};
OpDef NaryDef(const NaryOp& op);

// The shape that all inputs broadcast to. SHAPE error where two do not fit.
absl::StatusOr<std::vector<Dim>> BroadcastAll(const InferContext& c);
// Shape rule: every input is floating (DTYPE error), as is the output, of the shape that they broadcast to.
absl::Status InferNumbers(InferContext& c, absl::Span<const char* const> names);

// Sums `grad`, of the output's shape, to the shape of input i, and sets it.
absl::Status SetReducedGrad(GradientContext& c, int i, ValueId grad);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_NARY_H_
