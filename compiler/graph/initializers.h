// How variables start. The numbers are a function of (seed, the variable's name, the element's index) alone: not of the
// machine, the number of threads, or the other variables. They are made of Philox by IEEE doubles in a fixed order, without
// libm (runtime/core/portable_math.h).
//
//   zeros, ones
//   constant{value}
//   uniform{low = 0, high = 1}              in [low, high]
//   normal{mean = 0, std = 1}
//   truncated_normal{mean = 0, std = 1, a = -2, b = 2}   normal, on the condition that it lies in [a, b]
//   xavier_uniform{gain = 1}                +-gain * sqrt(6 / (fan_in + fan_out))        (Glorot, Bengio 2010)
//   xavier_normal{gain = 1}                 std = gain * sqrt(2 / (fan_in + fan_out))
//   kaiming_uniform{fan = "in", a = 0}      +-gain * sqrt(3 / fan)                       (He et al. 2015)
//   kaiming_normal{fan = "in", a = 0}       std = gain / sqrt(fan)
//   lecun_uniform                           +-sqrt(3 / fan_in)                           (LeCun et al. 1998)
//   lecun_normal                            std = 1 / sqrt(fan_in)
//   orthogonal{gain = 1}                    as a matrix of shape[0] rows: orthonormal rows, or columns if they are
//                                           fewer, times gain                            (Saxe et al. 2014)
//   identity{gain = 1}                      a matrix: gain on the diagonal, else 0
//   dirac{groups = 1}                       a convolution that repeats its input channels
//
// as torch.nn.init's functions. Kaiming's gain is sqrt(2 / (1 + a^2)), for a leaky ReLU of slope a, or the attribute
// `gain` in place of `a`; `fan` is "in" or "out". The fans of a weight [out, in, k...] are in * k... and out * k...; Kaiming
// and LeCun take `fan_in`, an int, in place of the former, for shapes that do not tell it: kaiming_uniform{a=sqrt(5),
// fan_in=n} is +-1/sqrt(n), how PyTorch starts a bias. A float attribute may be written as an int.
#ifndef ATHANOR_COMPILER_GRAPH_INITIALIZERS_H_
#define ATHANOR_COMPILER_GRAPH_INITIALIZERS_H_

#include <cstdint>

#include "compiler/graph/graph.h"

namespace athanor {

// A tensor of `dtype`. ATTR error for an unknown initialiser or attribute, or a value out of range; DTYPE error where
// the numbers are none of the dtype's; SHAPE and LIMIT errors of Tensor::Create.
absl::StatusOr<Tensor> Initialize(const Initializer& init, const Shape& shape, uint64_t seed, uint64_t stream,
                                  DType dtype = DType::kF32);

// The stream of a variable: a hash of its name, so that another variable more does not change it.
uint64_t InitializerStream(absl::string_view variable_name);

// Gives data to the parameters and state that have none. Errors of Initialize naming the variable; ATTR error for a
// variable with neither data nor initialiser. On an error the graph is unchanged.
absl::Status InitializeVariables(Graph* graph, uint64_t seed);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_GRAPH_INITIALIZERS_H_
