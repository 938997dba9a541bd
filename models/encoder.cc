// Transformer encoders that classify sequences: the encoder of A. Vaswani et al., "Attention is all you need", 2017, with
// the norms before the branches and GELU for ReLU; the mean over the tokens is classified.
#include "absl/strings/str_cat.h"
#include "compiler/builder/normalization.h"
#include "models/blocks.h"
#include "models/families.h"
#include "models/sequence_layers.h"

namespace athanor {
namespace {

constexpr int64_t kHeads = 4;

absl::StatusOr<Graph> Classify(GraphBuilder& b, const ClassifierInputs& in, Var h, int layers, const ModelOptions& o) {
  const TransformerLayerOptions layer{.heads = kHeads, .dropout = DropoutOr(o, 0)};
  for (int i = 0; i < layers; ++i) h = TransformerLayer(b, h, absl::StrCat("layers.", i), layer);
  h = b.ReduceMean(LayerNorm(b, h, {.name = "norm"}), {.axes = {1}});
  return FinishClassifier(b, in, b.FullyConnected(h, {.units = o.classes, .name = "head"}), o);
}

absl::StatusOr<Graph> Encoder(const ModelInfo& info, const ModelOptions& o) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  return Classify(b, in, in.x, 4, o);
}

// The rows of an image are its tokens; they do not know where they are, so a position is added.
absl::StatusOr<Graph> EncoderRows(const ModelInfo& info, const ModelOptions& o) {
  GraphBuilder b(info.name);
  const ClassifierInputs in = AddClassifierInputs(b, o);
  const int64_t rows = o.input[1], width = Scaled(64, o.width);
  Var tokens = b.Reshape(b.Transpose(in.x, {0, 2, 1, 3}), {0, 0, o.input[0] * o.input[2]});
  Var position = b.Parameter("position.weight", {rows, width}, {"normal", {{"std", 0.02}}});
  return Classify(b, in, b.Add(Linear(b, tokens, "embed", {.units = width}), position), 2, o);
}

}  // namespace

std::vector<ModelInfo> EncoderModels() {
  const std::string paper = "A. Vaswani et al., \"Attention is all you need\", 2017";
  return {
      {"encoder", "Transformer encoder: 4 pre-norm layers of 4 heads over 128 tokens of 256", paper, {128, 256}, 10, 3162122,
       "torch.nn's layers", {"dropout"}, &Encoder},
      {"encoder_rows", "Transformer encoder: 2 pre-norm layers of 4 heads and width 64 over the rows of an image", paper,
       {1, 28, 28}, 10, 104394, "torch.nn's layers", {"width", "dropout"}, &EncoderRows},
  };
}

}  // namespace athanor
