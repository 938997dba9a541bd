// GaussianNoise: in training, normal numbers are added.
#include "compiler/ops/random_inputs.h"
#include "compiler/ops/unary.h"

namespace athanor {
namespace {

// Whether it does anything.
bool AddsNoise(const Attributes& attrs) { return attrs.Bool("training") && attrs.Float("std") > 0; }

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, "x"));
  ATH_RETURN_IF_ERROR(CheckRandomInputs(c));
  c.SetOutput(0, c.Input(0));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  if (!AddsNoise(c.attrs())) {
    y.data = x.data;
    return absl::OkStatus();
  }
  ATH_RETURN_IF_ERROR(CheckHasRandomness(c));
  const Philox random = RandomNumbers(c);
  for (int64_t i = 0; i < x.size(); ++i) y[i] = x[i] + c.attrs().Float("std") * random.Normal(i);
  return absl::OkStatus();
}

OpDef GaussianNoiseDef() {
  OpDef def;
  def.name = "GaussianNoise";
  def.doc =
      "In training y = x + std n with n of the standard normal distribution, otherwise y = x (Keras' GaussianNoise). "
      "The noise is a function of seed, step, stream and the element's index alone (Philox4x32-10, Box-Muller).";
  def.inputs = {{"x", "f32, any shape"}};
  def.outputs = {{"y", "like x"}};
  def.attributes = {FiniteAttr("std", "standard deviation of the noise, at least 0", 1.0, 0)};
  AddRandomInputs(def);
  def.infer = Infer;
  def.gradient = [](GradientContext& c) {
    c.SetInputGrad(0, c.OutputGrad());
    return absl::OkStatus();
  };
  def.expand = [](ExpandContext& c) {
    if (!AddsNoise(c.attrs())) c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  // Kernel "gaussian_noise": inputs (x, seed, step), outputs (y), attributes {std, stream}.
  def.kernels = "gaussian_noise";
  def.lower = [](LowerContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckHasRandomness(c));
    c.Emit("gaussian_noise", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()},
           {{"std", c.attrs().Float("std")}, {"stream", c.attrs().Int("stream")}});
    return absl::OkStatus();
  };
  def.reference = Reference;
  def.traits.in_place = {{0, 0}};
  return def;
}

ATH_REGISTER_OP(GaussianNoiseDef());

}  // namespace
}  // namespace athanor
