// AccumulateGradient and AverageParameter: what a training step keeps of its gradients and parameters for later ones.
#include <algorithm>
#include <cmath>

#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

absl::Status CheckLike(const InferContext& c, int i, absl::string_view what, absl::string_view like) {
  if (!c.HasInput(i) || c.Input(i) == c.Input(0)) return absl::OkStatus();
  return c.Error(c.Input(i).dtype == c.Input(0).dtype ? ErrorClass::kShape : ErrorClass::kDtype,
                 "input \"%s\" is %s, but input \"%s\" is %s", what, c.Input(i).ToString(), like, c.Input(0).ToString());
}

namespace accumulate {

enum { kSum, kGrad, kShare, kParam };
enum { kNewSum, kTotal };

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(kSum, "sum"));
  ATH_RETURN_IF_ERROR(CheckLike(c, kGrad, "grad", "sum"));
  ATH_RETURN_IF_ERROR(CheckLike(c, kParam, "param", "sum"));
  ATH_RETURN_IF_ERROR(c.CheckDtype(kShare, "share", c.Input(kSum).dtype));
  ATH_RETURN_IF_ERROR(c.CheckRank(kShare, "share", 0, 0));
  for (int i : {kNewSum, kTotal}) c.SetOutput(i, c.Input(kSum));
  return absl::OkStatus();
}

// Kernel "accumulate_gradient": inputs (sum, grad, share), outputs (sum[, total]), attributes {groups, last}.
absl::Status Lower(LowerContext& c) {
  for (BufferId id : {c.Input(kSum), c.Input(kGrad), c.Output(kTotal)}) c.PreferLayoutOf(id, c.Input(kParam));
  c.Emit("accumulate_gradient", {c.Input(kSum), c.Input(kGrad), c.Input(kShare)}, {c.Output(kNewSum), c.Output(kTotal)},
         {{"groups", 1}, {"last", c.HasOutput(kTotal)}});
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const double share = c.Input(kShare)[0];
  if (!(share >= 0) || !std::isfinite(share)) {
    return c.Error(ErrorClass::kData, "the share of this part in the whole batch is %g, expected a finite number >= 0",
                   share);
  }
  for (int64_t i = 0; i < c.Input(kSum).size(); ++i) {
    const double total = c.Input(kSum)[i] + share * c.Input(kGrad)[i];
    c.Output(kNewSum)[i] = c.HasOutput(kTotal) ? 0 : total;
    if (c.HasOutput(kTotal)) c.Output(kTotal)[i] = total;
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "AccumulateGradient";
  def.doc =
      "The gradient of a batch that comes in parts: sum = sum + share grad; the last part asks for total = sum + share "
      "grad, and then sum = 0. The share of a part is its rows over those of the whole batch.";
  def.inputs = {{"sum", "f32, any shape; zeros at first"},
                {"grad", "like sum"},
                {"share", "f32 [], >= 0"},
                {.name = "param", .doc = "like sum: whose layout the sum would like", .optional = true}};
  def.outputs = {{"sum", "updated"}, {.name = "total", .doc = "like sum: of the last part", .optional = true}};
  def.infer = Infer;
  def.kernels = "accumulate_gradient";
  def.lower = Lower;
  def.reference = Reference;
  def.traits.in_place = {{kNewSum, kSum}, {kTotal, kGrad}};
  def.traits.accumulates_parts = true;
  return def;
}

}  // namespace accumulate

namespace average {

enum { kAverage, kParam, kStep };

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(kAverage, "average"));
  ATH_RETURN_IF_ERROR(CheckLike(c, kParam, "param", "average"));
  ATH_RETURN_IF_ERROR(c.CheckDtype(kStep, "step", DType::kS64));
  ATH_RETURN_IF_ERROR(c.CheckRank(kStep, "step", 0, 0));
  c.SetOutput(0, c.Input(kAverage));
  return absl::OkStatus();
}

// Kernel "average_parameter": inputs (average, param, step), outputs (average), attributes {groups, decay, warmup}.
absl::Status Lower(LowerContext& c) {
  c.PreferLayoutOf(c.Input(kAverage), c.Input(kParam));
  Attributes attrs = c.attrs();
  attrs.Set("groups", 1);
  c.Emit("average_parameter", {c.Input(kAverage), c.Input(kParam), c.Input(kStep)}, {c.Output()}, std::move(attrs));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const double step = c.Input(kStep)[0];
  if (!(step >= 1)) {
    return c.Error(ErrorClass::kAttr, "\"step\" is %g, expected 1 in the first step and more later", step);
  }
  double decay = c.attrs().Float("decay");
  if (c.attrs().Bool("warmup")) decay = std::min(decay, (1 + step) / (10 + step));
  if (step == 1) decay = 0;
  for (int64_t i = 0; i < c.Output().size(); ++i) {
    c.Output()[i] = decay * c.Input(kAverage)[i] + (1 - decay) * c.Input(kParam)[i];
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "AverageParameter";
  def.doc =
      "The exponential moving average of a parameter: average = d average + (1 - d) param, in the first step param, as "
      "torch.optim.swa_utils.AveragedModel with get_ema_avg_fn(decay). d is decay; with warmup the smaller of it and (1 + "
      "step) / (10 + step).";
  def.inputs = {{"average", "f32, any shape"}, {"param", "like average"}, {"step", "s64 [], 1 in the first step"}};
  def.outputs = {{"average", "updated"}};
  def.attributes = {{.name = "decay", .type = AttrType::kFloat, .doc = "in [0, 1)", .min = 0, .max = 1,
                     .max_exclusive = true},
                    {.name = "warmup",
                     .type = AttrType::kBool,
                     .doc = "early averages forget faster",
                     .default_value = false}};
  def.infer = Infer;
  def.kernels = "average_parameter";
  def.lower = Lower;
  def.reference = Reference;
  def.traits.in_place = {{0, kAverage}};
  def.traits.averages_parameters = true;
  return def;
}

}  // namespace average

ATH_REGISTER_OP(accumulate::Def());
ATH_REGISTER_OP(average::Def());

}  // namespace
}  // namespace athanor
