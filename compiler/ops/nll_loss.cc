// NLLLoss: the negative log likelihood of labels, of logarithms of probabilities; and its gradient.
#include "compiler/ops/class_loss.h"

namespace athanor {
namespace {

enum { kX, kLabels, kWeights };
enum { kGradDloss, kGradX, kGradLabels, kGradWeights };

std::vector<AttrDef> AttributeDefs() { return {ReductionAttr(), ClassAxisAttr(), IgnoreIndexAttr()}; }

absl::Status CheckInputs(const InferContext& c, int x) {
  ATH_RETURN_IF_ERROR(CheckScores(c, x, "x"));
  ATH_RETURN_IF_ERROR(CheckLabels(c, x, x + 1));
  return CheckClassWeights(c, x, x + 2);
}

absl::Status Gradient(GradientContext& c) {
  ATH_RETURN_IF_ERROR(RefuseWeightsGradient(c, kWeights));
  std::vector<ValueId> inputs = {c.OutputGrad(), c.Input(kX), c.Input(kLabels)};
  if (c.HasInput(kWeights)) inputs.push_back(c.Input(kWeights));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("NLLLossGrad", std::move(inputs), c.attrs()));
  c.SetInputGrad(kX, dx);
  return absl::OkStatus();
}

OpDef ForwardDef() {
  OpDef def;
  def.name = "NLLLoss";
  def.doc =
      "loss = -weight[label] x[label], x being logarithms of probabilities (torch.nn.NLLLoss). The mean is over the "
      "weights of the labels that are not ignored; of none it is 0.";
  def.inputs = {{"x", "f32, rank at least 2"},
                {"labels", "s32, x's shape without the classes, each in [0, C) or ignore_index"},
                {.name = "weights", .doc = "f32[C]: of the classes, 1 if absent", .optional = true}};
  def.outputs = {{"loss", "f32[]; reduction \"none\": x's shape without the classes"}};
  def.attributes = AttributeDefs();
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckInputs(c, kX));
    c.SetOutput(0, LossType(c, kX));
    return absl::OkStatus();
  };
  def.gradient = Gradient;
  // Kernel "nll_loss": inputs (x, labels[, weights]), outputs (loss).
  def.kernels = "nll_loss";
  def.lower = [](LowerContext& c) {
    std::vector<BufferId> inputs = {c.Input(kX), c.Input(kLabels)};
    if (c.HasInput(kWeights)) inputs.push_back(c.Input(kWeights));
    c.Emit("nll_loss", std::move(inputs), {c.Output()},
           ClassLossKernelAttrs(c, c.InputShape(kX).size(), c.HasInput(kWeights)));
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) -> absl::Status {
    const ClassLines lines(c, c.Input(kX).shape);
    ATH_ASSIGN_OR_RETURN(std::vector<int64_t> labels, ReadLabels(c, kLabels, lines.classes));
    std::vector<double> losses(labels.size(), 0);
    for (int64_t i = 0; i < lines.targets(); ++i) {
      if (labels[i] >= 0) losses[i] = -ClassWeight(c, kWeights, labels[i]) * c.Input(kX)[lines.at(i, labels[i])];
    }
    ReduceLosses(c, losses, WeightOfLabels(c, kWeights, labels));
    return absl::OkStatus();
  };
  return def;
}

OpDef BackwardDef() {
  OpDef def;
  def.name = "NLLLossGrad";
  def.doc = "dx[label] = -dloss weight[label], 0 elsewhere; divided as the mean is.";
  def.inputs = {{"dloss", "like the loss"},
                {"x", "the forward operator's, for its shape"},
                {"labels", "the forward operator's"},
                {.name = "weights", .doc = "f32[C]", .optional = true}};
  def.outputs = {{"dx", "like x"}};
  def.attributes = AttributeDefs();
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckInputs(c, kGradX));
    ATH_RETURN_IF_ERROR(CheckLossGrad(c, kGradDloss, kGradX));
    c.SetOutput(0, c.Input(kGradX));
    return absl::OkStatus();
  };
  // Kernel "nll_loss_backward": inputs (dloss, labels[, weights]), outputs (dx).
  def.kernels = "nll_loss_backward";
  def.lower = [](LowerContext& c) {
    std::vector<BufferId> inputs = {c.Input(kGradDloss), c.Input(kGradLabels)};
    if (c.HasInput(kGradWeights)) inputs.push_back(c.Input(kGradWeights));
    c.Emit("nll_loss_backward", std::move(inputs), {c.Output()},
           ClassLossKernelAttrs(c, c.InputShape(kGradX).size(), c.HasInput(kGradWeights)));
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) -> absl::Status {
    const ClassLines lines(c, c.Input(kGradX).shape);
    ATH_ASSIGN_OR_RETURN(std::vector<int64_t> labels, ReadLabels(c, kGradLabels, lines.classes));
    const double denominator = WeightOfLabels(c, kGradWeights, labels);
    for (int64_t i = 0; i < lines.targets(); ++i) {
      if (labels[i] < 0) continue;
      c.Output()[lines.at(i, labels[i])] = -ClassWeight(c, kGradWeights, labels[i]) * LossGradOf(c, i, denominator);
    }
    return absl::OkStatus();
  };
  return def;
}

ATH_REGISTER_OP(ForwardDef());
ATH_REGISTER_OP(BackwardDef());

}  // namespace
}  // namespace athanor
