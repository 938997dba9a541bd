#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/convolution_depthwise.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "runtime/kernels/convolution_depthwise.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/simd.h"
#include "runtime/onednn/library.h"

#ifndef ATHANOR_RUNTIME_KERNELS_CONVOLUTION_DEPTHWISE_ARGS_
#define ATHANOR_RUNTIME_KERNELS_CONVOLUTION_DEPTHWISE_ARGS_
namespace athanor {
namespace depthwise {

// Depth, height and width; those that a convolution has not are of size 1.
using Sizes = std::array<int64_t, 3>;

struct Geometry {
  int64_t batch = 0, channels = 0, blocks = 0, lanes = 0;
  Sizes x = {1, 1, 1}, y = {1, 1, 1}, kernel = {1, 1, 1};
  Sizes strides = {1, 1, 1}, dilations = {1, 1, 1}, pads = {0, 0, 0};
};

// Along one dimension: which element of the source, times which of the kernel, goes into each element of the result.
struct Terms {
  struct Term {
    int64_t from, tap;
  };
  std::vector<size_t> starts;  // of each element's terms, and the end
  std::vector<Term> terms;
};

// result = the sum of its terms (+ bias), where source and result are x and y or the reverse.
struct GatherArgs {
  Geometry g;
  Sizes from, to;
  std::array<Terms, 3> along;
  const float* source = nullptr;
  const float* weights = nullptr;
  const float* bias = nullptr;  // null: none
  float* result = nullptr;
};

struct WeightsArgs {
  Geometry g;
  const float* x = nullptr;
  const float* dy = nullptr;
  float* dw = nullptr;
  float* db = nullptr;  // null: none
};

// For division by a positive number.
inline int64_t CeilDiv(int64_t a, int64_t b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

// The positions of y whose window has element `tap` of the kernel on x, along dimension d.
struct Range {
  int64_t begin, end;
};
inline Range PositionsOf(const Geometry& g, int d, int64_t tap) {
  const int64_t first = g.pads[d] - tap * g.dilations[d];  // y stride >= first, and < first + size of x
  return {std::clamp<int64_t>(CeilDiv(first, g.strides[d]), 0, g.y[d]),
          std::clamp<int64_t>(CeilDiv(first + g.x[d], g.strides[d]), 0, g.y[d])};
}

}  // namespace depthwise
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_CONVOLUTION_DEPTHWISE_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using depthwise::GatherArgs;
using depthwise::Geometry;
using depthwise::Range;
using depthwise::Terms;
using depthwise::WeightsArgs;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

int64_t DepthwiseLanes() { return std::max<int64_t>(8, static_cast<int64_t>(hn::Lanes(D()))); }

// The sum of the terms of one element of the result, of the lanes from `lane` on.
V Gather(const GatherArgs& a, const float* source, const float* weights, int64_t depth, int64_t height, int64_t width,
         V sum) {
  const D d;
  const auto& [in_depth, in_height, in_width] = a.along;
  for (size_t i = in_depth.starts[depth]; i < in_depth.starts[depth + 1]; ++i) {
    for (size_t j = in_height.starts[height]; j < in_height.starts[height + 1]; ++j) {
      const int64_t row = in_depth.terms[i].from * a.from[1] + in_height.terms[j].from;
      const int64_t taps = in_depth.terms[i].tap * a.g.kernel[1] + in_height.terms[j].tap;
      const float* from = source + row * a.from[2] * a.g.lanes;
      const float* with = weights + taps * a.g.kernel[2] * a.g.lanes;
      for (size_t k = in_width.starts[width]; k < in_width.starts[width + 1]; ++k) {
        const Terms::Term& term = in_width.terms[k];
        sum = hn::MulAdd(hn::LoadU(d, from + term.from * a.g.lanes), hn::LoadU(d, with + term.tap * a.g.lanes), sum);
      }
    }
  }
  return sum;
}

// Rows [begin, end) of the result, of [batch, blocks, depth, height].
void GatherRows(const GatherArgs& a, int64_t begin, int64_t end) {
  const D d;
  const Geometry& g = a.g;
  const int64_t step = static_cast<int64_t>(hn::Lanes(d)), kernel = g.kernel[0] * g.kernel[1] * g.kernel[2];
  for (int64_t row = begin; row < end; ++row) {
    const int64_t height = row % a.to[1], depth = row / a.to[1] % a.to[0], plane = row / a.to[1] / a.to[0];
    const int64_t block = plane % g.blocks;
    HWY_ALIGN float bias[16] = {};
    if (a.bias != nullptr) {
      std::copy_n(a.bias + block * g.lanes, std::min(g.lanes, g.channels - block * g.lanes), bias);
    }
    for (int64_t lane = 0; lane < g.lanes; lane += step) {
      const float* source = a.source + plane * a.from[0] * a.from[1] * a.from[2] * g.lanes + lane;
      const float* weights = a.weights + block * kernel * g.lanes + lane;
      float* result = a.result + row * a.to[2] * g.lanes + lane;
      const V first = hn::LoadU(d, bias + lane);
      for (int64_t width = 0; width < a.to[2]; ++width) {
        hn::StoreU(Gather(a, source, weights, depth, height, width, first), d, result + width * g.lanes);
      }
    }
  }
}

// Adds to acc[t] what positions [begin, end) of a row give to element tap + t of the kernel.
template <int kTaps>
void AddTaps(const Geometry& g, const float* x, const float* dy, int64_t tap, int64_t begin, int64_t end, V* acc) {
  if (begin >= end) return;
  const D d;
  const int64_t next = g.dilations[2] * g.lanes, stride = g.strides[2] * g.lanes;
  const float* from = x + (begin * g.strides[2] - g.pads[2] + tap * g.dilations[2]) * g.lanes;
  for (int64_t i = begin; i < end; ++i, from += stride) {
    const V grad = hn::LoadU(d, dy + i * g.lanes);
    for (int t = 0; t < kTaps; ++t) acc[t] = hn::MulAdd(grad, hn::LoadU(d, from + t * next), acc[t]);
  }
}

template <int kTaps>
void AddRow(const Geometry& g, const float* x, const float* dy, int64_t tap, V* acc) {
  Range all = {0, g.y[2]};  // where no tap is on the padding
  for (int t = 0; t < kTaps; ++t) {
    const Range own = PositionsOf(g, 2, tap + t);
    all = {std::max(all.begin, own.begin), std::min(all.end, own.end)};
  }
  const bool any = all.begin < all.end;
  if (any) AddTaps<kTaps>(g, x, dy, tap, all.begin, all.end, acc);
  for (int t = 0; t < kTaps; ++t) {
    const Range own = PositionsOf(g, 2, tap + t);
    AddTaps<1>(g, x, dy, tap + t, own.begin, any ? all.begin : own.end, acc + t);
    if (any) AddTaps<1>(g, x, dy, tap + t, all.end, own.end, acc + t);
  }
}

// kTaps neighbours in a row of the kernel, in one block of channels.
template <int kTaps>
void WeightsOfTaps(const WeightsArgs& a, int64_t block, int64_t kd, int64_t kh, int64_t tap, int64_t lane) {
  const D d;
  const Geometry& g = a.g;
  const Range depths = PositionsOf(g, 0, kd), heights = PositionsOf(g, 1, kh);
  V total[kTaps];
  for (V& v : total) v = hn::Zero(d);
  for (int64_t n = 0; n < g.batch; ++n) {
    V acc[kTaps];  // of each image apart: shorter sums round less
    for (V& v : acc) v = hn::Zero(d);
    for (int64_t od = depths.begin; od < depths.end; ++od) {
      const int64_t id = od * g.strides[0] - g.pads[0] + kd * g.dilations[0];
      for (int64_t oh = heights.begin; oh < heights.end; ++oh) {
        const int64_t ih = oh * g.strides[1] - g.pads[1] + kh * g.dilations[1], plane = n * g.blocks + block;
        AddRow<kTaps>(g, a.x + ((plane * g.x[0] + id) * g.x[1] + ih) * g.x[2] * g.lanes + lane,
                      a.dy + ((plane * g.y[0] + od) * g.y[1] + oh) * g.y[2] * g.lanes + lane, tap, acc);
      }
    }
    for (int t = 0; t < kTaps; ++t) total[t] = hn::Add(total[t], acc[t]);
  }
  float* to = a.dw + (((block * g.kernel[0] + kd) * g.kernel[1] + kh) * g.kernel[2] + tap) * g.lanes + lane;
  for (int t = 0; t < kTaps; ++t) hn::StoreU(total[t], d, to + t * g.lanes);
}

void BiasOfBlock(const WeightsArgs& a, int64_t block, int64_t lane) {
  const D d;
  const Geometry& g = a.g;
  const int64_t plane = g.y[0] * g.y[1] * g.y[2];
  V total = hn::Zero(d);
  for (int64_t n = 0; n < g.batch; ++n) {
    V sum = hn::Zero(d);
    const float* dy = a.dy + (n * g.blocks + block) * plane * g.lanes + lane;
    for (int64_t i = 0; i < plane; ++i) sum = hn::Add(sum, hn::LoadU(d, dy + i * g.lanes));
    total = hn::Add(total, sum);
  }
  HWY_ALIGN float sums[16];
  hn::StoreU(total, d, sums);
  const int64_t first = block * g.lanes + lane;
  std::copy_n(sums, std::clamp<int64_t>(g.channels - first, 0, static_cast<int64_t>(hn::Lanes(d))), a.db + first);
}

// Rows [begin, end) of the kernels, of [blocks, depth, height].
void WeightsRows(const WeightsArgs& a, int64_t begin, int64_t end) {
  const Geometry& g = a.g;
  const int64_t step = static_cast<int64_t>(hn::Lanes(D()));
  for (int64_t row = begin; row < end; ++row) {
    const int64_t kh = row % g.kernel[1], kd = row / g.kernel[1] % g.kernel[0], block = row / g.kernel[1] / g.kernel[0];
    for (int64_t lane = 0; lane < g.lanes; lane += step) {
      int64_t tap = 0;
      for (; tap + 4 <= g.kernel[2]; tap += 4) WeightsOfTaps<4>(a, block, kd, kh, tap, lane);
      if (tap + 3 == g.kernel[2]) WeightsOfTaps<3>(a, block, kd, kh, tap, lane);
      if (tap + 2 == g.kernel[2]) WeightsOfTaps<2>(a, block, kd, kh, tap, lane);
      if (tap + 1 == g.kernel[2]) WeightsOfTaps<1>(a, block, kd, kh, tap, lane);
      if (a.db != nullptr && kh == 0 && kd == 0) BiasOfBlock(a, block, lane);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

using depthwise::GatherArgs;
using depthwise::Geometry;
using depthwise::Sizes;
using depthwise::Terms;
using depthwise::WeightsArgs;

HWY_EXPORT(DepthwiseLanes);
HWY_EXPORT(GatherRows);
HWY_EXPORT(WeightsRows);

constexpr char kBlocksOf16[] = "16b";

Geometry GeometryOf(const ConvolutionCall& c) {
  Geometry g;
  g.batch = c.x.dims[0];
  g.channels = c.x.dims[1];
  g.lanes = absl::EndsWith(c.x.layout, kBlocksOf16) ? 16 : 8;
  g.blocks = (g.channels + g.lanes - 1) / g.lanes;
  const size_t n = c.x.dims.size() - 2;
  for (size_t d = 0; d < n; ++d) {
    const size_t to = 3 - n + d;
    g.x[to] = c.x.dims[2 + d];
    g.y[to] = c.y.dims[2 + d];
    g.kernel[to] = c.w.dims[3 + d];
    g.strides[to] = c.strides[d];
    g.dilations[to] = c.dilations[d] + 1;
    g.pads[to] = c.pads_begin[d];
  }
  return g;
}

// Of y from x, or the reverse.
Terms TermsAlong(const Geometry& g, size_t d, bool to_y) {
  std::vector<std::vector<Terms::Term>> of(to_y ? g.y[d] : g.x[d]);
  for (int64_t tap = 0; tap < g.kernel[d]; ++tap) {
    const depthwise::Range positions = PositionsOf(g, static_cast<int>(d), tap);
    for (int64_t y = positions.begin; y < positions.end; ++y) {
      const int64_t x = y * g.strides[d] - g.pads[d] + tap * g.dilations[d];
      of[to_y ? y : x].push_back({to_y ? x : y, tap});
    }
  }
  Terms all;
  for (const std::vector<Terms::Term>& one : of) {
    all.starts.push_back(all.terms.size());
    all.terms.insert(all.terms.end(), one.begin(), one.end());
  }
  all.starts.push_back(all.terms.size());
  return all;
}

class GatherKernel final : public Kernel {
 public:
  GatherKernel(const ConvolutionCall& c, int threads)
      : to_y_(c.pass == ConvPass::kForward), has_bias_(to_y_ && c.has_bias), threads_(threads) {
    Geometry& g = args_.g = GeometryOf(c);
    args_.from = to_y_ ? g.x : g.y;
    args_.to = to_y_ ? g.y : g.x;
    for (size_t d = 0; d < 3; ++d) args_.along[d] = TermsAlong(g, d, to_y_);
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    args_.source = static_cast<const float*>(inputs[0]);
    args_.weights = static_cast<const float*>(inputs[1]);
    args_.bias = has_bias_ ? static_cast<const float*>(inputs[2]) : nullptr;
    args_.result = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const Geometry& g = args_.g;
    const int64_t rows = g.batch * g.blocks * args_.to[0] * args_.to[1];
    const int64_t terms = args_.to[2] * g.lanes * g.kernel[0] * g.kernel[1] * g.kernel[2];
    ParallelRanges(rows, 1, terms * static_cast<int64_t>(sizeof(float)), threads_,
                   [this](int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(GatherRows)(args_, begin, end); });
    return absl::OkStatus();
  }

 private:
  const bool to_y_, has_bias_;
  const int threads_;
  GatherArgs args_;
};

class WeightsKernel final : public Kernel {
 public:
  WeightsKernel(const ConvolutionCall& c, int threads) : has_bias_(c.has_bias), threads_(threads) {
    args_.g = GeometryOf(c);
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    args_.x = static_cast<const float*>(inputs[0]);
    args_.dy = static_cast<const float*>(inputs[1]);
    args_.dw = static_cast<float*>(outputs[0]);
    args_.db = has_bias_ ? static_cast<float*>(outputs[1]) : nullptr;
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const Geometry& g = args_.g;
    const int64_t plane = g.batch * g.y[0] * g.y[1] * g.y[2] * g.lanes * g.kernel[2];
    ParallelRanges(g.blocks * g.kernel[0] * g.kernel[1], 1, plane * static_cast<int64_t>(sizeof(float)), threads_,
                   [this](int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(WeightsRows)(args_, begin, end); });
    return absl::OkStatus();
  }

 private:
  const bool has_bias_;
  const int threads_;
  WeightsArgs args_;
};

}  // namespace

bool IsDepthwise(const ConvolutionCall& c) {
  return c.groups > 1 && c.groups == c.x.dims[1] && c.groups == c.y.dims[1];
}

void SetDepthwiseLayouts(ConvolutionCall* c) {
  HoldSimdToOneDnnIsa();
  std::string images = MemoryDesc::PlainLayout(c->x.dims.size()), weights = MemoryDesc::PlainLayout(c->w.dims.size());
  images[1] = 'B';
  weights[0] = 'A';
  c->w.layout = weights + "8a";
  // Weights of three dimensions have no name for blocks of 8.
  const bool wide = HWY_DYNAMIC_DISPATCH(DepthwiseLanes)() == 16 || !LayoutBytes(c->w).ok();
  if (wide) c->w.layout = weights + "16a";
  c->x.layout = c->y.layout = images + (wide ? kBlocksOf16 : "8b");
}

std::unique_ptr<Kernel> MakeDepthwise(const ConvolutionCall& c, int threads) {
  if (c.pass == ConvPass::kBackwardWeights) return std::make_unique<WeightsKernel>(c, threads);
  return std::make_unique<GatherKernel>(c, threads);
}

}  // namespace athanor
#endif  // HWY_ONCE
