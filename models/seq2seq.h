// From one sequence of characters to another: encoder, decoder and additive attention (D. Bahdanau, K. Cho, Y. Bengio,
// "Neural machine translation by jointly learning to align and translate", 2015).
//
// A GRU reads the source in both directions. The decoder is a GRU whose input at each step is the character before and
// the context, which is the attention of its state to the encoder's states: the context feeds the recurrence, so the
// steps are unrolled in the graph, and the target has a fixed length.
//
// Entries over the same parameters; source s32 [N,S] (0: padding), x s32 [N,T] (what the decoder sees: <s> and the
// target), labels s32 [N,T] (the target and </s>; -100: not counted), V characters:
//   train     (source, x, labels) -> loss f32 [] (the mean over the targets that count), logits f32 [N,T,V]
//   evaluate  (source, x, labels) -> loss, logits
//   infer     (source, x)         -> logits, attention f32 [N,T,S], whose rows add up to 1
// Metadata: "task" = "sequence"; who trains one adds "vocabulary", the symbols by number.
#ifndef ATHANOR_MODELS_SEQ2SEQ_H_
#define ATHANOR_MODELS_SEQ2SEQ_H_

#include <cstdint>
#include <string>

#include "compiler/graph/graph.h"

namespace athanor {

struct Seq2SeqOptions {
  int64_t vocabulary = 64;  // of both sides
  int64_t source = 20, target = 11;  // S and T
  int64_t embedding = 32, hidden = 64;
  double dropout = 0;  // behind both embeddings, in training
};
// Parameters as torch.nn's layers have them: "source_embedding.weight", "target_embedding.weight", "encoder.*" (GRU, two
// directions), "bridge.*" (Linear: the first state of the decoder), "attention.W_q.weight", "attention.W_k.weight",
// "attention.v", "decoder.*" (GRU), "head.*" (Linear of state and context). ATTR error for T above 64.
absl::StatusOr<Graph> BuildSeq2Seq(const std::string& name, const Seq2SeqOptions& options);

}  // namespace athanor

#endif  // ATHANOR_MODELS_SEQ2SEQ_H_
