// A multi-layer perceptron: fully connected layers with ReLU between them. With 784 inputs and two hidden layers of 512
// it is the usual baseline on MNIST.
#include "absl/strings/str_cat.h"
#include "models/models.h"

namespace athanor {

absl::StatusOr<Graph> Mlp(const ModelOptions& options) {
  GraphBuilder b("mlp");
  Var x = b.Input("x", DType::kF32, {"N", 1, 28, 28});
  Var labels = b.Input("labels", DType::kS32, {"N"});
  Var h = b.Flatten(x);
  int layer = 1;
  for (int64_t units : {int64_t{512}, int64_t{512}}) {
    h = b.Relu(b.FullyConnected(h, {.units = units, .name = absl::StrCat("fc", layer++)}));
  }
  Var logits = b.FullyConnected(h, {.units = options.classes, .name = absl::StrCat("fc", layer)});
  return FinishClassifier(&b, x, labels, logits, options);
}

}  // namespace athanor
