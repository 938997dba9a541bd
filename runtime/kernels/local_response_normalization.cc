// Local response normalisation across the channels of x[N,C,...] (Krizhevsky et al., 2012), windows as in PyTorch.
//   local_response_normalization           (x) -> y        attrs: size (int), alpha, beta, k
//   local_response_normalization_backward  (dy, x) -> dx   attrs: likewise
//       s = k + alpha / size * (sum of x^2 over the channels c - size/2 to c + (size-1)/2 that exist)
//       y = x s^-beta
//       dx = dy s^-beta - 2 alpha beta / size * x * (sum of dy x s^(-beta-1) over the windows it is in)
// The layout is x's where that is row-major, channels-last or blocked by 8 or 16 channels. (oneDNN's primitive has
// vector code for few layouts and sizes.)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/local_response_normalization.cc"  // this very file, once a target
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/simd.h"
#include "runtime/kernels/softmax_rows-inl.h"

#ifndef ATHANOR_RUNTIME_KERNELS_LOCAL_RESPONSE_NORMALIZATION_ARGS_
#define ATHANOR_RUNTIME_KERNELS_LOCAL_RESPONSE_NORMALIZATION_ARGS_
namespace athanor {
namespace local_response_normalization {

// How the work is cut up: a tile holds all channels at `width` neighbouring places. It is copied to a buffer as rows of
// channels, so that the same loop does for every layout: the window of an element are the elements at multiples of
// `width` around it.
struct Args {
  const float* x = nullptr;
  const float* dy = nullptr;  // null: forward
  float* result = nullptr;
  int64_t below = 0, above = 0;  // channels in the window beside its own
  float scale = 0, beta = 0, k = 0;  // scale: alpha / size

  int64_t samples = 1, area = 1, channels = 1;  // channels with those of padding
  int64_t block = 1;  // channels that lie side by side; 1: row-major
  int64_t width = 1;  // of a tile: 1 where block > 1

  int64_t tiles_a_sample() const { return (area + width - 1) / width; }
  int64_t elements() const { return channels * width; }  // of a tile
  // The floats of each buffer: a tile with the windows' ends, and what a vector reads behind it.
  int64_t buffer_size() const { return (channels + below + above) * width + kSlack; }
  static constexpr int64_t kSlack = 64, kBuffers = 4;
};

inline constexpr int64_t kWidth = 32;

}  // namespace local_response_normalization
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_LOCAL_RESPONSE_NORMALIZATION_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

using local_response_normalization::Args;

// s^-beta. The powers of the papers need no logarithm.
inline FloatVec NegativePower(FloatVec s, float beta) {
  const FloatTag d;
  const FloatVec one = hn::Set(d, 1);
  if (beta == 0.75f) {
    const FloatVec root = hn::Sqrt(s);
    return hn::Div(one, hn::Mul(root, hn::Sqrt(root)));
  }
  if (beta == 0.5f) return hn::Div(one, hn::Sqrt(s));
  if (beta == 1) return hn::Div(one, s);
  return hn::IfThenElse(hn::IsNaN(s), s, ExpOrNaN(hn::Mul(hn::Set(d, -beta), hn::Log(d, s))));
}

// f(place of a run in memory, place in the buffer, length): the runs of channels or places that a tile is made of.
template <typename F>
inline void ForEachRun(const Args& a, int64_t tile, const F& f) {
  const int64_t sample = tile / a.tiles_a_sample(), place = tile % a.tiles_a_sample() * a.width;
  const int64_t first = sample * a.channels * a.area + place * a.block;
  const int64_t length = a.block > 1 ? a.block : std::min(a.width, a.area - place);
  for (int64_t c = 0; c < a.channels; c += a.block) f(first + c * a.area, c * a.width, length);
}

inline FloatVec WindowSum(const Args& a, const float* first) {
  const FloatTag d;
  FloatVec sum = hn::LoadU(d, first);
  for (int64_t i = 1; i <= a.below + a.above; ++i) sum = hn::Add(sum, hn::LoadU(d, first + i * a.width));
  return sum;
}

// k + scale * the sum of the squares in the window. `squares` has the window's lower end first.
inline FloatVec Base(const Args& a, const float* squares) {
  const FloatTag d;
  return hn::MulAdd(hn::Set(d, a.scale), WindowSum(a, squares), hn::Set(d, a.k));
}

// The buffers are zero wherever no tile is written.
void NormalizeTile(const Args& a, int64_t tile, float* buffers) {
  const FloatTag d;
  float* x = buffers;
  float* squares = x + a.buffer_size();
  ForEachRun(a, tile, [&](int64_t from, int64_t to, int64_t n) { std::copy_n(a.x + from, n, x + to); });
  for (int64_t i = 0; i < a.elements(); i += FloatLanes()) {
    const FloatVec v = hn::LoadU(d, x + i);
    hn::StoreU(hn::Mul(v, v), d, squares + a.below * a.width + i);
  }
  for (int64_t i = 0; i < a.elements(); i += FloatLanes()) {
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), NegativePower(Base(a, squares + i), a.beta)), d, x + i);
  }
  ForEachRun(a, tile, [&](int64_t to, int64_t from, int64_t n) { std::copy_n(x + from, n, a.result + to); });
}

void NormalizeTileBackward(const Args& a, int64_t tile, float* buffers) {
  const FloatTag d;
  float* x = buffers;
  float* g = x + a.buffer_size();
  float* squares = g + a.buffer_size();
  float* terms = squares + a.buffer_size();
  ForEachRun(a, tile, [&](int64_t from, int64_t to, int64_t n) {
    std::copy_n(a.x + from, n, x + to);
    std::copy_n(a.dy + from, n, g + to);
  });
  for (int64_t i = 0; i < a.elements(); i += FloatLanes()) {
    const FloatVec v = hn::LoadU(d, x + i);
    hn::StoreU(hn::Mul(v, v), d, squares + a.below * a.width + i);
  }
  for (int64_t i = 0; i < a.elements(); i += FloatLanes()) {
    const FloatVec s = Base(a, squares + i);
    const FloatVec v = hn::Mul(hn::LoadU(d, g + i), NegativePower(s, a.beta));
    hn::StoreU(v, d, g + i);
    hn::StoreU(hn::Div(hn::Mul(v, hn::LoadU(d, x + i)), s), d, terms + a.above * a.width + i);
  }
  // The windows that hold channel c are those of c - above to c + below.
  const FloatVec factor = hn::Set(d, -2 * a.scale * a.beta);
  for (int64_t i = 0; i < a.elements(); i += FloatLanes()) {
    const FloatVec v = hn::Mul(hn::Mul(factor, hn::LoadU(d, x + i)), WindowSum(a, terms + i));
    hn::StoreU(hn::Add(hn::LoadU(d, g + i), v), d, g + i);
  }
  ForEachRun(a, tile, [&](int64_t to, int64_t from, int64_t n) { std::copy_n(g + from, n, a.result + to); });
}

void NormalizeTiles(const Args& a, int64_t begin, int64_t end, float* buffers) {
  std::fill_n(buffers, a.kBuffers * a.buffer_size(), 0.0f);
  for (int64_t tile = begin; tile < end; ++tile) {
    a.dy == nullptr ? NormalizeTile(a, tile, buffers) : NormalizeTileBackward(a, tile, buffers);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(NormalizeTiles);

using local_response_normalization::Args;

bool IsBackward(const CallSpec& spec) { return spec.kernel == "local_response_normalization_backward"; }

absl::Status ReadAttrs(const CallSpec& spec, int64_t channels, Args* a) {
  int64_t size = 0;
  double alpha = 0, beta = 0, k = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "size", &size));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "alpha", &alpha));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "beta", &beta));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "k", &k));
  if (size < 1) return CallError(spec, "size = %d is not positive", size);
  if (!(alpha >= 0 && alpha < 1e30) || !(beta >= 0 && beta < 1e30) || !(k > 0 && k < 1e30)) {
    return CallError(spec, "alpha = %g, beta = %g, k = %g: k must be positive, the others not negative", alpha, beta,
                     k);
  }
  // In padding, and behind the end of a buffer, zeros are multiplied by it.
  if (!(std::pow(k, -beta) <= std::numeric_limits<float>::max())) {
    return CallError(spec, "k^-beta = %g^-%g is too large", k, beta);
  }
  a->below = std::min(size / 2, channels - 1);
  a->above = std::min((size - 1) / 2, channels - 1);
  a->scale = static_cast<float>(alpha / static_cast<double>(size));
  a->beta = static_cast<float>(beta);
  a->k = static_cast<float>(k);
  return absl::OkStatus();
}

// Settles the layout and the tiles that go with it.
void CutUp(MemoryDesc* x, Args* a) {
  const std::string plain = MemoryDesc::PlainLayout(x->dims.size()), area = plain.substr(2);
  a->samples = x->dims[0];
  a->channels = x->dims[1];
  for (size_t d = 2; d < x->dims.size(); ++d) a->area *= x->dims[d];
  const bool images = !area.empty();
  if (images && (x->layout == "aB" + area + "16b" || x->layout == "aB" + area + "8b")) {
    a->block = x->layout.ends_with("16b") ? 16 : 8;
    a->channels = (a->channels + a->block - 1) / a->block * a->block;
  } else if (images && x->layout == "a" + area + "b") {
    a->block = a->channels;
  } else {
    x->layout = plain;
    if (a->area == 1) a->block = a->channels;
    a->width = a->block > 1 ? 1 : std::min(a->area, local_response_normalization::kWidth);
  }
}

// `x`: with its layout settled.
absl::StatusOr<Args> Read(const CallSpec& spec, MemoryDesc* x) {
  const bool backward = IsBackward(spec);
  ATH_RETURN_IF_ERROR(CheckOperands(spec, backward ? 2 : 1, 1));
  *x = spec.inputs[backward ? 1 : 0];
  if (x->dims.size() < 2) return CallError(spec, "x is %s, expected rank 2 or more", x->ToString());
  for (const MemoryDesc& d : spec.inputs) ATH_RETURN_IF_ERROR(CheckOperand(spec, "an input", d, x->dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "the output", spec.outputs[0], x->dims));
  Args a;
  ATH_RETURN_IF_ERROR(NumElements(x->dims).status());
  ATH_RETURN_IF_ERROR(ReadAttrs(spec, x->dims[1], &a));
  CutUp(x, &a);
  return a;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  MemoryDesc x;
  ATH_ASSIGN_OR_RETURN(Args a, Read(spec, &x));
  KernelInfo info;
  info.impl = "ours:simd";
  info.inputs.assign(spec.inputs.size(), x);
  info.outputs = {x};
  ATH_ASSIGN_OR_RETURN(info.bytes, TrafficBytes(info));
  info.flops = static_cast<double>(a.samples * a.channels * a.area) * static_cast<double>(a.below + a.above + 10);
  if (IsBackward(spec)) info.flops *= 2;
  ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kF32, {spec.threads, Args::kBuffers, a.buffer_size()}));
  return info;
}

class LocalResponseNormalizationKernel final : public Kernel {
 public:
  LocalResponseNormalizationKernel(const Args& args, bool backward, int threads)
      : args_(args), backward_(backward), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    if (backward_) args_.dy = static_cast<const float*>(inputs[0]);
    args_.x = static_cast<const float*>(inputs[backward_ ? 1 : 0]);
    args_.result = static_cast<float*>(outputs[0]);
    buffers_ = static_cast<float*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const int64_t tiles = args_.samples * args_.tiles_a_sample();
    const int64_t bytes = tiles / threads_ * args_.elements() * (backward_ ? 12 : 8);
    // The items are the threads, so that each has buffers of its own.
    ParallelRanges(threads_, 1, bytes, threads_, [=, this](int64_t begin, int64_t end) {
      HWY_DYNAMIC_DISPATCH(NormalizeTiles)
      (args_, tiles * begin / threads_, tiles * end / threads_,
       buffers_ + begin * Args::kBuffers * args_.buffer_size());
    });
    return absl::OkStatus();
  }

 private:
  Args args_;
  const bool backward_;
  const int threads_;
  float* buffers_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  MemoryDesc x;
  ATH_ASSIGN_OR_RETURN(Args args, Read(spec, &x));
  return std::make_unique<LocalResponseNormalizationKernel>(args, IsBackward(spec), spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"local_response_normalization", &Query, &Create, {{0, 0}}}));
ATH_REGISTER_KERNEL((KernelDef{"local_response_normalization_backward", &Query, &Create, {{0, 0}, {0, 1}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
