#include "models/sequence_layers.h"

#include <cmath>

#include "compiler/builder/normalization.h"

namespace athanor {
namespace {

using Location = GraphBuilder::Location;

int64_t LastDim(const GraphBuilder& b, Var x) {
  const TensorType type = b.TypeOf(x);
  return type.rank() == 0 || type.dims.back().symbolic() ? 0 : type.dims.back().size;
}

// The attention of x to itself. The three projections are products of their own with a third of the weight each, so
// that the heads lie as attention reads them and no activation is copied.
Var SelfAttention(GraphBuilder& b, Var x, const std::string& name, const TransformerLayerOptions& o) {
  const Location where = Location::current();
  const int64_t size = LastDim(b, x);
  if (!b.status().ok()) return {};
  if (o.heads < 1 || size % o.heads != 0) {
    b.Reject("TransformerLayer", name,
             MakeError(ErrorClass::kAttr, "heads = %d does not divide the %d features", o.heads, size), where);
    return {};
  }
  const LinearVars qkv = LinearParameters(
      b, size, name + ".qkv",
      {.units = 3 * size, .weight_init = o.weight_init, .bias_init = o.bias_init}, where);
  const std::vector<Var> weights = b.Op("Split", {qkv.weight}, {{"axis", int64_t{0}}}, 3, "", where),
                         biases = b.Op("Split", {qkv.bias}, {{"axis", int64_t{0}}}, 3, "", where);
  std::vector<Var> heads;
  for (int i = 0; i < 3; ++i) {
    const std::string part = name + (i == 0 ? ".q" : i == 1 ? ".k" : ".v");
    heads.push_back(b.Reshape(ApplyLinear(b, x, {weights[i], biases[i]}, part), {0, 0, o.heads, size / o.heads}));
  }
  Var y = b.Op("ScaledDotProductAttention", heads, {{"layout", std::string("bthe")}, {"causal", o.causal}}, 1,
               name + ".attention", where)[0];
  y = b.Reshape(y, {0, 0, size});
  return Linear(b, y, name + ".out",
                {.units = size, .weight_init = o.weight_init, .bias_init = o.bias_init});
}

}  // namespace

LinearVars LinearParameters(GraphBuilder& b, int64_t features, const std::string& name, LinearOptions o,
                            Location where) {
  const double root5 = std::sqrt(5.0);
  if (o.weight_init.kind.empty()) o.weight_init = {"kaiming_uniform", {{"a", root5}}};
  if (o.bias_init.kind.empty()) o.bias_init = {"kaiming_uniform", {{"a", root5}, {"fan_in", features}}};
  LinearVars p;
  p.weight = b.Parameter(name + ".weight", {o.units, features}, o.weight_init, where);
  if (o.bias) p.bias = b.Parameter(name + ".bias", {o.units}, o.bias_init, where);
  return p;
}

Var ApplyLinear(GraphBuilder& b, Var x, const LinearVars& p, const std::string& name, Location where) {
  const bool bias = p.bias.id != kNoValue;
  Var y = b.Op("MatMul", {x, p.weight}, {{"transpose_b", true}}, 1, bias ? "" : name, where)[0];
  return bias ? b.Op("Add", {y, p.bias}, {}, 1, name, where)[0] : y;
}

Var Linear(GraphBuilder& b, Var x, const std::string& name, LinearOptions options, Location where) {
  if (!b.status().ok()) return {};
  const int64_t features = LastDim(b, x);
  if (features < 1 || b.TypeOf(x).rank() < 2 || options.units < 1) {
    b.Reject("Linear", name,
             MakeError(ErrorClass::kShape,
                       "input \"x\" is %s and units = %d: expected rank 2 or more, a last dimension and units of at "
                       "least 1",
                       b.TypeOf(x).ToString(), options.units),
             where);
    return {};
  }
  return ApplyLinear(b, x, LinearParameters(b, features, name, std::move(options), where), name, where);
}

Var TransformerLayer(GraphBuilder& b, Var x, const std::string& name, const TransformerLayerOptions& o) {
  const int64_t size = LastDim(b, x);
  auto branch = [&](Var y) { return o.dropout > 0 ? b.Dropout(y, o.dropout) : y; };
  Var attended = SelfAttention(b, LayerNorm(b, x, {.name = name + ".n1"}), name, o);
  x = b.Add(x, branch(attended));
  Var h = LayerNorm(b, x, {.name = name + ".n2"});
  h = Linear(b, h, name + ".up",
             {.units = o.hidden > 0 ? o.hidden : 4 * size, .weight_init = o.weight_init, .bias_init = o.bias_init});
  h = b.Op("GELU", {h})[0];
  h = Linear(b, h, name + ".down", {.units = size, .weight_init = o.weight_init, .bias_init = o.bias_init});
  return b.Add(x, branch(h));
}

}  // namespace athanor
