// A multi-layer perceptron: fully connected layers with an activation between them. With 784 inputs and two hidden layers
// of 512 it is the usual baseline on MNIST; with 2 inputs and a few units of tanh it learns XOR. Started as torch.nn.Linear.
#include "absl/strings/str_cat.h"
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

absl::StatusOr<Graph> Perceptrons(const ModelInfo& info, const ModelOptions& o, const Ints& own_hidden,
                                  const std::string& own_activation) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  const double dropout = DropoutOr(o, 0);
  Var h = b.Flatten(in.x);
  int layer = 1;
  for (int64_t units : o.hidden.empty() ? own_hidden : o.hidden) {
    h = b.FullyConnected(h, {.units = Scaled(units, o.width), .name = absl::StrCat("fc", layer)});
    if (o.batch_norm) h = b.BatchNorm(h, {.name = absl::StrCat("bn", layer)});
    h = Activate(b, h, o.activation.empty() ? own_activation : o.activation);
    h = MaybeDropout(b, h, dropout);
    ++layer;
  }
  Var logits = b.FullyConnected(h, {.units = o.classes, .name = absl::StrCat("fc", layer)});
  return FinishClassifier(b, in, logits, o);
}

absl::StatusOr<Graph> Mlp(const ModelInfo& info, const ModelOptions& o) {
  return Perceptrons(info, o, {512, 512}, "relu");
}

absl::StatusOr<Graph> Xor(const ModelInfo& info, const ModelOptions& o) { return Perceptrons(info, o, {4}, "tanh"); }

}  // namespace

std::vector<ModelInfo> MlpModels() {
  const std::string paper =
      "D. Rumelhart, G. Hinton, R. Williams, \"Learning representations by back-propagating errors\", 1986";
  const std::vector<std::string> options = {"width", "dropout", "hidden", "activation", "batch_norm"};
  return {
      {"xor", "two layers: 4 units of tanh, which make XOR separable",
       "D. Rumelhart, G. Hinton, R. Williams, \"Learning internal representations by error propagation\", 1986", {2}, 2, 22,
       "4 (2 + 1) + 2 (4 + 1)", options, &Xor, /*any_rank=*/true},
      {"mlp", "perceptron with two hidden layers of 512 units", paper, {1, 28, 28}, 10, 669706, "the sum of its layers",
       options, &Mlp, /*any_rank=*/true},
  };
}

}  // namespace athanor
