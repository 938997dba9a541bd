// PReLU: a leaky ReLU whose slope is learned.
#include "compiler/ops/nary.h"

namespace athanor {
namespace {

const char* const kForward[] = {"x", "slope"};
const char* const kBackward[] = {"dy", "x", "slope"};

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(InferNumbers(c, kForward));
  ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, BroadcastAll(c));
  if (dims != c.Input(0).dims) {
    return c.Error(ErrorClass::kShape, "input \"slope\" is %s, which does not broadcast to x's %s",
                   c.Input(1).ToString(), c.Input(0).ToString());
  }
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  if (c.NeedsGrad(0)) {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("PReLUGrad", {c.OutputGrad(), c.Input(0), c.Input(1)}));
    c.SetInputGrad(0, dx);
  }
  if (!c.NeedsGrad(1)) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(ValueId part, c.Emit("PReLUSlopeGrad", {c.OutputGrad(), c.Input(0)}));
  return SetReducedGrad(c, 1, part);
}

OpDef PReluDef() {
  NaryOp op{.name = "PReLU",
            .doc = "y = x where x > 0, else slope x (He et al., 2015; ONNX's PRelu). torch.nn.PReLU's weight [C] is "
                   "the slope [C, 1, ...].",
            .inputs = {{"x", "f32, any shape"}, {"slope", "f32, a shape that broadcasts to x's"}},
            .output = {"y", "like x"},
            .infer = Infer,
            .formula = [](absl::Span<const Elem> x) { return Select(Gt(x[0], 0), x[0], x[1] * x[0]); },
            .reference = [](absl::Span<const double> x) { return x[0] > 0 ? x[0] : x[1] * x[0]; },
            .gradient = Gradient};
  OpDef def = NaryDef(op);
  def.traits.in_place = {{0, 0}};
  return def;
}

OpDef PReluGradDef() {
  return NaryDef({.name = "PReLUGrad",
                  .doc = "dy where x > 0, else slope dy: the gradient of PReLU by x.",
                  .inputs = {{"dy", "f32"}, {"x", "f32"}, {"slope", "f32; all broadcast"}},
                  .output = {"dx", "f32, the broadcast shape"},
                  .infer = [](InferContext& c) { return InferNumbers(c, kBackward); },
                  .formula = [](absl::Span<const Elem> x) { return Select(Gt(x[1], 0), x[0], x[2] * x[0]); },
                  .reference = [](absl::Span<const double> x) { return x[1] > 0 ? x[0] : x[2] * x[0]; }});
}

OpDef PReluSlopeGradDef() {
  return NaryDef({.name = "PReLUSlopeGrad",
                  .doc = "0 where x > 0, else x dy: what each element adds to the gradient of PReLU's slope.",
                  .inputs = {{"dy", "f32"}, {"x", "f32; both broadcast"}},
                  .output = {"part", "f32, the broadcast shape"},
                  .infer = [](InferContext& c) { return InferNumbers(c, kBackward); },
                  .formula = [](absl::Span<const Elem> x) { return Select(Gt(x[1], 0), 0, x[1] * x[0]); },
                  .reference = [](absl::Span<const double> x) { return x[1] > 0 ? 0 : x[1] * x[0]; }});
}

ATH_REGISTER_OP(PReluDef());
ATH_REGISTER_OP(PReluGradDef());
ATH_REGISTER_OP(PReluSlopeGradDef());

}  // namespace
}  // namespace athanor
