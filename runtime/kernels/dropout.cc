// Inverted dropout (Srivastava et al., 2014), row-major f32.
//   dropout  (x, seed, step) -> y   attrs: ratio in [0, 1), stream (int)
// y[i] = u[i] >= ratio ? x[i] / (1 - ratio) : 0, where u[i] is number i (in row-major order) of
// Philox(seed, Philox::MixStream(stream, step)). A number depends on its index alone, so the mask is the same for every
// number of threads, and the backward pass makes it again instead of reading it: dx = dropout(dy, seed, step).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/dropout.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "runtime/core/philox.h"
#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/philox-inl.h"
#include "runtime/kernels/simd.h"

#ifndef ATHANOR_RUNTIME_KERNELS_DROPOUT_ARGS_
#define ATHANOR_RUNTIME_KERNELS_DROPOUT_ARGS_
namespace athanor {
namespace dropout {

// A number u of [0, 1) with 24 bits is bits * 2^-24: u >= ratio is bits >= ceil(ratio * 2^24).
struct Args {
  const float* x = nullptr;
  float* y = nullptr;
  uint64_t seed = 0, stream = 0;
  uint32_t threshold = 0;  // in [0, 2^24]
  float scale = 1;
};
// Ranges start at multiples of this: as many numbers as the widest vectors make at once.
inline constexpr int64_t kAlign = 64;

}  // namespace dropout
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_DROPOUT_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Two vectors of floats, beginning at number 4 * `block` of the stream for the first and behind it for the second.
// `lane_blocks`: the block of each lane, relative to the first one, in the order that makes interleaving give
// row-major.
inline void DropoutVectors(const dropout::Args& a, uint64_t block, V64 lane_blocks, const float* x, float* y) {
  const D64 d64;
  const D32 d32;
  const hn::RebindToSigned<D32> di;
  const hn::RebindToFloat<D32> df;
  const V64 index = hn::Add(lane_blocks, hn::Set(d64, block));
  V64 c0 = index, c1 = hn::ShiftRight<32>(index);
  V64 c2 = hn::Set(d64, a.stream), c3 = hn::Set(d64, a.stream >> 32);
  PhiloxBlocks(c0, c1, c2, c3, a.seed);

  const V64 low = hn::Set(d64, uint64_t{0xFFFFFFFF});
  const V64 first = hn::Or(hn::And(c0, low), hn::ShiftLeft<32>(c1));  // words 0 and 1 of each block
  const V64 second = hn::Or(hn::And(c2, low), hn::ShiftLeft<32>(c3));
  const auto below = hn::Set(di, static_cast<int32_t>(a.threshold) - 1);
  const auto scale = hn::Set(df, a.scale);
  const size_t lanes = hn::Lanes(df);
  auto apply = [&](V64 words, const float* from, float* to) {
    const auto bits = hn::BitCast(di, hn::ShiftRight<8>(hn::BitCast(d32, words)));
    const auto keep = hn::RebindMask(df, hn::Gt(bits, below));
    hn::StoreU(hn::IfThenElseZero(keep, hn::Mul(hn::LoadU(df, from), scale)), df, to);
  };
  const V64 lower = hn::InterleaveLower(d64, first, second), upper = hn::InterleaveUpper(d64, first, second);
  apply(lower, x, y);
  apply(upper, x + lanes, y + lanes);
}

// begin is a multiple of kAlign.
void DropoutRange(const dropout::Args& a, int64_t begin, int64_t end) {
  const D64 d64;
  constexpr size_t kMaxBlocks = hn::MaxLanes(d64);
  const size_t blocks = hn::Lanes(d64);
  // Interleaving the lower halves of 128-bit pairs takes the even lanes, in order; the upper halves the odd ones.
  HWY_ALIGN uint64_t order[kMaxBlocks];
  for (size_t lane = 0; lane < blocks; ++lane) order[lane] = lane / 2 + (lane % 2) * (blocks / 2);
  const V64 lane_blocks = hn::Load(d64, order);

  const int64_t numbers = 4 * static_cast<int64_t>(blocks);
  int64_t i = begin;
  for (; i + numbers <= end; i += numbers) {
    DropoutVectors(a, static_cast<uint64_t>(i) / 4, lane_blocks, a.x + i, a.y + i);
  }
  if (i == end) return;
  HWY_ALIGN float rest[4 * kMaxBlocks] = {};
  std::copy(a.x + i, a.x + end, rest);
  DropoutVectors(a, static_cast<uint64_t>(i) / 4, lane_blocks, rest, rest);
  std::copy_n(rest, end - i, a.y + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(DropoutRange);

absl::StatusOr<double> ReadRatio(const CallSpec& spec) {
  double ratio = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "ratio", &ratio));
  if (!(ratio >= 0 && ratio < 1)) return CallError(spec, "ratio %g is not in [0, 1)", ratio);
  return ratio;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 3, 1));
  ATH_RETURN_IF_ERROR(ReadRatio(spec).status());
  int64_t stream = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "stream", &stream));
  if (spec.inputs[0].dtype != DType::kF32 || spec.outputs[0].dtype != DType::kF32 ||
      spec.inputs[0].dims != spec.outputs[0].dims) {
    return CallError(spec, "of %s to %s, expected f32 and the same dims", spec.inputs[0].ToString(),
                     spec.outputs[0].ToString());
  }
  for (int i : {1, 2}) {
    const MemoryDesc& scalar = spec.inputs[i];
    if (scalar.dtype == DType::kS64 && scalar.dims.empty()) continue;
    return CallError(spec, "input %d is %s, expected s64[]", i, scalar.ToString());
  }
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:philox"));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(spec.inputs[0].dims));
  info.flops = static_cast<double>(elements);
  return info;
}

class DropoutKernel final : public Kernel {
 public:
  DropoutKernel(double ratio, int64_t stream, int64_t elements, int threads)
      : stream_(static_cast<uint64_t>(stream)), elements_(elements), threads_(threads) {
    args_.threshold = static_cast<uint32_t>(std::ceil(ratio * 0x1p24));
    args_.scale = static_cast<float>(1 / (1 - ratio));
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    args_.x = static_cast<const float*>(inputs[0]);
    seed_ = static_cast<const int64_t*>(inputs[1]);
    step_ = static_cast<const int64_t*>(inputs[2]);
    args_.y = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    args_.seed = static_cast<uint64_t>(*seed_);
    args_.stream = Philox::MixStream(stream_, static_cast<uint64_t>(*step_));
    ParallelRanges(elements_, dropout::kAlign, 8, threads_,
                   [this](int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(DropoutRange)(args_, begin, end); });
    return absl::OkStatus();
  }

 private:
  const uint64_t stream_;
  const int64_t elements_;
  const int threads_;
  dropout::Args args_;
  const int64_t* seed_ = nullptr;
  const int64_t* step_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(double ratio, ReadRatio(spec));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(spec.inputs[0].dims));
  return std::make_unique<DropoutKernel>(ratio, spec.attrs.Int("stream"), elements, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"dropout", &Query, &Create, {{0, 0}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
