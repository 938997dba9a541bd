// What a tensor looks like, in one pass over memory (runtime/core/tensor_statistics.h).
//   tensor_statistics  (x[, minus]) -> (statistics f32 [9]), of x, or of x - minus
//                      attrs: axis (int: of the units, negative: there are none), bounds (floats: none, or low and high)
// f32. With units, x is row-major; else in any layout without padding. Sums are in double, in an order that depends on the
// size alone.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/tensor_statistics.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "runtime/core/tensor_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/simd.h"
#include "runtime/kernels/tensor_chunks.h"
#include "runtime/onednn/library.h"

#ifndef ATHANOR_RUNTIME_KERNELS_TENSOR_STATISTICS_SUMS_
#define ATHANOR_RUNTIME_KERNELS_TENSOR_STATISTICS_SUMS_
namespace athanor {
// Of a chunk of elements.
struct StatisticSums {
  double sum = 0, squares = 0;
  double min = std::numeric_limits<double>::infinity(), max = -std::numeric_limits<double>::infinity();
  int64_t zeros = 0, outside = 0, not_finite = 0;
};
}  // namespace athanor
#endif

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// `minus` may be null.
StatisticSums SumChunk(const float* x, const float* minus, float low, float high, int64_t n) {
  const hn::ScalableTag<float> d;
  const hn::ScalableTag<double> dd;
  const hn::Rebind<float, hn::ScalableTag<double>> half;
  const auto zero = hn::Zero(d), inf = hn::Set(d, std::numeric_limits<float>::infinity());
  auto sum = hn::Zero(dd), squares = hn::Zero(dd);
  auto min = inf, max = hn::Neg(inf);
  StatisticSums s;
  auto add_half = [&](auto v) {
    const auto wide = hn::PromoteTo(dd, v);
    sum = hn::Add(sum, wide);
    squares = hn::MulAdd(wide, wide, squares);
  };
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto add = [&](const float* from, const float* less, int64_t count) {
    auto v = hn::LoadU(d, from);
    if (less != nullptr) v = hn::Sub(v, hn::LoadU(d, less));
    const auto part = hn::FirstN(d, static_cast<size_t>(count));
    const auto finite = hn::And(part, hn::Lt(hn::Abs(v), inf));
    s.not_finite += count - static_cast<int64_t>(hn::CountTrue(d, finite));
    v = hn::IfThenElseZero(finite, v);
    s.zeros += static_cast<int64_t>(hn::CountTrue(d, hn::And(finite, hn::Eq(v, zero))));
    const auto out = hn::Or(hn::Le(v, hn::Set(d, low)), hn::Ge(v, hn::Set(d, high)));
    s.outside += static_cast<int64_t>(hn::CountTrue(d, hn::And(finite, out)));
    min = hn::Min(min, hn::IfThenElse(finite, v, inf));
    max = hn::Max(max, hn::IfThenElse(finite, v, hn::Neg(inf)));
    add_half(hn::LowerHalf(half, v));
    add_half(hn::UpperHalf(half, v));
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) add(x + i, minus == nullptr ? nullptr : minus + i, lanes);
  if (i < n) {
    HWY_ALIGN float rest[hn::MaxLanes(d)] = {}, less[hn::MaxLanes(d)] = {};
    std::copy_n(x + i, n - i, rest);
    if (minus != nullptr) std::copy_n(minus + i, n - i, less);
    add(rest, minus == nullptr ? nullptr : less, n - i);
  }
  s.sum = hn::GetLane(hn::SumOfLanes(dd, sum));
  s.squares = hn::GetLane(hn::SumOfLanes(dd, squares));
  s.min = hn::GetLane(hn::MinOfLanes(d, min));
  s.max = hn::GetLane(hn::MaxOfLanes(d, max));
  return s;
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(SumChunk);

struct StatisticsCall {
  int64_t axis = -1;
  Floats bounds;
  int64_t outer = 1, units = 0, inner = 1, elements = 0;
};

absl::StatusOr<StatisticsCall> ReadCall(const CallSpec& spec) {
  StatisticsCall call;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "axis", &call.axis));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "bounds", &call.bounds));
  if (spec.inputs.size() != 1 && spec.inputs.size() != 2) return CallError(spec, "has %d inputs", spec.inputs.size());
  ATH_RETURN_IF_ERROR(CheckOperands(spec, spec.inputs.size(), 1));
  const Shape& dims = spec.inputs[0].dims;
  if (call.axis >= static_cast<int64_t>(dims.size()) || (!call.bounds.empty() && call.bounds.size() != 2)) {
    return CallError(spec, "axis = %d and %d bounds do not fit x %s", call.axis, call.bounds.size(),
                     spec.inputs[0].ToString());
  }
  ATH_ASSIGN_OR_RETURN(call.elements, NumElements(dims));
  if (call.axis >= 0) {
    call.units = dims[call.axis];
    for (int64_t d = 0; d < call.axis; ++d) call.outer *= dims[d];
    for (size_t d = call.axis + 1; d < dims.size(); ++d) call.inner *= dims[d];
  }
  return call;
}

absl::StatusOr<bool> HasNoPadding(const MemoryDesc& desc, int64_t elements) {
  ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(desc));
  return bytes == elements * static_cast<int64_t>(sizeof(float));
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(StatisticsCall call, ReadCall(spec));
  MemoryDesc x = spec.inputs[0];
  bool keeps = !x.any() && call.axis < 0;
  if (keeps) {
    ATH_ASSIGN_OR_RETURN(keeps, HasNoPadding(x, call.elements));
  }
  if (!keeps) x.layout = MemoryDesc::PlainLayout(x.dims.size());
  KernelInfo info;
  for (const MemoryDesc& d : spec.inputs) {
    if (d.dtype != DType::kF32 || d.dims != x.dims) {
      return CallError(spec, "has an input %s, expected f32 like %s", d.ToString(), x.ToString());
    }
    info.inputs.push_back(x);
  }
  if (spec.outputs[0].dtype != DType::kF32 || spec.outputs[0].dims != Shape{kNumStatistics}) {
    return CallError(spec, "has an output %s", spec.outputs[0].ToString());
  }
  info.outputs = {MemoryDesc::Plain(DType::kF32, {kNumStatistics})};
  info.scratch_bytes = NumChunks({call.elements}) * static_cast<int64_t>(sizeof(StatisticSums)) + call.units;
  info.impl = "ours:simd";
  ATH_ASSIGN_OR_RETURN(info.bytes, TrafficBytes(info));
  info.flops = static_cast<double>(call.elements) * 4;
  return info;
}

class TensorStatisticsKernel final : public Kernel {
 public:
  TensorStatisticsKernel(const CallSpec& spec, const StatisticsCall& call)
      : call_(call), threads_(spec.threads), chunks_(MakeChunks({call.elements})) {
    if (call.bounds.size() == 2) {
      low_ = static_cast<float>(call.bounds[0]);
      high_ = static_cast<float>(call.bounds[1]);
    }
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    x_ = static_cast<const float*>(inputs[0]);
    if (inputs.size() > 1) minus_ = static_cast<const float*>(inputs[1]);
    out_ = static_cast<float*>(outputs[0]);
    sums_ = static_cast<StatisticSums*>(scratch);
    dead_ = reinterpret_cast<bool*>(sums_ + chunks_.size());
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const int64_t traffic = static_cast<int64_t>(sizeof(float)) * (minus_ == nullptr ? 1 : 2);
    ParallelChunks(chunks_, traffic, threads_, [this](int64_t i, const TensorChunk& c) {
      sums_[i] = HWY_DYNAMIC_DISPATCH(SumChunk)(x_ + c.begin, minus_ == nullptr ? nullptr : minus_ + c.begin, low_, high_,
                                                c.end - c.begin);
    });
    StatisticSums all;
    for (size_t i = 0; i < chunks_.size(); ++i) Add(sums_[i], &all);
    Write(all);
    return absl::OkStatus();
  }

 private:
  static void Add(const StatisticSums& s, StatisticSums* all) {
    all->sum += s.sum;
    all->squares += s.squares;
    all->min = std::min(all->min, s.min);
    all->max = std::max(all->max, s.max);
    all->zeros += s.zeros;
    all->outside += s.outside;
    all->not_finite += s.not_finite;
  }

  // Of the units, usually each has another element than 0 soon.
  double DeadShare() {
    if (call_.units == 0 || call_.elements == 0) return 0;
    const int64_t row = call_.units * call_.inner;
    ParallelRanges(call_.units, 1, call_.inner * static_cast<int64_t>(sizeof(float)), threads_,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t u = begin; u < end; ++u) {
                       dead_[u] = true;
                       for (int64_t o = 0; o < call_.outer && dead_[u]; ++o) {
                         const float* at = x_ + o * row + u * call_.inner;
                         dead_[u] = std::all_of(at, at + call_.inner, [](float v) { return v == 0; });
                       }
                     }
                   });
    return static_cast<double>(std::count(dead_, dead_ + call_.units, true)) / static_cast<double>(call_.units);
  }

  void Write(const StatisticSums& s) {
    const double elements = static_cast<double>(std::max<int64_t>(call_.elements, 1));
    const double finite = static_cast<double>(call_.elements - s.not_finite);
    auto set = [this](Statistic i, double v) {
      constexpr double kLargest = std::numeric_limits<float>::max();
      out_[static_cast<int>(i)] = static_cast<float>(std::clamp(v, -kLargest, kLargest));
    };
    const double mean = finite > 0 ? s.sum / finite : 0;
    set(Statistic::kNorm, std::sqrt(s.squares));
    set(Statistic::kMean, mean);
    set(Statistic::kStd, finite > 0 ? std::sqrt(std::max(0.0, s.squares / finite - mean * mean)) : 0);
    set(Statistic::kMin, finite > 0 ? s.min : 0);
    set(Statistic::kMax, finite > 0 ? s.max : 0);
    set(Statistic::kZeros, static_cast<double>(s.zeros) / elements);
    set(Statistic::kOutside, static_cast<double>(s.outside) / elements);
    set(Statistic::kDead, DeadShare());
    set(Statistic::kNotFinite, static_cast<double>(s.not_finite));
  }

  const StatisticsCall call_;
  const int threads_;
  const std::vector<TensorChunk> chunks_;
  float low_ = -std::numeric_limits<float>::infinity(), high_ = std::numeric_limits<float>::infinity();
  const float* x_ = nullptr;
  const float* minus_ = nullptr;
  float* out_ = nullptr;
  StatisticSums* sums_ = nullptr;
  bool* dead_ = nullptr;  // one a unit
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(StatisticsCall call, ReadCall(spec));
  return std::make_unique<TensorStatisticsKernel>(spec, call);
}

ATH_REGISTER_KERNEL((KernelDef{"tensor_statistics", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
