// LeNet-5 for 28x28 grey images, with ReLU and max pooling in the place of the paper's tanh and trainable subsampling, and its
// two fully connected layers of 120 and 84 units. Started as torch.nn starts its layers.
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

absl::StatusOr<Graph> LeNet5(const ModelInfo& info, const ModelOptions& o) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  const std::string bn1 = o.batch_norm ? "bn1" : "", bn2 = o.batch_norm ? "bn2" : "";
  const PoolOptions halve = {.kernel = {2, 2}, .strides = {2, 2}};
  Var h = AddConv(b, in.x, {.channels = Scaled(6, o.width), .kernel = 5, .conv = "conv1", .norm = bn1, .init = {}});
  h = b.MaxPool(h, halve);
  h = AddConv(b, h,
              {.channels = Scaled(16, o.width), .kernel = 5, .pad = 0, .conv = "conv2", .norm = bn2, .init = {}});
  h = b.Flatten(b.MaxPool(h, halve));
  const double dropout = DropoutOr(o, 0);
  h = MaybeDropout(b, b.Relu(b.FullyConnected(h, {.units = Scaled(120, o.width), .name = "fc1"})), dropout);
  h = MaybeDropout(b, b.Relu(b.FullyConnected(h, {.units = Scaled(84, o.width), .name = "fc2"})), dropout);
  Var logits = b.FullyConnected(h, {.units = o.classes, .name = "fc3"});
  return FinishClassifier(b, in, logits, o);
}

}  // namespace

std::vector<ModelInfo> LeNetModels() {
  return {{"lenet5", "two convolutions, two max poolings, three fully connected layers",
           "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, \"Gradient-based learning applied to document recognition\", 1998",
           {1, 28, 28}, 10, 61706,
           "the usual PyTorch form; the paper's, with partly connected maps and subsampling weights, has 60,000",
           {"width", "dropout", "batch_norm"}, &LeNet5}};
}

}  // namespace athanor
