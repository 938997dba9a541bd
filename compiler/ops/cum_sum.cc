// CumSum: running sums.
#include "compiler/ops/axis.h"

namespace athanor {
namespace {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, "x"));
  ATH_RETURN_IF_ERROR(c.Axis(c.attrs().Int("axis"), c.Input(0).rank()).status());
  c.SetOutput(0, c.Input(0));
  return absl::OkStatus();
}

// An element is in the sums at and behind it: its gradient is the running sum from the other end.
absl::Status Gradient(GradientContext& c) {
  Attributes attrs = c.attrs();
  attrs.Set("reverse", !c.attrs().Bool("reverse"));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("CumSum", {c.OutputGrad()}, std::move(attrs)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  const AxisLoops l = LoopsAlong(x.shape, AxisOf(c.attrs(), x.shape.size()));
  const bool exclusive = c.attrs().Bool("exclusive"), reverse = c.attrs().Bool("reverse");
  for (int64_t line = 0; line < l.lines(); ++line) {
    double sum = 0;
    for (int64_t k = 0; k < l.size; ++k) {
      const int64_t a = reverse ? l.size - 1 - k : k, i = (line / l.inner * l.size + a) * l.inner + line % l.inner;
      if (!exclusive) sum += x[i];
      c.Output()[i] = sum;
      if (exclusive) sum += x[i];
    }
  }
  return absl::OkStatus();
}

// Kernel "cum_sum": inputs (x), outputs (y), attributes {axis, exclusive, reverse}.
absl::Status Lower(LowerContext& c) {
  Attributes attrs = c.attrs();
  attrs.Set("axis", AxisOf(c.attrs(), c.InputShape(0).size()));
  c.Emit("cum_sum", {c.Input(0)}, {c.Output()}, std::move(attrs));
  return absl::OkStatus();
}

OpDef CumSumDef() {
  OpDef def;
  def.name = "CumSum";
  def.doc = "y[a] = x[0] + .. + x[a] along the axis, as torch.cumsum and ONNX's CumSum.";
  def.inputs = {{"x", "f32, at least one dimension"}};
  def.outputs = {{"y", "like x"}};
  def.attributes = {
      AxisAttr(),
      {.name = "exclusive", .type = AttrType::kBool, .doc = "without x[a] itself", .default_value = false},
      {.name = "reverse", .type = AttrType::kBool, .doc = "from the end on", .default_value = false},
  };
  def.infer = Infer;
  def.gradient = Gradient;
  def.kernels = "cum_sum";
  def.lower = Lower;
  def.reference = Reference;
  def.traits.in_place = {{0, 0}};
  return def;
}

ATH_REGISTER_OP(CumSumDef());

}  // namespace
}  // namespace athanor
