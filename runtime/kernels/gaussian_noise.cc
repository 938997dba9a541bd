// Gaussian noise, row-major f32.
//   gaussian_noise  (x, seed, step) -> y   attrs: std (at least 0), stream (int)
// y[i] = x[i] + std n[i], where n[i] is number i (in row-major order) of Philox(seed, Philox::MixStream(stream,
// step)).Normal, computed in f32: a function of its index alone, so it is the same for every number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/gaussian_noise.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <limits>

#include "runtime/core/philox.h"
#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/philox-inl.h"
#include "runtime/kernels/simd.h"

#ifndef ATHANOR_RUNTIME_KERNELS_GAUSSIAN_NOISE_ARGS_
#define ATHANOR_RUNTIME_KERNELS_GAUSSIAN_NOISE_ARGS_
namespace athanor {
namespace gaussian_noise {

struct Args {
  const float* x = nullptr;
  float* y = nullptr;
  uint64_t seed = 0, stream = 0;
  float std = 0;
};
// Ranges start at multiples of this: at least as many numbers as the widest vectors make at once.
inline constexpr int64_t kAlign = 64;

}  // namespace gaussian_noise
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_GAUSSIAN_NOISE_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::RebindToFloat<D32>;

// log((bits + 1) 2^-32). Close to 1 the sum would lose its digits in f32, so the upper half goes by what lacks to 1.
inline hn::Vec<Floats> LogOfUniform(hn::Vec<D32> bits) {
  const Floats df;
  const hn::RebindToSigned<D32> di;
  const auto unit = hn::Set(df, 0x1p-32f);
  const auto signed_bits = hn::BitCast(di, bits);
  const auto upper = hn::RebindMask(df, hn::Lt(signed_bits, hn::Zero(di)));
  const auto from_0 = hn::Mul(hn::Add(hn::ConvertTo(df, signed_bits), hn::Set(df, 1.0f)), unit);
  const auto to_1 = hn::Mul(hn::ConvertTo(df, hn::Not(signed_bits)), unit);
  const auto lower_log = hn::Log(df, hn::IfThenElse(upper, hn::Set(df, 1.0f), from_0));
  const auto upper_log = hn::Log1p(df, hn::Neg(hn::IfThenElseZero(upper, to_1)));
  return hn::IfThenElse(upper, upper_log, lower_log);
}

// Standard normal numbers, as many as a vector of floats holds, from number 2 * `block` of the stream on (Box-Muller).
// Each block of four words makes two: of words 0 and 1, and of words 2 and 3.
inline hn::Vec<Floats> Normals(const gaussian_noise::Args& a, uint64_t block) {
  const D64 d64;
  const D32 d32;
  const hn::RebindToSigned<D32> di;
  const Floats df;
  const V64 index = hn::Iota(d64, block);
  V64 c0 = index, c1 = hn::ShiftRight<32>(index);
  V64 c2 = hn::Set(d64, a.stream), c3 = hn::Set(d64, a.stream >> 32);
  PhiloxBlocks(c0, c1, c2, c3, a.seed);

  const V64 low = hn::Set(d64, uint64_t{0xFFFFFFFF});
  const auto radius_bits = hn::BitCast(d32, hn::Or(hn::And(c0, low), hn::ShiftLeft<32>(c2)));
  const auto angle_bits = hn::BitCast(di, hn::Or(hn::And(c1, low), hn::ShiftLeft<32>(c3)));
  const auto radius = hn::Sqrt(hn::Mul(hn::Set(df, -2.0f), LogOfUniform(radius_bits)));
  // As signed numbers the angles are in [-pi, pi) rather than [0, 2 pi): the cosine is the same, and more digits stay.
  const auto angle = hn::Mul(hn::ConvertTo(df, angle_bits), hn::Set(df, 1.462918079267160e-9f));  // 2 pi / 2^32
  return hn::Mul(radius, hn::Cos(df, angle));
}

// begin is a multiple of kAlign.
void GaussianNoiseRange(const gaussian_noise::Args& a, int64_t begin, int64_t end) {
  const Floats df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto std = hn::Set(df, a.std);
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    hn::StoreU(hn::MulAdd(std, Normals(a, static_cast<uint64_t>(i) / 2), hn::LoadU(df, a.x + i)), df, a.y + i);
  }
  if (i == end) return;
  HWY_ALIGN float rest[hn::MaxLanes(df)] = {};
  std::copy(a.x + i, a.x + end, rest);
  hn::Store(hn::MulAdd(std, Normals(a, static_cast<uint64_t>(i) / 2), hn::Load(df, rest)), df, rest);
  std::copy_n(rest, end - i, a.y + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(GaussianNoiseRange);

absl::StatusOr<double> ReadStd(const CallSpec& spec) {
  double std = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "std", &std));
  if (!(std >= 0 && std <= std::numeric_limits<float>::max())) {
    return CallError(spec, "std %g is not in [0, %g]", std, std::numeric_limits<float>::max());
  }
  return std;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 3, 1));
  ATH_RETURN_IF_ERROR(ReadStd(spec).status());
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
  info.flops = 2 * static_cast<double>(elements);
  return info;
}

class GaussianNoiseKernel final : public Kernel {
 public:
  GaussianNoiseKernel(double std, int64_t stream, int64_t elements, int threads)
      : stream_(static_cast<uint64_t>(stream)), elements_(elements), threads_(threads) {
    args_.std = static_cast<float>(std);
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
    ParallelRanges(elements_, gaussian_noise::kAlign, 8, threads_,
                   [this](int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(GaussianNoiseRange)(args_, begin, end); });
    return absl::OkStatus();
  }

 private:
  const uint64_t stream_;
  const int64_t elements_;
  const int threads_;
  gaussian_noise::Args args_;
  const int64_t* seed_ = nullptr;
  const int64_t* step_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(double std, ReadStd(spec));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(spec.inputs[0].dims));
  return std::make_unique<GaussianNoiseKernel>(std, spec.attrs.Int("stream"), elements, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{.name = "gaussian_noise", .query = &Query, .create = &Create, .in_place = {{0, 0}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
