// AlexNet in torchvision's form (one tower, "One weird trick for parallelizing convolutional neural networks", 2014, without
// local response normalisation), with its names and the way torch.nn starts layers; and a small form for 32x32 images.
#include "absl/strings/str_cat.h"
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

const PoolOptions kPool = {.kernel = {3, 3}, .strides = {2, 2}};

// Dropout, two hidden layers and the last one: "classifier.1", ".4", ".6".
Var Classifier(GraphBuilder& b, Var h, int64_t units, const ModelOptions& o) {
  const double dropout = DropoutOr(o, 0.5);
  h = b.Flatten(h);
  for (const char* name : {"classifier.1", "classifier.4"}) {
    h = b.Relu(b.FullyConnected(MaybeDropout(b, h, dropout), {.units = Scaled(units, o.width), .name = name}));
  }
  return b.FullyConnected(h, {.units = o.classes, .name = "classifier.6"});
}

absl::StatusOr<Graph> AlexNet(const ModelInfo& info, const ModelOptions& o) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  auto conv = [&](Var x, int64_t channels, int64_t kernel, int64_t stride, int64_t pad, int index) {
    return AddConv(b, x, {.channels = Scaled(channels, o.width), .kernel = kernel, .stride = stride, .pad = pad,
                          .conv = absl::StrCat("features.", index), .init = {}});
  };
  Var h = b.MaxPool(conv(in.x, 64, 11, 4, 2, 0), kPool);
  h = b.MaxPool(conv(h, 192, 5, 1, 2, 3), kPool);
  h = conv(h, 384, 3, 1, 1, 6);
  h = conv(h, 256, 3, 1, 1, 8);
  h = b.MaxPool(conv(h, 256, 3, 1, 1, 10), kPool);
  return FinishClassifier(b, in, Classifier(b, h, 4096, o), o);
}

// The same order of layers at stride 1, with batch normalisation behind each convolution.
absl::StatusOr<Graph> AlexNetCifar(const ModelInfo& info, const ModelOptions& o) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  PoolOptions pool = kPool;
  pool.pads = {1, 1, 1, 1};
  auto conv = [&](Var x, int64_t channels, int64_t kernel, int index) {
    return AddConv(b, x, {.channels = Scaled(channels, o.width), .kernel = kernel,
                          .conv = absl::StrCat("features.", index), .norm = absl::StrCat("features.", index + 1)});
  };
  Var h = b.MaxPool(conv(in.x, 48, 5, 0), pool);
  h = b.MaxPool(conv(h, 96, 3, 4), pool);
  h = conv(h, 192, 3, 8);
  h = conv(h, 128, 3, 11);
  h = b.MaxPool(conv(h, 128, 3, 14), pool);
  return FinishClassifier(b, in, Classifier(b, h, 512, o), o);
}

}  // namespace

std::vector<ModelInfo> AlexNetModels() {
  const std::string paper =
      "A. Krizhevsky, I. Sutskever, G. Hinton, \"ImageNet classification with deep convolutional neural networks\", 2012";
  return {
      {"alexnet", "AlexNet in torchvision's form: five convolutions, three fully connected layers", paper, {3, 224, 224}, 1000,
       61100840, "torchvision alexnet", {"width", "dropout"}, &AlexNet},
      {"alexnet_cifar", "AlexNet for 32x32: 48, 96, 192, 128, 128 channels at stride 1, batch norm, 512 units", paper,
       {3, 32, 32}, 10, 1897658, "benchmarks/peers/networks.py", {"width", "dropout"}, &AlexNetCifar},
  };
}

}  // namespace athanor
