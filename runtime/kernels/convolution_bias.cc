#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/convolution_bias.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <string>

#include "runtime/kernels/convolution_bias.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Adds the same number to all elements.
void AddNumber(float bias, float* p, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto v = hn::Set(d, bias);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Add(hn::LoadU(d, p + i), v), d, p + i);
  for (; i < n; ++i) p[i] += bias;
}

// Adds bias[0..used) to the first of `stride` elements, `rows` times.
void AddRows(const float* bias, int64_t used, float* p, int64_t stride, int64_t rows) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t row = 0; row < rows; ++row, p += stride) {
    int64_t i = 0;
    for (; i + lanes <= used; i += lanes) {
      hn::StoreU(hn::Add(hn::LoadU(d, p + i), hn::LoadU(d, bias + i)), d, p + i);
    }
    for (; i < used; ++i) p[i] += bias[i];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(AddNumber);
HWY_EXPORT(AddRows);

}  // namespace

std::optional<ChannelBias> ChannelBias::Of(const MemoryDesc& images) {
  HoldSimdToOneDnnIsa();
  const size_t rank = images.dims.size();
  if (rank < 2) return std::nullopt;
  ChannelBias b;
  b.channels_ = images.dims[1];
  b.outer_ = images.dims[0];
  b.inner_ = 1;
  for (size_t d = 2; d < rank; ++d) b.inner_ *= images.dims[d];
  const std::string plain = MemoryDesc::PlainLayout(rank);
  std::string blocked = plain;
  blocked[1] = 'B';
  if (images.layout == plain) {
    b.lanes_ = 1;
  } else if (images.layout == "a" + plain.substr(2) + "b") {
    b.lanes_ = b.channels_;
  } else if (images.layout == blocked + "16b" || images.layout == blocked + "8b") {
    b.lanes_ = images.layout == blocked + "8b" ? 8 : 16;
  } else {
    return std::nullopt;
  }
  b.blocks_ = (b.channels_ + b.lanes_ - 1) / b.lanes_;
  return b;
}

void ChannelBias::Run(const float* bias, float* images, int threads) const {
  const int64_t rows = outer_ * blocks_ * inner_, bytes = 2 * lanes_ * static_cast<int64_t>(sizeof(float));
  ParallelRanges(rows, 16, bytes, threads, [&](int64_t begin, int64_t end) {
    while (begin < end) {  // block by block
      const int64_t block = begin / inner_ % blocks_, stop = std::min(end, (begin / inner_ + 1) * inner_);
      float* p = images + begin * lanes_;
      if (lanes_ == 1) {
        HWY_DYNAMIC_DISPATCH(AddNumber)(bias[block], p, stop - begin);
      } else {
        const int64_t first = block * lanes_;
        HWY_DYNAMIC_DISPATCH(AddRows)(bias + first, std::min(lanes_, channels_ - first), p, lanes_, stop - begin);
      }
      begin = stop;
    }
  });
}

}  // namespace athanor
#endif  // HWY_ONCE
