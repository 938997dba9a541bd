// Softmax along one dimension, the maximum subtracted first; row-major. (oneDNN's is as fast where the dimension is the
// innermost, and hundreds of times slower elsewhere, or backward with AVX2.)
//   softmax           (x) -> y        attrs: axis (not negative), log (y = log softmax)
//   softmax_backward  (dy, y) -> dx   attrs: axis, log
//       softmax: dx = y (dy - sum(dy y)); log: dx = dy - e^y sum(dy)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/softmax.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/simd.h"
#include "runtime/kernels/softmax_rows-inl.h"

#ifndef ATHANOR_RUNTIME_KERNELS_SOFTMAX_ARGS_
#define ATHANOR_RUNTIME_KERNELS_SOFTMAX_ARGS_
namespace athanor {
namespace softmax {

// [outer, n, inner]: the softmax is over n. a is x or dy, b is y, result is y or dx.
struct Args {
  const float* a = nullptr;
  const float* b = nullptr;
  float* result = nullptr;
  int64_t outer = 1, n = 1, inner = 1;
  bool log = false;
};

}  // namespace softmax
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_SOFTMAX_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

// As many neighbouring columns as a vector holds, n rows `stride` apart.
struct Columns {
  int64_t count, n, stride;
  FloatVec Load(const float* p) const {
    return count == FloatLanes() ? hn::LoadU(FloatTag(), p) : LoadPart(p, count, 0);
  }
  void Store(FloatVec v, float* p) const {
    count == FloatLanes() ? hn::StoreU(v, FloatTag(), p) : StorePart(v, p, count);
  }
};

void SoftmaxColumns(const Columns& c, const float* x, bool log, float* y) {
  const FloatTag d;
  FloatVec max = c.Load(x);
  for (int64_t i = 1; i < c.n; ++i) max = hn::Max(max, c.Load(x + i * c.stride));
  FloatVec sum = hn::Zero(d);
  for (int64_t i = 0; i < c.n; ++i) {
    const FloatVec shifted = hn::Sub(c.Load(x + i * c.stride), max);
    const FloatVec e = ExpOrNaN(shifted);
    sum = hn::Add(sum, e);
    c.Store(log ? shifted : e, y + i * c.stride);
  }
  HWY_ALIGN float sums[hn::MaxLanes(d)];
  hn::Store(sum, d, sums);
  for (int64_t i = 0; i < FloatLanes(); ++i) sums[i] = log ? std::log(sums[i]) : 1 / sums[i];
  const FloatVec last = hn::Load(d, sums);
  for (int64_t i = 0; i < c.n; ++i) {
    const FloatVec v = c.Load(y + i * c.stride);
    c.Store(log ? hn::Sub(v, last) : hn::Mul(v, last), y + i * c.stride);
  }
}

FloatVec Backward(bool log, FloatVec dy, FloatVec y, FloatVec sum) {
  return log ? hn::NegMulAdd(ExpOrNaN(y), sum, dy) : hn::Mul(y, hn::Sub(dy, sum));
}

void BackwardColumns(const Columns& c, const float* dy, const float* y, bool log, float* dx) {
  FloatVec sum = hn::Zero(FloatTag());
  for (int64_t i = 0; i < c.n; ++i) {
    const FloatVec g = c.Load(dy + i * c.stride);
    sum = hn::Add(sum, log ? g : hn::Mul(g, c.Load(y + i * c.stride)));
  }
  for (int64_t i = 0; i < c.n; ++i) {
    const int64_t at = i * c.stride;
    c.Store(Backward(log, c.Load(dy + at), c.Load(y + at), sum), dx + at);
  }
}

void BackwardRow(const float* dy, const float* y, int64_t n, bool log, float* dx) {
  const FloatTag d;
  FloatVec sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + FloatLanes() <= n; i += FloatLanes()) {
    const FloatVec g = hn::LoadU(d, dy + i);
    sums = hn::Add(sums, log ? g : hn::Mul(g, hn::LoadU(d, y + i)));
  }
  if (i < n) {
    const FloatVec g = LoadPart(dy + i, n - i, 0);
    sums = hn::Add(sums, log ? g : hn::Mul(g, LoadPart(y + i, n - i, 0)));
  }
  const FloatVec sum = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, sums)));
  for (i = 0; i + FloatLanes() <= n; i += FloatLanes()) {
    hn::StoreU(Backward(log, hn::LoadU(d, dy + i), hn::LoadU(d, y + i), sum), d, dx + i);
  }
  if (i < n) StorePart(Backward(log, LoadPart(dy + i, n - i, 0), LoadPart(y + i, n - i, 0), sum), dx + i, n - i);
}

void SoftmaxRange(const softmax::Args& a, int64_t begin, int64_t end) {
  for (int64_t o = begin; o < end; ++o) {
    const int64_t at = o * a.n * a.inner;
    if (a.inner == 1) {
      RowSoftmax(a.a + at, a.n, a.log, a.result + at);
      continue;
    }
    for (int64_t i = 0; i < a.inner; i += FloatLanes()) {
      SoftmaxColumns({std::min(FloatLanes(), a.inner - i), a.n, a.inner}, a.a + at + i, a.log, a.result + at + i);
    }
  }
}

void SoftmaxBackwardRange(const softmax::Args& a, int64_t begin, int64_t end) {
  for (int64_t o = begin; o < end; ++o) {
    const int64_t at = o * a.n * a.inner;
    if (a.inner == 1) {
      BackwardRow(a.a + at, a.b + at, a.n, a.log, a.result + at);
      continue;
    }
    for (int64_t i = 0; i < a.inner; i += FloatLanes()) {
      const Columns c{std::min(FloatLanes(), a.inner - i), a.n, a.inner};
      BackwardColumns(c, a.a + at + i, a.b + at + i, a.log, a.result + at + i);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(SoftmaxRange);
HWY_EXPORT(SoftmaxBackwardRange);

bool IsBackward(const CallSpec& spec) { return spec.kernel == "softmax_backward"; }

absl::StatusOr<softmax::Args> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, IsBackward(spec) ? 2 : 1, 1));
  const Shape& dims = spec.inputs[0].dims;
  for (const MemoryDesc& d : spec.inputs) ATH_RETURN_IF_ERROR(CheckOperand(spec, "an input", d, dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "the output", spec.outputs[0], dims));
  softmax::Args args;
  int64_t axis = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "axis", &axis));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "log", &args.log));
  if (axis < 0 || axis >= static_cast<int64_t>(dims.size())) {
    return CallError(spec, "axis = %d is not in [0, %d)", axis, dims.size());
  }
  for (int64_t d = 0; d < axis; ++d) args.outer *= dims[d];
  args.n = dims[axis];
  for (size_t d = axis + 1; d < dims.size(); ++d) args.inner *= dims[d];
  return args;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(softmax::Args args, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:simd"));
  info.flops = static_cast<double>(args.outer * args.n * args.inner) * (IsBackward(spec) ? 4 : 20);
  return info;
}

class SoftmaxKernel final : public Kernel {
 public:
  SoftmaxKernel(const softmax::Args& args, bool backward, int threads)
      : args_(args), backward_(backward), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    args_.a = static_cast<const float*>(inputs[0]);
    if (backward_) args_.b = static_cast<const float*>(inputs[1]);
    args_.result = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ParallelRanges(args_.outer, 1, args_.n * args_.inner * 16, threads_, [this](int64_t begin, int64_t end) {
      if (backward_) {
        HWY_DYNAMIC_DISPATCH(SoftmaxBackwardRange)(args_, begin, end);
      } else {
        HWY_DYNAMIC_DISPATCH(SoftmaxRange)(args_, begin, end);
      }
    });
    return absl::OkStatus();
  }

 private:
  softmax::Args args_;
  const bool backward_;
  const int threads_;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(softmax::Args args, Read(spec));
  return std::make_unique<SoftmaxKernel>(args, IsBackward(spec), spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"softmax", &Query, &Create, {{0, 0}}}));
ATH_REGISTER_KERNEL((KernelDef{"softmax_backward", &Query, &Create, {{0, 0}, {0, 1}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
