// What the networks over sequences are made of: x is f32 [N,T,C], its last two dimensions numbers.
#ifndef ATHANOR_MODELS_SEQUENCE_LAYERS_H_
#define ATHANOR_MODELS_SEQUENCE_LAYERS_H_

#include <cstdint>
#include <string>

#include "compiler/builder/builder.h"

namespace athanor {

struct LinearOptions {
  int64_t units = 0;
  bool bias = true;
  Initializer weight_init = {};  // default: torch.nn.Linear's
  Initializer bias_init = {};
};

struct LinearVars {
  Var weight, bias;
};
// The parameters of torch.nn.Linear: "<name>.weight" [units,features] and "<name>.bias" [units]. To be used several
// times; Linear below is the usual layer.
LinearVars LinearParameters(GraphBuilder& b, int64_t features, const std::string& name, LinearOptions options,
                            GraphBuilder::Location where = GraphBuilder::Location::current());
Var ApplyLinear(GraphBuilder& b, Var x, const LinearVars& parameters, const std::string& name = "",
                GraphBuilder::Location where = GraphBuilder::Location::current());

// torch.nn.Linear over the last dimension of x, of rank 2 or more.
Var Linear(GraphBuilder& b, Var x, const std::string& name, LinearOptions options,
           GraphBuilder::Location where = GraphBuilder::Location::current());

struct TransformerLayerOptions {
  int64_t heads = 4;     // divides C
  int64_t hidden = 0;    // units between "up" and "down"; 0: 4 C
  bool causal = false;   // position t sees no later one
  double dropout = 0;    // of both branches, before they are added
  Initializer weight_init = {}, bias_init = {};  // of the linear layers; default: torch.nn.Linear's
};

// A pre-norm Transformer layer: x += out(attention(n1(x))), then x += down(gelu(up(n2(x)))). Parameters: linear layers
// "<name>.qkv" [3C,C] (queries, keys, values), "<name>.out", "<name>.up" and "<name>.down", layer norms "<name>.n1" and
// "<name>.n2". GELU is the exact one.
Var TransformerLayer(GraphBuilder& b, Var x, const std::string& name, const TransformerLayerOptions& options);

}  // namespace athanor

#endif  // ATHANOR_MODELS_SEQUENCE_LAYERS_H_
