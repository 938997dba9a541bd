// Adam, as torch.optim.Adam computes it.
#include <limits>

#include "compiler/ops/optimizer.h"

namespace athanor {
namespace {

constexpr int kParam = 0, kGrad = 1, kM = 2, kV = 3, kLr = 4, kStep = 5;

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(kParam, "param"));
  ATH_RETURN_IF_ERROR(CheckLikeParam(c, kGrad, "grad"));
  ATH_RETURN_IF_ERROR(CheckLikeParam(c, kM, "m"));
  ATH_RETURN_IF_ERROR(CheckLikeParam(c, kV, "v"));
  ATH_RETURN_IF_ERROR(CheckScalar(c, kLr, "lr", c.Input(kParam).dtype));
  ATH_RETURN_IF_ERROR(CheckScalar(c, kStep, "step", DType::kS64));
  for (int i : {0, 1, 2}) c.SetOutput(i, c.Input(kParam));
  return absl::OkStatus();
}

// Kernel "adam": inputs (param, grad, m, v, lr, step), outputs (param, m, v), attributes those of the operator.
absl::Status Lower(LowerContext& c) {
  for (int i : {kGrad, kM, kV}) c.PreferLayoutOf(c.Input(i), c.Input(kParam));
  c.Emit("adam", {c.Input(kParam), c.Input(kGrad), c.Input(kM), c.Input(kV), c.Input(kLr), c.Input(kStep)},
         {c.Output(0), c.Output(1), c.Output(2)}, c.attrs());
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& param = c.Input(kParam);
  const double beta1 = c.attrs().Float("beta1"), beta2 = c.attrs().Float("beta2");
  const double epsilon = c.attrs().Float("epsilon"), weight_decay = c.attrs().Float("weight_decay");
  const double lr = c.Input(kLr)[0], step = c.Input(kStep)[0];
  ATH_RETURN_IF_ERROR(CheckLr(c, lr));
  ATH_RETURN_IF_ERROR(CheckStep(c, step));
  const double step_size = lr / (1 - std::pow(beta1, step)), correction2 = std::sqrt(1 - std::pow(beta2, step));
  for (int64_t i = 0; i < param.size(); ++i) {
    const double g = c.Input(kGrad)[i] + weight_decay * param[i];
    const double m = beta1 * c.Input(kM)[i] + (1 - beta1) * g;
    const double v = beta2 * c.Input(kV)[i] + (1 - beta2) * g * g;
    c.Output(0)[i] = param[i] - step_size * m / (std::sqrt(v) / correction2 + epsilon);
    c.Output(1)[i] = m;
    c.Output(2)[i] = v;
  }
  return absl::OkStatus();
}

OpDef AdamDef() {
  OpDef def;
  def.name = "Adam";
  def.doc =
      "Kingma, Ba, 2015, as torch.optim.Adam: g = grad + weight_decay param; m = beta1 m + (1 - beta1) g; v = beta2 v "
      "+ (1 - beta2) g^2; param = param - lr / (1 - beta1^step) m / (sqrt(v / (1 - beta2^step)) + epsilon).";
  def.inputs = {{"param", "f32, any shape"},   {"grad", "like param"},  {"m", "like param, zeros at first"},
                {"v", "like param, zeros at first"}, {"lr", "f32 [], >= 0"}, {"step", "s64 [], 1 in the first step"}};
  def.outputs = {{"param", "updated"}, {"m", "updated"}, {"v", "updated"}};
  auto number = [](const char* name, const char* doc, double otherwise, double min, double max) {
    return AttrDef{
        .name = name, .type = AttrType::kFloat, .doc = doc, .default_value = otherwise, .min = min, .max = max};
  };
  const double largest = std::numeric_limits<float>::max();
  def.attributes = {
      number("beta1", "in [0, 1)", 0.9, 0, 1),
      number("beta2", "in [0, 1)", 0.999, 0, 1),
      // Zero would make 0 / 0 of elements whose gradient has always been 0.
      number("epsilon", "> 0", 1e-8, std::numeric_limits<float>::min(), largest),
      number("weight_decay", "added to the gradient, times the parameter", 0, 0, largest),
  };
  def.attributes[0].max_exclusive = def.attributes[1].max_exclusive = true;
  def.infer = Infer;
  def.lower = Lower;
  def.reference = Reference;
  def.traits.optimizer = true;
  def.traits.optimizer_slots = {"m", "v"};
  def.traits.optimizer_scalars = {"lr", "step"};
  def.traits.in_place = {{0, kParam}, {1, kM}, {2, kV}};
  return def;
}

ATH_REGISTER_OP(AdamDef());

}  // namespace
}  // namespace athanor
