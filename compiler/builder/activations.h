// Activations with parameters.
#ifndef ATHANOR_COMPILER_BUILDER_ACTIVATIONS_H_
#define ATHANOR_COMPILER_BUILDER_ACTIVATIONS_H_

#include <string>

#include "compiler/builder/builder.h"

namespace athanor {

struct PReluOptions {
  int64_t num_parameters = 1;  // 1, or the size of dimension 1: one a channel
  double init = 0.25;
  std::string name = "";  // unique in the graph; empty: made from the operator's name
};
// torch.nn.PReLU: max(x, 0) + weight min(x, 0). The parameter "<name>.weight" is [num_parameters]. The first error is
// the builder's, as of its own layers.
Var PRelu(GraphBuilder& b, Var x, PReluOptions options = {},
          GraphBuilder::Location where = GraphBuilder::Location::current());

}  // namespace athanor

#endif  // ATHANOR_COMPILER_BUILDER_ACTIVATIONS_H_
