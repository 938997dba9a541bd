// DenseNet: each layer sees the concatenation of all before it. Names and start as torchvision's: convolutions kaiming_normal
// of the fan in, the bias of the last layer zero. Of the forms for 32x32, densenet40 is in the paper's tables;
// densenet_cifar is its DenseNet-BC at 40 layers, where the tables begin at 100.
#include "absl/strings/str_cat.h"
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

struct Form {
  std::vector<int> blocks;
  int64_t growth, stem;
  bool bottleneck = true;   // a 1x1 convolution to 4 * growth channels before the 3x3
  bool compression = true;  // a transition halves the channels
  bool cifar = false;       // a 3x3 stem without norm and pooling
};

const Initializer kFanIn = {"kaiming_normal", {}};

// Norm, ReLU, convolution.
Var PreActivated(GraphBuilder& b, Var x, int64_t channels, int64_t kernel, const std::string& norm,
                 const std::string& conv) {
  Var h = b.Relu(b.BatchNorm(x, {.name = norm}));
  const int64_t pad = kernel / 2;
  return b.Conv2d(h, {.out_channels = channels, .kernel = {kernel, kernel}, .pads = {pad, pad, pad, pad}, .bias = false,
                      .name = conv, .weight_init = kFanIn});
}

Var DenseLayer(GraphBuilder& b, Var x, int64_t growth, const Form& form, double dropout, const std::string& name) {
  Var h = x;
  if (form.bottleneck) {
    h = PreActivated(b, h, 4 * growth, 1, name + ".norm1", name + ".conv1");
    h = PreActivated(b, h, growth, 3, name + ".norm2", name + ".conv2");
  } else {
    h = PreActivated(b, h, growth, 3, name + ".norm1", name + ".conv1");
  }
  return b.Concat({x, MaybeDropout(b, h, dropout)}, 1);
}

Var Stem(GraphBuilder& b, Var x, const Form& form, double width) {
  const int64_t kernel = form.cifar ? 3 : 7, stride = form.cifar ? 1 : 2, pad = kernel / 2;
  Var h = b.Conv2d(x, {.out_channels = Scaled(form.stem, width), .kernel = {kernel, kernel}, .strides = {stride, stride},
                       .pads = {pad, pad, pad, pad}, .bias = false, .name = "features.conv0", .weight_init = kFanIn});
  if (form.cifar) return h;
  h = b.Relu(b.BatchNorm(h, {.name = "features.norm0"}));
  return b.MaxPool(h, {.kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}});
}

absl::StatusOr<Graph> DenseNet(const ModelInfo& info, const ModelOptions& o, const Form& form) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  const int64_t growth = Scaled(form.growth, o.width);
  int64_t channels = Scaled(form.stem, o.width);
  Var h = Stem(b, in.x, form, o.width);
  for (size_t block = 1; block <= form.blocks.size(); ++block) {
    for (int layer = 1; layer <= form.blocks[block - 1]; ++layer) {
      h = DenseLayer(b, h, growth, form, DropoutOr(o, 0),
                     absl::StrCat("features.denseblock", block, ".denselayer", layer));
      channels += growth;
    }
    if (block == form.blocks.size()) break;
    if (form.compression) channels /= 2;
    const std::string name = absl::StrCat("features.transition", block);
    h = PreActivated(b, h, channels, 1, name + ".norm", name + ".conv");
    h = b.AvgPool(h, {.kernel = {2, 2}, .strides = {2, 2}});
  }
  h = b.Relu(b.BatchNorm(h, {.name = absl::StrCat("features.norm", form.blocks.size() + 1)}));
  Var logits = b.FullyConnected(PoolToVector(b, h),
                                {.units = o.classes, .name = "classifier", .bias_init = {"zeros", {}}});
  return FinishClassifier(b, in, logits, o);
}

absl::StatusOr<Graph> DenseNet121(const ModelInfo& info, const ModelOptions& o) {
  return DenseNet(info, o, {.blocks = {6, 12, 24, 16}, .growth = 32, .stem = 64});
}
absl::StatusOr<Graph> DenseNet169(const ModelInfo& info, const ModelOptions& o) {
  return DenseNet(info, o, {.blocks = {6, 12, 32, 32}, .growth = 32, .stem = 64});
}
absl::StatusOr<Graph> DenseNetCifar(const ModelInfo& info, const ModelOptions& o) {
  return DenseNet(info, o, {.blocks = {6, 6, 6}, .growth = 12, .stem = 24, .cifar = true});
}
absl::StatusOr<Graph> DenseNet40(const ModelInfo& info, const ModelOptions& o) {
  return DenseNet(info, o, {.blocks = {12, 12, 12}, .growth = 12, .stem = 16, .bottleneck = false, .compression = false,
                            .cifar = true});
}

}  // namespace

std::vector<ModelInfo> DenseNetModels() {
  const std::string paper =
      "G. Huang, Z. Liu, L. van der Maaten, K. Weinberger, \"Densely connected convolutional networks\", 2016";
  const std::vector<std::string> options = {"width", "dropout"};
  const Shape image = {3, 224, 224}, small = {3, 32, 32};
  return {
      {"densenet121", "four dense blocks of 6, 12, 24, 16 layers, growth 32", paper, image, 1000, 7978856,
       "torchvision densenet121", options, &DenseNet121},
      {"densenet169", "four dense blocks of 6, 12, 32, 32 layers, growth 32", paper, image, 1000, 14149480,
       "torchvision densenet169", options, &DenseNet169},
      {"densenet_cifar", "DenseNet-BC for 32x32 with 40 layers, growth 12", paper, small, 10, 176122,
       "DenseNet-BC of 40 layers, growth 12", options, &DenseNetCifar},
      {"densenet40", "the paper's DenseNet for CIFAR-10 with 40 layers, growth 12", paper, small, 10, 1019722,
       "the paper: 1.0 million", options, &DenseNet40},
  };
}

}  // namespace athanor
