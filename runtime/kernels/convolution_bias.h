// Adds a bias to the channels of images in place, for convolutions to which oneDNN adds none.
#ifndef ATHANOR_RUNTIME_KERNELS_CONVOLUTION_BIAS_H_
#define ATHANOR_RUNTIME_KERNELS_CONVOLUTION_BIAS_H_

#include <cstdint>
#include <optional>

#include "runtime/core/memory_desc.h"

namespace athanor {

// Images [N,C,spatial..] of f32 as [outer, blocks, inner, lanes]: the lanes are channels, block by block; with one lane
// a block is a channel.
class ChannelBias {
 public:
  // nullopt for a layout that is not row-major, channels-last or blocks of channels.
  static std::optional<ChannelBias> Of(const MemoryDesc& images);

  // images += bias, the padding of blocks apart.
  void Run(const float* bias, float* images, int threads) const;

 private:
  int64_t channels_ = 0, outer_ = 0, blocks_ = 0, inner_ = 0, lanes_ = 0;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_CONVOLUTION_BIAS_H_
