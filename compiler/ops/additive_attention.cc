// Additive attention (Bahdanau, Cho, Bengio 2015), which expands into what it is made of.
#include <cmath>
#include <limits>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/broadcast.h"
#include "compiler/ops/not_empty.h"
#include "compiler/ops/reshape.h"

namespace athanor {
namespace {

enum { kQuery, kKeys, kV, kValues, kBias };
enum { kY, kWeights };

TensorType Scores(const TensorType& query, const TensorType& keys) {
  TensorType scores = query;
  scores.dims.back() = keys.dims[keys.rank() - 2];
  return scores;
}

absl::Status CheckRanks(const InferContext& c) {
  const char* const names[] = {"query", "keys", "v", "values"};
  for (int i : {kQuery, kKeys, kV, kValues}) {
    ATH_RETURN_IF_ERROR(CheckNumbers(c, i, names[i]));
    ATH_RETURN_IF_ERROR(c.CheckDtype(i, names[i], c.Input(kQuery).dtype));
    // The sums of query and keys have one dimension more.
    ATH_RETURN_IF_ERROR(i == kV ? c.CheckRank(i, "v", 1, 1) : c.CheckRank(i, names[i], 2, kMaxRank - 1));
  }
  return absl::OkStatus();
}

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckRanks(c));
  const TensorType &query = c.Input(kQuery), &keys = c.Input(kKeys), &v = c.Input(kV), &values = c.Input(kValues);
  auto batch = [](const TensorType& t) { return std::vector<Dim>(t.dims.begin(), t.dims.end() - 2); };
  auto mismatch = [&](const char* a, const TensorType& ta, const char* b, const TensorType& tb, const char* what) {
    return c.Error(ErrorClass::kShape, "input \"%s\" is %s and input \"%s\" is %s: %s must be equal", a, ta.ToString(),
                   b, tb.ToString(), what);
  };
  if (batch(query) != batch(keys)) return mismatch("query", query, "keys", keys, "their batch dimensions");
  if (!(query.dims.back() == keys.dims.back())) return mismatch("query", query, "keys", keys, "their last dimensions");
  if (!(query.dims.back() == v.dims[0])) return mismatch("query", query, "v", v, "their last dimensions");
  if (batch(keys) != batch(values)) return mismatch("keys", keys, "values", values, "their batch dimensions");
  if (!(keys.dims[keys.rank() - 2] == values.dims[values.rank() - 2])) {
    return mismatch("keys", keys, "values", values, "their numbers of keys");
  }
  const TensorType scores = Scores(query, keys);
  if (c.HasInput(kBias)) {
    ATH_RETURN_IF_ERROR(CheckNotEmpty(c, kBias, "bias"));
    ATH_RETURN_IF_ERROR(c.CheckDtype(kBias, "bias", query.dtype));
    absl::StatusOr<std::vector<Dim>> dims = c.Broadcast(c.Input(kBias), scores);
    if (!dims.ok() || *dims != scores.dims) {
      return c.Error(ErrorClass::kShape, "input \"bias\" is %s, which does not broadcast to the scores %s",
                     c.Input(kBias).ToString(), scores.ToString());
    }
  }
  TensorType y = query;
  y.dims.back() = values.dims.back();
  c.SetOutput(kY, std::move(y));
  c.SetOutput(kWeights, scores);
  return absl::OkStatus();
}

// Helpers for both kinds of context.
template <typename Context>
absl::StatusOr<ValueId> ReshapeTo(Context& c, ValueId x, const TensorType& to) {
  std::optional<Attributes> attrs = ReshapeAttrs(c.TypeOf(x), to);
  if (!attrs) {
    return c.Error(ErrorClass::kShape, "%s cannot become %s: too many symbolic dimensions", c.TypeOf(x).ToString(),
                   to.ToString());
  }
  return c.Emit("Reshape", {x}, *std::move(attrs));
}

TensorType WithOne(TensorType t, int before_last) {
  t.dims.insert(t.dims.end() - before_last, Dim(1));
  return t;
}

// tanh(query + keys) [..,T,S,H].
template <typename Context>
absl::StatusOr<ValueId> Hidden(Context& c) {
  ATH_ASSIGN_OR_RETURN(ValueId query, ReshapeTo(c, c.Input(kQuery), WithOne(c.TypeOf(c.Input(kQuery)), 1)));
  ATH_ASSIGN_OR_RETURN(ValueId keys, ReshapeTo(c, c.Input(kKeys), WithOne(c.TypeOf(c.Input(kKeys)), 2)));
  ATH_ASSIGN_OR_RETURN(ValueId sum, c.Emit("Add", {query, keys}));
  return c.Emit("Tanh", {sum});
}

absl::Status Expand(ExpandContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId hidden, Hidden(c));
  ATH_ASSIGN_OR_RETURN(ValueId v, ReshapeTo(c, c.Input(kV), WithOne(c.TypeOf(c.Input(kV)), 0)));
  ATH_ASSIGN_OR_RETURN(ValueId products, c.Emit("MatMul", {hidden, v}));
  const TensorType type = Scores(c.TypeOf(c.Input(kQuery)), c.TypeOf(c.Input(kKeys)));
  ATH_ASSIGN_OR_RETURN(ValueId scores, ReshapeTo(c, products, type));
  if (c.HasInput(kBias)) {
    ATH_ASSIGN_OR_RETURN(scores, c.Emit("Add", {scores, c.Input(kBias)}));
  }
  ATH_ASSIGN_OR_RETURN(ValueId weights, c.Emit("Softmax", {scores}));
  ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("MatMul", {weights, c.Input(kValues)}));
  c.SetOutput(kY, y);
  if (c.HasOutput(kWeights)) c.SetOutput(kWeights, weights);
  return absl::OkStatus();
}

// The gradient by the scores: that of the weights, from both outputs, through the softmax.
absl::StatusOr<ValueId> ScoresGradient(GradientContext& c) {
  ValueId dweights = c.OutputGrad(kWeights);
  if (c.OutputGrad(kY) != kNoValue) {
    ATH_ASSIGN_OR_RETURN(ValueId from_y,
                         c.Emit("MatMul", {c.OutputGrad(kY), c.Input(kValues)}, {{"transpose_b", true}}));
    if (dweights == kNoValue) {
      dweights = from_y;
    } else {
      ATH_ASSIGN_OR_RETURN(dweights, c.Emit("Add", {from_y, dweights}));
    }
  }
  return c.Emit("SoftmaxGrad", {dweights, c.Output(kWeights)});
}

// `grad` summed up over what the input was repeated along, as it was reshaped before.
absl::Status SetReduced(GradientContext& c, int i, ValueId grad, const TensorType& reshaped) {
  if (!c.NeedsGrad(i)) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(ValueId sum, c.ReduceTo(grad, reshaped));
  ATH_ASSIGN_OR_RETURN(ValueId shaped, ReshapeTo(c, sum, c.TypeOf(c.Input(i))));
  c.SetInputGrad(i, shaped);
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  if (!c.HasOutput(kWeights)) return c.Error(ErrorClass::kGraph, "its gradient needs the output \"weights\"");
  if (c.NeedsGrad(kValues)) {
    if (c.OutputGrad(kY) != kNoValue) {
      ATH_ASSIGN_OR_RETURN(ValueId dvalues,
                           c.Emit("MatMul", {c.Output(kWeights), c.OutputGrad(kY)}, {{"transpose_a", true}}));
      c.SetInputGrad(kValues, dvalues);
    }
  }
  ATH_ASSIGN_OR_RETURN(ValueId dscores, ScoresGradient(c));
  if (c.NeedsGrad(kBias)) {
    ATH_RETURN_IF_ERROR(SetReduced(c, kBias, dscores, c.TypeOf(c.Input(kBias))));
  }
  ATH_ASSIGN_OR_RETURN(ValueId hidden, Hidden(c));
  ATH_ASSIGN_OR_RETURN(ValueId column, ReshapeTo(c, dscores, WithOne(c.TypeOf(dscores), 0)));
  ATH_ASSIGN_OR_RETURN(ValueId dv, c.Emit("Mul", {hidden, column}));
  ATH_RETURN_IF_ERROR(SetReduced(c, kV, dv, c.TypeOf(c.Input(kV))));
  ATH_ASSIGN_OR_RETURN(ValueId dhidden, c.Emit("Mul", {column, c.Input(kV)}));
  ATH_ASSIGN_OR_RETURN(ValueId dsum, c.Emit("TanhGrad", {dhidden, hidden}));
  ATH_RETURN_IF_ERROR(SetReduced(c, kQuery, dsum, WithOne(c.TypeOf(c.Input(kQuery)), 1)));
  return SetReduced(c, kKeys, dsum, WithOne(c.TypeOf(c.Input(kKeys)), 2));
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor &query = c.Input(kQuery), &keys = c.Input(kKeys), &v = c.Input(kV), &values = c.Input(kValues);
  const size_t rank = query.shape.size();
  const int64_t queries = query.shape[rank - 2], count = keys.shape[rank - 2], hidden = query.shape.back(),
                width = values.shape.back();
  Shape shape = query.shape;
  shape.back() = count;
  DoubleTensor scores(shape);
  if (c.HasInput(kBias)) {
    ForEachBroadcast(shape, c.Input(kBias).shape, shape,
                     [&](int64_t i, int64_t from, int64_t) { scores[i] = c.Input(kBias)[from]; });
  }
  for (int64_t row = 0; row < query.size() / hidden; ++row) {
    const int64_t first = row / queries * count;  // key of this batch element
    double* score = &scores[row * count];
    double max = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t s = 0; s < count; ++s) {
      for (int64_t h = 0; h < hidden; ++h) {
        score[s] += v[h] * std::tanh(query[row * hidden + h] + keys[(first + s) * hidden + h]);
      }
      max = std::max(max, score[s]);
    }
    for (int64_t s = 0; s < count; ++s) sum += std::exp(score[s] - max);
    for (int64_t s = 0; s < count; ++s) {
      const double weight = std::exp(score[s] - max) / sum;
      if (c.HasOutput(kWeights)) c.Output(kWeights)[row * count + s] = weight;
      for (int64_t e = 0; e < width; ++e) c.Output(kY)[row * width + e] += weight * values[(first + s) * width + e];
    }
  }
  return absl::OkStatus();
}

OpDef AdditiveAttentionDef() {
  OpDef def;
  def.name = "AdditiveAttention";
  def.doc =
      "weights = softmax over the keys of v . tanh(query + keys) + bias, y = weights values (Bahdanau, Cho, Bengio: "
      "\"Neural machine translation by jointly learning to align and translate\", 2015). A padding mask is a bias of 0 "
      "and -infinity; every query needs one key without it.";
  def.inputs = {{"query", "f32[..,T,H]"},
                {"keys", "f32[..,S,H]"},
                {"v", "f32[H]"},
                {"values", "f32[..,S,V]"},
                {"bias", "f32, broadcasts to [..,T,S]", true}};
  def.outputs = {{"y", "f32[..,T,V]"}, {"weights", "f32[..,T,S]", true}};
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = Expand;
  def.reference = Reference;
  def.traits.gradient_outputs = {kWeights};
  return def;
}

ATH_REGISTER_OP(AdditiveAttentionDef());

}  // namespace
}  // namespace athanor
