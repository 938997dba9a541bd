// ResNet: blocks that add what they compute to their input. Names and start as torchvision's: convolutions kaiming_normal of
// the fan out, the last layer as torch.nn.Linear; the stride is at the 3x3 convolution of a bottleneck, as there. The CIFAR
// form has a 3x3 stem and no max pooling, for 32x32 images. models/resnet_cifar.cc has the paper's own networks for CIFAR-10.
#include "absl/strings/str_cat.h"
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

// conv - bn pairs of a block: kernel sizes and channels; the first 3x3 has the stride.
Var Residual(GraphBuilder& b, Var x, int64_t channels, int64_t stride, bool bottleneck, const std::string& name) {
  auto conv = [&](Var h, int i, int64_t c, int64_t kernel, int64_t s, bool relu) {
    return AddConv(b, h, {.channels = c, .kernel = kernel, .stride = s, .conv = absl::StrCat(name, ".conv", i),
                          .norm = absl::StrCat(name, ".bn", i), .activation = relu ? "ReLU" : ""});
  };
  const int64_t out = bottleneck ? 4 * channels : channels;
  Var h;
  if (bottleneck) {
    h = conv(x, 1, channels, 1, 1, true);
    h = conv(h, 2, channels, 3, stride, true);
    h = conv(h, 3, out, 1, 1, false);
  } else {
    h = conv(x, 1, channels, 3, stride, true);
    h = conv(h, 2, out, 3, 1, false);
  }
  const TensorType type = b.TypeOf(x);
  Var skip = x;
  if (stride != 1 || type.rank() != 4 || type.dims[1].size != out) {
    skip = AddConv(b, x, {.channels = out, .kernel = 1, .stride = stride, .conv = name + ".downsample.0",
                          .norm = name + ".downsample.1", .activation = ""});
  }
  return b.Relu(b.Add(h, skip));
}

absl::StatusOr<Graph> ResNet(const ModelInfo& info, const ModelOptions& o, const int (&blocks)[4], bool bottleneck,
                             bool cifar) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  Var h = AddConv(b, in.x, {.channels = Scaled(64, o.width), .kernel = cifar ? 3 : 7, .stride = cifar ? 1 : 2,
                            .conv = "conv1", .norm = "bn1"});
  if (!cifar) h = b.MaxPool(h, {.kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}});
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t channels = Scaled(64 << stage, o.width);
    for (int i = 0; i < blocks[stage]; ++i) {
      h = Residual(b, h, channels, i == 0 && stage > 0 ? 2 : 1, bottleneck, absl::StrCat("layer", stage + 1, ".", i));
    }
  }
  h = MaybeDropout(b, PoolToVector(b, h), DropoutOr(o, 0));
  return FinishClassifier(b, in, b.FullyConnected(h, {.units = o.classes, .name = "fc"}), o);
}

absl::StatusOr<Graph> ResNet18(const ModelInfo& info, const ModelOptions& o) {
  return ResNet(info, o, {2, 2, 2, 2}, /*bottleneck=*/false, /*cifar=*/false);
}
absl::StatusOr<Graph> ResNet34(const ModelInfo& info, const ModelOptions& o) {
  return ResNet(info, o, {3, 4, 6, 3}, /*bottleneck=*/false, /*cifar=*/false);
}
absl::StatusOr<Graph> ResNet50(const ModelInfo& info, const ModelOptions& o) {
  return ResNet(info, o, {3, 4, 6, 3}, /*bottleneck=*/true, /*cifar=*/false);
}
absl::StatusOr<Graph> ResNet101(const ModelInfo& info, const ModelOptions& o) {
  return ResNet(info, o, {3, 4, 23, 3}, /*bottleneck=*/true, /*cifar=*/false);
}
absl::StatusOr<Graph> ResNet18Cifar(const ModelInfo& info, const ModelOptions& o) {
  return ResNet(info, o, {2, 2, 2, 2}, /*bottleneck=*/false, /*cifar=*/true);
}

}  // namespace

std::vector<ModelInfo> ResNetModels() {
  const std::string paper = "K. He, X. Zhang, S. Ren, J. Sun, \"Deep residual learning for image recognition\", 2015";
  const std::vector<std::string> options = {"width", "dropout"};
  const Shape image = {3, 224, 224};
  return {
      {"resnet18", "residual network of 8 blocks of two convolutions", paper, image, 1000, 11689512, "torchvision resnet18",
       options, &ResNet18},
      {"resnet34", "residual network of 16 blocks of two convolutions", paper, image, 1000, 21797672, "torchvision resnet34",
       options, &ResNet34},
      {"resnet50", "residual network of 16 bottlenecks", paper, image, 1000, 25557032, "torchvision resnet50", options,
       &ResNet50},
      {"resnet101", "residual network of 33 bottlenecks", paper, image, 1000, 44549160, "torchvision resnet101", options,
       &ResNet101},
      {"resnet18_cifar", "ResNet-18 for 32x32: 3x3 stem, no max pooling", paper, {3, 32, 32}, 10, 11173962,
       "the usual PyTorch form", options, &ResNet18Cifar},
  };
}

}  // namespace athanor
