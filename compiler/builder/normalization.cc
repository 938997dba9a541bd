#include "compiler/builder/normalization.h"

#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

using Location = GraphBuilder::Location;

// The dimensions from the axis on; an axis out of range is left to the operator's shape rule.
std::vector<Dim> TrailingDims(const TensorType& x, int64_t axis) {
  const int64_t rank = x.rank(), first = axis < 0 ? axis + rank : axis;
  if (first < 0 || first >= rank) return {};
  return {x.dims.begin() + first, x.dims.end()};
}

std::vector<Dim> Channels(const TensorType& x) {
  if (x.rank() < 2) return {};
  return {x.dims[1]};
}

struct Affine {
  std::vector<Dim> dims;  // of weight and bias
  bool weight = true, bias = true;
};

Var Normalize(GraphBuilder& b, const std::string& op, Var x, const Affine& affine, Attributes attrs,
              const std::string& given_name, Location where) {
  const bool parameters = affine.weight || affine.bias;
  const std::string name = given_name.empty() && parameters ? b.LayerName(op, "", where) : given_name;
  Shape shape;
  for (const Dim& d : affine.dims) {
    if (parameters && d.symbolic()) {
      b.Reject(op, name,
               MakeError(ErrorClass::kShape, "input \"x\" is %s: the size of its parameters must be known",
                         b.TypeOf(x).ToString()),
               where);
      return {};
    }
    shape.push_back(d.size);
  }
  std::vector<Var> inputs = {x};
  if (affine.weight) inputs.push_back(b.Parameter(absl::StrCat(name, ".weight"), shape, {"ones", {}}, where));
  if (affine.bias) inputs.push_back(b.Parameter(absl::StrCat(name, ".bias"), shape, {"zeros", {}}, where));
  return b.Op(op, std::move(inputs), std::move(attrs), 1, given_name, where)[0];
}

}  // namespace

Var LayerNorm(GraphBuilder& b, Var x, LayerNormOptions o, Location where) {
  return Normalize(b, "LayerNorm", x, {TrailingDims(b.TypeOf(x), o.axis), o.affine, o.affine && o.bias},
                   {{"axis", o.axis}, {"epsilon", o.epsilon}}, o.name, where);
}

Var RMSNorm(GraphBuilder& b, Var x, RMSNormOptions o, Location where) {
  return Normalize(b, "RMSNorm", x, {TrailingDims(b.TypeOf(x), o.axis), o.affine, false},
                   {{"axis", o.axis}, {"epsilon", o.epsilon}}, o.name, where);
}

Var GroupNorm(GraphBuilder& b, Var x, GroupNormOptions o, Location where) {
  return Normalize(b, "GroupNorm", x, {Channels(b.TypeOf(x)), o.affine, o.affine},
                   {{"num_groups", o.num_groups}, {"epsilon", o.epsilon}}, o.name, where);
}

Var InstanceNorm(GraphBuilder& b, Var x, InstanceNormOptions o, Location where) {
  return Normalize(b, "InstanceNorm", x, {Channels(b.TypeOf(x)), o.affine, o.affine}, {{"epsilon", o.epsilon}}, o.name,
                   where);
}

Var LocalResponseNorm(GraphBuilder& b, Var x, LocalResponseNormOptions o, Location where) {
  return b.Op("LocalResponseNorm", {x}, {{"size", o.size}, {"alpha", o.alpha}, {"beta", o.beta}, {"k", o.k}}, 1, o.name,
              where)[0];
}

Var BatchNorm1d(GraphBuilder& b, Var x, BatchNormOptions options, Location where) {
  const int rank = b.TypeOf(x).rank();
  if (!b.status().ok() || rank == 2 || rank == 3) return b.BatchNorm(x, std::move(options), where);
  b.Reject("BatchNorm", options.name,
           MakeError(ErrorClass::kShape, "input \"x\" is %s of rank %d, expected rank 2 or 3", b.TypeOf(x).ToString(),
                     rank),
           where);
  return {};
}

}  // namespace athanor
