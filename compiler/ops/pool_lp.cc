// LpPool: an AvgPool of the powers, and the root of that. Power and root are operators of their own, for their slopes
// at 0.
#include <cmath>

#include "compiler/opdef/elementwise.h"
#include "compiler/ops/not_empty.h"
#include "compiler/ops/pool.h"

namespace athanor {
namespace {

AttrDef PAttr() {
  return {.name = "p",
          .type = AttrType::kInt,
          .doc = "of the norm",
          .default_value = int64_t{2},
          .min = 1,
          .max = 1 << 10};
}
AttrDef ScaleAttr() {
  return {.name = "scale", .type = AttrType::kFloat, .doc = "the number of elements that a mean was made of", .min = 1};
}

int64_t P(const Node& node) { return node.attrs.Int("p", 2); }
double Scale(const Node& node) { return node.attrs.Float("scale"); }

Elem Power(Elem a, int64_t p) {
  if (p > 4) return Pow(a, static_cast<double>(p));
  Elem product = 1;
  for (int64_t i = 0; i < p; ++i) product = i == 0 ? a : product * a;
  return product;
}

absl::Status InferLike(InferContext& c, const char* what) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, what));
  c.SetOutput(0, c.Input(0));
  return absl::OkStatus();
}

absl::Status InferGrad(InferContext& c, const char* what) {
  ATH_RETURN_IF_ERROR(CheckSameType(c, 1, what, c.Input(0), "dy"));
  return InferLike(c, "dy");
}

// The parts have one or two inputs, like their output, and compute y[i] = value(node, inputs[i]).
using Value = double (*)(const Node& node, const std::vector<double>& x);

OpDef PartDef(const char* name, const char* doc, std::vector<PortDef> inputs, const char* output,
              ElementwiseFn elementwise, Value value) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = std::move(inputs);
  def.outputs = {{output, "like it"}};
  def.attributes = {PAttr()};
  const size_t many = def.inputs.size();
  const std::string second = many == 2 ? def.inputs[1].name : "";
  def.infer = [many, second](InferContext& c) {
    return many == 2 ? InferGrad(c, second.c_str()) : InferLike(c, "x");
  };
  def.elementwise = std::move(elementwise);
  def.reference = [many, value](ReferenceContext& c) {
    DoubleTensor& y = c.Output();
    std::vector<double> x(many);
    for (int64_t i = 0; i < y.size(); ++i) {
      for (size_t k = 0; k < many; ++k) x[k] = c.Input(static_cast<int>(k))[i];
      y[i] = value(c.node(), x);
    }
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  return def;
}

OpDef PowerDef() {
  OpDef def = PartDef(
      "LpPoolPower", "y = |x|^p: the first part of LpPool.", {{"x", "f32, any shape"}}, "y",
      [](const Node& node, absl::Span<const Elem> x) -> std::vector<Elem> { return {Power(Abs(x[0]), P(node))}; },
      [](const Node& node, const std::vector<double>& x) {
        return std::pow(std::abs(x[0]), static_cast<double>(P(node)));
      });
  def.gradient = [](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("LpPoolPowerGrad", {c.OutputGrad(), c.Input(0)}, {{"p", P(c.node())}}));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  return def;
}

OpDef PowerGradDef() {
  return PartDef(
      "LpPoolPowerGrad", "dx = dy p sign(x) |x|^(p - 1): the gradient of LpPoolPower.",
      {{"dy", "f32, any shape"}, {"x", "like dy: the forward operator's input"}}, "dx",
      [](const Node& node, absl::Span<const Elem> x) -> std::vector<Elem> {
        const int64_t p = P(node);
        return {x[0] * static_cast<double>(p) * Sign(x[1]) * Power(Abs(x[1]), p - 1)};
      },
      [](const Node& node, const std::vector<double>& x) {
        const double p = static_cast<double>(P(node)), sign = x[1] > 0 ? 1 : x[1] < 0 ? -1 : 0;
        return x[0] * p * sign * std::pow(std::abs(x[1]), p - 1);
      });
}

OpDef RootDef() {
  OpDef def = PartDef(
      "LpPoolRoot", "y = (scale x)^(1 / p) of an x that is not negative: the last part of LpPool.",
      {{"x", "f32, any shape"}}, "y",
      [](const Node& node, absl::Span<const Elem> x) -> std::vector<Elem> {
        const Elem sum = x[0] * Scale(node);
        if (P(node) == 1) return {sum};
        if (P(node) == 2) return {Sqrt(sum)};
        return {Select(Eq(sum, 0), 0, Pow(sum, 1.0 / static_cast<double>(P(node))))};
      },
      [](const Node& node, const std::vector<double>& x) {
        return std::pow(Scale(node) * x[0], 1.0 / static_cast<double>(P(node)));
      });
  def.attributes.push_back(ScaleAttr());
  def.gradient = [](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("LpPoolRootGrad", {c.OutputGrad(), c.Output()},
                                            {{"p", P(c.node())}, {"scale", Scale(c.node())}}));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  return def;
}

OpDef RootGradDef() {
  OpDef def = PartDef(
      "LpPoolRootGrad", "dx = dy scale y^(1 - p) / p, 0 where y is 0: the gradient of LpPoolRoot by its output.",
      {{"dy", "f32, any shape"}, {"y", "like dy: the forward operator's output"}}, "dx",
      [](const Node& node, absl::Span<const Elem> x) -> std::vector<Elem> {
        const int64_t p = P(node);
        const Elem scaled = x[0] * (Scale(node) / static_cast<double>(p));
        if (p == 1) return {scaled};
        return {Select(Eq(x[1], 0), 0, scaled / Power(x[1], p - 1))};
      },
      [](const Node& node, const std::vector<double>& x) {
        const double p = static_cast<double>(P(node));
        return x[1] == 0 && p > 1 ? 0 : x[0] * Scale(node) / p * std::pow(x[1], 1 - p);
      });
  def.attributes.push_back(ScaleAttr());
  return def;
}

// LpPool's parts: the AvgPool, which divides every sum by the kernel's size, and that size.
struct Parts {
  Attributes average;
  double elements = 1;
};

absl::StatusOr<Parts> PartsOf(const OpContext& c, const TensorType& x) {
  ATH_ASSIGN_OR_RETURN(const PoolWindow pool, SettlePool(c, x.dims));
  Parts parts{PoolAttributes(pool.window)};
  parts.average.Set("count_include_pad", true);
  for (int64_t size : pool.window.kernel) parts.elements *= static_cast<double>(size);
  return parts;
}

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckPoolImages(c, 0, "x"));
  ATH_ASSIGN_OR_RETURN(TensorType y, PoolOutputType(c, c.Input(0)));
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::Status Expand(ExpandContext& c) {
  const int64_t p = P(c.node());
  ATH_ASSIGN_OR_RETURN(Parts parts, PartsOf(c, c.TypeOf(c.Input(0))));
  ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("LpPoolPower", {c.Input(0)}, {{"p", p}}));
  ATH_ASSIGN_OR_RETURN(y, c.Emit("AvgPool", {y}, std::move(parts.average)));
  ATH_ASSIGN_OR_RETURN(y, c.Emit("LpPoolRoot", {y}, {{"p", p}, {"scale", parts.elements}}));
  c.SetOutput(0, y);
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  const int64_t p = P(c.node());
  const TensorType x = c.TypeOf(c.Input(0));
  ATH_ASSIGN_OR_RETURN(Parts parts, PartsOf(c, x));
  parts.average.Set("input_size", SpatialSizes(x));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("LpPoolRootGrad", {c.OutputGrad(), c.Output()},
                                          {{"p", p}, {"scale", parts.elements}}));
  ATH_ASSIGN_OR_RETURN(dx, c.Emit("AvgPoolGrad", {dx}, std::move(parts.average)));
  ATH_ASSIGN_OR_RETURN(dx, c.Emit("LpPoolPowerGrad", {dx, c.Input(0)}, {{"p", p}}));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  const double p = static_cast<double>(P(c.node()));
  ATH_ASSIGN_OR_RETURN(const PoolWindow pool, SettlePool(c, DimsOf(x.shape)));
  ForEachPoolElement(pool.window, x.shape, y.shape, [&](int64_t, int64_t xi, int64_t yi) {
    if (xi >= 0) y[yi] += std::pow(std::abs(x[xi]), p);
  });
  for (double& v : y.data) v = std::pow(v, 1 / p);
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "LpPool";
  def.doc =
      "y = (the sum of |x|^p over each window)^(1/p), zeros around x: ONNX's LpPool, and for even p "
      "torch.nn.functional.lp_pool1d, 2d and 3d (which sums x^p). Its gradient is 0 where y is 0.";
  def.inputs = {{"x", "f32[N,C,spatial..], one to three spatial dimensions"}};
  def.outputs = {{"y", "f32[N,C,positions..], each floor((size + pads - kernel) / stride) + 1"}};
  def.attributes = {PAttr(), KernelAttr(0), StridesAttr(0), PadsAttr(0), AutoPadAttr(), CeilModeAttr()};
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = Expand;
  def.reference = Reference;
  return def;
}

ATH_REGISTER_OP(PowerDef());
ATH_REGISTER_OP(PowerGradDef());
ATH_REGISTER_OP(RootDef());
ATH_REGISTER_OP(RootGradDef());
ATH_REGISTER_OP(Def());

}  // namespace
}  // namespace athanor
