// Softplus, straight where it differs from x by less than f32 can tell.
#include <algorithm>
#include <cmath>

#include "compiler/ops/unary.h"

namespace athanor {
namespace {

// log(1 + exp(-20)) / 20 is 1e-10: from here on the threshold changes nothing in f32.
constexpr double kThreshold = 20;

bool IsStraightEarly(const Attributes& a) { return a.Float("threshold") < kThreshold; }

// Where beta x is above the threshold; for both contexts that make nodes.
template <typename Context>
absl::StatusOr<ValueId> IsAbove(Context& c) {
  ATH_ASSIGN_OR_RETURN(ValueId scaled,
                       c.Emit("Mul", {c.Input(0), c.Constant(static_cast<float>(c.attrs().Float("beta")))}));
  return c.Emit("Greater", {scaled, c.Constant(static_cast<float>(c.attrs().Float("threshold")))});
}

// By the output, below the threshold: 1 - exp(-beta y), which is exact at both ends.
absl::Status Gradient(GradientContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("SoftplusGrad", {c.OutputGrad(), c.Output()}, c.attrs()));
  if (IsStraightEarly(c.attrs())) {
    ATH_ASSIGN_OR_RETURN(ValueId above, IsAbove(c));
    ATH_ASSIGN_OR_RETURN(dx, c.Emit("Where", {above, c.OutputGrad(), dx}));
  }
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

// A low threshold becomes a choice of its own, so that what is left is the one smooth function, a post-op of oneDNN's.
absl::Status ExpandLowThreshold(ExpandContext& c) {
  if (!IsStraightEarly(c.attrs())) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(ValueId above, IsAbove(c));
  ATH_ASSIGN_OR_RETURN(ValueId smooth, c.Emit("Softplus", {c.Input(0)}, {{"beta", c.attrs().Float("beta")}}));
  ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("Where", {above, c.Input(0), smooth}));
  c.SetOutput(0, y);
  return absl::OkStatus();
}

UnaryOp Softplus() {
  UnaryOp op{.name = "Softplus",
             .doc = "y = log(1 + exp(beta x)) / beta, or x where beta x is above the threshold (torch.nn.Softplus).",
             .attributes = {PositiveAttr("beta", "above 0", 1.0),
                            FiniteAttr("threshold", "of beta x; from 20 on it changes nothing in f32", kThreshold)},
             .formula = [](const Attributes& a, Elem x) {
               return Max(x, 0) + Log1p(Exp(-Abs(a.Float("beta") * x))) / a.Float("beta");
             },
             .reference = [](const Attributes& a, double x) {
               const double beta = a.Float("beta"), z = beta * x;
               if (z > a.Float("threshold")) return x;
               return (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)))) / beta;
             }};
  op.slope = [](const Attributes& a, Elem y) { return -Expm1(-a.Float("beta") * y); };
  op.slope_reference = [](const Attributes& a, double y) { return -std::expm1(-a.Float("beta") * y); };
  op.by_output = ByOutput;
  op.gradient = Gradient;
  op.expand = ExpandLowThreshold;
  op.post_op = true;
  return op;
}

[[maybe_unused]] const bool kRegistered = RegisterUnary({Softplus()});

}  // namespace
}  // namespace athanor
