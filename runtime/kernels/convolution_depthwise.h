// Depthwise convolutions that oneDNN 3.2 has no fast code for: three dimensions, the gradients of dilated ones, the
// gradient of weights wider than 3. It falls back to a matrix product of one row a channel; on one core of a Zen 5
// (microseconds, forward / data / weights; those of oneDNN that stay are in brackets):
//                                                   AVX-512: oneDNN               ours      AVX2: ours
//   4x64x28x28, 3x3 dilated by 2              [26] /   970 /  991         164 /  153       284 /  270
//   4x64x28x28, 5x5                           [54] /  [65] / 2804                338              617
//   4x96x28x28, 7x7                          [140] / [218] / 8056               1066             1880
//   2x32x8x28x28, 3x3x3                       6061 / 10521 / 4348   768 /  773 /  887
#ifndef ATHANOR_RUNTIME_KERNELS_CONVOLUTION_DEPTHWISE_H_
#define ATHANOR_RUNTIME_KERNELS_CONVOLUTION_DEPTHWISE_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "runtime/kernels/convolution_call.h"
#include "runtime/kernels/kernel.h"

namespace athanor {

// Whether each channel of x has a filter and a channel of y of its own.
bool IsDepthwise(const ConvolutionCall& c);

// The layouts it runs in: blocks of channels, as long as a vector or twice that. The padding of blocks stays zero.
void SetDepthwiseLayouts(ConvolutionCall* c);

// A kernel for a call in these layouts, with the operands in the places of its pass. The bias of a backward data call
// is not added.
std::unique_ptr<Kernel> MakeDepthwise(const ConvolutionCall& c, int threads);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_CONVOLUTION_DEPTHWISE_H_
