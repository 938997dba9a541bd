// MultiClassHinge: the margin loss of a classifier, and its gradient.
#include <algorithm>
#include <cmath>

#include "compiler/ops/class_loss.h"

namespace athanor {
namespace {

enum { kX, kLabels, kWeights };
enum { kGradDloss, kGradX, kGradLabels, kGradWeights };

std::vector<AttrDef> AttributeDefs() {
  return {ReductionAttr(),
          {.name = "p", .type = AttrType::kInt, .doc = "1 or 2", .default_value = int64_t{1}, .min = 1, .max = 2},
          {.name = "margin",
           .type = AttrType::kFloat,
           .doc = "by which the label's score shall be the largest",
           .default_value = 1.0,
           .min = -1e15,
           .max = 1e15}};
}

absl::Status CheckInputs(const InferContext& c, int x) {
  ATH_RETURN_IF_ERROR(CheckScores(c, x, "x", 2));
  ATH_RETURN_IF_ERROR(CheckLabels(c, x, x + 1));
  return CheckClassWeights(c, x, x + 2);
}

absl::Status Gradient(GradientContext& c) {
  ATH_RETURN_IF_ERROR(RefuseWeightsGradient(c, kWeights));
  std::vector<ValueId> inputs = {c.OutputGrad(), c.Input(kX), c.Input(kLabels)};
  if (c.HasInput(kWeights)) inputs.push_back(c.Input(kWeights));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("MultiClassHingeGrad", std::move(inputs), c.attrs()));
  c.SetInputGrad(kX, dx);
  return absl::OkStatus();
}

Attributes KernelAttrs(const LowerContext& c, bool weights) {
  Attributes attrs = ClassLossKernelAttrs(c, 2, weights);
  attrs.Set("p", c.attrs().Int("p"));
  attrs.Set("margin", c.attrs().Float("margin"));
  return attrs;
}

// Calls f(sample, label, class, max(0, margin - x[label] + x[class]), weight[label] / C) for all other classes.
template <typename F>
absl::Status ForEachRival(const ReferenceContext& c, int x, F&& f) {
  const ClassLines lines(c, c.Input(x).shape);
  ATH_ASSIGN_OR_RETURN(std::vector<int64_t> labels, ReadLabels(c, x + 1, lines.classes));
  for (int64_t n = 0; n < lines.targets(); ++n) {
    for (int64_t k = 0; k < lines.classes; ++k) {
      if (k == labels[n]) continue;
      const double z = c.attrs().Float("margin") - c.Input(x)[lines.at(n, labels[n])] + c.Input(x)[lines.at(n, k)];
      f(n, labels[n], k, std::max(z, 0.0), ClassWeight(c, x + 2, labels[n]) / static_cast<double>(lines.classes));
    }
  }
  return absl::OkStatus();
}

OpDef ForwardDef() {
  OpDef def;
  def.name = "MultiClassHinge";
  def.doc =
      "loss = weight[label] / C times the sum over the other classes c of max(0, margin - x[label] + x[c])^p "
      "(torch.nn.MultiMarginLoss). The mean is over the batch.";
  def.inputs = {{"x", "f32[N,C]"},
                {"labels", "s32[N], each in [0, C)"},
                {.name = "weights", .doc = "f32[C]: of the classes, 1 if absent", .optional = true}};
  def.outputs = {{"loss", "f32[]; reduction \"none\": f32[N]"}};
  def.attributes = AttributeDefs();
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckInputs(c, kX));
    c.SetOutput(0, LossType(c, kX));
    return absl::OkStatus();
  };
  def.gradient = Gradient;
  // Kernel "multi_margin_loss": inputs (x, labels[, weights]), outputs (loss).
  def.kernels = "multi_margin_loss";
  def.lower = [](LowerContext& c) {
    std::vector<BufferId> inputs = {c.Input(kX), c.Input(kLabels)};
    if (c.HasInput(kWeights)) inputs.push_back(c.Input(kWeights));
    c.Emit("multi_margin_loss", std::move(inputs), {c.Output()}, KernelAttrs(c, c.HasInput(kWeights)));
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) -> absl::Status {
    std::vector<double> losses(c.Input(kX).shape[0], 0);
    const double p = static_cast<double>(c.attrs().Int("p"));
    ATH_RETURN_IF_ERROR(ForEachRival(c, kX, [&](int64_t n, int64_t, int64_t, double z, double weight) {
      losses[n] += weight * std::pow(z, p);
    }));
    ReduceLosses(c, losses, static_cast<double>(losses.size()));
    return absl::OkStatus();
  };
  return def;
}

OpDef BackwardDef() {
  OpDef def;
  def.name = "MultiClassHingeGrad";
  def.doc = "The gradient of MultiClassHinge; 0 where max(0, ..) turns.";
  def.inputs = {{"dloss", "like the loss"},
                {"x", "the forward operator's"},
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
  // Kernel "multi_margin_loss_backward": inputs (dloss, x, labels[, weights]), outputs (dx).
  def.kernels = "multi_margin_loss_backward";
  def.lower = [](LowerContext& c) {
    std::vector<BufferId> inputs = {c.Input(kGradDloss), c.Input(kGradX), c.Input(kGradLabels)};
    if (c.HasInput(kGradWeights)) inputs.push_back(c.Input(kGradWeights));
    c.Emit("multi_margin_loss_backward", std::move(inputs), {c.Output()}, KernelAttrs(c, c.HasInput(kGradWeights)));
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) -> absl::Status {
    const int64_t classes = c.Input(kGradX).shape[1];
    const double samples = static_cast<double>(c.Input(kGradX).shape[0]);
    const bool squared = c.attrs().Int("p") == 2;
    return ForEachRival(c, kGradX, [&](int64_t n, int64_t label, int64_t k, double z, double weight) {
      if (z <= 0) return;
      const double dx = LossGradOf(c, n, samples) * weight * (squared ? 2 * z : 1);
      c.Output()[n * classes + k] += dx;
      c.Output()[n * classes + label] -= dx;
    });
  };
  def.traits.in_place = {{0, kGradX}};
  return def;
}

ATH_REGISTER_OP(ForwardDef());
ATH_REGISTER_OP(BackwardDef());

}  // namespace
}  // namespace athanor
