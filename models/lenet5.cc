// LeNet-5 for 28x28 grey images: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
// recognition", 1998; with ReLU and max pooling in the place of the paper's tanh and trainable subsampling, and its two
// fully connected layers of 120 and 84 units.
#include "models/models.h"

namespace athanor {

absl::StatusOr<Graph> LeNet5(const ModelOptions& options) {
  GraphBuilder b("lenet5");
  Var x = b.Input("x", DType::kF32, {"N", 1, 28, 28});
  Var labels = b.Input("labels", DType::kS32, {"N"});
  Var h = b.Relu(b.Conv2d(x, {.out_channels = 6, .kernel = {5, 5}, .pads = {2, 2, 2, 2}, .name = "conv1"}));
  h = b.MaxPool(h, {.kernel = {2, 2}, .strides = {2, 2}});
  h = b.Relu(b.Conv2d(h, {.out_channels = 16, .kernel = {5, 5}, .name = "conv2"}));
  h = b.MaxPool(h, {.kernel = {2, 2}, .strides = {2, 2}});
  h = b.Flatten(h);
  h = b.Relu(b.FullyConnected(h, {.units = 120, .name = "fc1"}));
  h = b.Relu(b.FullyConnected(h, {.units = 84, .name = "fc2"}));
  Var logits = b.FullyConnected(h, {.units = options.classes, .name = "fc3"});
  return FinishClassifier(&b, x, labels, logits, options);
}

}  // namespace athanor
