// LocalResponseNorm and its gradient.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

std::vector<AttrDef> AttributeDefs() {
  constexpr double kMax = 1e30;
  return {{.name = "size", .type = AttrType::kInt, .doc = "channels in a window", .min = 1},
          {.name = "alpha", .type = AttrType::kFloat, .doc = "of the mean of squares", .default_value = 1e-4, .min = 0, .max = kMax},
          {.name = "beta", .type = AttrType::kFloat, .doc = "the power", .default_value = 0.75, .min = 0, .max = kMax},
          {.name = "k",
           .type = AttrType::kFloat,
           .doc = "k^-beta must be a float",
           .default_value = 1.0,
           .min = 0,
           .max = kMax,
           .min_exclusive = true}};
}

absl::Status CheckX(const InferContext& c, int i) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, i, "x"));
  ATH_RETURN_IF_ERROR(c.CheckRank(i, "x", 2, kMaxRank));
  const double k = c.attrs().Float("k"), beta = c.attrs().Float("beta");
  if (std::pow(k, -beta) <= std::numeric_limits<float>::max()) return absl::OkStatus();
  return c.Error(ErrorClass::kAttr, "k = %g, beta = %g: k^-beta is more than an f32 holds", k, beta);
}

// x as [samples, channels, area], and the sums over windows of channels.
struct Windows {
  Windows(const OpContext& c, const Shape& x) : channels(x[1]), size(c.attrs().Int("size")) {
    for (size_t d = 2; d < x.size(); ++d) area *= x[d];
    alpha = c.attrs().Float("alpha") / static_cast<double>(size);
    beta = c.attrs().Float("beta");
    k = c.attrs().Float("k");
  }
  // Calls f(j) for every element j in the window of element i.
  template <typename F>
  void ForEach(int64_t i, F&& f) const {
    const int64_t c = i / area % channels;
    const int64_t last = c + std::min((size - 1) / 2, channels - 1 - c);
    for (int64_t j = c - std::min(size / 2, c); j <= last; ++j) f(i + (j - c) * area);
  }
  double Base(const DoubleTensor& x, int64_t i) const {
    double sum = 0;
    ForEach(i, [&](int64_t j) { sum += x[j] * x[j]; });
    return k + alpha * sum;
  }
  int64_t channels, size, area = 1;
  double alpha, beta, k;  // alpha is divided by the size
};

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  const Windows w(c, x.shape);
  for (int64_t i = 0; i < x.size(); ++i) c.Output()[i] = x[i] * std::pow(w.Base(x, i), -w.beta);
  return absl::OkStatus();
}

absl::Status BackwardReference(ReferenceContext& c) {
  const DoubleTensor &dy = c.Input(0), &x = c.Input(1);
  const Windows w(c, x.shape);
  for (int64_t i = 0; i < x.size(); ++i) {
    const double s = w.Base(x, i), power = std::pow(s, -w.beta);
    c.Output()[i] += dy[i] * power;
    w.ForEach(i, [&](int64_t j) { c.Output()[j] -= 2 * w.alpha * w.beta * dy[i] * x[i] * power / s * x[j]; });
  }
  return absl::OkStatus();
}

OpDef ForwardDef() {
  OpDef def;
  def.name = "LocalResponseNorm";
  def.doc =
      "y = x (k + alpha / size * the sum of x^2 over `size` neighbouring channels, c - size / 2 to c + (size - 1) / 2)"
      "^-beta (Krizhevsky, Sutskever, Hinton 2012; torch.nn.LocalResponseNorm). The paper's alpha is not divided.";
  def.inputs = {{"x", "f32[N,C,..]"}};
  def.outputs = {{"y", "like x"}};
  def.attributes = AttributeDefs();
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckX(c, 0));
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.gradient = [](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("LocalResponseNormGrad", {c.OutputGrad(), c.Input(0)}, c.attrs()));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  // Kernel "local_response_normalization": inputs (x), outputs (y), the operator's attributes.
  def.kernels = "local_response_normalization";
  def.lower = [](LowerContext& c) {
    c.Emit("local_response_normalization", {c.Input(0)}, {c.Output()}, c.attrs());
    return absl::OkStatus();
  };
  def.reference = Reference;
  def.traits.in_place = {{0, 0}};
  return def;
}

OpDef BackwardDef() {
  OpDef def;
  def.name = "LocalResponseNormGrad";
  def.doc = "The gradient of LocalResponseNorm.";
  def.inputs = {{"dy", "like x"}, {"x", "the forward operator's"}};
  def.outputs = {{"dx", "like x"}};
  def.attributes = AttributeDefs();
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckX(c, 1));
    ATH_RETURN_IF_ERROR(CheckSameType(c, 0, "dy", c.Input(1), "x"));
    c.SetOutput(0, c.Input(1));
    return absl::OkStatus();
  };
  // Kernel "local_response_normalization_backward": inputs (dy, x), outputs (dx), the operator's attributes.
  def.kernels = "local_response_normalization_backward";
  def.lower = [](LowerContext& c) {
    c.Emit("local_response_normalization_backward", {c.Input(0), c.Input(1)}, {c.Output()}, c.attrs());
    return absl::OkStatus();
  };
  def.reference = BackwardReference;
  def.traits.in_place = {{0, 0}, {0, 1}};
  return def;
}

ATH_REGISTER_OP(ForwardDef());
ATH_REGISTER_OP(BackwardDef());

}  // namespace
}  // namespace athanor
