// GlobalNorm: the norm of all gradients of a training step, and how to clip by it.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

constexpr int kNorm = 0, kScale = 1;

absl::Status Infer(InferContext& c) {
  for (int i = 0; i < c.num_inputs(); ++i) {
    ATH_RETURN_IF_ERROR(c.CheckFloating(i, "x"));
    ATH_RETURN_IF_ERROR(c.CheckDtype(i, "x", c.Input(0).dtype));
  }
  if (c.HasOutput(kScale) && c.attrs().Float("max_norm") == 0) {
    return c.Error(ErrorClass::kAttr, "the output \"scale\" needs a max_norm above 0");
  }
  for (int i : {kNorm, kScale}) c.SetOutput(i, TensorType(c.Input(0).dtype, {}));
  return absl::OkStatus();
}

// Kernel "global_norm": inputs (x0, x1, ...), outputs (norm[, scale]), attributes {max_norm}: 0 without scale.
absl::Status Lower(LowerContext& c) {
  std::vector<BufferId> inputs;
  for (int i = 0; i < c.num_inputs(); ++i) inputs.push_back(c.Input(i));
  c.Emit("global_norm", std::move(inputs), {c.Output(kNorm), c.Output(kScale)},
         {{"max_norm", c.HasOutput(kScale) ? c.attrs().Float("max_norm") : 0.0}});
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  double sum = 0;
  for (int i = 0; i < c.num_inputs(); ++i) {
    for (double v : c.Input(i).data) sum += v * v;
  }
  const double norm = std::sqrt(sum), max_norm = c.attrs().Float("max_norm");
  c.Output(kNorm)[0] = norm;
  if (!c.HasOutput(kScale)) return absl::OkStatus();
  if (!std::isfinite(norm)) {
    return c.Error(ErrorClass::kData, "the norm of the gradients is %g: they hold infinities or NaN", norm);
  }
  c.Output(kScale)[0] = std::min(1.0, max_norm / (norm + 1e-6));
  return absl::OkStatus();
}

OpDef GlobalNormDef() {
  OpDef def;
  def.name = "GlobalNorm";
  def.doc =
      "norm = the square root of the sum of the squares of all elements of all inputs; scale = min(1, max_norm / (norm + "
      "1e-6)), by which torch.nn.utils.clip_grad_norm_ multiplies gradients. A norm that is not finite has no scale: a "
      "DATA error when it runs.";
  def.inputs = {{.name = "x", .doc = "f32, any shapes", .variadic = true}};
  def.outputs = {{"norm", "f32 []"}, {.name = "scale", .doc = "f32 [], in [0, 1]", .optional = true}};
  def.attributes = {{.name = "max_norm",
                     .type = AttrType::kFloat,
                     .doc = ">= 0; above 0 for the scale",
                     .default_value = 0.0,
                     .min = 0,
                     .max = std::numeric_limits<float>::max()}};
  def.infer = Infer;
  def.kernels = "global_norm";
  def.lower = Lower;
  def.reference = Reference;
  def.traits.norm_of_gradients = true;
  return def;
}

ATH_REGISTER_OP(GlobalNormDef());

}  // namespace
}  // namespace athanor
