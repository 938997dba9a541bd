// MobileNetV2: inverted residuals, whose wide middle is a depthwise convolution. Names and start as torchvision's; it has
// dropout 0.2 before the last layer there, and here where the options say so.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

struct Stage {
  int64_t expand, channels;
  int blocks;
  int64_t stride;
};

// 1x1 to expand times the channels (left out for 1), 3x3 depthwise, 1x1 without an activation.
Var InvertedResidual(GraphBuilder& b, Var x, int64_t channels, int64_t stride, int64_t expand, const std::string& name) {
  const TensorType type = b.TypeOf(x);
  const int64_t in_channels = type.rank() == 4 ? type.dims[1].size : 1, middle = in_channels * expand;
  int index = 0;
  auto next = [&] { return absl::StrCat(name, ".conv.", index++); };
  auto conv = [&](Var h, ConvBlock block) {
    const std::string part = next();
    block.conv = part + ".0";
    block.norm = part + ".1";
    block.activation = "ReLU6";
    return AddConv(b, h, block);
  };
  Var h = x;
  if (expand != 1) h = conv(h, {.channels = middle, .kernel = 1});
  h = conv(h, {.channels = middle, .kernel = 3, .stride = stride, .groups = middle});
  const std::string last = next(), norm = next();
  h = AddConv(b, h, {.channels = channels, .kernel = 1, .conv = last, .norm = norm, .activation = ""});
  return stride == 1 && in_channels == channels ? b.Add(x, h) : h;
}

absl::StatusOr<Graph> MobileNetV2(const ModelInfo& info, const ModelOptions& o) {
  const Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2},
                          {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  Var h = AddConv(b, in.x, {.channels = Scaled(32, o.width), .stride = 2, .conv = "features.0.0", .norm = "features.0.1",
                            .activation = "ReLU6"});
  int index = 1;
  for (const Stage& s : stages) {
    for (int i = 0; i < s.blocks; ++i) {
      h = InvertedResidual(b, h, Scaled(s.channels, o.width), i == 0 ? s.stride : 1, s.expand,
                           absl::StrCat("features.", index++));
    }
  }
  // The last layer gets wider but not narrower, as in the paper.
  h = AddConv(b, h, {.channels = Scaled(1280, std::max(1.0, o.width)), .kernel = 1, .conv = absl::StrCat("features.", index, ".0"),
                     .norm = absl::StrCat("features.", index, ".1"), .activation = "ReLU6"});
  h = MaybeDropout(b, PoolToVector(b, h), DropoutOr(o, 0));
  Var logits = b.FullyConnected(h, {.units = o.classes, .name = "classifier.1", .weight_init = {"normal", {{"std", 0.01}}},
                                    .bias_init = {"zeros", {}}});
  return FinishClassifier(b, in, logits, o);
}

}  // namespace

std::vector<ModelInfo> MobileNetModels() {
  return {{"mobilenet_v2", "17 inverted residuals with depthwise convolutions",
           "M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L. Chen, \"MobileNetV2: inverted residuals and linear bottlenecks\", 2018",
           {3, 224, 224}, 1000, 3504872, "torchvision mobilenet_v2", {"width", "dropout"}, &MobileNetV2}};
}

}  // namespace athanor
