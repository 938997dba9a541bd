// Normalisation layers: parameters named, laid out and started as torch.nn has them, "<name>.weight" (ones) and
// "<name>.bias" (zeros). A layer without a name is named after its operator.
#ifndef ATHANOR_COMPILER_BUILDER_NORMALIZATION_H_
#define ATHANOR_COMPILER_BUILDER_NORMALIZATION_H_

#include <limits>
#include <string>

#include "compiler/builder/builder.h"

namespace athanor {

struct LayerNormOptions {
  int64_t axis = -1;  // the first normalised dimension; torch's normalized_shape is x's shape from there on
  double epsilon = 1e-5;
  bool affine = true;  // torch's elementwise_affine
  bool bias = true;    // where it is affine
  std::string name = "";
};
struct RMSNormOptions {
  int64_t axis = -1;
  double epsilon = std::numeric_limits<float>::epsilon();  // as torch.nn.RMSNorm's eps = None
  bool affine = true;
  std::string name = "";
};
struct GroupNormOptions {
  int64_t num_groups = 1;  // divides dimension 1 of x
  double epsilon = 1e-5;
  bool affine = true;
  std::string name = "";
};
struct InstanceNormOptions {
  double epsilon = 1e-5;
  bool affine = false;
  std::string name = "";
};
struct LocalResponseNormOptions {
  int64_t size = 5;  // channels in a window
  double alpha = 1e-4, beta = 0.75, k = 1;
  std::string name = "";
};

Var LayerNorm(GraphBuilder& b, Var x, LayerNormOptions options = {},
              GraphBuilder::Location where = GraphBuilder::Location::current());
Var RMSNorm(GraphBuilder& b, Var x, RMSNormOptions options = {},
            GraphBuilder::Location where = GraphBuilder::Location::current());
// Of [N,C,..]: weight and bias have one element a channel.
Var GroupNorm(GraphBuilder& b, Var x, GroupNormOptions options,
              GraphBuilder::Location where = GraphBuilder::Location::current());
Var InstanceNorm(GraphBuilder& b, Var x, InstanceNormOptions options = {},
                 GraphBuilder::Location where = GraphBuilder::Location::current());
Var LocalResponseNorm(GraphBuilder& b, Var x, LocalResponseNormOptions options = {},
                      GraphBuilder::Location where = GraphBuilder::Location::current());
// GraphBuilder::BatchNorm of [N,C] or [N,C,L]; SHAPE error for another rank.
Var BatchNorm1d(GraphBuilder& b, Var x, BatchNormOptions options = {},
                GraphBuilder::Location where = GraphBuilder::Location::current());

}  // namespace athanor

#endif  // ATHANOR_COMPILER_BUILDER_NORMALIZATION_H_
