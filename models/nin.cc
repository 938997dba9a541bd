// Network in network: each convolution is followed by two 1x1 convolutions, a small perceptron at every pixel; the last has a
// channel a class, and global average pooling gives the logits. The ImageNet form is the one of Caffe's model zoo, started as
// torch.nn starts its layers; the one for 32x32 is the paper's for CIFAR-10 at half its width with batch normalisation.
#include "absl/strings/str_cat.h"
#include "models/blocks.h"
#include "models/families.h"

namespace athanor {
namespace {

struct Stage {
  int64_t kernel, stride, pad;
  int64_t channels[3];
};

// Layers "s.0", "s.1", "s.2" of stage s; of the last stage's the third is as wide as there are classes.
Var AddStage(GraphBuilder& b, Var h, const Stage& s, const std::string& name, bool last, bool norm, const ModelOptions& o) {
  for (int i = 0; i < 3; ++i) {
    ConvBlock block = {.channels = last && i == 2 ? o.classes : Scaled(s.channels[i], o.width),
                       .kernel = i == 0 ? s.kernel : 1, .stride = i == 0 ? s.stride : 1, .pad = i == 0 ? s.pad : 0,
                       .conv = absl::StrCat(name, ".", i), .norm = norm ? absl::StrCat(name, ".bn", i) : ""};
    if (!norm) block.init = {};
    h = AddConv(b, h, block);
  }
  return h;
}

absl::StatusOr<Graph> Stages(const ModelInfo& info, const ModelOptions& o, const std::vector<Stage>& stages,
                             const PoolOptions& pool, bool norm) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  Var h = in.x;
  for (size_t s = 0; s < stages.size(); ++s) {
    const bool last = s + 1 == stages.size();
    if (last) h = MaybeDropout(b, h, DropoutOr(o, 0.5));
    h = AddStage(b, h, stages[s], absl::StrCat("block", s + 1), last, norm, o);
    if (!last) h = b.MaxPool(h, pool);
  }
  return FinishClassifier(b, in, PoolToVector(b, h), o);
}

absl::StatusOr<Graph> Nin(const ModelInfo& info, const ModelOptions& o) {
  return Stages(info, o,
                {{11, 4, 0, {96, 96, 96}}, {5, 1, 2, {256, 256, 256}}, {3, 1, 1, {384, 384, 384}}, {3, 1, 1, {1024, 1024, 0}}},
                {.kernel = {3, 3}, .strides = {2, 2}}, /*norm=*/false);
}

absl::StatusOr<Graph> NinCifar(const ModelInfo& info, const ModelOptions& o) {
  return Stages(info, o, {{5, 1, 2, {96, 80, 48}}, {5, 1, 2, {96, 96, 96}}, {3, 1, 1, {96, 96, 0}}},
                {.kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}}, /*norm=*/true);
}

}  // namespace

std::vector<ModelInfo> NinModels() {
  const std::string paper = "M. Lin, Q. Chen, S. Yan, \"Network in network\", 2013";
  return {
      {"nin", "network in network: 1x1 convolutions and global average pooling in the place of fully connected layers", paper,
       {3, 224, 224}, 1000, 7595176, "the sum of the layers of Caffe's nin_imagenet", {"width", "dropout"}, &Nin},
      {"nin_cifar", "network in network for 32x32: the paper's at half its width, batch norm", paper, {3, 32, 32}, 10, 246900,
       "benchmarks/peers/networks.py", {"width", "dropout"}, &NinCifar},
  };
}

}  // namespace athanor
