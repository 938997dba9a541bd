#include "models/seq2seq.h"

#include <cmath>

#include "compiler/builder/recurrent.h"
#include "models/sequence_layers.h"

namespace athanor {
namespace {

constexpr int64_t kMaxSteps = 64;       // unrolled: each is a dozen of nodes
constexpr float kMasked = -1e9f;        // added to the score of padding
constexpr int64_t kPadding = 0;

class Seq2Seq {
 public:
  Seq2Seq(const std::string& name, const Seq2SeqOptions& options) : b_(name), o_(options) {}

  absl::StatusOr<Graph> Build() {
    if (o_.target < 1 || o_.target > kMaxSteps || o_.source < 1) {
      return MakeError(ErrorClass::kAttr, "target = %d is not in [1, %d], or source = %d is below 1", o_.target,
                       kMaxSteps, o_.source);
    }
    Var source = b_.Input("source", DType::kS32, {"N", o_.source}), x = b_.Input("x", DType::kS32, {"N", o_.target}),
        labels = b_.Input("labels", DType::kS32, {"N", o_.target});
    Var h = Encode(source);
    Decoded d = Decode(Embed(x, "target_embedding"), h);
    Var loss = b_.Op("SoftmaxCrossEntropy", {d.logits, b_.Transpose(labels, {1, 0})}, {{"axis", int64_t{-1}}}, 1,
                     "loss")[0];
    Var logits = b_.Transpose(d.logits, {1, 0, 2});
    b_.Metadata("task", "sequence");
    b_.Entry("train", {.training = true, .inputs = {source, x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
    b_.Entry("evaluate", {.inputs = {source, x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
    b_.Entry("infer", {.inputs = {source, x}, .outputs = {{"logits", logits}, {"attention", d.attention}}});
    return b_.Build();
  }

 private:
  struct Decoded {
    Var logits;     // [T,N,V]
    Var attention;  // [N,T,S]
  };

  // s32 [N,T] -> f32 [T,N,E].
  Var Embed(Var ids, const std::string& name) {
    Var weight = b_.Parameter(name + ".weight", {o_.vocabulary, o_.embedding}, {"normal", {{"std", 1.0}}});
    Var y = b_.Op("Embedding", {weight, b_.Transpose(ids, {1, 0})}, {}, 1, name)[0];
    return o_.dropout > 0 ? b_.Dropout(y, o_.dropout) : y;
  }

  // Makes the keys, and gives the decoder's first state [1,N,H].
  Var Encode(Var source) {
    RecurrentVars r = Gru(b_, Embed(source, "source_embedding"),
                          {.hidden = o_.hidden, .bidirectional = true, .name = "encoder"});
    states_ = b_.Transpose(r.y, {1, 0, 2});
    Var ends = b_.Flatten(b_.Transpose(r.h_n, {1, 0, 2}));
    Var h = b_.Tanh(b_.FullyConnected(ends, {.units = o_.hidden, .name = "bridge"}));
    w_q_ = LinearParameters(b_, o_.hidden, "attention.W_q", {.units = o_.hidden, .bias = false});
    keys_ = Linear(b_, states_, "attention.W_k", {.units = o_.hidden, .bias = false});
    const double bound = 1 / std::sqrt(static_cast<double>(o_.hidden));
    v_ = b_.Parameter("attention.v", {o_.hidden}, {"uniform", {{"low", -bound}, {"high", bound}}});
    Var padding = b_.Op("Cast", {b_.Op("Equal", {source, b_.Constant(Tensor::Scalar<int32_t>(kPadding))})[0]},
                        {{"to", std::string("f32")}})[0];
    mask_ = b_.Reshape(b_.Mul(padding, b_.Constant(kMasked)), {-1, 1, o_.source});
    return b_.Reshape(h, {1, -1, o_.hidden});
  }

  // `x` [T,N,E], `h` [1,N,H].
  Decoded Decode(Var x, Var h) {
    std::vector<Var> states, contexts, weights, parameters;
    for (int64_t t = 0; t < o_.target; ++t) {
      Var query = ApplyLinear(b_, b_.Reshape(h, {-1, 1, o_.hidden}), w_q_);
      std::vector<Var> attended = b_.Op("AdditiveAttention", {query, keys_, v_, states_, mask_}, {}, 2);
      Var context = b_.Reshape(attended[0], {1, -1, 2 * o_.hidden});
      Var before = b_.Slice(x, {.starts = {t}, .ends = {t + 1}, .axes = {0}});
      RecurrentVars r = Gru(b_, b_.Concat({before, context}, 2),
                            {.hidden = o_.hidden, .h0 = h, .name = t == 0 ? "decoder" : "", .parameters = parameters});
      parameters = r.parameters;
      h = r.y;
      states.push_back(h);
      contexts.push_back(context);
      weights.push_back(attended[1]);
    }
    Var all = b_.Concat({Joined(states, 0), Joined(contexts, 0)}, 2);
    return {Linear(b_, all, "head", {.units = o_.vocabulary}), Joined(weights, 1)};
  }

  Var Joined(const std::vector<Var>& parts, int64_t axis) {
    return parts.size() == 1 ? parts[0] : b_.Concat(parts, axis);
  }

  GraphBuilder b_;
  const Seq2SeqOptions o_;
  Var states_, keys_, v_, mask_;  // [N,S,2H], [N,S,H], [H], [N,1,S]
  LinearVars w_q_;
};

}  // namespace

absl::StatusOr<Graph> BuildSeq2Seq(const std::string& name, const Seq2SeqOptions& options) {
  return Seq2Seq(name, options).Build();
}

}  // namespace athanor
