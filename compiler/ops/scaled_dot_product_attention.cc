// Scaled dot-product attention and its gradient.
#include <cmath>
#include <limits>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/broadcast.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

enum { kQ, kK, kV, kMask, kBias };  // inputs
enum { kY, kStats };                // outputs
// Inputs of the gradient, and its outputs.
enum { kGradDy, kGradQ, kGradK, kGradV, kGradY, kGradStats, kGradMask, kGradBias };
enum { kDq, kDk, kDv, kDscores };

bool Interleaved(const OpContext& c) { return c.attrs().String("layout") == "bthe"; }

absl::Status Mismatch(const OpContext& c, absl::string_view a_name, const TensorType& a, absl::string_view b_name,
                      const TensorType& b, absl::string_view what) {
  return c.Error(ErrorClass::kShape, "input \"%s\" is %s and input \"%s\" is %s: %s must be equal", a_name,
                 a.ToString(), b_name, b.ToString(), what);
}

// Dimensions of the scores: those before T, with the heads, then T and S.
std::vector<Dim> ScoreDims(const TensorType& q, const TensorType& k, bool interleaved) {
  const int row = interleaved ? 3 : 2;
  std::vector<Dim> dims(q.dims.begin(), q.dims.end() - row);
  if (interleaved) dims.push_back(q.dims[q.rank() - 2]);
  dims.push_back(q.dims[q.rank() - row]);
  dims.push_back(k.dims[k.rank() - row]);
  return dims;
}

TensorType WithLast(TensorType type, const Dim& last) {
  type.dims.back() = last;
  return type;
}

// q, k and v from input `first` on.
absl::Status CheckOperands(const InferContext& c, int first) {
  const char* const names[] = {"q", "k", "v"};
  const bool interleaved = Interleaved(c);
  const TensorType &q = c.Input(first), &k = c.Input(first + 1), &v = c.Input(first + 2);
  for (int i = 0; i < 3; ++i) {
    ATH_RETURN_IF_ERROR(CheckNumbers(c, first + i, names[i]));
    ATH_RETURN_IF_ERROR(c.CheckRank(first + i, names[i], interleaved ? 3 : 2, kMaxRank));
    ATH_RETURN_IF_ERROR(c.CheckDtype(first + i, names[i], q.dtype));
  }
  if (k.rank() != q.rank()) return Mismatch(c, "q", q, "k", k, "their ranks");
  if (v.rank() != k.rank()) return Mismatch(c, "k", k, "v", v, "their ranks");
  const int rank = q.rank(), row = rank - (interleaved ? 3 : 2);
  for (int d = 0; d < rank; ++d) {
    const bool rows = d == row, last = d == rank - 1;
    if (!rows && !(q.dims[d] == k.dims[d])) {
      return Mismatch(c, "q", q, "k", k, last ? "their last dimensions" : "their batch and head dimensions");
    }
    if (!last && !(k.dims[d] == v.dims[d])) {
      return Mismatch(c, "k", k, "v", v, rows ? "their numbers of keys" : "their batch and head dimensions");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBroadcasts(const InferContext& c, int i, absl::string_view what, const TensorType& scores) {
  ATH_RETURN_IF_ERROR(CheckNotEmpty(c, i, what));
  absl::StatusOr<std::vector<Dim>> dims = c.Broadcast(c.Input(i), scores);
  if (dims.ok() && *dims == scores.dims) return absl::OkStatus();
  return c.Error(ErrorClass::kShape, "input \"%s\" is %s, which does not broadcast to the scores %s", what,
                 c.Input(i).ToString(), scores.ToString());
}

// Mask and bias, from input `first` on.
absl::Status CheckMasks(const InferContext& c, int first, const TensorType& scores) {
  if (c.HasInput(first)) {
    ATH_RETURN_IF_ERROR(c.CheckDtype(first, "mask", DType::kBool));
    ATH_RETURN_IF_ERROR(CheckBroadcasts(c, first, "mask", scores));
  }
  if (!c.HasInput(first + 1)) return absl::OkStatus();
  ATH_RETURN_IF_ERROR(c.CheckDtype(first + 1, "bias", scores.dtype));
  return CheckBroadcasts(c, first + 1, "bias", scores);
}

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckOperands(c, kQ));
  const TensorType& q = c.Input(kQ);
  const TensorType scores(q.dtype, ScoreDims(q, c.Input(kK), Interleaved(c)));
  ATH_RETURN_IF_ERROR(CheckMasks(c, kMask, scores));
  c.SetOutput(kY, WithLast(q, c.Input(kV).dims.back()));
  c.SetOutput(kStats, WithLast(scores, 2));
  return absl::OkStatus();
}

absl::Status InferGrad(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckOperands(c, kGradQ));
  const TensorType &q = c.Input(kGradQ), &k = c.Input(kGradK), &v = c.Input(kGradV);
  const TensorType y = WithLast(q, v.dims.back()), scores(q.dtype, ScoreDims(q, k, Interleaved(c)));
  ATH_RETURN_IF_ERROR(CheckSameType(c, kGradDy, "dy", y, "the result of attention"));
  ATH_RETURN_IF_ERROR(CheckSameType(c, kGradY, "y", y, "the result of attention"));
  ATH_RETURN_IF_ERROR(CheckSameType(c, kGradStats, "stats", WithLast(scores, 2), "the statistics of attention"));
  ATH_RETURN_IF_ERROR(CheckMasks(c, kGradMask, scores));
  c.SetOutput(kDq, q);
  c.SetOutput(kDk, k);
  c.SetOutput(kDv, v);
  c.SetOutput(kDscores, scores);
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  if (c.num_outputs() > kStats && c.OutputGrad(kStats) != kNoValue) {
    return c.Error(ErrorClass::kGraph, "the loss depends on its output \"stats\", which has no gradient");
  }
  if (!c.HasOutput(kStats)) return c.Error(ErrorClass::kGraph, "its gradient needs the output \"stats\"");
  std::vector<ValueId> inputs = {c.OutputGrad(), c.Input(kQ), c.Input(kK), c.Input(kV), c.Output(kY), c.Output(kStats)};
  inputs.push_back(c.HasInput(kMask) ? c.Input(kMask) : kNoValue);
  inputs.push_back(c.HasInput(kBias) ? c.Input(kBias) : kNoValue);
  while (inputs.back() == kNoValue) inputs.pop_back();
  const bool bias_grad = c.NeedsGrad(kBias);
  ATH_ASSIGN_OR_RETURN(
      std::vector<ValueId> grads,
      c.EmitMulti("ScaledDotProductAttentionGrad", std::move(inputs), c.attrs(), bias_grad ? 4 : 3));
  for (int i : {kQ, kK, kV}) {
    if (c.NeedsGrad(i)) c.SetInputGrad(i, grads[i]);
  }
  if (!bias_grad) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(ValueId dbias, c.ReduceTo(grads[kDscores], c.TypeOf(c.Input(kBias))));
  c.SetInputGrad(kBias, dbias);
  return absl::OkStatus();
}

double ScaleOf(const OpContext& c, int64_t size) {
  const double scale = c.attrs().Float("scale");
  return scale < 0 ? 1 / std::sqrt(static_cast<double>(size)) : scale;
}

// Kernels "attention" and "attention_backward" (runtime/kernels/attention.h). `mask` is the input with the mask, the
// bias comes behind it.
Attributes KernelAttrs(const LowerContext& c, int q, int mask) {
  return {{"causal", c.attrs().Bool("causal")},
          {"interleaved", Interleaved(c)},
          {"mask", c.HasInput(mask)},
          {"bias", c.HasInput(mask + 1)},
          {"scale", ScaleOf(c, c.InputShape(q).back())}};
}

std::vector<BufferId> PresentInputs(const LowerContext& c) {
  std::vector<BufferId> inputs;
  for (int i = 0; i < c.num_inputs(); ++i) {
    if (c.HasInput(i)) inputs.push_back(c.Input(i));
  }
  return inputs;
}

absl::Status Lower(LowerContext& c) {
  Attributes attrs = KernelAttrs(c, kQ, kMask);
  attrs.Set("stats", c.HasOutput(kStats));
  std::vector<BufferId> outputs = {c.Output(kY)};
  if (c.HasOutput(kStats)) outputs.push_back(c.Output(kStats));
  c.Emit("attention", PresentInputs(c), std::move(outputs), std::move(attrs));
  return absl::OkStatus();
}

absl::Status LowerGrad(LowerContext& c) {
  Attributes attrs = KernelAttrs(c, kGradQ, kGradMask);
  attrs.Set("dscores", c.HasOutput(kDscores));
  std::vector<BufferId> outputs = {c.Output(kDq), c.Output(kDk), c.Output(kDv)};
  if (c.HasOutput(kDscores)) outputs.push_back(c.Output(kDscores));
  c.Emit("attention_backward", PresentInputs(c), std::move(outputs), std::move(attrs));
  return absl::OkStatus();
}

// The operands of a reference and where things stand in them. `q` is the input with the queries; keys and values come
// behind it. `mask` is that of the mask; the bias comes behind it.
class Problem {
 public:
  Problem(const ReferenceContext& c, int q, int mask)
      : q_(c.Input(q)), k_(c.Input(q + 1)), v_(c.Input(q + 2)), causal_(c.attrs().Bool("causal")) {
    const size_t rank = q_.shape.size(), row = Interleaved(c) ? 3 : 2;
    size = q_.shape.back();
    value_size = v_.shape.back();
    heads_ = Interleaved(c) ? q_.shape[rank - 2] : 1;
    queries = q_.shape[rank - row];
    keys = k_.shape[rank - row];
    groups = q_.size() / (queries * size);
    scale = ScaleOf(c, size);
    added_.assign(groups * queries * keys, 0);
    const Shape scores = TensorType(DType::kF64, ScoreDims(TensorType::Of(DType::kF64, q_.shape),
                                                           TensorType::Of(DType::kF64, k_.shape), Interleaved(c)))
                             .shape();
    AddMasks(c, mask, scores);
  }

  // Rows of q, y and their gradients; of k, v and theirs; of the scores and stats.
  int64_t QueryRow(int64_t g, int64_t t) const { return (g / heads_ * queries + t) * heads_ + g % heads_; }
  int64_t KeyRow(int64_t g, int64_t s) const { return (g / heads_ * keys + s) * heads_ + g % heads_; }
  int64_t ScoreRow(int64_t g, int64_t t) const { return g * queries + t; }

  double Score(int64_t g, int64_t t, int64_t s) const {
    if (causal_ && s > t) return -std::numeric_limits<double>::infinity();
    double sum = 0;
    for (int64_t e = 0; e < size; ++e) sum += q_[QueryRow(g, t) * size + e] * k_[KeyRow(g, s) * size + e];
    return scale * sum + added_[ScoreRow(g, t) * keys + s];
  }

  int64_t groups, queries, keys, size, value_size;
  double scale;

 private:
  void AddMasks(const ReferenceContext& c, int mask, const Shape& scores) {
    auto for_each = [&](int i, auto&& f) {
      if (!c.HasInput(i)) return;
      const DoubleTensor& x = c.Input(i);
      ForEachBroadcast(scores, x.shape, x.shape, [&](int64_t at, int64_t from, int64_t) { f(added_[at], x[from]); });
    };
    for_each(mask + 1, [](double& added, double bias) { added = bias; });
    for_each(mask, [](double& added, double allowed) {
      if (allowed == 0) added = -std::numeric_limits<double>::infinity();
    });
  }

  const DoubleTensor &q_, &k_, &v_;
  const bool causal_;
  int64_t heads_;
  std::vector<double> added_;  // to each score
};

absl::Status Reference(ReferenceContext& c) {
  const Problem p(c, kQ, kMask);
  const DoubleTensor& v = c.Input(kV);
  std::vector<double> scores(p.keys);
  for (int64_t g = 0; g < p.groups; ++g) {
    for (int64_t t = 0; t < p.queries; ++t) {
      double max = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t s = 0; s < p.keys; ++s) max = std::max(max, scores[s] = p.Score(g, t, s));
      if (std::isinf(max) && max < 0) continue;  // no key: zeros
      for (int64_t s = 0; s < p.keys; ++s) sum += std::exp(scores[s] - max);
      for (int64_t e = 0; e < p.value_size; ++e) {
        double y = 0;
        for (int64_t s = 0; s < p.keys; ++s) {
          y += std::exp(scores[s] - max) / sum * v[p.KeyRow(g, s) * p.value_size + e];
        }
        c.Output(kY)[p.QueryRow(g, t) * p.value_size + e] = y;
      }
      if (!c.HasOutput(kStats)) continue;
      c.Output(kStats)[2 * p.ScoreRow(g, t)] = max;
      c.Output(kStats)[2 * p.ScoreRow(g, t) + 1] = 1 / sum;
    }
  }
  return absl::OkStatus();
}

absl::Status GradReference(ReferenceContext& c) {
  const Problem p(c, kGradQ, kGradMask);
  const DoubleTensor &dy = c.Input(kGradDy), &q = c.Input(kGradQ), &k = c.Input(kGradK), &v = c.Input(kGradV),
                     &y = c.Input(kGradY), &stats = c.Input(kGradStats);
  for (int64_t g = 0; g < p.groups; ++g) {
    for (int64_t t = 0; t < p.queries; ++t) {
      const int64_t row = p.QueryRow(g, t) * p.value_size, query = p.QueryRow(g, t) * p.size;
      double weighted = 0;  // sum over the keys of probability times its gradient
      for (int64_t e = 0; e < p.value_size; ++e) weighted += dy[row + e] * y[row + e];
      for (int64_t s = 0; s < p.keys; ++s) {
        const int64_t key = p.KeyRow(g, s) * p.size, value = p.KeyRow(g, s) * p.value_size;
        const double probability =
            std::exp(p.Score(g, t, s) - stats[2 * p.ScoreRow(g, t)]) * stats[2 * p.ScoreRow(g, t) + 1];
        double dp = 0;
        for (int64_t e = 0; e < p.value_size; ++e) {
          dp += dy[row + e] * v[value + e];
          c.Output(kDv)[value + e] += probability * dy[row + e];
        }
        const double ds = probability * (dp - weighted);
        if (c.HasOutput(kDscores)) c.Output(kDscores)[p.ScoreRow(g, t) * p.keys + s] = ds;
        for (int64_t e = 0; e < p.size; ++e) {
          c.Output(kDq)[query + e] += p.scale * ds * k[key + e];
          c.Output(kDk)[key + e] += p.scale * ds * q[query + e];
        }
      }
    }
  }
  return absl::OkStatus();
}

std::vector<AttrDef> Attrs() {
  return {
      {.name = "causal", .type = AttrType::kBool, .doc = "query t sees keys 0..t only", .default_value = false},
      {.name = "scale",
       .type = AttrType::kFloat,
       .doc = "factor of q k', at least 0; by default 1 / sqrt(E)",
       .default_value = -1.0,
       .min = 0,
       .max = std::numeric_limits<float>::max()},
      {.name = "layout",
       .type = AttrType::kString,
       .doc =
           "bhte: q is [..,T,E], all before it batch and heads. bthe: q is [..,T,H,E], the heads behind the rows, as "
           "the projections of multi-head attention leave them",
       .default_value = std::string("bhte"),
       .choices = {"bhte", "bthe"}},
  };
}

const PortDef kMaskPort = {"mask", "bool, broadcasts to the scores: true where the query may attend to the key", true};
const PortDef kBiasPort = {"bias", "f32, broadcasts to the scores and is added to them", true};

OpDef AttentionDef() {
  OpDef def;
  def.name = "ScaledDotProductAttention";
  def.doc =
      "y = softmax(scale q k' + bias) v over the keys that mask and causal allow (Vaswani et al. 2017; "
      "torch.nn.functional.scaled_dot_product_attention); 0 for a query that may attend to no key. Scores [..,H,T,S] "
      "are held a block at a time (FlashAttention, arXiv 2205.14135), in the backward pass too: memory grows with T + S.";
  def.inputs = {{"q", "f32[..,T,E]"}, {"k", "f32[..,S,E]"}, {"v", "f32[..,S,V]"}, kMaskPort, kBiasPort};
  def.outputs = {
      {"y", "f32[..,T,V]"},
      {"stats", "f32[..,H,T,2]: the greatest score of a query, and 1 / the sum of e^(score - greatest)", true}};
  def.attributes = Attrs();
  def.infer = Infer;
  def.gradient = Gradient;
  def.kernels = "attention";
  def.lower = Lower;
  def.reference = Reference;
  def.traits.gradient_outputs = {kStats};
  return def;
}

OpDef AttentionGradDef() {
  OpDef def;
  def.name = "ScaledDotProductAttentionGrad";
  def.doc =
      "The gradients of ScaledDotProductAttention, with the scores computed again from stats. dscores, the gradient by "
      "the scores, is as large as they are and only made for a bias that is trained.";
  def.inputs = {{"dy", "like y"}, {"q", "as there"}, {"k", "as there"}, {"v", "as there"}, {"y", "its output"},
                {"stats", "its output"}, kMaskPort, kBiasPort};
  def.outputs = {{"dq", "like q"}, {"dk", "like k"}, {"dv", "like v"}, {"dscores", "f32[..,H,T,S]", true}};
  def.attributes = Attrs();
  def.infer = InferGrad;
  def.kernels = "attention_backward";
  def.lower = LowerGrad;
  def.reference = GradReference;
  return def;
}

ATH_REGISTER_OP(AttentionDef());
ATH_REGISTER_OP(AttentionGradDef());

}  // namespace
}  // namespace athanor
