// TensorStatistics: what a tensor looks like, for the diagnosis of a training.
#include "runtime/core/tensor_statistics.h"

#include <algorithm>
#include <cmath>

#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

enum { kX, kMinus };

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(kX, "x"));
  if (c.HasInput(kMinus) && !(c.Input(kMinus) == c.Input(kX))) {
    return c.Error(ErrorClass::kShape, "input \"minus\" is %s, but input \"x\" is %s", c.Input(kMinus).ToString(),
                   c.Input(kX).ToString());
  }
  if (c.attrs().Int("axis") >= c.Input(kX).rank()) {
    return c.Error(ErrorClass::kAttr, "axis = %d is no dimension of x %s", c.attrs().Int("axis"), c.Input(kX).ToString());
  }
  const Floats bounds = c.attrs().GetFloats("bounds");
  if (!bounds.empty() && (bounds.size() != 2 || !(bounds[0] <= bounds[1]))) {
    return c.Error(ErrorClass::kAttr, "bounds = %s must be none, or a low and a high one",
                   AttrToString(AttrValue(bounds)));
  }
  c.SetOutput(0, TensorType(c.Input(kX).dtype, {kNumStatistics}));
  return absl::OkStatus();
}

// Kernel "tensor_statistics": inputs (x[, minus]), outputs (statistics), attributes {axis, bounds}.
absl::Status Lower(LowerContext& c) {
  std::vector<BufferId> inputs = {c.Input(kX)};
  if (c.HasInput(kMinus)) inputs.push_back(c.Input(kMinus));
  c.Emit("tensor_statistics", std::move(inputs), {c.Output()}, c.attrs());
  return absl::OkStatus();
}

// Of the units along `axis`.
double DeadShare(const DoubleTensor& x, int64_t axis) {
  if (axis < 0 || x.size() == 0) return 0;
  std::vector<bool> alive(x.shape[axis], false);
  int64_t inner = 1;
  for (size_t d = axis + 1; d < x.shape.size(); ++d) inner *= x.shape[d];
  for (int64_t i = 0; i < x.size(); ++i) {
    if (x[i] != 0) alive[i / inner % x.shape[axis]] = true;
  }
  return static_cast<double>(std::count(alive.begin(), alive.end(), false)) / static_cast<double>(alive.size());
}

absl::Status Reference(ReferenceContext& c) {
  const Floats bounds = c.attrs().GetFloats("bounds");
  DoubleTensor& out = c.Output();
  auto at = [&](Statistic s) -> double& { return out[static_cast<int>(s)]; };
  double sum = 0, squares = 0, finite = 0;
  const DoubleTensor& x = c.Input(kX);
  for (int64_t i = 0; i < x.size(); ++i) {
    const double v = x[i] - (c.HasInput(kMinus) ? c.Input(kMinus)[i] : 0);
    if (!std::isfinite(v)) {
      ++at(Statistic::kNotFinite);
      continue;
    }
    at(Statistic::kMin) = finite == 0 ? v : std::min(at(Statistic::kMin), v);
    at(Statistic::kMax) = finite == 0 ? v : std::max(at(Statistic::kMax), v);
    ++finite;
    sum += v;
    squares += v * v;
    at(Statistic::kZeros) += v == 0;
    at(Statistic::kOutside) += !bounds.empty() && (v <= bounds[0] || v >= bounds[1]);
  }
  const double elements = static_cast<double>(std::max<int64_t>(x.size(), 1)), mean = finite > 0 ? sum / finite : 0;
  at(Statistic::kNorm) = std::sqrt(squares);
  at(Statistic::kMean) = mean;
  at(Statistic::kStd) = finite > 0 ? std::sqrt(std::max(0.0, squares / finite - mean * mean)) : 0;
  at(Statistic::kZeros) /= elements;
  at(Statistic::kOutside) /= elements;
  at(Statistic::kDead) = DeadShare(x, c.attrs().Int("axis"));
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "TensorStatistics";
  def.doc =
      "Of x, or of x - minus: norm, mean, standard deviation, minimum and maximum of the finite elements; the shares of "
      "elements that are 0 and that are at or outside the bounds; the share of units (indices along axis) of which all "
      "elements of x are 0; the number of elements that are not finite.";
  def.inputs = {{"x", "f32, any shape"}, {.name = "minus", .doc = "like x", .optional = true}};
  def.outputs = {{"statistics", "f32[9]"}};
  def.attributes = {{.name = "axis",
                     .type = AttrType::kInt,
                     .doc = "of the units; -1: there are none",
                     .default_value = int64_t{-1},
                     .min = -1,
                     .max = 64},
                    {.name = "bounds",
                     .type = AttrType::kFloats,
                     .doc = "none, or [low, high]",
                     .default_value = Floats{}}};
  def.infer = Infer;
  def.kernels = "tensor_statistics";
  def.lower = Lower;
  def.reference = Reference;
  def.traits.gives_statistics = true;
  return def;
}

ATH_REGISTER_OP(Def());

}  // namespace
}  // namespace athanor
