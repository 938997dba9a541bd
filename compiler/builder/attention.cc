#include "compiler/builder/attention.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

using Location = GraphBuilder::Location;

constexpr char kMultiHead[] = "MultiHeadAttention", kAdditive[] = "AdditiveAttention";

// What both layers share.
class AttentionLayer {
 public:
  AttentionLayer(GraphBuilder& b, const char* op, const std::string& name, Location where)
      : b_(b), op_(op), where_(where), name_(b.LayerName(op, name, where)) {}

  bool ok() const { return b_.status().ok(); }

  template <typename... Args>
  void Fail(ErrorClass error, const absl::FormatSpec<Args...>& format, const Args&... args) {
    b_.Reject(op_, name_, MakeErrorFromMessage(error, absl::StrFormat(format, args...)), where_);
  }

  // The last dimension of a value of rank 3; 0 after an error.
  int64_t Width(const char* what, Var x) {
    if (!ok()) return 0;
    const TensorType type = b_.TypeOf(x);
    if (type.rank() == 3 && !type.dims[2].symbolic() && type.dims[2].size >= 1) return type.dims[2].size;
    Fail(ErrorClass::kShape, "input \"%s\" is %s, expected rank 3 with a last dimension of at least 1", what,
         type.ToString());
    return 0;
  }

  std::string Name(const char* suffix) const { return absl::StrCat(name_, suffix); }
  Var Parameter(const char* suffix, Shape shape, Initializer init) {
    return b_.Parameter(Name(suffix), std::move(shape), std::move(init), where_);
  }
  std::vector<Var> Op(const char* op, std::vector<Var> inputs, Attributes attrs = {}, int outputs = 1,
                      const std::string& name = "") {
    return b_.Op(op, std::move(inputs), std::move(attrs), outputs, name, where_);
  }
  // x w' + bias, over the last dimension of x.
  Var Project(Var x, Var weight, Var bias, const std::string& name = "") {
    Var y = Op("MatMul", {x, weight}, {{"transpose_b", true}}, 1, bias.id == kNoValue ? name : "")[0];
    return bias.id == kNoValue ? y : Op("Add", {y, bias}, {}, 1, name)[0];
  }
  Var Rows(Var x, int64_t begin, int64_t end) {
    return Op("Slice", {x}, {{"starts", Ints{begin}}, {"ends", Ints{end}}, {"axes", Ints{0}}})[0];
  }

 protected:
  GraphBuilder& b_;
  const char* const op_;
  const Location where_;
  const std::string name_;
};

class MultiHead : public AttentionLayer {
 public:
  MultiHead(GraphBuilder& b, const MultiHeadAttentionOptions& options, Location where)
      : AttentionLayer(b, kMultiHead, options.name, where), o_(options) {}

  Var Build(Var x) {
    const Var key = o_.key.id == kNoValue ? x : o_.key, value = o_.value.id == kNoValue ? key : o_.value;
    size_ = Width("x", x);
    const int64_t key_size = Width("key", key), value_size = Width("value", value);
    if (!ok()) return {};
    if (o_.heads < 1 || size_ % o_.heads != 0) {
      Fail(ErrorClass::kAttr, "heads = %d does not divide the %d features of input \"x\" %s", o_.heads, size_,
           b_.TypeOf(x).ToString());
      return {};
    }
    MakeParameters(key_size, value_size);
    std::vector<Var> inputs = {Head(x, 0), Head(key, 1), Head(value, 2), Mask(key), o_.attention_bias};
    while (inputs.back().id == kNoValue && inputs.size() > 3) inputs.pop_back();
    Var y = Op("ScaledDotProductAttention", inputs, {{"layout", std::string("bthe")}, {"causal", o_.causal}})[0];
    y = Op("Reshape", {y}, {{"shape", Ints{0, 0, size_}}})[0];
    return Project(y, out_weight_, out_bias_, name_ + ".out_proj");
  }

 private:
  // torch.nn.MultiheadAttention starts its projections by xavier_uniform_, the last one as a Linear, and biases at 0.
  void MakeParameters(int64_t key_size, int64_t value_size) {
    const Initializer xavier{"xavier_uniform", {}}, linear{"kaiming_uniform", {{"a", std::sqrt(5.0)}}},
        zeros{"zeros", {}};
    if (key_size == size_ && value_size == size_) {
      Var all = Parameter(".in_proj_weight", {3 * size_, size_}, xavier);
      for (int i = 0; i < 3; ++i) weights_[i] = Rows(all, i * size_, (i + 1) * size_);
    } else {
      weights_[0] = Parameter(".q_proj_weight", {size_, size_}, xavier);
      weights_[1] = Parameter(".k_proj_weight", {size_, key_size}, xavier);
      weights_[2] = Parameter(".v_proj_weight", {size_, value_size}, xavier);
    }
    if (o_.bias) {
      Var all = Parameter(".in_proj_bias", {3 * size_}, zeros);
      for (int i = 0; i < 3; ++i) biases_[i] = Rows(all, i * size_, (i + 1) * size_);
    }
    out_weight_ = Parameter(".out_proj.weight", {size_, size_}, linear);
    if (o_.bias) out_bias_ = Parameter(".out_proj.bias", {size_}, zeros);
  }

  // A projection [N,T,heads,E/heads].
  Var Head(Var x, int i) {
    return Op("Reshape", {Project(x, weights_[i], biases_[i])}, {{"shape", Ints{0, 0, o_.heads, size_ / o_.heads}}})[0];
  }

  // [N,S] -> [N,1,1,S], which broadcasts to the scores.
  Var Mask(Var key) {
    if (o_.key_mask.id == kNoValue || !ok()) return {};
    const TensorType mask = b_.TypeOf(o_.key_mask), keys = b_.TypeOf(key);
    if (mask.rank() != 2 || !(mask.dims[0] == keys.dims[0]) || !(mask.dims[1] == keys.dims[1])) {
      Fail(ErrorClass::kShape, "input \"key_mask\" is %s, expected [%s,%s], for the keys are %s", mask.ToString(),
           keys.dims[0].ToString(), keys.dims[1].ToString(), keys.ToString());
      return {};
    }
    // One of the two may be a symbol in a new place.
    const int64_t count = mask.dims[1].symbolic() ? -1 : mask.dims[1].size;
    return Op("Reshape", {o_.key_mask}, {{"shape", Ints{0, 1, 1, count}}})[0];
  }

  const MultiHeadAttentionOptions o_;
  int64_t size_ = 0;
  Var weights_[3], biases_[3], out_weight_, out_bias_;
};

}  // namespace

Var MultiHeadAttention(GraphBuilder& b, Var x, MultiHeadAttentionOptions options, Location where) {
  return MultiHead(b, options, where).Build(x);
}

AdditiveAttentionVars AdditiveAttention(GraphBuilder& b, Var query, Var keys, AdditiveAttentionOptions o,
                                        Location where) {
  AttentionLayer layer(b, kAdditive, o.name, where);
  const int64_t query_size = layer.Width("query", query), key_size = layer.Width("keys", keys);
  if (layer.ok() && o.units < 1) layer.Fail(ErrorClass::kAttr, "units = %d is not at least 1", o.units);
  if (!layer.ok()) return {};
  const Initializer linear{"kaiming_uniform", {{"a", std::sqrt(5.0)}}};
  const double bound = 1 / std::sqrt(static_cast<double>(o.units));
  Var w_q = layer.Parameter(".W_q.weight", {o.units, query_size}, linear);
  Var w_k = layer.Parameter(".W_k.weight", {o.units, key_size}, linear);
  Var v = layer.Parameter(".v", {o.units}, {"uniform", {{"low", -bound}, {"high", bound}}});
  std::vector<Var> inputs = {layer.Project(query, w_q, {}), layer.Project(keys, w_k, {}), v,
                             o.values.id == kNoValue ? keys : o.values};
  if (o.bias.id != kNoValue) inputs.push_back(o.bias);
  std::vector<Var> out = layer.Op(kAdditive, std::move(inputs), {}, 2, layer.Name(".attention"));
  return {out[0], out[1]};
}

Tensor SinusoidalPositions(int64_t length, int64_t size) {
  ATH_CHECK(length >= 1 && size >= 1);
  absl::StatusOr<Tensor> table = Tensor::Create(DType::kF32, {length, size});
  ATH_CHECK_OK(table.status());
  for (int64_t p = 0; p < length; ++p) {
    for (int64_t i = 0; i < size; ++i) {
      const double frequency = std::pow(10000.0, -static_cast<double>(i - i % 2) / static_cast<double>(size));
      const double angle = static_cast<double>(p) * frequency;
      table->as<float>()[p * size + i] = static_cast<float>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return *std::move(table);
}

Var AddSinusoidalPositions(GraphBuilder& b, Var x, const std::string& name, Location where) {
  if (!b.status().ok()) return {};
  const TensorType type = b.TypeOf(x);
  const std::string layer = b.LayerName("AddSinusoidalPositions", name, where);
  const size_t rank = type.dims.size();
  auto known = [&](const Dim& d) { return !d.symbolic() && d.size >= 1; };
  if (rank < 2 || !known(type.dims[rank - 1]) || !known(type.dims[rank - 2])) {
    b.Reject("AddSinusoidalPositions", layer,
             MakeErrorFromMessage(ErrorClass::kShape,
                                  absl::StrCat("input \"x\" is ", type.ToString(),
                                               ": its last two dimensions must be numbers, at least 1")),
             where);
    return {};
  }
  Var table =
      b.Constant(SinusoidalPositions(type.dims[rank - 2].size, type.dims[rank - 1].size), layer + ".table", where);
  return b.Op("Add", {x, table}, {}, 1, layer + ".sum", where)[0];
}

}  // namespace athanor
