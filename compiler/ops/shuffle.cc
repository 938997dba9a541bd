// ChannelShuffle, and Shuffle: the slices along a dimension in an order that each training step draws anew.
#include <numeric>

#include "compiler/ops/axis.h"
#include "compiler/ops/random_inputs.h"
#include "compiler/ops/reshape.h"

namespace athanor {
namespace {

namespace channels {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckRank(0, "x", 2, kMaxRank - 1));
  ATH_ASSIGN_OR_RETURN(int64_t channels, c.Known(0, 1, "x"));
  const int64_t groups = c.attrs().Int("groups");
  if (channels % groups != 0) {
    return c.Error(ErrorClass::kAttr, "groups = %d does not divide the %d channels of input \"x\", %s", groups,
                   channels, c.Input(0).ToString());
  }
  c.SetOutput(0, c.Input(0));
  return absl::OkStatus();
}

// Channel g * (C / groups) + k becomes channel k * groups + g.
template <typename Context>
absl::StatusOr<ValueId> Shuffled(Context& c, ValueId x, int64_t groups) {
  const TensorType type = c.TypeOf(x);
  TensorType split = type;
  split.dims[1] = groups;
  split.dims.insert(split.dims.begin() + 2, Dim(type.dims[1].size / groups));
  Ints perm(split.dims.size());
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[1], perm[2]);
  ATH_ASSIGN_OR_RETURN(x, EmitReshape(c, x, split));
  ATH_ASSIGN_OR_RETURN(x, c.Emit("Transpose", {x}, {{"perm", std::move(perm)}}));
  return EmitReshape(c, x, type);
}

absl::Status Gradient(GradientContext& c) {
  // With as many groups as a group had channels, everything comes back.
  const int64_t channels = c.TypeOf(c.Input(0)).dims[1].size;
  ValueId dx = c.OutputGrad();
  if (channels > 0) {
    ATH_ASSIGN_OR_RETURN(dx, Shuffled(c, dx, channels / c.attrs().Int("groups")));
  }
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Expand(ExpandContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId y, Shuffled(c, c.Input(0), c.attrs().Int("groups")));
  c.SetOutput(0, y);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  const AxisLoops l = LoopsAlong(x.shape, 1);
  const int64_t groups = c.attrs().Int("groups");
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t channel = i / l.inner % l.size, from = channel % groups * (l.size / groups) + channel / groups;
    c.Output()[i] = x[i + (from - channel) * l.inner];
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "ChannelShuffle";
  def.doc =
      "Channel g C / groups + k becomes channel k groups + g (Zhang et al., ShuffleNet, 2018), as "
      "torch.nn.ChannelShuffle.";
  def.inputs = {{"x", "[N,C,..], any type"}};
  def.outputs = {{"y", "like x"}};
  def.attributes = {{.name = "groups", .type = AttrType::kInt, .doc = "divides C", .min = 1}};
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = Expand;
  def.reference = Reference;
  return def;
}

}  // namespace channels

namespace random {

bool Moves(const OpContext& c) { return c.attrs().Bool("training"); }

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.Axis(c.attrs().Int("axis"), c.Input(0).rank()).status());
  ATH_RETURN_IF_ERROR(CheckRandomInputs(c));
  c.SetOutput(0, c.Input(0));
  return absl::OkStatus();
}

// Back by the same numbers.
absl::Status Gradient(GradientContext& c) {
  if (!Moves(c)) {
    c.SetInputGrad(0, c.OutputGrad());
    return absl::OkStatus();
  }
  ATH_RETURN_IF_ERROR(CheckHasRandomness(c));
  Attributes attrs = c.attrs();
  attrs.Set("inverse", !c.attrs().Bool("inverse"));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Shuffle", {c.OutputGrad(), c.Input(1), c.Input(2)}, std::move(attrs)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

// Kernel "shuffle": inputs (x, seed, step), outputs (y), attributes {axis, stream, inverse}.
absl::Status Lower(LowerContext& c) {
  ATH_RETURN_IF_ERROR(CheckHasRandomness(c));
  c.Emit("shuffle", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()},
         {{"axis", int64_t{AxisOf(c.attrs(), c.InputShape(0).size())}},
          {"stream", c.attrs().Int("stream")},
          {"inverse", c.attrs().Bool("inverse")}});
  return absl::OkStatus();
}

// Of [0, n), by Fisher and Yates.
std::vector<int64_t> Permutation(const Philox& numbers, int64_t n) {
  std::vector<int64_t> p(n);
  std::iota(p.begin(), p.end(), 0);
  for (int64_t a = n - 1; a > 0; --a) {
    const uint64_t word = numbers.Block(a / 4)[a % 4];
    std::swap(p[a], p[static_cast<int64_t>((static_cast<uint64_t>(a) + 1) * word >> 32)]);
  }
  return p;
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  if (!Moves(c)) {
    y.data = x.data;
    return absl::OkStatus();
  }
  ATH_RETURN_IF_ERROR(CheckHasRandomness(c));
  const AxisLoops l = LoopsAlong(x.shape, AxisOf(c.attrs(), x.shape.size()));
  const std::vector<int64_t> p = Permutation(RandomNumbers(c), l.size);
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t a = i / l.inner % l.size, other = i + (p[a] - a) * l.inner;
    c.attrs().Bool("inverse") ? y[other] = x[i] : y[i] = x[other];
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "Shuffle";
  def.doc =
      "In training the slices along the axis in a random order, a permutation by Fisher and Yates that is a function "
      "of seed, step and stream alone (Philox4x32-10); otherwise y = x.";
  def.inputs = {{"x", "any type, at least one dimension"}};
  def.outputs = {{"y", "like x"}};
  def.attributes = {
      AxisAttr(int64_t{0}),
      {.name = "inverse", .type = AttrType::kBool, .doc = "the slices back from that order", .default_value = false},
  };
  AddRandomInputs(def);
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = [](ExpandContext& c) {
    if (!Moves(c)) c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.kernels = "shuffle";
  def.lower = Lower;
  def.reference = Reference;
  return def;
}

}  // namespace random

ATH_REGISTER_OP(channels::Def());
ATH_REGISTER_OP(random::Def());

}  // namespace
}  // namespace athanor
