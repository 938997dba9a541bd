// Convolutions as layers with parameters, which are laid out, named and start as torch.nn's do: "<name>.weight"
// [O,C/groups,k..] (transposed: [C,O/groups,k..]) and "<name>.bias" [O], both uniform in +-1/sqrt(fan in).
//
//   Var y = Conv1d(b, x, {.out_channels = 32, .kernel = {3}, .pads = {2, 0}, .name = "causal"});
#ifndef ATHANOR_COMPILER_BUILDER_CONVOLUTION_H_
#define ATHANOR_COMPILER_BUILDER_CONVOLUTION_H_

#include <string>

#include "compiler/builder/builder.h"

namespace athanor {

// Lists are one number a spatial dimension, pads all beginnings and then all ends; an empty one is the default.
struct ConvOptions {
  int64_t out_channels = 0;
  Ints kernel = {};
  Ints strides = {};
  Ints pads = {};
  Ints dilations = {};
  Ints output_padding = {};  // of the transposed ones
  int64_t groups = 1;
  bool bias = true;
  std::string auto_pad = "explicit";  // "same_upper", "same_lower", "valid": pads are left out
  std::string name = "";              // unique in the graph; empty: made from the operator's name
  Initializer weight_init = {};       // default: torch.nn's
  Initializer bias_init = {};
};

// x is f32 [N,C,spatial..]. The first error is the builder's, as of its own layers.
Var Conv1d(GraphBuilder& b, Var x, ConvOptions options,
           GraphBuilder::Location where = GraphBuilder::Location::current());
Var Conv2d(GraphBuilder& b, Var x, ConvOptions options,
           GraphBuilder::Location where = GraphBuilder::Location::current());
Var Conv3d(GraphBuilder& b, Var x, ConvOptions options,
           GraphBuilder::Location where = GraphBuilder::Location::current());
Var ConvTranspose1d(GraphBuilder& b, Var x, ConvOptions options,
                    GraphBuilder::Location where = GraphBuilder::Location::current());
Var ConvTranspose2d(GraphBuilder& b, Var x, ConvOptions options,
                    GraphBuilder::Location where = GraphBuilder::Location::current());
Var ConvTranspose3d(GraphBuilder& b, Var x, ConvOptions options,
                    GraphBuilder::Location where = GraphBuilder::Location::current());

}  // namespace athanor

#endif  // ATHANOR_COMPILER_BUILDER_CONVOLUTION_H_
