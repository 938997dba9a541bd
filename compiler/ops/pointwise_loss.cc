#include "compiler/ops/pointwise_loss.h"

#include <memory>

#include "compiler/ops/broadcast.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

enum { kPred, kTarget, kPosWeight };
enum { kGradDloss, kGradPred, kGradTarget, kGradPosWeight };

std::string Reduction(const OpContext& c) { return c.attrs().String("reduction"); }

// What the sum of the elements is multiplied by.
double ScaleOf(const std::string& reduction, const Shape& pred) {
  if (reduction == "mean") return 1.0 / static_cast<double>(*NumElements(pred));
  return reduction == "batchmean" ? 1.0 / static_cast<double>(pred[0]) : 1.0;
}

AttrDef ReductionAttr(const PointwiseLoss& loss) {
  AttrDef def{.name = "reduction",
              .type = AttrType::kString,
              .doc = "of the elements",
              .default_value = std::string("mean"),
              .choices = {"mean", "sum", "none"}};
  if (loss.batchmean) {
    def.doc += "; batchmean: their sum divided by the size of dimension 0";
    def.default_value = std::string("batchmean");
    def.choices.push_back("batchmean");
  }
  return def;
}

std::vector<AttrDef> AttributeDefs(const PointwiseLoss& loss) {
  std::vector<AttrDef> defs = {ReductionAttr(loss)};
  defs.insert(defs.end(), loss.attributes.begin(), loss.attributes.end());
  return defs;
}

// Prediction, target and pos_weight from input number `pred` on.
absl::Status CheckOperands(const InferContext& c, int pred) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, pred, "pred"));
  ATH_RETURN_IF_ERROR(CheckSameType(c, pred + 1, "target", c.Input(pred), "pred"));
  if (Reduction(c) == "batchmean") ATH_RETURN_IF_ERROR(c.CheckRank(pred, "pred", 1, kMaxRank));
  if (!c.HasInput(pred + 2)) return absl::OkStatus();
  ATH_RETURN_IF_ERROR(CheckNumbers(c, pred + 2, "pos_weight"));
  ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, c.Broadcast(c.Input(pred), c.Input(pred + 2)));
  if (dims == c.Input(pred).dims) return absl::OkStatus();
  return c.Error(ErrorClass::kShape, "input \"pos_weight\" is %s: it does not broadcast to pred, %s",
                 c.Input(pred + 2).ToString(), c.Input(pred).ToString());
}

TensorType LossType(const InferContext& c, int pred) {
  return Reduction(c) == "none" ? c.Input(pred) : TensorType{c.Input(pred).dtype, {}};
}

absl::Status Gradient(GradientContext& c, const PointwiseLoss& loss) {
  if (c.NeedsGrad(kPosWeight)) return c.Error(ErrorClass::kGraph, "its pos_weight cannot be trained");
  const TensorType pred = c.TypeOf(c.Input(kPred));
  if (!pred.concrete()) {
    return c.Error(ErrorClass::kShape, "pred is %s: symbols must be fixed before it is differentiated",
                   pred.ToString());
  }
  ValueId dloss = c.OutputGrad();
  const double scale = ScaleOf(Reduction(c), pred.shape());
  if (scale != 1) {
    ATH_ASSIGN_OR_RETURN(dloss, c.Emit("Mul", {dloss, c.Constant(DoubleTensor({}, scale).To(pred.dtype))}));
  }
  std::vector<ValueId> inputs = {dloss, c.Input(kPred), c.Input(kTarget)};
  if (c.HasInput(kPosWeight)) inputs.push_back(c.Input(kPosWeight));
  const int outputs = c.NeedsGrad(kTarget) ? 2 : 1;
  Attributes attrs = c.attrs();
  attrs.Erase("reduction");
  ATH_ASSIGN_OR_RETURN(std::vector<ValueId> grads,
                       c.EmitMulti(loss.name + "Grad", std::move(inputs), std::move(attrs), outputs));
  for (int i = 0; i < outputs; ++i) {
    if (c.NeedsGrad(i)) c.SetInputGrad(i, grads[i]);
  }
  return absl::OkStatus();
}

// Kernel "elementwise": inputs (pred, target[, pos_weight]), outputs (elements); then "reduction": inputs (elements),
// outputs (loss). For a batchmean the elements are scaled, then summed up.
absl::Status Lower(LowerContext& c, const PointwiseLoss& loss) {
  const std::string reduction = Reduction(c);
  const Shape shape = c.InputShape(kPred);
  ElementwiseWriter writer;
  std::vector<BufferId> inputs;
  std::vector<Elem> x;
  for (int i : {kPred, kTarget, kPosWeight}) {
    if (!c.HasInput(i)) continue;
    x.push_back(Elem(&writer, {MicroOperand::kInput, static_cast<int>(inputs.size()), 0}));
    inputs.push_back(c.Input(i));
  }
  Elem element = loss.formula(c.attrs(), x[kPred], x[kTarget], x.size() > kPosWeight ? x[kPosWeight] : Elem(1));
  if (reduction == "batchmean") element = element * ScaleOf(reduction, shape);
  const ElementwiseProgram program = writer.Finish({element.operand});
  const bool reduced = reduction != "none";
  const BufferId elements = reduced ? c.Temporary("elements", DType::kF32, shape) : c.Output();
  c.Emit("elementwise", std::move(inputs), {elements}, {{"program", program.ToString()}});
  if (!reduced) return absl::OkStatus();
  Ints axes;
  for (size_t d = 0; d < shape.size(); ++d) axes.push_back(static_cast<int64_t>(d));
  const std::string algorithm = reduction == "mean" ? "mean" : "sum";
  c.Emit("reduction", {elements}, {c.Output()}, {{"algorithm", algorithm}, {"axes", axes}, {"keepdims", false}});
  return absl::OkStatus();
}

// Of an operand that is spread over the prediction's shape as NumPy does: what stands at element i; 1 if it is absent.
double Spread(const ReferenceContext& c, int input, const Shape& pred, int64_t i) {
  if (!c.HasInput(input)) return 1;
  const std::vector<int64_t> strides = RowMajorStrides(pred), from = BroadcastStrides(c.Input(input).shape, pred);
  int64_t at = 0;
  for (size_t d = 0; d < pred.size(); ++d) at += i / strides[d] % pred[d] * from[d];
  return c.Input(input)[at];
}

absl::Status Reference(ReferenceContext& c, const PointwiseLoss& loss) {
  const DoubleTensor &x = c.Input(kPred), &t = c.Input(kTarget);
  const double scale = ScaleOf(Reduction(c), x.shape);
  for (int64_t i = 0; i < x.size(); ++i) {
    const double element = loss.reference(c.attrs(), x[i], t[i], Spread(c, kPosWeight, x.shape, i));
    c.Output()[Reduction(c) == "none" ? i : 0] += element * scale;
  }
  return absl::OkStatus();
}

OpDef ForwardDef(const std::shared_ptr<const PointwiseLoss>& loss) {
  OpDef def;
  def.name = loss->name;
  def.doc = loss->doc;
  def.inputs = {{"pred", loss->pred_doc}, {"target", loss->target_doc}};
  if (loss->pos_weight) {
    def.inputs.push_back(
        {.name = "pos_weight", .doc = "f32, broadcasts to pred: of the positive part", .optional = true});
  }
  def.outputs = {{"loss", "f32[]; reduction \"none\": like pred"}};
  def.attributes = AttributeDefs(*loss);
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckOperands(c, kPred));
    c.SetOutput(0, LossType(c, kPred));
    return absl::OkStatus();
  };
  def.gradient = [loss](GradientContext& c) { return Gradient(c, *loss); };
  def.kernels = "elementwise, reduction";
  def.lower = [loss](LowerContext& c) { return Lower(c, *loss); };
  def.reference = [loss](ReferenceContext& c) { return Reference(c, *loss); };
  return def;
}

absl::Status GradInfer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, kGradPred, "pred"));
  ATH_RETURN_IF_ERROR(CheckSameType(c, kGradTarget, "target", c.Input(kGradPred), "pred"));
  if (c.HasInput(kGradPosWeight)) ATH_RETURN_IF_ERROR(CheckNumbers(c, kGradPosWeight, "pos_weight"));
  for (int i : {kGradDloss, kGradPosWeight}) {
    if (!c.HasInput(i)) continue;
    ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, c.Broadcast(c.Input(kGradPred), c.Input(i)));
    if (dims == c.Input(kGradPred).dims && c.Input(i).dtype == c.Input(kGradPred).dtype) continue;
    return c.Error(ErrorClass::kShape, "input \"%s\" is %s: it does not broadcast to pred, %s",
                   i == kGradDloss ? "dloss" : "pos_weight", c.Input(i).ToString(), c.Input(kGradPred).ToString());
  }
  for (int i : {0, 1}) c.SetOutput(i, c.Input(kGradPred));
  return absl::OkStatus();
}

absl::Status GradReference(ReferenceContext& c, const PointwiseLoss& loss) {
  const DoubleTensor &x = c.Input(kGradPred), &t = c.Input(kGradTarget);
  for (int64_t i = 0; i < x.size(); ++i) {
    const double w = Spread(c, kGradPosWeight, x.shape, i);
    const std::array<double, 2> slopes = loss.gradient_reference(c.attrs(), x[i], t[i], w);
    for (int o : {0, 1}) {
      if (c.HasOutput(o)) c.Output(o)[i] = slopes[o] * Spread(c, kGradDloss, x.shape, i);
    }
  }
  return absl::OkStatus();
}

OpDef BackwardDef(const std::shared_ptr<const PointwiseLoss>& loss) {
  OpDef def;
  def.name = loss->name + "Grad";
  def.doc = "The gradients of the elements of " + loss->name + ".";
  def.inputs = {{"dloss", "like pred, or broadcasts to it: of the elements"},
                {"pred", loss->pred_doc},
                {"target", loss->target_doc}};
  if (loss->pos_weight) def.inputs.push_back({.name = "pos_weight", .doc = "the forward operator's", .optional = true});
  def.outputs = {{.name = "dpred", .doc = "like pred", .optional = true},
                 {.name = "dtarget", .doc = "like pred", .optional = true}};
  def.attributes = loss->attributes;
  def.infer = GradInfer;
  def.elementwise = [loss](const Node& node, absl::Span<const Elem> in) -> std::vector<Elem> {
    const bool weighted = node.inputs.size() > kGradPosWeight && node.inputs[kGradPosWeight] != kNoValue;
    const std::array<Elem, 2> slopes =
        loss->gradient(node.attrs, in[kGradPred], in[kGradTarget], weighted ? in[kGradPosWeight] : Elem(1));
    return {slopes[0] * in[kGradDloss], slopes[1] * in[kGradDloss]};
  };
  def.reference = [loss](ReferenceContext& c) { return GradReference(c, *loss); };
  def.traits.elementwise = true;
  return def;
}

}  // namespace

bool RegisterPointwiseLoss(const PointwiseLoss& loss) {
  const auto shared = std::make_shared<const PointwiseLoss>(loss);
  OpRegistry::Get().Register(ForwardDef(shared));
  OpRegistry::Get().Register(BackwardDef(shared));
  return true;
}

}  // namespace athanor
