// Language models over characters: from each character of a text, and those before it, the next.
//
// Entries over the same parameters, with x and labels s32 [N,T] (labels: the characters that come next; -100: not
// counted) and V characters:
//   train     (x, labels) -> loss f32 [] (the mean over all targets), logits f32 [N,T,V]
//   evaluate  (x, labels) -> loss, logits
//   infer     (x)         -> logits
//   step      (x [N,1], h0[, c0]) -> logits [N,1,V], h_n[, c_n]: recurrent ones only; states f32 [layers,N,hidden].
//             The states of one run are those that the next one begins with, zeros the first.
// Metadata: "task" = "language"; who trains one adds "vocabulary", the characters by number.
#ifndef ATHANOR_MODELS_LANGUAGE_H_
#define ATHANOR_MODELS_LANGUAGE_H_

#include <cstdint>
#include <string>

#include "compiler/graph/graph.h"

namespace athanor {

// Errors of both builders: ATTR and SHAPE, naming the layer.
struct RecurrentLanguageOptions {
  std::string cell = "lstm";  // "rnn", "gru"
  int64_t vocabulary = 65, sequence = 64;
  int64_t embedding = 64, hidden = 256, layers = 2;
  double dropout = 0;  // behind the embedding and each layer, in training
};
// Parameters "embedding.weight" [V,embedding], "rnn.*" as torch.nn's, "head.weight" [V,hidden], "head.bias".
absl::StatusOr<Graph> BuildRecurrentLanguageModel(const std::string& name, const RecurrentLanguageOptions& options);

struct GptOptions {
  int64_t vocabulary = 65, sequence = 64;
  int64_t width = 128, heads = 4, layers = 4;
  double dropout = 0;
  bool tied = false;  // the head is the transpose of the embedding of the characters
};
// A small GPT (A. Radford et al., "Language models are unsupervised multitask learners", 2019): parameters
// "token.weight" [V,width], "position.weight" [T,width], "layers.0.qkv.weight" ..., "norm.weight", "norm.bias" and,
// unless tied, "head.weight" [V,width].
absl::StatusOr<Graph> BuildGpt(const std::string& name, const GptOptions& options);

}  // namespace athanor

#endif  // ATHANOR_MODELS_LANGUAGE_H_
