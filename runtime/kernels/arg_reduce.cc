// Where the largest or smallest element along an axis is; row-major.
//   arg_reduce  (x f32) -> y s64   attrs: algorithm ("max", "min"), axis, keepdims, last (of equal ones)
// A NaN counts as beyond every number, as PyTorch has it; the axis is not empty.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/arg_reduce.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "runtime/core/axis_loops.h"
#include "runtime/kernels/indices.h"
#include "runtime/kernels/simd.h"

#ifndef ATHANOR_RUNTIME_KERNELS_ARG_REDUCE_ARGS_
#define ATHANOR_RUNTIME_KERNELS_ARG_REDUCE_ARGS_
namespace athanor {
namespace arg_reduce {

struct Args {
  AxisLoops loops;
  bool min = false, last = false;
  const float* x = nullptr;
  int64_t* y = nullptr;
};
inline constexpr int64_t kTile = 256;  // lines side by side

}  // namespace arg_reduce
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_ARG_REDUCE_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Whether x takes the place of the best so far, which stands before it.
template <bool kMin, bool kLast, class V>
auto Beats(V x, V best) {
  const auto better = kMin ? hn::Lt(x, best) : hn::Gt(x, best);
  const auto beyond = kLast ? hn::Or(better, hn::Eq(x, best)) : better;
  return hn::Or(hn::AndNot(hn::IsNaN(best), beyond),
                kLast ? hn::IsNaN(x) : hn::AndNot(hn::IsNaN(best), hn::IsNaN(x)));
}

template <bool kMin, bool kLast>
bool Beats(float x, float best) {
  if (std::isnan(x)) return kLast || !std::isnan(best);
  if (std::isnan(best)) return false;
  return (kMin ? x < best : x > best) || (kLast && x == best);
}

// `n` neighbouring lines from x on, whose elements lie `stride` apart. Positions are counted in 32 bits.
template <bool kMin, bool kLast>
void Columns(const float* x, int64_t size, int64_t stride, int64_t n, int64_t* y) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float best[arg_reduce::kTile];
  HWY_ALIGN int32_t where[arg_reduce::kTile];
  std::copy_n(x, n, best);
  std::fill_n(where, n, 0);
  for (int64_t k = 1; k < size; ++k) {
    const float* row = x + k * stride;
    const auto here = hn::Set(di, static_cast<int32_t>(k));
    int64_t j = 0;
    for (; j + lanes <= n; j += lanes) {
      const auto v = hn::LoadU(d, row + j), b = hn::Load(d, best + j);
      const auto take = Beats<kMin, kLast>(v, b);
      hn::Store(hn::IfThenElse(take, v, b), d, best + j);
      hn::Store(hn::IfThenElse(hn::RebindMask(di, take), here, hn::Load(di, where + j)), di, where + j);
    }
    for (; j < n; ++j) {
      if (!Beats<kMin, kLast>(row[j], best[j])) continue;
      best[j] = row[j];
      where[j] = static_cast<int32_t>(k);
    }
  }
  std::copy_n(where, n, y);
}

// One contiguous line. Every lane looks for its own best; the lanes' bests are compared at the end.
template <bool kMin, bool kLast>
int64_t Line(const float* x, int64_t size) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t answer = 0, k = 0;
  if (size >= 2 * lanes) {
    auto best = hn::LoadU(d, x);
    auto where = hn::Zero(di), here = where;
    const auto one = hn::Set(di, 1);
    for (k = lanes; k + lanes <= size; k += lanes) {
      here = hn::Add(here, one);
      const auto v = hn::LoadU(d, x + k);
      const auto take = Beats<kMin, kLast>(v, best);
      best = hn::IfThenElse(take, v, best);
      where = hn::IfThenElse(hn::RebindMask(di, take), here, where);
    }
    HWY_ALIGN int32_t block[hn::MaxLanes(di)];
    hn::Store(where, di, block);
    answer = int64_t{block[0]} * lanes;
    for (int64_t lane = 1; lane < lanes; ++lane) {
      const int64_t at = int64_t{block[lane]} * lanes + lane;
      const int64_t first = std::min(at, answer), second = std::max(at, answer);
      answer = Beats<kMin, kLast>(x[second], x[first]) ? second : first;
    }
  }
  for (; k < size; ++k) {
    if (Beats<kMin, kLast>(x[k], x[answer])) answer = k;
  }
  return answer;
}

template <bool kMin, bool kLast>
void Lines(const arg_reduce::Args& a, int64_t begin, int64_t end) {
  const AxisLoops& l = a.loops;
  if (l.inner == 1) {
    for (int64_t r = begin; r < end; ++r) a.y[r] = Line<kMin, kLast>(a.x + r * l.size, l.size);
    return;
  }
  ForEachLineRun(l, begin, end, [&](int64_t o, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += arg_reduce::kTile) {
      Columns<kMin, kLast>(a.x + o * l.size * l.inner + i, l.size, l.inner, std::min(arg_reduce::kTile, last - i),
                           a.y + o * l.inner + i);
    }
  });
}

void ArgReduce(const arg_reduce::Args& a, int64_t begin, int64_t end) {
  if (a.min) {
    a.last ? Lines<true, true>(a, begin, end) : Lines<true, false>(a, begin, end);
  } else {
    a.last ? Lines<false, true>(a, begin, end) : Lines<false, false>(a, begin, end);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(ArgReduce);

absl::StatusOr<arg_reduce::Args> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  const MemoryDesc& x = spec.inputs[0];
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "x", x, x.dims, DType::kF32));
  ATH_ASSIGN_OR_RETURN(int64_t axis, ReadAxisAttr(spec, x.dims.size()));
  arg_reduce::Args args;
  std::string algorithm;
  bool keepdims = false;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "algorithm", &algorithm));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "keepdims", &keepdims));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "last", &args.last));
  if (algorithm != "max" && algorithm != "min") return CallError(spec, "unknown algorithm \"%s\"", algorithm);
  args.min = algorithm == "min";
  args.loops = LoopsAlong(x.dims, axis);
  if (args.loops.size < 1 || args.loops.size > INT32_MAX) {
    return CallError(spec, "axis %d of %s is empty, or too long for 32 bits", axis, x.ToString());
  }
  Shape y = x.dims;
  keepdims ? (void)(y[axis] = 1) : (void)y.erase(y.begin() + axis);
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "y", spec.outputs[0], y, DType::kS64));
  return args;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(arg_reduce::Args args, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:simd"));
  info.flops = static_cast<double>(args.loops.lines()) * static_cast<double>(args.loops.size);
  return info;
}

class ArgReduceKernel final : public Kernel {
 public:
  ArgReduceKernel(const arg_reduce::Args& args, int threads) : args_(args), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    args_.x = static_cast<const float*>(inputs[0]);
    args_.y = static_cast<int64_t*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ParallelRanges(args_.loops.lines(), 16, 4 * args_.loops.size + 8, threads_,
                   [this](int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(ArgReduce)(args_, begin, end); });
    return absl::OkStatus();
  }

 private:
  arg_reduce::Args args_;
  const int threads_;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(arg_reduce::Args args, Read(spec));
  return std::make_unique<ArgReduceKernel>(args, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"arg_reduce", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
