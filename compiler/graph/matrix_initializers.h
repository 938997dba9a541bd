// The initialisers whose elements depend on one another or on their place. In double, row-major; in their order of
// operations alone, so that they are the same on every machine and for every number of threads.
#ifndef ATHANOR_COMPILER_GRAPH_MATRIX_INITIALIZERS_H_
#define ATHANOR_COMPILER_GRAPH_MATRIX_INITIALIZERS_H_

#include <cstdint>
#include <vector>

#include "runtime/core/philox.h"
#include "runtime/core/shape.h"

namespace athanor {

// The tensor as a matrix of shape[0] rows: its rows, or its columns if they are fewer, are orthonormal, times gain. The Q
// with positive diagonal of R of a matrix of normal numbers, as torch.nn.init.orthogonal_ makes it of its own numbers.
// Takes 2 large small^2 floating-point operations for a matrix of these dimensions.
std::vector<double> OrthogonalMatrix(const Shape& shape, double gain, const Philox& random);

// gain where row and column are equal, else 0; rank 2.
std::vector<double> IdentityMatrix(const Shape& shape, double gain);

// A convolution weight [out, in, k...] whose output channels repeat the input channels, in each of `groups` parts of the
// output: 1 in the middle of the kernel, as torch.nn.init.dirac_.
std::vector<double> DiracKernel(const Shape& shape, int64_t groups);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_GRAPH_MATRIX_INITIALIZERS_H_
