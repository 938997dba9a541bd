// The perceptron: one unit s = w . x + b, which says class 1 where s > 0. The threshold has no gradient, so it is trained as
// usual today, by the cross-entropy of the probability sigmoid(s); the classes, and so what can be learned, are the same: what
// a line separates (AND, OR, NAND), and not XOR.
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

absl::StatusOr<Graph> Perceptron(const ModelInfo& info, const ModelOptions& o) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  Var x = b.Flatten(in.x);
  if (o.classes != 2) {  // a unit a class; the largest wins
    return FinishClassifier(b, in, b.FullyConnected(x, {.units = o.classes, .name = "fc"}), o);
  }
  Var s = b.FullyConnected(x, {.units = 1, .name = "fc"});
  // Logits of difference s: their softmax is sigmoid(-s), sigmoid(s).
  Var logits = b.Concat({b.Mul(s, b.Constant(-0.5f)), b.Mul(s, b.Constant(0.5f))}, 1);
  return FinishClassifier(b, in, logits, o);
}

}  // namespace

std::vector<ModelInfo> PerceptronModels() {
  return {{"perceptron", "one unit with a threshold; a unit a class for more than two",
           "F. Rosenblatt, \"The perceptron\", 1958; M. Minsky, S. Papert, \"Perceptrons\", 1969", {2}, 2, 3,
           "2 weights and a bias", {}, &Perceptron, /*any_rank=*/true}};
}

}  // namespace athanor
