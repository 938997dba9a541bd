// MeanSquaredError: the loss of a regression, and its gradient.
#include <string>

#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

bool IsUnreduced(const OpContext& c) { return c.attrs().String("reduction") == "none"; }

// What the sum of the squares is multiplied by.
double Scale(const OpContext& c, const Shape& pred) {
  const std::string reduction = c.attrs().String("reduction");
  if (reduction == "mean") return 1.0 / static_cast<double>(*NumElements(pred));
  return reduction == "half_sum" ? 0.5 : 1.0;
}

AttrDef ReductionAttr() {
  return {.name = "reduction",
          .type = AttrType::kString,
          .doc = "of the squares; half_sum: half their sum",
          .default_value = std::string("mean"),
          .choices = {"mean", "sum", "half_sum", "none"}};
}

absl::Status CheckPair(const InferContext& c, int pred) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, pred, "pred"));
  return CheckSameType(c, pred + 1, "target", c.Input(pred), "pred");
}

TensorType LossType(const InferContext& c, int pred) {
  return IsUnreduced(c) ? c.Input(pred) : TensorType{c.Input(pred).dtype, {}};
}

// Unreduced: kernel "elementwise" over (pred, target), or over (dloss, pred, target).
void EmitSquares(LowerContext& c) {
  ElementwiseWriter writer;
  const Elem d = Elem(&writer, {MicroOperand::kInput, 0, 0}) - Elem(&writer, {MicroOperand::kInput, 1, 0});
  c.Emit("elementwise", {c.Input(0), c.Input(1)}, {c.Output()},
         {{"program", writer.Finish({(d * d).operand}).ToString()}});
}

void EmitSlopes(LowerContext& c) {
  ElementwiseWriter writer;
  const Elem dloss(&writer, {MicroOperand::kInput, 0, 0});
  const Elem d = Elem(&writer, {MicroOperand::kInput, 1, 0}) - Elem(&writer, {MicroOperand::kInput, 2, 0});
  c.Emit("elementwise", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()},
         {{"program", writer.Finish({(2 * dloss * d).operand}).ToString()}});
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
  def.doc =
      "loss = the mean, the sum or half the sum of (pred - target)^2 over all elements, or each of them "
      "(torch.nn.MSELoss).";
  def.inputs = {{"pred", "f32, any shape"}, {"target", "like pred"}};
  def.outputs = {{"loss", "f32[]; reduction \"none\": like pred"}};
  def.attributes = {ReductionAttr()};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckPair(c, 0));
    c.SetOutput(0, LossType(c, 0));
    return absl::OkStatus();
  };
  def.gradient = Gradient;
  // Kernel "squared_error": inputs (pred, target), outputs (loss), attributes {scale}.
  def.kernels = "squared_error, elementwise";
  def.lower = [](LowerContext& c) {
    if (IsUnreduced(c)) {
      EmitSquares(c);
    } else {
      c.Emit("squared_error", {c.Input(0), c.Input(1)}, {c.Output()}, {{"scale", Scale(c, c.InputShape(0))}});
    }
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor &a = c.Input(0), &b = c.Input(1);
    const double scale = Scale(c, a.shape);
    for (int64_t i = 0; i < a.size(); ++i) c.Output()[IsUnreduced(c) ? i : 0] += (a[i] - b[i]) * (a[i] - b[i]) * scale;
    return absl::OkStatus();
  };
  return def;
}

OpDef BackwardDef() {
  OpDef def;
  def.name = "MeanSquaredErrorGrad";
  def.doc = "dpred = 2 dloss (pred - target), scaled as the loss is.";
  def.inputs = {{"dloss", "like the loss"}, {"pred", "f32, any shape"}, {"target", "like pred"}};
  def.outputs = {{"dpred", "like pred"}};
  def.attributes = {ReductionAttr()};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckPair(c, 1));
    ATH_RETURN_IF_ERROR(CheckSameType(c, 0, "dloss", LossType(c, 1), "the loss"));
    c.SetOutput(0, c.Input(1));
    return absl::OkStatus();
  };
  // Kernel "squared_error_backward": inputs (dloss, pred, target), outputs (dpred), attributes {scale}.
  def.kernels = "squared_error_backward, elementwise";
  def.lower = [](LowerContext& c) {
    if (IsUnreduced(c)) {
      EmitSlopes(c);
    } else {
      c.Emit("squared_error_backward", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()},
             {{"scale", Scale(c, c.InputShape(1))}});
    }
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor &a = c.Input(1), &b = c.Input(2);
    const double scale = 2 * Scale(c, a.shape);
    for (int64_t i = 0; i < a.size(); ++i) {
      c.Output()[i] = scale * c.Input(0)[IsUnreduced(c) ? i : 0] * (a[i] - b[i]);
    }
    return absl::OkStatus();
  };
  def.traits.in_place = {{0, 1}, {0, 2}};
  return def;
}

ATH_REGISTER_OP(ForwardDef());
ATH_REGISTER_OP(BackwardDef());

}  // namespace
}  // namespace athanor
