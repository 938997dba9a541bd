// SoftmaxCrossEntropy and CategoricalCrossEntropy: the losses of a classifier against labels and against probabilities,
// and their gradients.
#include <algorithm>
#include <cmath>

#include "compiler/ops/class_loss.h"

namespace athanor {
namespace {

// Inputs of the losses, and of the gradients' operators.
enum { kLogits, kTarget, kWeights };
enum { kGradDloss, kGradProbabilities, kGradTarget, kGradWeights };

absl::Status CheckTargets(const InferContext& c, bool dense, int scores, const char* name) {
  ATH_RETURN_IF_ERROR(CheckScores(c, scores, name));
  if (dense) {
    ATH_RETURN_IF_ERROR(CheckSameType(c, scores + 1, "target", c.Input(scores), name));
  } else {
    ATH_RETURN_IF_ERROR(CheckLabels(c, scores, scores + 1));
  }
  return CheckClassWeights(c, scores, scores + 2);
}

// How much of -log(p[c]) is in the loss of each target, like the logits; and by what a mean divides.
struct Shares {
  DoubleTensor share;
  double denominator = 0;
};

absl::StatusOr<Shares> SharesOf(const ReferenceContext& c, bool dense, int scores) {
  const ClassLines lines(c, c.Input(scores).shape);
  const int target = scores + 1, weights = scores + 2;
  Shares shares{DoubleTensor(c.Input(scores).shape), static_cast<double>(lines.targets())};
  const double smoothing = c.attrs().Float("label_smoothing");
  std::vector<int64_t> labels;
  if (!dense) {
    ATH_ASSIGN_OR_RETURN(labels, ReadLabels(c, target, lines.classes));
    shares.denominator = WeightOfLabels(c, weights, labels);
  }
  for (int64_t i = 0; i < lines.targets(); ++i) {
    if (!dense && labels[i] < 0) continue;
    for (int64_t k = 0; k < lines.classes; ++k) {
      const double t = dense ? c.Input(target)[lines.at(i, k)] : k == labels[i];
      shares.share[lines.at(i, k)] =
          ClassWeight(c, weights, k) * ((1 - smoothing) * t + smoothing / static_cast<double>(lines.classes));
    }
  }
  return shares;
}

namespace forward {

absl::Status Infer(InferContext& c, bool dense) {
  ATH_RETURN_IF_ERROR(CheckTargets(c, dense, kLogits, "logits"));
  c.SetOutput(0, LossType(c, kLogits));
  c.SetOutput(1, c.Input(kLogits));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c, const std::string& name) {
  if (!c.HasOutput(1)) return c.Error(ErrorClass::kGraph, "its gradient needs the output \"probabilities\"");
  ATH_RETURN_IF_ERROR(RefuseWeightsGradient(c, kWeights));
  if (c.NeedsGrad(kTarget)) return c.Error(ErrorClass::kGraph, "its target has no gradient");
  ValueId sum = kNoValue;
  if (c.OutputGrad(0) != kNoValue) {
    std::vector<ValueId> inputs = {c.OutputGrad(0), c.Output(1), c.Input(kTarget)};
    if (c.HasInput(kWeights)) inputs.push_back(c.Input(kWeights));
    ATH_ASSIGN_OR_RETURN(sum, c.Emit(name + "Grad", std::move(inputs), c.attrs()));
  }
  if (c.OutputGrad(1) != kNoValue) {
    ATH_ASSIGN_OR_RETURN(ValueId more,
                         c.Emit("SoftmaxGrad", {c.OutputGrad(1), c.Output(1)}, {{"axis", c.attrs().Int("axis")}}));
    if (sum == kNoValue) {
      sum = more;
    } else {
      ATH_ASSIGN_OR_RETURN(sum, c.Emit("Add", {sum, more}));
    }
  }
  c.SetInputGrad(kLogits, sum);
  return absl::OkStatus();
}

Attributes KernelAttrs(const LowerContext& c, bool dense, int scores) {
  Attributes attrs = ClassLossKernelAttrs(c, c.InputShape(scores).size(), c.HasInput(scores + 2));
  attrs.Set("label_smoothing", c.attrs().Float("label_smoothing"));
  attrs.Set("dense", dense);
  return attrs;
}

// Kernel "softmax_cross_entropy": inputs (logits, target[, weights]), outputs (loss, probabilities).
absl::Status Lower(LowerContext& c, bool dense) {
  BufferId probabilities =
      c.HasOutput(1) ? c.Output(1) : c.Temporary("probabilities", DType::kF32, c.InputShape(kLogits));
  std::vector<BufferId> inputs = {c.Input(kLogits), c.Input(kTarget)};
  if (c.HasInput(kWeights)) inputs.push_back(c.Input(kWeights));
  c.Emit("softmax_cross_entropy", std::move(inputs), {c.Output(0), probabilities}, KernelAttrs(c, dense, kLogits));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c, bool dense) {
  const DoubleTensor& x = c.Input(kLogits);
  const ClassLines lines(c, x.shape);
  ATH_ASSIGN_OR_RETURN(Shares shares, SharesOf(c, dense, kLogits));
  std::vector<double> losses(lines.targets(), 0);
  for (int64_t i = 0; i < lines.targets(); ++i) {
    double max = x[lines.at(i, 0)], sum = 0;
    for (int64_t k = 0; k < lines.classes; ++k) max = std::max(max, x[lines.at(i, k)]);
    for (int64_t k = 0; k < lines.classes; ++k) sum += std::exp(x[lines.at(i, k)] - max);
    for (int64_t k = 0; k < lines.classes; ++k) {
      const int64_t at = lines.at(i, k);
      if (shares.share[at] != 0) losses[i] += shares.share[at] * (std::log(sum) - (x[at] - max));
      if (c.HasOutput(1)) c.Output(1)[at] = std::exp(x[at] - max) / sum;
    }
  }
  ReduceLosses(c, losses, shares.denominator);
  return absl::OkStatus();
}

}  // namespace forward

namespace backward {

absl::Status Infer(InferContext& c, bool dense) {
  ATH_RETURN_IF_ERROR(CheckTargets(c, dense, kGradProbabilities, "probabilities"));
  ATH_RETURN_IF_ERROR(CheckLossGrad(c, kGradDloss, kGradProbabilities));
  c.SetOutput(0, c.Input(kGradProbabilities));
  return absl::OkStatus();
}

// Kernel "softmax_cross_entropy_backward": inputs (dloss, probabilities, target[, weights]), outputs (dlogits).
absl::Status Lower(LowerContext& c, bool dense) {
  std::vector<BufferId> inputs = {c.Input(kGradDloss), c.Input(kGradProbabilities), c.Input(kGradTarget)};
  if (c.HasInput(kGradWeights)) inputs.push_back(c.Input(kGradWeights));
  c.Emit("softmax_cross_entropy_backward", std::move(inputs), {c.Output()},
         forward::KernelAttrs(c, dense, kGradProbabilities));
  return absl::OkStatus();
}

// dlogits = dloss (p sum(share) - share).
absl::Status Reference(ReferenceContext& c, bool dense) {
  const DoubleTensor& p = c.Input(kGradProbabilities);
  const ClassLines lines(c, p.shape);
  ATH_ASSIGN_OR_RETURN(Shares shares, SharesOf(c, dense, kGradProbabilities));
  for (int64_t i = 0; i < lines.targets(); ++i) {
    double sum = 0;
    for (int64_t k = 0; k < lines.classes; ++k) sum += shares.share[lines.at(i, k)];
    const double gradient = LossGradOf(c, i, shares.denominator);
    for (int64_t k = 0; k < lines.classes; ++k) {
      const int64_t at = lines.at(i, k);
      c.Output()[at] = gradient * (p[at] * sum - shares.share[at]);
    }
  }
  return absl::OkStatus();
}

}  // namespace backward

PortDef TargetPort(bool dense) {
  if (dense) return {"target", "like the logits: probabilities of the classes"};
  return {"labels", "s32, the logits' shape without the classes, each in [0, C) or ignore_index"};
}

std::vector<AttrDef> AttributeDefs(bool dense) {
  std::vector<AttrDef> defs = {ReductionAttr(), ClassAxisAttr(), LabelSmoothingAttr()};
  if (!dense) defs.push_back(IgnoreIndexAttr());
  return defs;
}

OpDef ForwardDef(const std::string& name, bool dense, const std::string& doc) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = {{"logits", "f32, rank at least 2"},
                TargetPort(dense),
                {.name = "weights", .doc = "f32[C]: of the classes, 1 if absent", .optional = true}};
  def.outputs = {{"loss", "f32[]; reduction \"none\": the logits' shape without the classes"},
                 {.name = "probabilities", .doc = "like the logits: their softmax", .optional = true}};
  def.attributes = AttributeDefs(dense);
  def.infer = [dense](InferContext& c) { return forward::Infer(c, dense); };
  def.gradient = [name](GradientContext& c) { return forward::Gradient(c, name); };
  def.kernels = "softmax_cross_entropy";
  def.lower = [dense](LowerContext& c) { return forward::Lower(c, dense); };
  def.reference = [dense](ReferenceContext& c) { return forward::Reference(c, dense); };
  def.traits.gradient_outputs = {1};
  return def;
}

OpDef BackwardDef(const std::string& name, bool dense) {
  OpDef def;
  def.name = name + "Grad";
  def.doc = "dlogits = dloss (probabilities sum(share) - share), share being what " + name + " has of each class.";
  def.inputs = {{"dloss", "like the loss"},
                {"probabilities", "the forward operator's"},
                TargetPort(dense),
                {.name = "weights", .doc = "f32[C]", .optional = true}};
  def.outputs = {{"dlogits", "like the probabilities"}};
  def.attributes = AttributeDefs(dense);
  def.infer = [dense](InferContext& c) { return backward::Infer(c, dense); };
  def.kernels = "softmax_cross_entropy_backward";
  def.lower = [dense](LowerContext& c) { return backward::Lower(c, dense); };
  def.reference = [dense](ReferenceContext& c) { return backward::Reference(c, dense); };
  def.traits.in_place = {{0, kGradProbabilities}};
  return def;
}

[[maybe_unused]] const bool kRegistered = [] {
  OpRegistry& registry = OpRegistry::Get();
  registry.Register(ForwardDef(
      "SoftmaxCrossEntropy", false,
      "loss = log(sum(e^logits)) - logits[label], the maximum subtracted first, times the label's class weight; "
      "smoothed as torch.nn.CrossEntropyLoss does. The mean is over the weights of the labels that are not ignored; of "
      "none it is 0."));
  registry.Register(BackwardDef("SoftmaxCrossEntropy", false));
  registry.Register(ForwardDef(
      "CategoricalCrossEntropy", true,
      "loss = the sum over the classes of -weight target log(softmax(logits)): torch.nn.CrossEntropyLoss with "
      "probabilities as target. The mean is over the targets, whatever the weights. The target has no gradient."));
  registry.Register(BackwardDef("CategoricalCrossEntropy", true));
  return true;
}();

}  // namespace
}  // namespace athanor
