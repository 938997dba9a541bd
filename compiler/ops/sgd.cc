// SGD: stochastic gradient descent, as torch.optim.SGD computes it.
#include <limits>

#include "compiler/ops/optimizer.h"

namespace athanor {
namespace {

constexpr int kParam = 0, kGrad = 1, kBuffer = 2, kLr = 3, kStep = 4;

// A number that may still be written as an int, or be of another type and refused later.
double NumberOf(const Attributes& attrs, absl::string_view name) {
  const AttrValue* v = attrs.Find(name);
  if (v == nullptr) return 0;
  if (const auto* f = std::get_if<double>(v)) return *f;
  if (const auto* i = std::get_if<int64_t>(v)) return static_cast<double>(*i);
  return 0;
}

bool UsesBuffer(const Attributes& attrs) { return NumberOf(attrs, "momentum") != 0; }
// The first step takes the gradient undampened, so it must be known.
bool UsesStep(const Attributes& attrs) { return UsesBuffer(attrs) && NumberOf(attrs, "dampening") != 0; }

bool Uses(const Attributes& attrs, absl::string_view input) {
  if (input == "momentum_buffer") return UsesBuffer(attrs);
  return input != "step" || UsesStep(attrs);
}

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(kParam, "param"));
  ATH_RETURN_IF_ERROR(CheckLikeParam(c, kGrad, "grad"));
  ATH_RETURN_IF_ERROR(CheckLikeParam(c, kBuffer, "momentum_buffer"));
  ATH_RETURN_IF_ERROR(CheckScalar(c, kLr, "lr", c.Input(kParam).dtype));
  ATH_RETURN_IF_ERROR(CheckScalar(c, kStep, "step", DType::kS64));
  if (c.HasInput(kBuffer) != UsesBuffer(c.attrs()) || c.HasOutput(1) != UsesBuffer(c.attrs())) {
    return c.Error(ErrorClass::kGraph, "with momentum %g it has %s input and output \"momentum_buffer\"",
                   c.attrs().Float("momentum"), UsesBuffer(c.attrs()) ? "an" : "no");
  }
  if (UsesStep(c.attrs()) && !c.HasInput(kStep)) {
    return c.Error(ErrorClass::kGraph, "with dampening %g it needs the input \"step\"", c.attrs().Float("dampening"));
  }
  if (c.attrs().Bool("nesterov") && (!UsesBuffer(c.attrs()) || c.attrs().Float("dampening") != 0)) {
    return c.Error(ErrorClass::kAttr, "nesterov needs a momentum and no dampening, has momentum %g and dampening %g",
                   c.attrs().Float("momentum"), c.attrs().Float("dampening"));
  }
  c.SetOutput(0, c.Input(kParam));
  c.SetOutput(1, c.Input(kParam));
  return absl::OkStatus();
}

// Kernel "sgd": inputs (param, grad[, momentum_buffer], lr[, step]), outputs (param[, momentum_buffer]), attributes
// those of the operator.
absl::Status Lower(LowerContext& c) {
  c.PreferLayoutOf(c.Input(kGrad), c.Input(kParam));
  c.PreferLayoutOf(c.Input(kBuffer), c.Input(kParam));
  BufferId step = UsesStep(c.attrs()) ? c.Input(kStep) : kNoBuffer;
  c.Emit("sgd", {c.Input(kParam), c.Input(kGrad), c.Input(kBuffer), c.Input(kLr), step}, {c.Output(0), c.Output(1)},
         c.attrs());
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor &param = c.Input(kParam), &grad = c.Input(kGrad);
  const double momentum = c.attrs().Float("momentum"), weight_decay = c.attrs().Float("weight_decay");
  const double lr = c.Input(kLr)[0];
  double grad_share = 1 - c.attrs().Float("dampening");
  ATH_RETURN_IF_ERROR(CheckLr(c, lr));
  if (UsesStep(c.attrs())) {
    ATH_RETURN_IF_ERROR(CheckStep(c, c.Input(kStep)[0]));
    if (c.Input(kStep)[0] == 1) grad_share = 1;
  }
  for (int64_t i = 0; i < param.size(); ++i) {
    double g = grad[i] + weight_decay * param[i];
    if (UsesBuffer(c.attrs())) {
      const double buffer = momentum * c.Input(kBuffer)[i] + grad_share * g;
      c.Output(1)[i] = buffer;
      g = c.attrs().Bool("nesterov") ? g + momentum * buffer : buffer;
    }
    c.Output(0)[i] = param[i] - lr * g;
  }
  return absl::OkStatus();
}

OpDef SgdDef() {
  OpDef def;
  def.name = "SGD";
  def.doc =
      "g = grad + weight_decay param; with momentum, buffer = momentum buffer + (1 - dampening) g (undampened in the "
      "first step) and g = buffer, or g + momentum buffer (nesterov); param = param - lr g. As torch.optim.SGD.";
  def.inputs = {
      {"param", "f32, any shape"},
      {"grad", "like param"},
      {.name = "momentum_buffer", .doc = "like param, zeros at first; if momentum is not 0", .optional = true},
      {"lr", "f32 [], >= 0"},
      {.name = "step", .doc = "s64 [], 1 in the first step; if dampening is not 0", .optional = true}};
  def.outputs = {{"param", "updated"}, {.name = "momentum_buffer", .doc = "updated", .optional = true}};
  def.attributes = {
      {.name = "momentum", .type = AttrType::kFloat, .doc = "in [0, 1]", .default_value = 0.0, .min = 0, .max = 1},
      {.name = "dampening", .type = AttrType::kFloat, .doc = "in [0, 1]", .default_value = 0.0, .min = 0, .max = 1},
      {.name = "weight_decay",
       .type = AttrType::kFloat,
       .doc = "added to the gradient, times the parameter",
       .default_value = 0.0,
       .min = 0,
       .max = std::numeric_limits<float>::max()},
      {.name = "nesterov", .type = AttrType::kBool, .doc = "Nesterov's momentum", .default_value = false},
  };
  def.infer = Infer;
  def.lower = Lower;
  def.reference = Reference;
  def.traits.optimizer = true;
  def.traits.optimizer_slots = {"momentum_buffer"};
  def.traits.optimizer_scalars = {"lr", "step"};
  def.traits.in_place = {{0, kParam}, {1, kBuffer}};
  def.optimizer_uses = Uses;
  return def;
}

ATH_REGISTER_OP(SgdDef());

}  // namespace
}  // namespace athanor
