// Recurrent networks that classify sequences (S. Hochreiter, J. Schmidhuber, "Long short-term memory", 1997, and its
// relatives): vectors, or the rows of an image from top to bottom. The states behind the last step are classified, of
// both directions if there are two.
#include <algorithm>
#include <functional>

#include "compiler/builder/recurrent.h"
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

using Cell = RecurrentVars (*)(GraphBuilder&, Var, RecurrentOptions, GraphBuilder::Location);

// [N,T,C], or an image [N,C,H,W] with its rows as steps -> [T,N,C].
Var Steps(GraphBuilder& b, Var x, const Shape& input) {
  if (input.size() == 2) return b.Transpose(x, {1, 0, 2});
  return b.Reshape(b.Transpose(x, {2, 0, 1, 3}), {0, 0, input[0] * input[2]});
}

absl::StatusOr<Graph> Build(const ModelInfo& info, const ModelOptions& o, Cell cell, bool bidirectional, int64_t units) {
  const Ints hidden = o.hidden.empty() ? Ints{units} : o.hidden;
  if (std::adjacent_find(hidden.begin(), hidden.end(), std::not_equal_to<>()) != hidden.end()) {
    return MakeError(ErrorClass::kReq, "hidden = %s: the layers of a recurrent network have the same number of units",
                     AttrToString(hidden));
  }
  const int64_t size = Scaled(hidden[0], o.width);
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  RecurrentVars r = cell(b, Steps(b, in.x, o.input),
                         {.hidden = size, .layers = static_cast<int64_t>(hidden.size()),
                          .bidirectional = bidirectional, .dropout = DropoutOr(o, 0), .name = "rnn"},
                         GraphBuilder::Location::current());
  // The last layer's states: [D,N,H] -> [N,D H].
  const int64_t directions = bidirectional ? 2 : 1, states = directions * static_cast<int64_t>(hidden.size());
  Var last = b.Slice(r.h_n, {.starts = {states - directions}, .ends = {states}, .axes = {0}});
  Var h = MaybeDropout(b, b.Flatten(b.Transpose(last, {1, 0, 2})), DropoutOr(o, 0));
  Var logits = b.FullyConnected(h, {.units = o.classes, .name = "head"});
  return FinishClassifier(b, in, logits, o);
}

template <Cell cell, bool bidirectional, int64_t units>
absl::StatusOr<Graph> Recurrent(const ModelInfo& info, const ModelOptions& o) {
  return Build(info, o, cell, bidirectional, units);
}

}  // namespace

std::vector<ModelInfo> RecurrentModels() {
  const std::string elman = "J. Elman, \"Finding structure in time\", 1990";
  const std::string lstm = "S. Hochreiter, J. Schmidhuber, \"Long short-term memory\", 1997";
  const std::string gru =
      "K. Cho et al., \"Learning phrase representations using RNN encoder-decoder for statistical machine translation\", "
      "2014";
  const std::string both = "M. Schuster, K. Paliwal, \"Bidirectional recurrent neural networks\", 1997";
  const std::string sum = "torch.nn's layers";
  const std::vector<std::string> options = {"width", "dropout", "hidden"};
  const Shape image = {1, 28, 28};
  return {
      {"lstm", "LSTM of 256 units over 64 steps of 128 features", lstm, {64, 128}, 10, 397834, sum, options,
       &Recurrent<&Lstm, false, 256>},
      {"rnn_rows", "RNN of 128 units over the rows of an image", elman, image, 10, 21514, sum, options,
       &Recurrent<&Rnn, false, 128>},
      {"lstm_rows", "LSTM of 128 units over the rows of an image", lstm, image, 10, 82186, sum, options,
       &Recurrent<&Lstm, false, 128>},
      {"gru_rows", "GRU of 128 units over the rows of an image", gru, image, 10, 61962, sum, options,
       &Recurrent<&Gru, false, 128>},
      {"birnn_rows", "RNN of 128 units over the rows of an image, in both directions", both, image, 10, 43018, sum, options,
       &Recurrent<&Rnn, true, 128>},
      {"bilstm_rows", "LSTM of 128 units over the rows of an image, in both directions", both, image, 10, 164362, sum,
       options, &Recurrent<&Lstm, true, 128>},
      {"bigru_rows", "GRU of 128 units over the rows of an image, in both directions", both, image, 10, 123914, sum, options,
       &Recurrent<&Gru, true, 128>},
  };
}

}  // namespace athanor
