// BatchNorm and its gradient.
#include <cmath>
#include <limits>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"
#include "runtime/core/checked.h"

namespace athanor {
namespace {

// Inputs and outputs of BatchNorm, and of BatchNormGrad.
enum { kX, kScale, kBias, kMean, kVar };
enum { kY, kNextMean, kNextVar, kSavedMean, kSavedVar, kWorkspace };
enum { kGradDy, kGradX, kGradScale, kGradMean, kGradVar, kGradWorkspace };

bool Training(const OpContext& c) { return c.attrs().Bool("training"); }
bool FusesRelu(const OpContext& c) { return c.attrs().Bool("fuse_relu"); }

absl::Status CheckX(const InferContext& c, int i) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, i, "x"));
  ATH_RETURN_IF_ERROR(c.CheckRank(i, "x", 2, 5));
  return c.Known(i, 1, "x").status();
}

absl::Status CheckChannels(const InferContext& c, int x, int first, absl::Span<const char* const> names) {
  const TensorType expected{c.Input(x).dtype, {c.Input(x).dims[1]}};
  for (size_t i = 0; i < names.size(); ++i) {
    ATH_RETURN_IF_ERROR(CheckSameType(c, first + static_cast<int>(i), names[i], expected, "the channels of x"));
  }
  return absl::OkStatus();
}

// Elements a channel, where they are known.
std::optional<int64_t> Count(const TensorType& x) {
  std::optional<int64_t> count = 1;
  for (int d = 0; d < x.rank(); ++d) {
    if (d == 1) continue;
    if (x.dims[d].symbolic()) return std::nullopt;
    if (count) count = CheckedMul(*count, x.dims[d].size);
  }
  return count;
}

TensorType WorkspaceType(const TensorType& x) { return {DType::kU8, x.dims}; }

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckX(c, kX));
  ATH_RETURN_IF_ERROR(CheckChannels(c, kX, kScale, {"scale", "bias", "mean", "var"}));
  const TensorType& x = c.Input(kX);
  if (Training(c) && Count(x) == 1) {
    return c.Error(ErrorClass::kShape, "input \"x\" is %s: one element a channel has no variance to train with",
                   x.ToString());
  }
  c.SetOutput(kY, x);
  for (int i : {kNextMean, kNextVar, kSavedMean, kSavedVar}) c.SetOutput(i, c.Input(kMean));
  c.SetOutput(kWorkspace, WorkspaceType(x));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  for (int i : {kNextMean, kNextVar, kSavedMean, kSavedVar}) {
    if (i < c.num_outputs() && c.OutputGrad(i) != kNoValue) {
      return c.Error(ErrorClass::kGraph, "the loss depends on its output %d, a statistic, which has no gradient", i);
    }
  }
  if (c.NeedsGrad(kMean) || c.NeedsGrad(kVar)) {
    return c.Error(ErrorClass::kGraph, "its running statistics are states, they cannot be trained");
  }
  const bool training = Training(c);
  if (training && (!c.HasOutput(kSavedMean) || !c.HasOutput(kSavedVar))) {
    return c.Error(ErrorClass::kGraph, "its gradient needs the outputs \"saved_mean\" and \"saved_var\"");
  }
  if (FusesRelu(c) && !c.HasOutput(kWorkspace)) {
    return c.Error(ErrorClass::kGraph, "with fuse_relu its gradient needs the output \"workspace\"");
  }
  std::vector<ValueId> inputs = {c.OutputGrad(), c.Input(kX), c.Input(kScale),
                                 training ? c.Output(kSavedMean) : c.Input(kMean),
                                 training ? c.Output(kSavedVar) : c.Input(kVar)};
  if (FusesRelu(c)) inputs.push_back(c.Output(kWorkspace));
  Attributes attrs{{"epsilon", c.attrs().Float("epsilon")}, {"training", training}, {"fuse_relu", FusesRelu(c)}};
  ATH_ASSIGN_OR_RETURN(std::vector<ValueId> grads,
                       c.EmitMulti("BatchNormGrad", std::move(inputs), std::move(attrs), 3));
  for (int i : {kX, kScale, kBias}) {
    if (c.NeedsGrad(i)) c.SetInputGrad(i, grads[i]);
  }
  return absl::OkStatus();
}

BufferId OutputOrTemporary(LowerContext& c, int i, const char* name, DType dtype, const Shape& dims) {
  return c.HasOutput(i) ? c.Output(i) : c.Temporary(name, dtype, dims);
}

void LowerTraining(LowerContext& c) {
  const Shape x = c.InputShape(kX), channel = {x[1]};
  std::vector<BufferId> outputs = {c.Output(kY), OutputOrTemporary(c, kNextMean, "next_mean", DType::kF32, channel),
                                   OutputOrTemporary(c, kNextVar, "next_var", DType::kF32, channel),
                                   OutputOrTemporary(c, kSavedMean, "saved_mean", DType::kF32, channel),
                                   OutputOrTemporary(c, kSavedVar, "saved_var", DType::kF32, channel)};
  // Its size in bytes is the kernel's affair; the graph's type only says that there is one.
  if (FusesRelu(c)) outputs.push_back(OutputOrTemporary(c, kWorkspace, "workspace", DType::kU8, x));
  c.Emit("batch_normalization", {c.Input(kX), c.Input(kScale), c.Input(kBias), c.Input(kMean), c.Input(kVar)},
         std::move(outputs),
         {{"epsilon", c.attrs().Float("epsilon")},
          {"momentum", c.attrs().Float("momentum")},
          {"fuse_relu", FusesRelu(c)}});
}

absl::Status LowerInference(LowerContext& c) {
  if (c.HasOutput(kWorkspace)) {
    return c.Error(ErrorClass::kGraph, "has the output \"workspace\", which there is in training only");
  }
  const BufferId y = FusesRelu(c) ? c.Temporary("y", DType::kF32, c.InputShape(kX)) : c.Output(kY);
  c.Emit("batch_normalization_inference", {c.Input(kX), c.Input(kScale), c.Input(kBias), c.Input(kMean), c.Input(kVar)},
         {y}, {{"epsilon", c.attrs().Float("epsilon")}}, /*with_post_ops=*/!FusesRelu(c));
  if (FusesRelu(c)) {
    c.Emit("elementwise", {y}, {c.Output(kY)}, {{"program", std::string("max x0 0 -> t0")}});
  }
  for (int i : {kNextMean, kNextVar, kSavedMean, kSavedVar}) {
    if (c.HasOutput(i)) c.View(c.Input(i == kNextMean || i == kSavedMean ? kMean : kVar), c.Output(i));
  }
  return absl::OkStatus();
}

// Kernel "batch_normalization" or "batch_normalization_inference".
absl::Status Lower(LowerContext& c) {
  if (!Training(c)) return LowerInference(c);
  LowerTraining(c);
  return absl::OkStatus();
}

// Element-wise access by channel.
struct Channels {
  explicit Channels(const Shape& x) : count(x[1]), area(1), per_channel(0) {
    for (size_t d = 2; d < x.size(); ++d) area *= x[d];
    per_channel = x[0] * area;
  }
  int64_t of(int64_t i) const { return i / area % count; }
  int64_t count, area, per_channel;
};

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(kX);
  const Channels channels(x.shape);
  DoubleTensor mean = c.Input(kMean), var = c.Input(kVar);
  if (Training(c)) {
    const double n = static_cast<double>(channels.per_channel);
    mean = var = DoubleTensor({channels.count});
    for (int64_t i = 0; i < x.size(); ++i) mean[channels.of(i)] += x[i] / n;
    for (int64_t i = 0; i < x.size(); ++i) var[channels.of(i)] += std::pow(x[i] - mean[channels.of(i)], 2) / n;
  }
  DoubleTensor& y = c.Output(kY);
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t k = channels.of(i);
    y[i] = c.Input(kScale)[k] * (x[i] - mean[k]) / std::sqrt(var[k] + c.attrs().Float("epsilon")) + c.Input(kBias)[k];
    if (FusesRelu(c) && c.HasOutput(kWorkspace)) c.Output(kWorkspace)[i] = y[i] > 0;
    if (FusesRelu(c)) y[i] = std::max(y[i], 0.0);
  }
  const double take = Training(c) ? c.attrs().Float("momentum") : 0;
  const double n = static_cast<double>(channels.per_channel), unbiased = Training(c) ? n / (n - 1) : 1;
  for (int64_t k = 0; k < channels.count; ++k) {
    if (c.HasOutput(kNextMean)) c.Output(kNextMean)[k] = (1 - take) * c.Input(kMean)[k] + take * mean[k];
    if (c.HasOutput(kNextVar)) c.Output(kNextVar)[k] = (1 - take) * c.Input(kVar)[k] + take * unbiased * var[k];
    if (c.HasOutput(kSavedMean)) c.Output(kSavedMean)[k] = mean[k];
    if (c.HasOutput(kSavedVar)) c.Output(kSavedVar)[k] = var[k];
  }
  return absl::OkStatus();
}

// y = x scale / sqrt(var + epsilon) + (bias - mean scale / sqrt(var + epsilon)).
std::optional<ChannelAffine> Affine(const Node& node, absl::Span<const DoubleTensor* const> inputs) {
  if (node.attrs.Bool("training") || node.attrs.Bool("fuse_relu")) return std::nullopt;
  for (int i : {kScale, kBias, kMean, kVar}) {
    if (i >= static_cast<int>(inputs.size()) || inputs[i] == nullptr) return std::nullopt;
  }
  ChannelAffine affine{*inputs[kScale], *inputs[kBias]};
  for (int64_t k = 0; k < affine.scale.size(); ++k) {
    affine.scale[k] /= std::sqrt((*inputs[kVar])[k] + node.attrs.Float("epsilon"));
    affine.shift[k] -= (*inputs[kMean])[k] * affine.scale[k];
  }
  return affine;
}

AttrDef EpsilonAttr() {
  return {.name = "epsilon",
          .type = AttrType::kFloat,
          .doc = "added to the variance",
          .default_value = 1e-5,
          .min = 0,
          .max = std::numeric_limits<float>::max(),
          .min_exclusive = true};
}

AttrDef FuseReluAttr() {
  return {.name = "fuse_relu", .type = AttrType::kBool, .doc = "y = max(y, 0); set by a pass", .default_value = false};
}

OpDef BatchNormDef() {
  OpDef def;
  def.name = "BatchNorm";
  def.doc =
      "y = scale (x - m) / sqrt(v + epsilon) + bias by channel (Ioffe, Szegedy 2015). In training m and v are the "
      "batch's "
      "mean and biased variance, and next = (1 - momentum) running + momentum batch, with the unbiased variance, as "
      "torch.nn.BatchNorm2d has it; otherwise they are the running ones, which stay as they are.";
  def.inputs = {{"x", "f32[N,C,..] of rank 2 to 5"},
                {"scale", "f32[C]"},
                {"bias", "f32[C]"},
                {"mean", "f32[C]: running mean"},
                {"var", "f32[C]: running variance"}};
  def.outputs = {{"y", "like x"},
                 {.name = "next_mean", .doc = "f32[C]: to update mean with", .optional = true},
                 {.name = "next_var", .doc = "f32[C]: to update var with", .optional = true},
                 {.name = "saved_mean", .doc = "f32[C]: m, for the gradient", .optional = true},
                 {.name = "saved_var", .doc = "f32[C]: v, for the gradient", .optional = true},
                 {.name = "workspace", .doc = "u8: where y > 0, with fuse_relu; opaque", .optional = true}};
  def.attributes = {
      EpsilonAttr(),
      {.name = "momentum",
       .type = AttrType::kFloat,
       .doc = "the part of the running statistics that is replaced by the batch's",
       .default_value = 0.1,
       .min = 0,
       .max = 1},
      {.name = "training", .type = AttrType::kBool, .doc = "set by the entry's phase", .default_value = false},
      FuseReluAttr()};
  def.infer = Infer;
  def.gradient = Gradient;
  def.kernels = "batch_normalization, batch_normalization_inference, elementwise, reshape";
  def.lower = Lower;
  def.reference = Reference;
  def.channel_affine = Affine;
  def.accepts_post_op = [](const Node& node, const PostOp& post, const TensorType*) {
    return !node.attrs.Bool("training") && !node.attrs.Bool("fuse_relu") && post.op == "ReLU" && node.post_ops.empty();
  };
  def.traits.accepts_unary_post_ops = true;
  def.traits.phase_attr = "training";
  def.traits.fused_relu_workspace_output = kWorkspace;
  def.traits.gradient_outputs = {kSavedMean, kSavedVar};
  def.traits.in_place = {{kNextMean, kMean}, {kNextVar, kVar}};
  return def;
}

namespace backward {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckX(c, kGradX));
  const TensorType& x = c.Input(kGradX);
  ATH_RETURN_IF_ERROR(CheckSameType(c, kGradDy, "dy", x, "x"));
  ATH_RETURN_IF_ERROR(CheckChannels(c, kGradX, kGradScale, {"scale", "mean", "var"}));
  if (FusesRelu(c) != c.HasInput(kGradWorkspace)) {
    return c.Error(ErrorClass::kGraph, "with fuse_relu = %d it has %s input \"workspace\"", FusesRelu(c),
                   FusesRelu(c) ? "an" : "no");
  }
  if (FusesRelu(c)) ATH_RETURN_IF_ERROR(CheckSameType(c, kGradWorkspace, "workspace", WorkspaceType(x), "x"));
  c.SetOutput(0, x);
  for (int i : {1, 2}) c.SetOutput(i, c.Input(kGradScale));
  return absl::OkStatus();
}

// Kernel "batch_normalization_backward".
absl::Status Lower(LowerContext& c) {
  const Shape x = c.InputShape(kGradX), channel = {x[1]};
  c.Emit("batch_normalization_backward",
         {c.Input(kGradDy), c.Input(kGradX), c.Input(kGradScale), c.Input(kGradMean), c.Input(kGradVar),
          c.Input(kGradWorkspace)},
         {OutputOrTemporary(c, 0, "dx", DType::kF32, x), OutputOrTemporary(c, 1, "dscale", DType::kF32, channel),
          OutputOrTemporary(c, 2, "dbias", DType::kF32, channel)},
         c.attrs());
  return absl::OkStatus();
}

// With x_hat = (x - mean) / sqrt(var + epsilon): dscale = sum(dy x_hat), dbias = sum(dy),
// dx = scale / sqrt(var + epsilon) (dy - (dbias + x_hat dscale) / n), without the sums where mean and var are given.
absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(kGradX);
  const Channels channels(x.shape);
  const double n = static_cast<double>(channels.per_channel);
  DoubleTensor dscale({channels.count}), dbias({channels.count});
  auto slope = [&](int64_t k) { return 1 / std::sqrt(c.Input(kGradVar)[k] + c.attrs().Float("epsilon")); };
  auto x_hat = [&](int64_t i, int64_t k) { return (x[i] - c.Input(kGradMean)[k]) * slope(k); };
  auto dy = [&](int64_t i) { return FusesRelu(c) && c.Input(kGradWorkspace)[i] == 0 ? 0 : c.Input(kGradDy)[i]; };
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t k = channels.of(i);
    dscale[k] += dy(i) * x_hat(i, k);
    dbias[k] += dy(i);
  }
  for (int64_t i = 0; i < x.size() && c.HasOutput(0); ++i) {
    const int64_t k = channels.of(i);
    const double through_statistics = Training(c) ? (dbias[k] + x_hat(i, k) * dscale[k]) / n : 0;
    c.Output(0)[i] = c.Input(kGradScale)[k] * slope(k) * (dy(i) - through_statistics);
  }
  if (c.HasOutput(1)) c.Output(1) = dscale;
  if (c.HasOutput(2)) c.Output(2) = dbias;
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "BatchNormGrad";
  def.doc = "The gradients of BatchNorm by x, scale and bias.";
  def.inputs = {{"dy", "like x"},
                {"x", "f32[N,C,..] of rank 2 to 5"},
                {"scale", "f32[C]"},
                {"mean", "f32[C]: the forward operator's saved_mean; its mean if that was not in training"},
                {"var", "f32[C]: likewise"},
                {.name = "workspace", .doc = "u8: the forward operator's, with fuse_relu", .optional = true}};
  def.outputs = {{.name = "dx", .doc = "like x", .optional = true},
                 {.name = "dscale", .doc = "f32[C]", .optional = true},
                 {.name = "dbias", .doc = "f32[C]", .optional = true}};
  def.attributes = {EpsilonAttr(),
                    {.name = "training",
                     .type = AttrType::kBool,
                     .doc = "mean and var are the batch's, and x moves them",
                     .default_value = true},
                    FuseReluAttr()};
  def.infer = Infer;
  def.kernels = "batch_normalization_backward";
  def.lower = Lower;
  def.reference = Reference;
  def.traits.fused_relu_workspace_input = kGradWorkspace;
  return def;
}

}  // namespace backward

ATH_REGISTER_OP(BatchNormDef());
ATH_REGISTER_OP(backward::Def());

}  // namespace
}  // namespace athanor
