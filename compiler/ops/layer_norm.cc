// LayerNorm, RMSNorm, GroupNorm and InstanceNorm: each sample, or each group of its channels, normalised by its own
// statistics. They differ in what is a row, and share the rest.
#include <cmath>
#include <limits>
#include <string>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

enum class Kind { kLayer, kRms, kGroup, kInstance };

bool OverTrailingDims(Kind kind) { return kind == Kind::kLayer || kind == Kind::kRms; }

// The inputs of the gradient's operator, and what it gives.
enum { kGradDy, kGradX, kGradScale };
enum { kDx, kDscale, kDbias };

// x seen as [samples, groups, channels, area]: a row is what one sample and one group hold; scale and bias have one
// element a group and channel.
struct Rows {
  int64_t groups = 1, channels = 1, area = 1;
  int64_t size() const { return channels * area; }
  int64_t Row(int64_t i) const { return i / size(); }
  int64_t Channel(int64_t i) const { return i / size() % groups * channels + i / area % channels; }
};

int64_t AxisOf(const OpContext& c, size_t rank) {
  const int64_t axis = c.attrs().Int("axis");
  return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
}

Rows RowsOf(const OpContext& c, Kind kind, const Shape& x) {
  Rows rows;
  if (OverTrailingDims(kind)) {
    for (size_t d = AxisOf(c, x.size()); d < x.size(); ++d) rows.channels *= x[d];
    return rows;
  }
  rows.groups = kind == Kind::kGroup ? c.attrs().Int("num_groups") : x[1];
  rows.channels = x[1] / rows.groups;
  for (size_t d = 2; d < x.size(); ++d) rows.area *= x[d];
  return rows;
}

// Of scale and bias.
TensorType AffineType(const OpContext& c, Kind kind, const TensorType& x) {
  if (!OverTrailingDims(kind)) return {x.dtype, {x.dims[1]}};
  return {x.dtype, {x.dims.begin() + AxisOf(c, x.dims.size()), x.dims.end()}};
}

absl::Status CheckX(const InferContext& c, Kind kind, int i) {
  const TensorType& x = c.Input(i);
  ATH_RETURN_IF_ERROR(CheckNumbers(c, i, "x"));
  if (OverTrailingDims(kind)) {
    ATH_RETURN_IF_ERROR(c.CheckRank(i, "x", 1, kMaxRank));
    return c.Axis(c.attrs().Int("axis"), x.rank()).status();
  }
  ATH_RETURN_IF_ERROR(c.CheckRank(i, "x", kind == Kind::kGroup ? 2 : 3, kMaxRank));
  ATH_ASSIGN_OR_RETURN(int64_t channels, c.Known(i, 1, "x"));
  if (kind == Kind::kGroup) {
    const int64_t groups = c.attrs().Int("num_groups");
    if (channels % groups == 0) return absl::OkStatus();
    return c.Error(ErrorClass::kAttr, "num_groups = %d does not divide the %d channels of x", groups, channels);
  }
  for (int d = 2; d < x.rank(); ++d) {
    if (x.dims[d].symbolic() || x.dims[d].size > 1) return absl::OkStatus();
  }
  return c.Error(ErrorClass::kShape, "input \"x\" is %s: one element a channel has no variance", x.ToString());
}

absl::Status CheckAffine(const InferContext& c, Kind kind, int x, int i, const char* what) {
  if (!c.HasInput(i)) return absl::OkStatus();
  const char* like = OverTrailingDims(kind) ? "x from the axis on" : "the channels of x";
  return CheckSameType(c, i, what, AffineType(c, kind, c.Input(x)), like);
}

struct RowStatistics {
  double mean = 0, slope = 0;  // slope = 1 / sqrt(var + epsilon)
};

std::vector<RowStatistics> Statistics(const OpContext& c, Kind kind, const Rows& rows, const DoubleTensor& x) {
  std::vector<RowStatistics> all(x.size() / rows.size());
  const double n = static_cast<double>(rows.size());
  std::vector<double> squares(all.size(), 0);
  for (int64_t i = 0; i < x.size() && kind != Kind::kRms; ++i) all[rows.Row(i)].mean += x[i] / n;
  for (int64_t i = 0; i < x.size(); ++i) squares[rows.Row(i)] += std::pow(x[i] - all[rows.Row(i)].mean, 2) / n;
  for (size_t r = 0; r < all.size(); ++r) all[r].slope = 1 / std::sqrt(squares[r] + c.attrs().Float("epsilon"));
  return all;
}

absl::Status Reference(ReferenceContext& c, Kind kind) {
  const DoubleTensor& x = c.Input(0);
  const Rows rows = RowsOf(c, kind, x.shape);
  const std::vector<RowStatistics> statistics = Statistics(c, kind, rows, x);
  for (int64_t i = 0; i < x.size(); ++i) {
    const RowStatistics& s = statistics[rows.Row(i)];
    const double scale = c.HasInput(1) ? c.Input(1)[rows.Channel(i)] : 1;
    c.Output()[i] = scale * (x[i] - s.mean) * s.slope + (c.HasInput(2) ? c.Input(2)[rows.Channel(i)] : 0);
  }
  return absl::OkStatus();
}

// With x_hat = (x - mean) slope and g = dy scale: dx = slope (g - mean(g) - x_hat mean(g x_hat)),
// dscale = sum(dy x_hat), dbias = sum(dy). RMSNorm has no mean, so dx has no mean(g).
absl::Status BackwardReference(ReferenceContext& c, Kind kind) {
  const DoubleTensor &dy = c.Input(kGradDy), &x = c.Input(kGradX);
  const Rows rows = RowsOf(c, kind, x.shape);
  const std::vector<RowStatistics> statistics = Statistics(c, kind, rows, x);
  auto x_hat = [&](int64_t i) { return (x[i] - statistics[rows.Row(i)].mean) * statistics[rows.Row(i)].slope; };
  auto g = [&](int64_t i) { return c.HasInput(kGradScale) ? dy[i] * c.Input(kGradScale)[rows.Channel(i)] : dy[i]; };
  std::vector<double> mean(statistics.size(), 0), mean_hat(statistics.size(), 0);
  const double n = static_cast<double>(rows.size());
  for (int64_t i = 0; i < x.size(); ++i) {
    if (kind != Kind::kRms) mean[rows.Row(i)] += g(i) / n;
    mean_hat[rows.Row(i)] += g(i) * x_hat(i) / n;
    if (c.HasOutput(kDscale)) c.Output(kDscale)[rows.Channel(i)] += dy[i] * x_hat(i);
    if (c.HasOutput(kDbias)) c.Output(kDbias)[rows.Channel(i)] += dy[i];
  }
  for (int64_t i = 0; i < x.size() && c.HasOutput(kDx); ++i) {
    const int64_t r = rows.Row(i);
    c.Output(kDx)[i] = statistics[r].slope * (g(i) - mean[r] - x_hat(i) * mean_hat[r]);
  }
  return absl::OkStatus();
}

Attributes KernelAttrs(const LowerContext& c, Kind kind, const Shape& x) {
  const Rows rows = RowsOf(c, kind, x);
  return {{"groups", rows.groups},
          {"channels", rows.channels},
          {"area", rows.area},
          {"center", kind != Kind::kRms},
          {"epsilon", c.attrs().Float("epsilon")}};
}

// Kernel "row_normalization": inputs (x[, scale][, bias]), outputs (y).
absl::Status Lower(LowerContext& c, Kind kind) {
  Attributes attrs = KernelAttrs(c, kind, c.InputShape(0));
  attrs.Set("scale", c.HasInput(1));
  attrs.Set("bias", c.HasInput(2));
  std::vector<BufferId> inputs = {c.Input(0)};
  for (int i : {1, 2}) {
    if (c.HasInput(i)) inputs.push_back(c.Input(i));
  }
  c.Emit("row_normalization", std::move(inputs), {c.Output()}, std::move(attrs));
  return absl::OkStatus();
}

// Kernel "row_normalization_backward": inputs (dy, x[, scale]), outputs (dx[, dscale][, dbias]).
absl::Status LowerBackward(LowerContext& c, Kind kind) {
  const Shape x = c.InputShape(kGradX);
  Attributes attrs = KernelAttrs(c, kind, x);
  attrs.Set("scale", c.HasInput(kGradScale));
  attrs.Set("dscale", c.HasOutput(kDscale));
  attrs.Set("dbias", c.HasOutput(kDbias));
  std::vector<BufferId> inputs = {c.Input(kGradDy), c.Input(kGradX)};
  if (c.HasInput(kGradScale)) inputs.push_back(c.Input(kGradScale));
  std::vector<BufferId> outputs = {c.HasOutput(kDx) ? c.Output(kDx) : c.Temporary("dx", DType::kF32, x)};
  for (int i : {kDscale, kDbias}) {
    if (c.HasOutput(i)) outputs.push_back(c.Output(i));
  }
  c.Emit("row_normalization_backward", std::move(inputs), std::move(outputs), std::move(attrs));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c, const std::string& name) {
  std::vector<ValueId> inputs = {c.OutputGrad(), c.Input(0)};
  if (c.HasInput(1)) inputs.push_back(c.Input(1));
  const int outputs = c.NeedsGrad(2) ? 3 : c.NeedsGrad(1) ? 2 : 1;
  ATH_ASSIGN_OR_RETURN(std::vector<ValueId> grads, c.EmitMulti(name + "Grad", std::move(inputs), c.attrs(), outputs));
  for (int i = 0; i < outputs; ++i) {
    if (c.NeedsGrad(i)) c.SetInputGrad(i, grads[i]);
  }
  return absl::OkStatus();
}

std::vector<AttrDef> AttributeDefs(Kind kind) {
  std::vector<AttrDef> defs;
  if (OverTrailingDims(kind)) {
    defs.push_back({.name = "axis",
                    .type = AttrType::kInt,
                    .doc = "the first normalised dimension; negative: from the last",
                    .default_value = int64_t{-1}});
  } else if (kind == Kind::kGroup) {
    defs.push_back({.name = "num_groups", .type = AttrType::kInt, .doc = "divides the channels", .min = 1});
  }
  defs.push_back({.name = "epsilon",
                  .type = AttrType::kFloat,
                  .doc = "added to the variance",
                  .default_value = 1e-5,
                  .min = std::numeric_limits<float>::min(),
                  .max = 1e30});
  return defs;
}

std::string AffineDoc(Kind kind) { return OverTrailingDims(kind) ? "like x from the axis on" : "f32[C]"; }

OpDef ForwardDef(Kind kind, const std::string& name, const std::string& doc) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  const std::string x = OverTrailingDims(kind) ? "f32, rank at least 1" : "f32[N,C,..]";
  def.inputs = {{"x", x}, {.name = "scale", .doc = AffineDoc(kind) + ", 1 if absent", .optional = true}};
  if (kind != Kind::kRms) {
    def.inputs.push_back({.name = "bias", .doc = AffineDoc(kind) + ", 0 if absent", .optional = true});
  }
  def.outputs = {{"y", "like x"}};
  def.attributes = AttributeDefs(kind);
  def.infer = [kind](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckX(c, kind, 0));
    ATH_RETURN_IF_ERROR(CheckAffine(c, kind, 0, 1, "scale"));
    ATH_RETURN_IF_ERROR(CheckAffine(c, kind, 0, 2, "bias"));
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.gradient = [name](GradientContext& c) { return Gradient(c, name); };
  def.kernels = "row_normalization";
  def.lower = [kind](LowerContext& c) { return Lower(c, kind); };
  def.reference = [kind](ReferenceContext& c) { return Reference(c, kind); };
  def.traits.in_place = {{0, 0}};
  return def;
}

OpDef BackwardDef(Kind kind, const std::string& name) {
  OpDef def;
  def.name = name + "Grad";
  def.doc = "The gradients of " + name + " by x, scale" + (kind == Kind::kRms ? "." : " and bias.");
  def.inputs = {{"dy", "like x"},
                {"x", "the forward operator's"},
                {.name = "scale", .doc = "the forward operator's", .optional = true}};
  def.outputs = {{.name = "dx", .doc = "like x", .optional = true},
                 {.name = "dscale", .doc = AffineDoc(kind), .optional = true}};
  if (kind != Kind::kRms) def.outputs.push_back({.name = "dbias", .doc = AffineDoc(kind), .optional = true});
  def.attributes = AttributeDefs(kind);
  def.infer = [kind](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckX(c, kind, kGradX));
    ATH_RETURN_IF_ERROR(CheckSameType(c, kGradDy, "dy", c.Input(kGradX), "x"));
    ATH_RETURN_IF_ERROR(CheckAffine(c, kind, kGradX, kGradScale, "scale"));
    const TensorType affine = AffineType(c, kind, c.Input(kGradX));
    c.SetOutput(kDx, c.Input(kGradX));
    for (int i = kDscale; i < (kind == Kind::kRms ? kDbias : kDbias + 1); ++i) c.SetOutput(i, affine);
    return absl::OkStatus();
  };
  def.kernels = "row_normalization_backward";
  def.lower = [kind](LowerContext& c) { return LowerBackward(c, kind); };
  def.reference = [kind](ReferenceContext& c) { return BackwardReference(c, kind); };
  return def;
}

void Register(Kind kind, const std::string& name, const std::string& doc) {
  OpRegistry::Get().Register(ForwardDef(kind, name, doc));
  OpRegistry::Get().Register(BackwardDef(kind, name));
}

[[maybe_unused]] const bool kRegistered = [] {
  Register(Kind::kLayer, "LayerNorm",
           "y = scale (x - mean) / sqrt(var + epsilon) + bias, mean and biased variance over the dimensions from the "
           "axis on (Ba, Kiros, Hinton 2016; torch.nn.LayerNorm).");
  Register(Kind::kRms, "RMSNorm",
           "y = scale x / sqrt(mean(x^2) + epsilon), the mean over the dimensions from the axis on (Zhang, Sennrich "
           "2019; torch.nn.RMSNorm).");
  Register(Kind::kGroup, "GroupNorm",
           "y = scale (x - mean) / sqrt(var + epsilon) + bias, mean and biased variance of each sample over C / "
           "num_groups neighbouring channels and all behind them (Wu, He 2018; torch.nn.GroupNorm).");
  Register(Kind::kInstance, "InstanceNorm",
           "y = scale (x - mean) / sqrt(var + epsilon) + bias, mean and biased variance of each sample and channel "
           "(Ulyanov, Vedaldi, Lempitsky 2016; torch.nn.InstanceNorm2d without running statistics).");
  return true;
}();

}  // namespace
}  // namespace athanor
