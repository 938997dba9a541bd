// GoogLeNet (Inception v1): four parallel paths (1x1, 3x3, 5x5, pooling), concatenated. The original form without batch
// normalisation, named like torchvision's. Convolutions start by kaiming_normal: of the fan in, for the fan out would make
// activations grow in the narrow 1x1 convolutions; with batch normalisation of the fan out. The auxiliary heads train with
// 0.3 of their loss, as in the paper, and are in no other entry.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

struct Inception {
  const char* name;
  int64_t c1, c3_reduce, c3, c5_reduce, c5, pool;
};

class Builder {
 public:
  Builder(GraphBuilder* b, const ModelOptions& o, bool norm) : b_(*b), o_(o), norm_(norm) {}

  Var Conv(Var x, int64_t channels, int64_t kernel, const std::string& name, int64_t stride = 1) {
    ConvBlock block = {.channels = Scaled(channels, o_.width), .kernel = kernel, .stride = stride,
                       .conv = norm_ ? name + ".conv" : name, .norm = norm_ ? name + ".bn" : ""};
    if (!norm_) block.init = {"kaiming_normal", {}};
    return AddConv(b_, x, block);
  }

  Var Block(Var x, const Inception& i) {
    auto name = [&](const char* part) { return absl::StrCat("inception", i.name, ".", part); };
    Var one = Conv(x, i.c1, 1, name("branch1"));
    Var three = Conv(Conv(x, i.c3_reduce, 1, name("branch2.0")), i.c3, 3, name("branch2.1"));
    Var five = Conv(Conv(x, i.c5_reduce, 1, name("branch3.0")), i.c5, 5, name("branch3.1"));
    Var pooled = b_.MaxPool(x, {.kernel = {3, 3}, .strides = {1, 1}, .pads = {1, 1, 1, 1}});
    return b_.Concat({one, three, five, Conv(pooled, i.pool, 1, name("branch4.1"))}, 1);
  }

  Var Pool(Var x) { return b_.MaxPool(x, {.kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}}); }

  // A classifier's loss on the way: 5x5 average pooling at stride 3 (smaller for small images), 128 channels, 1,024 units.
  Var AuxiliaryLoss(Var x, Var labels, const std::string& name) {
    const int64_t height = b_.TypeOf(x).rank() == 4 ? b_.TypeOf(x).dims[2].size : 1;
    const int64_t width = b_.TypeOf(x).rank() == 4 ? b_.TypeOf(x).dims[3].size : 1;
    Var h = b_.AvgPool(x, {.kernel = {std::min<int64_t>(5, height), std::min<int64_t>(5, width)}, .strides = {3, 3}});
    h = b_.Flatten(Conv(h, 128, 1, name + ".conv"));
    h = b_.Relu(b_.FullyConnected(h, {.units = Scaled(1024, o_.width), .name = name + ".fc1"}));
    h = MaybeDropout(b_, h, o_.dropout == 0 ? 0 : 0.7);
    return b_.SoftmaxCrossEntropy(b_.FullyConnected(h, {.units = o_.classes, .name = name + ".fc2"}), labels);
  }

 private:
  GraphBuilder& b_;
  const ModelOptions& o_;
  const bool norm_;
};

absl::StatusOr<Graph> GoogLeNet(const ModelInfo& info, const ModelOptions& o) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  Builder g(&b, o, o.batch_norm);
  Var h = g.Pool(g.Conv(in.x, 64, 7, "conv1", 2));
  h = g.Pool(g.Conv(g.Conv(h, 64, 1, "conv2"), 192, 3, "conv3"));
  h = g.Block(h, {"3a", 64, 96, 128, 16, 32, 32});
  h = g.Pool(g.Block(h, {"3b", 128, 128, 192, 32, 96, 64}));
  Var after_4a = h = g.Block(h, {"4a", 192, 96, 208, 16, 48, 64});
  h = g.Block(h, {"4b", 160, 112, 224, 24, 64, 64});
  h = g.Block(h, {"4c", 128, 128, 256, 24, 64, 64});
  Var after_4d = h = g.Block(h, {"4d", 112, 144, 288, 32, 64, 64});
  h = g.Pool(g.Block(h, {"4e", 256, 160, 320, 32, 128, 128}));
  h = g.Block(h, {"5a", 256, 160, 320, 32, 128, 128});
  h = g.Block(h, {"5b", 384, 192, 384, 48, 128, 128});
  h = MaybeDropout(b, PoolToVector(b, h), DropoutOr(o, 0.4));
  Var logits = b.FullyConnected(h, {.units = o.classes, .name = "fc"});
  Var auxiliary = {};
  if (o.auxiliary) {
    Var sum = b.Add(g.AuxiliaryLoss(after_4a, in.labels, "aux1"), g.AuxiliaryLoss(after_4d, in.labels, "aux2"));
    auxiliary = b.Mul(sum, b.Constant(0.3f));
  }
  return FinishClassifier(b, in, logits, o, auxiliary);
}

// A 3x3 stem and five of the inception blocks, half as wide, at 16x16 and 8x8, with batch normalisation.
absl::StatusOr<Graph> GoogLeNetCifar(const ModelInfo& info, const ModelOptions& o) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  Builder g(&b, o, /*norm=*/true);
  Var h = g.Pool(g.Conv(in.x, 64, 3, "conv1"));
  h = g.Block(h, {"3a", 32, 48, 64, 8, 16, 16});
  h = g.Pool(g.Block(h, {"3b", 64, 64, 96, 16, 48, 32}));
  h = g.Block(h, {"4a", 96, 48, 104, 8, 24, 32});
  h = g.Block(h, {"4b", 80, 56, 112, 12, 32, 32});
  h = g.Block(h, {"4e", 128, 80, 160, 16, 64, 64});
  h = MaybeDropout(b, PoolToVector(b, h), DropoutOr(o, 0.4));
  return FinishClassifier(b, in, b.FullyConnected(h, {.units = o.classes, .name = "fc"}), o);
}

}  // namespace

std::vector<ModelInfo> GoogLeNetModels() {
  const std::string paper = "C. Szegedy et al., \"Going deeper with convolutions\", 2014";
  return {
      {"googlenet", "Inception v1: nine blocks of four parallel paths", paper, {3, 224, 224}, 1000, 6998552,
       "Caffe's bvlc_googlenet as deployed, without auxiliary heads", {"width", "dropout", "batch_norm", "auxiliary"},
       &GoogLeNet},
      {"googlenet_cifar", "Inception v1 for 32x32: five blocks at half their width, batch norm", paper, {3, 32, 32}, 10, 564402,
       "benchmarks/peers/networks.py", {"width", "dropout"}, &GoogLeNetCifar},
  };
}

}  // namespace athanor
