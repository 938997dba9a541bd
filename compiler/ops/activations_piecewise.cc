// Activations made of straight lines: Step, HardSigmoid, HardSwish, ReLU6, LeakyReLU, ThresholdedReLU, Clip.
#include <algorithm>
#include <limits>

#include "compiler/ops/unary.h"

namespace athanor {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

UnaryOp Step() {
  UnaryOp op{.name = "Step",
             .doc = "Heaviside's step: y = 1 where x > 0, else 0. Its gradient is zero.",
             .formula = [](const Attributes&, Elem x) { return Gt(x, 0); },
             .reference = [](const Attributes&, double x) { return x > 0 ? 1.0 : 0.0; }};
  op.gradient = ZeroGradient;
  return op;
}

// The ends are flat, as torch has it.
UnaryOp HardSigmoid() {
  UnaryOp op{.name = "HardSigmoid",
             .doc = "y = alpha x + beta, held in [0, 1]. ONNX's alpha is 0.2; torch.nn.Hardsigmoid is alpha = 1/6.",
             .attributes = {FiniteAttr("alpha", "slope in the middle", 0.2), FiniteAttr("beta", "value at 0", 0.5)},
             .formula = [](const Attributes& a, Elem x) {
               return Min(Max(a.Float("alpha") * x + a.Float("beta"), 0), 1);
             },
             .reference = [](const Attributes& a, double x) {
               const double z = a.Float("alpha") * x + a.Float("beta");
               return z < 0 ? 0 : z > 1 ? 1 : z;
             }};
  op.slope = [](const Attributes& a, Elem y) { return Select(And(Gt(y, 0), Lt(y, 1)), a.Float("alpha"), 0); };
  op.slope_reference = [](const Attributes& a, double y) { return y > 0 && y < 1 ? a.Float("alpha") : 0; };
  op.by_output = ByOutput;
  op.post_op = true;
  return op;
}

UnaryOp HardSwish() {
  UnaryOp op{.name = "HardSwish",
             .doc = "y = x (x / 6 + 1 / 2 held in [0, 1]) (Howard et al., 2019; torch.nn.Hardswish).",
             .formula = [](const Attributes&, Elem x) { return x * Min(Max(x / 6 + 0.5, 0), 1); },
             .reference = [](const Attributes&, double x) {
               return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
             }};
  op.slope = [](const Attributes&, Elem x) { return Select(Le(x, -3), 0, Select(Ge(x, 3), 1, x / 3 + 0.5)); };
  op.slope_reference = [](const Attributes&, double x) { return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5; };
  op.post_op = true;
  return op;
}

UnaryOp Relu6() {
  UnaryOp op{.name = "ReLU6",
             .doc = "y = x held in [0, 6] (torch.nn.ReLU6): flat at 0 and 6.",
             .formula = [](const Attributes&, Elem x) { return Min(Max(x, 0), 6); },
             .reference = [](const Attributes&, double x) { return x < 0 ? 0 : x > 6 ? 6 : x; }};
  op.slope = [](const Attributes&, Elem y) { return And(Gt(y, 0), Lt(y, 6)); };
  op.slope_reference = [](const Attributes&, double y) { return y > 0 && y < 6 ? 1.0 : 0.0; };
  op.by_output = ByOutput;
  op.post_op = true;
  return op;
}

// Input and output have one sign unless alpha is negative.
bool KeepsSign(const Attributes& a) { return a.Float("alpha") >= 0; }

UnaryOp LeakyRelu() {
  UnaryOp op{.name = "LeakyReLU",
             .doc = "y = x where x > 0, else alpha x (Maas et al., 2013; torch.nn.LeakyReLU).",
             .attributes = {FiniteAttr("alpha", "slope of the negative side", 0.01)},
             .formula = [](const Attributes& a, Elem x) { return Select(Gt(x, 0), x, a.Float("alpha") * x); },
             .reference = [](const Attributes& a, double x) { return x > 0 ? x : a.Float("alpha") * x; }};
  op.slope = [](const Attributes& a, Elem v) { return Select(Gt(v, 0), 1, a.Float("alpha")); };
  op.slope_reference = [](const Attributes& a, double v) { return v > 0 ? 1 : a.Float("alpha"); };
  op.by_output = KeepsSign;
  op.post_op = true;
  return op;
}

// An output above a threshold that is not negative comes from an input above it.
UnaryOp ThresholdedRelu() {
  UnaryOp op{.name = "ThresholdedReLU",
             .doc = "y = x where x > alpha, else 0 (Konda et al., 2014; ONNX's ThresholdedRelu).",
             .attributes = {FiniteAttr("alpha", "the threshold", 1.0)},
             .formula = [](const Attributes& a, Elem x) { return Select(Gt(x, a.Float("alpha")), x, 0); },
             .reference = [](const Attributes& a, double x) { return x > a.Float("alpha") ? x : 0; }};
  op.slope = [](const Attributes& a, Elem v) { return Gt(v, a.Float("alpha")); };
  op.slope_reference = [](const Attributes& a, double v) { return v > a.Float("alpha") ? 1.0 : 0.0; };
  op.by_output = KeepsSign;
  return op;
}

absl::Status CheckBounds(const InferContext& c) {
  const double min = c.attrs().Float("min"), max = c.attrs().Float("max");
  if (min <= max) return absl::OkStatus();
  return c.Error(ErrorClass::kAttr, "min = %g is above max = %g", min, max);
}

UnaryOp Clip() {
  UnaryOp op{.name = "Clip",
             .doc = "y = x held in [min, max] (torch.clamp). The gradient passes inside and at the ends.",
             .attributes = {{.name = "min", .type = AttrType::kFloat, .doc = "-inf: none", .default_value = -kInfinity},
                            {.name = "max", .type = AttrType::kFloat, .doc = "inf: none", .default_value = kInfinity}},
             .formula = [](const Attributes& a, Elem x) { return Min(Max(x, a.Float("min")), a.Float("max")); },
             .reference = [](const Attributes& a, double x) {
               return x < a.Float("min") ? a.Float("min") : x > a.Float("max") ? a.Float("max") : x;
             }};
  op.slope = [](const Attributes& a, Elem x) { return And(Ge(x, a.Float("min")), Le(x, a.Float("max"))); };
  op.slope_reference = [](const Attributes& a, double x) {
    return x >= a.Float("min") && x <= a.Float("max") ? 1.0 : 0.0;
  };
  op.check = CheckBounds;
  op.post_op = true;
  return op;
}

[[maybe_unused]] const bool kRegistered = RegisterUnary(
    {Step(), HardSigmoid(), HardSwish(), Relu6(), LeakyRelu(), ThresholdedRelu(), Clip()});

}  // namespace
}  // namespace athanor
