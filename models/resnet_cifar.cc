// The ResNets that the paper trains on CIFAR-10 (section 4.2): 6n + 2 layers of 16, 32 and 64 channels, shortcuts without
// parameters (option A: every second pixel, new channels zero). And the plain networks of the same layers without the
// shortcuts, which get worse with depth. Started as torchvision's ResNets.
#include "absl/strings/str_cat.h"
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

// x at every second pixel, with zero channels before and behind.
Var Shortcut(GraphBuilder& b, Var x, int64_t channels, int64_t stride) {
  const TensorType type = b.TypeOf(x);
  const int64_t more = type.rank() == 4 ? channels - type.dims[1].size : 0;
  Var h = stride == 1 ? x : b.AvgPool(x, {.kernel = {1, 1}, .strides = {stride, stride}});
  if (more == 0) return h;
  return b.Op("Pad", {h}, {{"pads", Ints{0, more / 2, 0, 0, 0, more - more / 2, 0, 0}}})[0];
}

absl::StatusOr<Graph> CifarNet(const ModelInfo& info, const ModelOptions& o, int blocks, bool shortcuts) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  Var h = AddConv(b, in.x, {.channels = Scaled(16, o.width), .conv = "conv1", .norm = "bn1"});
  for (int stage = 0; stage < 3; ++stage) {
    const int64_t channels = Scaled(16 << stage, o.width);
    for (int i = 0; i < blocks; ++i) {
      const std::string name = absl::StrCat("layer", stage + 1, ".", i);
      const int64_t stride = i == 0 && stage > 0 ? 2 : 1;
      Var y = AddConv(b, h, {.channels = channels, .stride = stride, .conv = name + ".conv1", .norm = name + ".bn1"});
      y = AddConv(b, y, {.channels = channels, .conv = name + ".conv2", .norm = name + ".bn2", .activation = ""});
      h = b.Relu(shortcuts ? b.Add(y, Shortcut(b, h, channels, stride)) : y);
    }
  }
  return FinishClassifier(b, in, b.FullyConnected(PoolToVector(b, h), {.units = o.classes, .name = "fc"}), o);
}

template <int kBlocks, bool kShortcuts>
absl::StatusOr<Graph> Build(const ModelInfo& info, const ModelOptions& o) {
  return CifarNet(info, o, kBlocks, kShortcuts);
}

}  // namespace

std::vector<ModelInfo> CifarResNetModels() {
  const std::string paper =
      "K. He, X. Zhang, S. Ren, J. Sun, \"Deep residual learning for image recognition\", 2015, section 4.2";
  const std::vector<std::string> options = {"width"};
  const Shape image = {3, 32, 32};
  return {
      {"resnet20", "the paper's residual network for CIFAR-10 with 20 layers, option A", paper, image, 10, 269722,
       "the paper: 0.27 million", options, &Build<3, true>},
      {"resnet32", "the paper's residual network for CIFAR-10 with 32 layers, option A", paper, image, 10, 464154,
       "the paper: 0.46 million", options, &Build<5, true>},
      {"resnet56", "the paper's residual network for CIFAR-10 with 56 layers, option A", paper, image, 10, 853018,
       "the paper: 0.85 million", options, &Build<9, true>},
      {"plain20", "resnet20 without its shortcuts", paper, image, 10, 269722, "as resnet20", options, &Build<3, false>},
      {"plain56", "resnet56 without its shortcuts", paper, image, 10, 853018, "as resnet56", options, &Build<9, false>},
  };
}

}  // namespace athanor
