// Attention layers: parameters named, laid out and started as torch.nn has them, over the operators
// ScaledDotProductAttention and AdditiveAttention.
#ifndef ATHANOR_COMPILER_BUILDER_ATTENTION_H_
#define ATHANOR_COMPILER_BUILDER_ATTENTION_H_

#include <string>

#include "compiler/builder/builder.h"

namespace athanor {

struct MultiHeadAttentionOptions {
  int64_t heads = 1;  // divides the last dimension of the queries
  bool bias = true;   // of the four projections
  bool causal = false;
  Var key = {}, value = {};  // [N,S,K] and [N,S,V]; key defaults to the queries (self-attention), value to the key
  // bool, true where there is a key (the reverse of torch's key_padding_mask): [N,S]
  Var key_mask = {};
  // f32, added to the scores: broadcasts to [N,heads,T,S]. -infinity forbids.
  Var attention_bias = {};
  std::string name = "";
};

// Multi-head attention (Vaswani et al., "Attention is all you need", 2017) of queries x [N,T,E] -> [N,T,E], as
// torch.nn.MultiheadAttention with batch_first and need_weights = False. Parameters: "in_proj_weight" [3E,E], or where
// key or value have another width than E "q_proj_weight" [E,E], "k_proj_weight" [E,K] and "v_proj_weight" [E,V];
// "in_proj_bias" [3E]; "out_proj.weight" [E,E], "out_proj.bias" [E]. There is no dropout of the attention weights,
// which are never held in memory; put Dropout behind the layer. The heads are taken from the projections as they lie:
// nothing is transposed.
Var MultiHeadAttention(GraphBuilder& b, Var x, MultiHeadAttentionOptions options,
                       GraphBuilder::Location where = GraphBuilder::Location::current());

struct AdditiveAttentionOptions {
  int64_t units = 0;  // of the hidden layer
  Var values = {};    // [N,S,V]; default: the keys
  Var bias = {};      // f32, added to the scores: broadcasts to [N,T,S]
  std::string name = "";
};
struct AdditiveAttentionVars {
  Var y, weights;  // [N,T,V], [N,T,S]
};

// Additive attention (Bahdanau, Cho, Bengio 2015) of query [N,T,Q] to keys [N,S,K]: the weights are the softmax of
// v . tanh(W_q query + W_k keys). Parameters: "W_q.weight" [units,Q], "W_k.weight" [units,K], started as
// torch.nn.Linear, and "v" [units], within +-1/sqrt(units).
AdditiveAttentionVars AdditiveAttention(GraphBuilder& b, Var query, Var keys, AdditiveAttentionOptions options,
                                        GraphBuilder::Location where = GraphBuilder::Location::current());

// The table [length, size] of sinusoidal positions (Vaswani et al. 2017): element (p, 2i) is the sine of
// p / 10000^(2i / size), (p, 2i + 1) the cosine. CHECKs that length and size are at least 1; for an odd size the last
// column is a sine.
Tensor SinusoidalPositions(int64_t length, int64_t size);

// x [..,T,E] plus the table, whose T and E must be numbers.
Var AddSinusoidalPositions(GraphBuilder& b, Var x, const std::string& name = "",
                           GraphBuilder::Location where = GraphBuilder::Location::current());

}  // namespace athanor

#endif  // ATHANOR_COMPILER_BUILDER_ATTENTION_H_
