// Dropout: in training, a part of the elements becomes zero and the others grow.
#include "compiler/opdef/op_def.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

// Whether it does anything.
bool Drops(const Attributes& attrs) { return attrs.Bool("training") && attrs.Float("ratio") > 0; }

absl::Status CheckHasRandomness(const OpContext& c) {
  if (c.HasInput(1) && c.HasInput(2) && c.attrs().Int("stream") >= 0) return absl::OkStatus();
  return c.Error(
      ErrorClass::kGraph,
      "needs the inputs \"seed\" and \"step\" and a \"stream\" in training: the pass add_rng_inputs gives them");
}

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, "x"));
  const char* const names[] = {"x", "seed", "step"};
  for (int i : {1, 2}) {
    if (!c.HasInput(i)) continue;
    ATH_RETURN_IF_ERROR(c.CheckDtype(i, names[i], DType::kS64));
    ATH_RETURN_IF_ERROR(c.CheckRank(i, names[i], 0, 0));
  }
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
  // Exact while seed and step are below 2^53: the interpreter holds them as doubles.
  const auto seed = static_cast<uint64_t>(static_cast<int64_t>(c.Input(1)[0]));
  const auto step = static_cast<uint64_t>(static_cast<int64_t>(c.Input(2)[0]));
  Philox random(seed, Philox::MixStream(static_cast<uint64_t>(c.attrs().Int("stream")), step));
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
  def.inputs = {{"x", "f32, any shape"},
                {.name = "seed", .doc = "s64 []: of the run; added when compiled", .optional = true},
                {.name = "step", .doc = "s64 []: of training; added when compiled", .optional = true}};
  def.outputs = {{"y", "like x"}};
  def.attributes = {
      {.name = "ratio",
       .type = AttrType::kFloat,
       .doc = "the part that is dropped, in [0, 1)",
       .default_value = 0.5,
       .min = 0,
       .max = 1,
       .max_exclusive = true},
      {.name = "training", .type = AttrType::kBool, .doc = "set by the entry's phase", .default_value = false},
      {.name = "stream",
       .type = AttrType::kInt,
       .doc = "tells the nodes of a graph apart; -1: given when compiled",
       .default_value = int64_t{-1},
       .min = 0},
  };
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = [](ExpandContext& c) {
    if (!Drops(c.attrs())) c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  // Kernel "dropout": inputs (x, seed, step), outputs (y), attributes {ratio, stream}.
  def.lower = [](LowerContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckHasRandomness(c));
    c.Emit("dropout", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()},
           {{"ratio", c.attrs().Float("ratio")}, {"stream", c.attrs().Int("stream")}});
    return absl::OkStatus();
  };
  def.reference = Reference;
  def.traits.phase_attr = "training";
  def.traits.rng_inputs = {"seed", "step"};
  def.traits.rng_stream_attr = "stream";
  def.traits.in_place = {{0, 0}};
  return def;
}

ATH_REGISTER_OP(DropoutDef());

}  // namespace
}  // namespace athanor
