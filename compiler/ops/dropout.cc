// Dropout: in training, a part of the elements becomes zero and the others grow.
#include "compiler/opdef/op_def.h"
#include "compiler/ops/random_inputs.h"

namespace athanor {
namespace {

// Whether it does anything.
bool Drops(const Attributes& attrs) { return attrs.Bool("training") && attrs.Float("ratio") > 0; }

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, "x"));
  ATH_RETURN_IF_ERROR(CheckRandomInputs(c));
  c.SetOutput(0, c.Input(0));
  return absl::OkStatus();
}

// The same elements are dropped, for the same numbers are drawn again.
absl::Status Gradient(GradientContext& c) {
  if (!Drops(c.attrs())) {
    c.SetInputGrad(0, c.OutputGrad());
    return absl::OkStatus();
  }
  ATH_RETURN_IF_ERROR(CheckHasRandomness(c));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Dropout", {c.OutputGrad(), c.Input(1), c.Input(2)}, c.attrs()));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  if (!Drops(c.attrs())) {
    y.data = x.data;
    return absl::OkStatus();
  }
  ATH_RETURN_IF_ERROR(CheckHasRandomness(c));
  const Philox random = RandomNumbers(c);
  const double ratio = c.attrs().Float("ratio");
  for (int64_t i = 0; i < x.size(); ++i) y[i] = random.Uniform(i) >= ratio ? x[i] / (1 - ratio) : 0;
  return absl::OkStatus();
}

OpDef DropoutDef() {
  OpDef def;
  def.name = "Dropout";
  def.doc =
      "Inverted dropout: in training y = x / (1 - ratio) with probability 1 - ratio, else 0; otherwise y = x. The mask "
      "is a function of seed, step, stream and the element's index alone (Philox4x32-10).";
  def.inputs = {{"x", "f32, any shape"}};
  def.outputs = {{"y", "like x"}};
  def.attributes = {{.name = "ratio",
                     .type = AttrType::kFloat,
                     .doc = "the part that is dropped, in [0, 1)",
                     .default_value = 0.5,
                     .min = 0,
                     .max = 1,
                     .max_exclusive = true}};
  AddRandomInputs(def);
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = [](ExpandContext& c) {
    if (!Drops(c.attrs())) c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  // Kernel "dropout": inputs (x, seed, step), outputs (y), attributes {ratio, stream}.
  def.kernels = "dropout";
  def.lower = [](LowerContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckHasRandomness(c));
    c.Emit("dropout", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()},
           {{"ratio", c.attrs().Float("ratio")}, {"stream", c.attrs().Int("stream")}});
    return absl::OkStatus();
  };
  def.reference = Reference;
  def.traits.in_place = {{0, 0}};
  return def;
}

ATH_REGISTER_OP(DropoutDef());

}  // namespace
}  // namespace athanor
