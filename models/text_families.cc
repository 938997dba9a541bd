// The rows of AllModels for networks over characters, and how their options become those of the builders.
#include <algorithm>
#include <functional>

#include "models/blocks.h"
#include "models/families.h"
#include "models/language.h"
#include "models/seq2seq.h"

namespace athanor {
namespace {

// As many layers as there are numbers, which must be equal.
absl::StatusOr<int64_t> Units(const ModelOptions& o, const Ints& own, int64_t* layers) {
  const Ints& hidden = o.hidden.empty() ? own : o.hidden;
  if (std::adjacent_find(hidden.begin(), hidden.end(), std::not_equal_to<>()) != hidden.end()) {
    return MakeError(ErrorClass::kReq, "hidden = %s: the layers of this network have the same number of units",
                     AttrToString(hidden));
  }
  *layers = static_cast<int64_t>(hidden.size());
  return Scaled(hidden[0], o.width);
}

absl::StatusOr<Graph> Recurrent(const ModelInfo& info, const ModelOptions& o) {
  RecurrentLanguageOptions r;
  r.cell = info.name.substr(info.name.find('_') + 1);
  r.vocabulary = o.classes;
  r.sequence = o.input[0];
  r.embedding = Scaled(64, o.width);
  ATH_ASSIGN_OR_RETURN(r.hidden, Units(o, {256, 256}, &r.layers));
  r.dropout = DropoutOr(o, 0);
  return BuildRecurrentLanguageModel(info.name, r);
}

absl::StatusOr<Graph> Gpt(const ModelInfo& info, const ModelOptions& o) {
  GptOptions g;
  g.vocabulary = o.classes;
  g.sequence = o.input[0];
  ATH_ASSIGN_OR_RETURN(g.width, Units(o, {128, 128, 128, 128}, &g.layers));
  g.dropout = DropoutOr(o, 0);
  return BuildGpt(info.name, g);
}

absl::StatusOr<Graph> Sequences(const ModelInfo& info, const ModelOptions& o) {
  Seq2SeqOptions s;
  s.vocabulary = o.classes;
  s.source = o.input[0];
  s.target = o.input[1];
  s.embedding = Scaled(32, o.width);
  int64_t layers = 0;
  ATH_ASSIGN_OR_RETURN(s.hidden, Units(o, {64}, &layers));
  if (layers != 1) return MakeError(ErrorClass::kReq, "hidden has %d layers; this network has one", layers);
  s.dropout = DropoutOr(o, 0);
  return BuildSeq2Seq(info.name, s);
}

}  // namespace

std::vector<ModelInfo> LanguageModels() {
  const std::string sum = "torch.nn's layers";
  const std::vector<std::string> options = {"width", "dropout", "hidden"};
  const std::string paper = "I. Sutskever, J. Martens, G. Hinton, \"Generating text with recurrent neural networks\", 2011";
  const Shape window = {64};
  constexpr int64_t kCharacters = 65;  // of Tiny Shakespeare
  return {
      {"char_rnn", "language model of characters: 2 layers of 256 units, RNN", paper, window, kCharacters, 234881, sum,
       options, &Recurrent, false, "language"},
      {"char_lstm", "language model of characters: 2 layers of 256 units, LSTM", paper, window, kCharacters, 876929, sum,
       options, &Recurrent, false, "language"},
      {"char_gru", "language model of characters: 2 layers of 256 units, GRU", paper, window, kCharacters, 662913, sum,
       options, &Recurrent, false, "language"},
      {"gpt", "language model of characters: causal Transformer of 4 layers of 4 heads, width 128",
       "A. Radford et al., \"Language models are unsupervised multitask learners\", 2019", window, kCharacters, 818176, sum,
       options, &Gpt, false, "language"},
  };
}

std::vector<ModelInfo> SequenceToSequenceModels() {
  return {{"seq2seq", "sequence to sequence: GRUs of 64 units with additive attention; the input is {source, target} lengths",
           "D. Bahdanau, K. Cho, Y. Bengio, \"Neural machine translation by jointly learning to align and translate\", 2015",
           {20, 11}, 44, 112940, "torch.nn's layers", {"width", "dropout", "hidden"}, &Sequences, false, "sequence"}};
}

}  // namespace athanor
