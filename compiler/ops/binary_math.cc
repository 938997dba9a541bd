// Pow, Min and Max with NumPy's broadcasting, and their gradients.
#include <algorithm>
#include <cmath>

#include "compiler/ops/nary.h"

namespace athanor {
namespace {

const char* const kTwo[] = {"a", "b"};
const char* const kThree[] = {"dy", "a", "b"};

absl::Status InferTwo(InferContext& c) { return InferNumbers(c, kTwo); }
absl::Status InferThree(InferContext& c) { return InferNumbers(c, kThree); }

NaryOp Two(const char* name, const char* doc) {
  NaryOp op{.name = name,
            .doc = doc,
            .inputs = {{"a", "f32, any shape"}, {"b", "f32, a shape that broadcasts with a's"}},
            .infer = InferTwo,
            .reference = nullptr};
  return op;
}

NaryOp Gradient(const char* name, const char* doc) {
  NaryOp op{.name = name,
            .doc = doc,
            .inputs = {{"dy", "f32"}, {"a", "f32"}, {"b", "f32; all broadcast"}},
            .infer = InferThree,
            .reference = nullptr};
  return op;
}

// By the operators that give each operand's part from (dy, it, the other).
GradientFn ByOperand(const char* op_a, const char* op_b, bool other_first) {
  return [=](GradientContext& c) -> absl::Status {
    for (int i : {0, 1}) {
      if (!c.NeedsGrad(i)) continue;
      const int first = other_first ? 0 : i;
      ATH_ASSIGN_OR_RETURN(ValueId part, c.Emit(i == 0 ? op_a : op_b,
                                                {c.OutputGrad(), c.Input(first), c.Input(1 - first)}));
      ATH_RETURN_IF_ERROR(SetReducedGrad(c, i, part));
    }
    return absl::OkStatus();
  };
}

OpDef PowDef() {
  NaryOp op = Two("Pow", "y = a^b by element, broadcast; NaN for a negative base and an exponent that is no integer.");
  op.formula = [](absl::Span<const Elem> x) { return Pow(x[0], x[1]); };
  op.reference = [](absl::Span<const double> x) { return std::pow(x[0], x[1]); };
  op.gradient = ByOperand("PowBaseGrad", "PowExponentGrad", /*other_first=*/true);
  return NaryDef(op);
}

// What torch has at the edges: an exponent of 0 has no slope, whatever the base, and a base of 0 none in the exponent.
OpDef PowBaseGradDef() {
  NaryOp op = Gradient("PowBaseGrad", "dy b a^(b - 1), and 0 where b is 0: the gradient of a^b by a.");
  op.formula = [](absl::Span<const Elem> x) {
    return Select(Eq(x[2], 0), 0, x[0] * (x[2] * Pow(x[1], x[2] - 1)));
  };
  op.reference = [](absl::Span<const double> x) {
    return x[2] == 0 ? 0 : x[0] * (x[2] * std::pow(x[1], x[2] - 1));
  };
  return NaryDef(op);
}

OpDef PowExponentGradDef() {
  NaryOp op = Gradient("PowExponentGrad", "dy a^b log(a), and 0 where a is 0 and b not negative: that by b.");
  op.formula = [](absl::Span<const Elem> x) {
    return Select(And(Eq(x[1], 0), Ge(x[2], 0)), 0, x[0] * (Pow(x[1], x[2]) * Log(x[1])));
  };
  op.reference = [](absl::Span<const double> x) {
    return x[1] == 0 && x[2] >= 0 ? 0 : x[0] * (std::pow(x[1], x[2]) * std::log(x[1]));
  };
  return NaryDef(op);
}

double MinOf(absl::Span<const double> x) {
  return std::isnan(x[0]) ? x[0] : std::isnan(x[1]) || x[1] < x[0] ? x[1] : x[0];
}
double MaxOf(absl::Span<const double> x) {
  return std::isnan(x[0]) ? x[0] : std::isnan(x[1]) || x[1] > x[0] ? x[1] : x[0];
}

OpDef MinDef() {
  NaryOp op = Two("Min", "The smaller of a and b, broadcast; NaN where one is. At ties each has half the gradient.");
  op.formula = [](absl::Span<const Elem> x) { return Min(x[0], x[1]); };
  op.reference = MinOf;
  op.gradient = ByOperand("MinGrad", "MinGrad", /*other_first=*/false);
  op.commutative = true;
  return NaryDef(op);
}

OpDef MaxDef() {
  NaryOp op = Two("Max", "The larger of a and b, broadcast; NaN where one is. At ties each has half the gradient.");
  op.formula = [](absl::Span<const Elem> x) { return Max(x[0], x[1]); };
  op.reference = MaxOf;
  op.gradient = ByOperand("MaxGrad", "MaxGrad", /*other_first=*/false);
  op.commutative = true;
  return NaryDef(op);
}

OpDef MinGradDef() {
  NaryOp op = Gradient("MinGrad", "dy where a is the smaller, half of it where b equals a, else 0: a's part of Min.");
  op.formula = [](absl::Span<const Elem> x) {
    return Select(Gt(x[1], x[2]), 0, Select(Eq(x[1], x[2]), 0.5 * x[0], x[0]));
  };
  op.reference = [](absl::Span<const double> x) { return x[1] > x[2] ? 0 : x[1] == x[2] ? x[0] / 2 : x[0]; };
  return NaryDef(op);
}

OpDef MaxGradDef() {
  NaryOp op = Gradient("MaxGrad", "dy where a is the larger, half of it where b equals a, else 0: a's part of Max.");
  op.formula = [](absl::Span<const Elem> x) {
    return Select(Lt(x[1], x[2]), 0, Select(Eq(x[1], x[2]), 0.5 * x[0], x[0]));
  };
  op.reference = [](absl::Span<const double> x) { return x[1] < x[2] ? 0 : x[1] == x[2] ? x[0] / 2 : x[0]; };
  return NaryDef(op);
}

ATH_REGISTER_OP(PowDef());
ATH_REGISTER_OP(PowBaseGradDef());
ATH_REGISTER_OP(PowExponentGradDef());
ATH_REGISTER_OP(MinDef());
ATH_REGISTER_OP(MaxDef());
ATH_REGISTER_OP(MinGradDef());
ATH_REGISTER_OP(MaxGradDef());

}  // namespace
}  // namespace athanor
