#include "compiler/builder/convolution.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runtime/core/checked.h"

namespace athanor {
namespace {

// As torch.nn.modules.conv._ConvNd.reset_parameters: kaiming_uniform_(a = sqrt(5)) is +-1/sqrt(fan_in).
Initializer Uniform(const Initializer& given, std::optional<int64_t> fan_in) {
  if (!given.kind.empty()) return given;
  Initializer init{"kaiming_uniform", {{"a", std::sqrt(5.0)}}};
  if (fan_in) init.attrs.Set("fan_in", *fan_in);
  return init;
}

// What is wrong with the options or x is left to the operator's shape rule, which sees all of it.
Var Convolution(GraphBuilder& b, bool transposed, size_t n, Var x, const ConvOptions& o,
                GraphBuilder::Location where) {
  const std::string op = absl::StrCat(transposed ? "ConvTranspose" : "Conv", n, "d");
  // The node takes the layer's name, but for a name that was made here: that one is taken by now.
  const std::string name = o.name.empty() ? b.LayerName(op, "", where) : o.name;
  const std::string node = o.name.empty() ? absl::StrCat(name, ".y") : o.name;
  const TensorType type = b.TypeOf(x);
  const int64_t in = type.rank() < 2 || type.dims[1].symbolic() ? 1 : type.dims[1].size;
  const int64_t groups = std::max<int64_t>(o.groups, 1);
  Shape weight = {transposed ? in : o.out_channels, (transposed ? o.out_channels : in) / groups};
  int64_t fan_in = weight[1];
  for (int64_t size : o.kernel) {
    weight.push_back(size);
    fan_in = CheckedMul(fan_in, size).value_or(1);
  }
  std::vector<Var> inputs = {x, b.Parameter(absl::StrCat(name, ".weight"), weight,
                                            Uniform(o.weight_init, std::nullopt), where)};
  if (o.bias) {
    inputs.push_back(b.Parameter(absl::StrCat(name, ".bias"), {o.out_channels},
                                 Uniform(o.bias_init, std::max<int64_t>(fan_in, 1)), where));
  }
  auto given = [](const Ints& list, size_t size, int64_t otherwise) { return list.empty() ? Ints(size, otherwise) : list; };
  Attributes attrs = {{"strides", given(o.strides, n, 1)},
                      {"pads", given(o.pads, 2 * n, 0)},
                      {"dilations", given(o.dilations, n, 1)},
                      {"groups", o.groups}};
  if (o.auto_pad != "explicit") attrs.Set("auto_pad", AttrValue(o.auto_pad));
  if (transposed || !o.output_padding.empty()) attrs.Set("output_padding", given(o.output_padding, n, 0));
  return b.Op(op, std::move(inputs), std::move(attrs), 1, node, where)[0];
}

}  // namespace

Var Conv1d(GraphBuilder& b, Var x, ConvOptions options, GraphBuilder::Location where) {
  return Convolution(b, /*transposed=*/false, 1, x, options, where);
}
Var Conv2d(GraphBuilder& b, Var x, ConvOptions options, GraphBuilder::Location where) {
  return Convolution(b, /*transposed=*/false, 2, x, options, where);
}
Var Conv3d(GraphBuilder& b, Var x, ConvOptions options, GraphBuilder::Location where) {
  return Convolution(b, /*transposed=*/false, 3, x, options, where);
}
Var ConvTranspose1d(GraphBuilder& b, Var x, ConvOptions options, GraphBuilder::Location where) {
  return Convolution(b, /*transposed=*/true, 1, x, options, where);
}
Var ConvTranspose2d(GraphBuilder& b, Var x, ConvOptions options, GraphBuilder::Location where) {
  return Convolution(b, /*transposed=*/true, 2, x, options, where);
}
Var ConvTranspose3d(GraphBuilder& b, Var x, ConvOptions options, GraphBuilder::Location where) {
  return Convolution(b, /*transposed=*/true, 3, x, options, where);
}

}  // namespace athanor
