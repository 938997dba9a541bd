#include "models/language.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/builder/normalization.h"
#include "compiler/builder/recurrent.h"
#include "models/sequence_layers.h"

namespace athanor {
namespace {

using Location = GraphBuilder::Location;

// Classes are the last dimension of the logits.
Var NextCharacterLoss(GraphBuilder& b, Var logits, Var labels) {
  return b.Op("SoftmaxCrossEntropy", {logits, labels}, {{"axis", int64_t{-1}}}, 1, "loss")[0];
}

void AddEntries(GraphBuilder& b, Var x, Var labels, Var logits, Var loss) {
  b.Metadata("task", "language");
  b.Entry("train", {.training = true, .inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b.Entry("evaluate", {.inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"logits", logits}}});
}

class Recurrent {
 public:
  Recurrent(const std::string& name, const RecurrentLanguageOptions& options) : b_(name), o_(options) {}

  absl::StatusOr<Graph> Build() {
    if (o_.cell != "rnn" && o_.cell != "lstm" && o_.cell != "gru") {
      return MakeError(ErrorClass::kAttr, "cell = \"%s\" is not rnn, lstm or gru", o_.cell);
    }
    Var x = b_.Input("x", DType::kS32, {"N", o_.sequence});
    Var labels = b_.Input("labels", DType::kS32, {"N", o_.sequence});
    embedding_ = b_.Parameter("embedding.weight", {o_.vocabulary, o_.embedding}, {"normal", {{"std", 1.0}}});
    // Time comes first from the embedding to the head: the characters are transposed, which are few bytes.
    RecurrentVars r = Layers(Embed(x), {}, {}, "rnn");
    rnn_ = r.parameters;
    head_ = LinearParameters(b_, o_.hidden, "head", {.units = o_.vocabulary});
    Var logits = Head(r.y, "head");
    AddEntries(b_, x, labels, b_.Transpose(logits, {1, 0, 2}),
               NextCharacterLoss(b_, logits, b_.Transpose(labels, {1, 0})));
    AddStep();
    ATH_ASSIGN_OR_RETURN(Graph graph, b_.Build());
    for (GraphEntry& entry : graph.entries) {
      if (entry.name == "step") entry.inputs[0].name = "x";
    }
    return graph;
  }

 private:
  bool lstm() const { return o_.cell == "lstm"; }

  // s32 [N,T] -> f32 [T,N,E].
  Var Embed(Var x) { return b_.Op("Embedding", {embedding_, b_.Transpose(x, {1, 0})})[0]; }

  RecurrentVars Layers(Var x, Var h0, Var c0, const std::string& name) {
    if (o_.dropout > 0) x = b_.Dropout(x, o_.dropout);
    auto cell = lstm() ? &Lstm : o_.cell == "gru" ? &Gru : &Rnn;
    return cell(b_, x,
                {.hidden = o_.hidden, .layers = o_.layers, .dropout = o_.dropout, .h0 = h0, .c0 = c0, .name = name,
                 .parameters = rnn_},
                Location::current());
  }

  Var Head(Var y, const std::string& name) {
    if (o_.dropout > 0) y = b_.Dropout(y, o_.dropout);
    return ApplyLinear(b_, y, head_, name);
  }

  void AddStep() {
    const std::vector<Dim> state = {o_.layers, "N", o_.hidden};
    Var x = b_.Input("step.x", DType::kS32, {"N", 1}), h0 = b_.Input("h0", DType::kF32, state), c0;
    if (lstm()) c0 = b_.Input("c0", DType::kF32, state);
    RecurrentVars r = Layers(Embed(x), h0, c0, "rnn.step");
    Var logits = b_.Transpose(Head(r.y, "head.step"), {1, 0, 2});
    EntryOptions entry{.inputs = {x, h0}, .outputs = {{"logits", logits}, {"h_n", r.h_n}}};
    if (lstm()) {
      entry.inputs.push_back(c0);
      entry.outputs.push_back({"c_n", r.c_n});
    }
    b_.Entry("step", std::move(entry));
  }

  GraphBuilder b_;
  const RecurrentLanguageOptions o_;
  Var embedding_;
  std::vector<Var> rnn_;
  LinearVars head_;
};

}  // namespace

absl::StatusOr<Graph> BuildRecurrentLanguageModel(const std::string& name, const RecurrentLanguageOptions& options) {
  return Recurrent(name, options).Build();
}

absl::StatusOr<Graph> BuildGpt(const std::string& name, const GptOptions& o) {
  const Initializer normal{"normal", {{"std", 0.02}}}, zeros{"zeros", {}};
  GraphBuilder b(name);
  Var x = b.Input("x", DType::kS32, {"N", o.sequence}), labels = b.Input("labels", DType::kS32, {"N", o.sequence});
  Var token = b.Parameter("token.weight", {o.vocabulary, o.width}, normal);
  Var position = b.Parameter("position.weight", {o.sequence, o.width}, normal);
  Var h = b.Add(b.Op("Embedding", {token, x})[0], position);
  if (o.dropout > 0) h = b.Dropout(h, o.dropout);
  const TransformerLayerOptions layer{.heads = o.heads, .causal = true, .dropout = o.dropout, .weight_init = normal,
                                      .bias_init = zeros};
  for (int64_t i = 0; i < o.layers; ++i) h = TransformerLayer(b, h, absl::StrCat("layers.", i), layer);
  h = LayerNorm(b, h, {.name = "norm"});
  Var logits = o.tied ? ApplyLinear(b, h, {token, {}}, "head")
                      : Linear(b, h, "head", {.units = o.vocabulary, .bias = false, .weight_init = normal});
  AddEntries(b, x, labels, logits, NextCharacterLoss(b, logits, labels));
  return b.Build();
}

}  // namespace athanor
