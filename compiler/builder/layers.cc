// The layers of GraphBuilder: thin names over Op(), and parameters as torch.nn makes them.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/builder/builder.h"
#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

// torch.nn.Linear and _ConvNd start the weight by kaiming_uniform_(a = sqrt(5)), which is +-1/sqrt(fan_in), and the
// bias uniformly in the same range.
Initializer WeightInit(const Initializer& given) {
  return given.kind.empty() ? Initializer{"kaiming_uniform", {{"a", std::sqrt(5.0)}}} : given;
}

Initializer BiasInit(const Initializer& given, int64_t fan_in) {
  if (!given.kind.empty()) return given;
  return {"kaiming_uniform", {{"a", std::sqrt(5.0)}, {"fan_in", fan_in}}};
}

}  // namespace

Var GraphBuilder::Simple(const char* op, std::vector<Var> inputs, Attributes attrs, const std::string& name,
                         Location where) {
  const OpDef* def = OpRegistry::Get().Find(op);
  int num_outputs = 1;
  for (size_t i = 1; def != nullptr && i < def->outputs.size() && !def->outputs[i].optional; ++i) ++num_outputs;
  return Op(op, std::move(inputs), std::move(attrs), num_outputs, name, where)[0];
}

Var GraphBuilder::Conv2d(Var x, Conv2dOptions o, Location where) {
  Layer layer{"Conv2d", o.name, where};
  if (!Begin(&layer) || !CheckRank(layer, x, 4)) return {};
  const int64_t in_channels = Known(layer, x, 1);
  if (in_channels == 0) return {};
  if (o.out_channels < 1 || o.groups < 1 || in_channels % o.groups != 0 || o.out_channels % o.groups != 0) {
    Fail(layer, ErrorClass::kAttr, "groups = %d must divide the %d input channels and out_channels = %d (at least 1)",
         o.groups, in_channels, o.out_channels);
    return {};
  }
  if (o.kernel.size() != 2 || o.kernel[0] < 1 || o.kernel[1] < 1) {
    Fail(layer, ErrorClass::kAttr, "kernel = %s is not {height, width}, each at least 1", AttrToString(o.kernel));
    return {};
  }
  const int64_t group_in = in_channels / o.groups;
  std::vector<Var> inputs = {x, Parameter(absl::StrCat(layer.name, ".weight"),
                                          {o.out_channels, group_in, o.kernel[0], o.kernel[1]},
                                          WeightInit(o.weight_init), where)};
  if (o.bias) {
    inputs.push_back(Parameter(absl::StrCat(layer.name, ".bias"), {o.out_channels},
                               BiasInit(o.bias_init, group_in * o.kernel[0] * o.kernel[1]), where));
  }
  Attributes attrs = {
      {"strides", o.strides}, {"pads", o.pads}, {"dilations", o.dilations}, {"groups", o.groups}};
  return AddNode(layer, std::move(inputs), std::move(attrs), 1)[0];
}

Var GraphBuilder::FullyConnected(Var x, FullyConnectedOptions o, Location where) {
  Layer layer{"FullyConnected", o.name, where};
  if (!Begin(&layer) || !CheckRank(layer, x, 2)) return {};
  const int64_t features = Known(layer, x, 1);
  if (features == 0) return {};
  if (o.units < 1) {
    Fail(layer, ErrorClass::kAttr, "units = %d is not at least 1", o.units);
    return {};
  }
  std::vector<Var> inputs = {
      x, Parameter(absl::StrCat(layer.name, ".weight"), {o.units, features}, WeightInit(o.weight_init), where)};
  if (o.bias) {
    inputs.push_back(
        Parameter(absl::StrCat(layer.name, ".bias"), {o.units}, BiasInit(o.bias_init, features), where));
  }
  return AddNode(layer, std::move(inputs), {}, 1)[0];
}

Var GraphBuilder::BatchNorm(Var x, BatchNormOptions o, Location where) {
  Layer layer{"BatchNorm", o.name, where};
  if (!Begin(&layer)) return {};
  if (!CheckVars(layer, {x}) || TypeOf(x).rank() < 2) {
    Fail(layer, ErrorClass::kShape, "input \"x\" is %s, expected [N, channels, ...]", TypeOf(x).ToString());
    return {};
  }
  const int64_t channels = Known(layer, x, 1);
  if (channels == 0) return {};
  auto named = [&](const char* suffix) { return absl::StrCat(layer.name, suffix); };
  const Initializer zeros{"zeros", {}}, ones{"ones", {}};
  Var scale = Parameter(named(".weight"), {channels}, ones, where);
  Var bias = Parameter(named(".bias"), {channels}, zeros, where);
  Var mean = State(named(".running_mean"), {channels}, zeros, where);
  Var variance = State(named(".running_var"), {channels}, ones, where);
  // Outputs: y, the running mean and variance after this batch.
  std::vector<Var> out = AddNode(layer, {x, scale, bias, mean, variance},
                                 {{"epsilon", o.epsilon}, {"momentum", o.momentum}}, 3);
  Update(mean, out[1], where);
  Update(variance, out[2], where);
  return out[0];
}

Var GraphBuilder::Dropout(Var x, double ratio, const std::string& name, Location where) {
  return Simple("Dropout", {x}, {{"ratio", ratio}}, name, where);
}

Var GraphBuilder::Pool(const char* op, Var x, PoolOptions o, bool average, Location where) {
  if (o.strides.empty()) o.strides = o.kernel;
  Attributes attrs = {{"kernel", o.kernel}, {"strides", o.strides}, {"pads", o.pads}};
  if (average) attrs.Set("count_include_pad", o.count_include_pad);
  return Simple(op, {x}, std::move(attrs), o.name, where);
}

Var GraphBuilder::MaxPool(Var x, PoolOptions o, Location where) {
  return Pool("MaxPool", x, std::move(o), /*average=*/false, where);
}

Var GraphBuilder::AvgPool(Var x, PoolOptions o, Location where) {
  return Pool("AvgPool", x, std::move(o), /*average=*/true, where);
}

Var GraphBuilder::GlobalAvgPool(Var x, const std::string& name, Location where) {
  return Simple("GlobalAvgPool", {x}, {}, name, where);
}

Var GraphBuilder::Relu(Var x, const std::string& name, Location where) { return Simple("ReLU", {x}, {}, name, where); }

Var GraphBuilder::Sigmoid(Var x, const std::string& name, Location where) {
  return Simple("Sigmoid", {x}, {}, name, where);
}

Var GraphBuilder::Tanh(Var x, const std::string& name, Location where) { return Simple("Tanh", {x}, {}, name, where); }

Var GraphBuilder::Identity(Var x, const std::string& name, Location where) {
  return Simple("Identity", {x}, {}, name, where);
}

Var GraphBuilder::Softmax(Var x, int64_t axis, const std::string& name, Location where) {
  return Simple("Softmax", {x}, {{"axis", axis}}, name, where);
}

Var GraphBuilder::Add(Var a, Var b, const std::string& name, Location where) {
  return Simple("Add", {a, b}, {}, name, where);
}

Var GraphBuilder::Sub(Var a, Var b, const std::string& name, Location where) {
  return Simple("Sub", {a, b}, {}, name, where);
}

Var GraphBuilder::Mul(Var a, Var b, const std::string& name, Location where) {
  return Simple("Mul", {a, b}, {}, name, where);
}

Var GraphBuilder::Div(Var a, Var b, const std::string& name, Location where) {
  return Simple("Div", {a, b}, {}, name, where);
}

Var GraphBuilder::MatMul(Var a, Var b, const std::string& name, Location where) {
  return Simple("MatMul", {a, b}, {}, name, where);
}

Var GraphBuilder::Reshape(Var x, Ints shape, const std::string& name, Location where) {
  return Simple("Reshape", {x}, {{"shape", std::move(shape)}}, name, where);
}

Var GraphBuilder::Flatten(Var x, const std::string& name, Location where) {
  return Simple("Flatten", {x}, {}, name, where);
}

Var GraphBuilder::Transpose(Var x, Ints perm, const std::string& name, Location where) {
  return Simple("Transpose", {x}, {{"perm", std::move(perm)}}, name, where);
}

Var GraphBuilder::Concat(std::vector<Var> parts, int64_t axis, const std::string& name, Location where) {
  return Simple("Concat", std::move(parts), {{"axis", axis}}, name, where);
}

Var GraphBuilder::Slice(Var x, SliceOptions o, Location where) {
  Attributes attrs = {{"starts", o.starts}, {"ends", o.ends}};
  if (!o.axes.empty()) attrs.Set("axes", o.axes);
  if (!o.steps.empty()) attrs.Set("steps", o.steps);
  return Simple("Slice", {x}, std::move(attrs), o.name, where);
}

Var GraphBuilder::Reduce(const char* op, Var x, ReduceOptions o, Location where) {
  return Simple(op, {x}, {{"axes", o.axes}, {"keepdims", o.keepdims}}, o.name, where);
}

Var GraphBuilder::ReduceSum(Var x, ReduceOptions o, Location where) {
  return Reduce("ReduceSum", x, std::move(o), where);
}

Var GraphBuilder::ReduceMean(Var x, ReduceOptions o, Location where) {
  return Reduce("ReduceMean", x, std::move(o), where);
}

Var GraphBuilder::ReduceMax(Var x, ReduceOptions o, Location where) {
  return Reduce("ReduceMax", x, std::move(o), where);
}

Var GraphBuilder::SoftmaxCrossEntropy(Var logits, Var labels, const std::string& name, Location where) {
  return Simple("SoftmaxCrossEntropy", {logits, labels}, {}, name, where);
}

Var GraphBuilder::MeanSquaredError(Var prediction, Var target, const std::string& name, Location where) {
  return Simple("MeanSquaredError", {prediction, target}, {}, name, where);
}

}  // namespace athanor
