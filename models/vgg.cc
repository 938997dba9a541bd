// VGG from its blocks: 3x3 convolutions of one width, then a max pooling that halves the image. Names and start as
// torchvision's: "features.0.weight"; convolutions kaiming_normal of the fan out, fully connected layers normal(0, 0.01).
#include "absl/strings/str_cat.h"
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

struct Block {
  int convolutions;
  int64_t channels;
};
using Blocks = std::vector<Block>;

// The number of layers so far gives a layer its name, as in torch.nn.Sequential.
Var Features(GraphBuilder& b, Var h, const Blocks& blocks, const ModelOptions& o) {
  int index = 0;
  for (const Block& block : blocks) {
    for (int i = 0; i < block.convolutions; ++i) {
      const std::string norm = o.batch_norm ? absl::StrCat("features.", index + 1) : "";
      h = AddConv(b, h, {.channels = Scaled(block.channels, o.width), .conv = absl::StrCat("features.", index), .norm = norm});
      index += o.batch_norm ? 3 : 2;
    }
    h = b.MaxPool(h, {.kernel = {2, 2}, .strides = {2, 2}});
    ++index;
  }
  return b.Flatten(h);
}

absl::StatusOr<Graph> Vgg(const ModelInfo& info, const ModelOptions& o, const Blocks& blocks) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  const Initializer normal = {"normal", {{"std", 0.01}}}, zeros = {"zeros", {}};
  const double dropout = DropoutOr(o, 0.5);
  Var h = Features(b, in.x, blocks, o);
  for (const char* name : {"classifier.0", "classifier.3"}) {
    h = b.Relu(b.FullyConnected(
        h, {.units = Scaled(4096, o.width), .name = name, .weight_init = normal, .bias_init = zeros}));
    h = MaybeDropout(b, h, dropout);
  }
  Var logits =
      b.FullyConnected(h, {.units = o.classes, .name = "classifier.6", .weight_init = normal, .bias_init = zeros});
  return FinishClassifier(b, in, logits, o);
}

absl::StatusOr<Graph> Vgg11(const ModelInfo& info, const ModelOptions& o) {
  return Vgg(info, o, {{1, 64}, {1, 128}, {2, 256}, {2, 512}, {2, 512}});
}
absl::StatusOr<Graph> Vgg13(const ModelInfo& info, const ModelOptions& o) {
  return Vgg(info, o, {{2, 64}, {2, 128}, {2, 256}, {2, 512}, {2, 512}});
}
absl::StatusOr<Graph> Vgg16(const ModelInfo& info, const ModelOptions& o) {
  return Vgg(info, o, {{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}});
}
absl::StatusOr<Graph> Vgg19(const ModelInfo& info, const ModelOptions& o) {
  return Vgg(info, o, {{2, 64}, {2, 128}, {4, 256}, {4, 512}, {4, 512}});
}

// The convolutions of VGG-11 at half their width, with batch normalisation, and one fully connected layer.
absl::StatusOr<Graph> VggCifar(const ModelInfo& info, const ModelOptions& options) {
  ModelOptions o = options;
  o.batch_norm = true;
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  Var h = Features(b, in.x, {{1, 32}, {1, 64}, {2, 128}, {2, 256}, {2, 256}}, o);
  Var logits = b.FullyConnected(MaybeDropout(b, h, DropoutOr(o, 0)), {.units = o.classes, .name = "classifier"});
  return FinishClassifier(b, in, logits, o);
}

}  // namespace

std::vector<ModelInfo> VggModels() {
  const std::string paper =
      "K. Simonyan, A. Zisserman, \"Very deep convolutional networks for large-scale image recognition\", 2014";
  const std::vector<std::string> options = {"width", "dropout", "batch_norm"};
  const Shape image = {3, 224, 224};
  return {
      {"vgg11", "VGG with 8 convolutions and 3 fully connected layers", paper, image, 1000, 132863336, "torchvision vgg11",
       options, &Vgg11},
      {"vgg13", "VGG with 10 convolutions and 3 fully connected layers", paper, image, 1000, 133047848, "torchvision vgg13",
       options, &Vgg13},
      {"vgg16", "VGG with 13 convolutions and 3 fully connected layers", paper, image, 1000, 138357544, "torchvision vgg16",
       options, &Vgg16},
      {"vgg19", "VGG with 16 convolutions and 3 fully connected layers", paper, image, 1000, 143667240, "torchvision vgg19",
       options, &Vgg19},
      {"vgg_cifar", "VGG-11 for 32x32: half the channels, batch norm, one fully connected layer", paper, {3, 32, 32}, 10, 2310186,
       "benchmarks/peers/networks.py", {"width", "dropout"}, &VggCifar},
  };
}

}  // namespace athanor
