// How long a convolution will take, roughly: enough to choose between layouts without running anything, so that the
// same model always compiles to the same plan.
#ifndef ATHANOR_RUNTIME_KERNELS_CONVOLUTION_COST_H_
#define ATHANOR_RUNTIME_KERNELS_CONVOLUTION_COST_H_

#include <cstdint>
#include <string>

namespace athanor {

enum class ConvPass { kForward, kBackwardData, kBackwardWeights };

// What an implementation would compute. The padded channels are those of its layouts (blocks of 8 or 16).
struct ConvWork {
  ConvPass pass = ConvPass::kForward;
  std::string impl;            // oneDNN's name: "jit:avx512_core", "brgconv:avx2", "x64:gemm:jit", "ref:any", ...
  bool channels_last = false;  // source and destination
  int64_t groups = 1;
  int64_t positions = 0;       // batch times the destination's spatial size
  int64_t kernel_size = 0;     // product of the kernel's spatial dimensions
  int64_t out_channels = 0;
  int64_t padded_in = 0, padded_out = 0;
  int64_t padded_weights = 0;  // elements
};

// Nanoseconds on one core.
double EstimateConvolution(const ConvWork& work);
double EstimateReorder(int64_t from_bytes, int64_t to_bytes);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_CONVOLUTION_COST_H_
