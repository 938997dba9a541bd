// MeanSquaredError: the loss of a regression, and its gradient.
#include <string>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

bool IsMean(const OpContext& c) { return c.attrs().String("reduction") == "mean"; }

double Scale(const OpContext& c, const DoubleTensor& pred) {
  return IsMean(c) ? 1.0 / static_cast<double>(pred.size()) : 1.0;
}

AttrDef ReductionAttr() {
  return {.name = "reduction",
          .type = AttrType::kString,
          .doc = "of the squares",
          .default_value = std::string("mean"),
          .choices = {"mean", "sum"}};
}

absl::Status CheckPair(const InferContext& c, int pred) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, pred, "pred"));
  return CheckSameType(c, pred + 1, "target", c.Input(pred), "pred");
}

absl::Status Gradient(GradientContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId dpred,
                       c.Emit("MeanSquaredErrorGrad", {c.OutputGrad(), c.Input(0), c.Input(1)}, c.attrs()));
  if (c.NeedsGrad(0)) c.SetInputGrad(0, dpred);
  if (c.NeedsGrad(1)) {
    ATH_ASSIGN_OR_RETURN(ValueId dtarget, c.Emit("Mul", {dpred, c.Constant(-1.0f)}));
    c.SetInputGrad(1, dtarget);
  }
  return absl::OkStatus();
}

OpDef ForwardDef() {
  OpDef def;
  def.name = "MeanSquaredError";
  def.doc = "loss = the mean, or the sum, of (pred - target)^2 over all elements.";
  def.inputs = {{"pred", "f32, any shape"}, {"target", "like pred"}};
  def.outputs = {{"loss", "f32[]"}};
  def.attributes = {ReductionAttr()};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckPair(c, 0));
    c.SetOutput(0, {c.Input(0).dtype, {}});
    return absl::OkStatus();
  };
  def.gradient = Gradient;
  // Kernel "squared_error": inputs (pred, target), outputs (loss), attributes {mean}.
  def.lower = [](LowerContext& c) {
    c.Emit("squared_error", {c.Input(0), c.Input(1)}, {c.Output()}, {{"mean", IsMean(c)}});
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor &a = c.Input(0), &b = c.Input(1);
    for (int64_t i = 0; i < a.size(); ++i) c.Output()[0] += (a[i] - b[i]) * (a[i] - b[i]) * Scale(c, a);
    return absl::OkStatus();
  };
  return def;
}

OpDef BackwardDef() {
  OpDef def;
  def.name = "MeanSquaredErrorGrad";
  def.doc = "dpred = 2 dloss (pred - target), divided by the number of elements for a mean.";
  def.inputs = {{"dloss", "f32[]"}, {"pred", "f32, any shape"}, {"target", "like pred"}};
  def.outputs = {{"dpred", "like pred"}};
  def.attributes = {ReductionAttr()};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckPair(c, 1));
    ATH_RETURN_IF_ERROR(CheckSameType(c, 0, "dloss", {c.Input(1).dtype, {}}, "the loss"));
    c.SetOutput(0, c.Input(1));
    return absl::OkStatus();
  };
  // Kernel "squared_error_backward": inputs (dloss, pred, target), outputs (dpred), attributes {mean}.
  def.lower = [](LowerContext& c) {
    c.Emit("squared_error_backward", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()}, {{"mean", IsMean(c)}});
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor &a = c.Input(1), &b = c.Input(2);
    for (int64_t i = 0; i < a.size(); ++i) c.Output()[i] = 2 * c.Input(0)[0] * (a[i] - b[i]) * Scale(c, a);
    return absl::OkStatus();
  };
  def.traits.in_place = {{0, 1}, {0, 2}};
  return def;
}

ATH_REGISTER_OP(ForwardDef());
ATH_REGISTER_OP(BackwardDef());

}  // namespace
}  // namespace athanor
