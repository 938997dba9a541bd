// The k largest or smallest elements along an axis, best first; row-major.
//   top_k  (x f32) -> (values f32, indices s64)   attrs: axis, largest
// Of equal elements the one that stands first is the better. A NaN counts as larger than every number, as PyTorch has
// it. The outputs themselves hold the heap of the best so far, its worst on top, so there is no scratch; long lines are
// searched by vectors for elements that beat the worst.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/top_k.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "runtime/core/axis_loops.h"
#include "runtime/kernels/indices.h"
#include "runtime/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The first position from `begin` on, in a contiguous line, whose element is larger (or smaller) than `worst` or NaN;
// `n` if there is none. May stop early at one that is not: the caller looks again.
int64_t NextCandidate(const float* x, int64_t begin, int64_t n, float worst, bool largest) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto w = hn::Set(d, worst);
  for (; begin + lanes <= n; begin += lanes) {
    const auto v = hn::LoadU(d, x + begin);
    // Also true where either is NaN.
    const auto better = hn::Not(largest ? hn::Le(v, w) : hn::Ge(v, w));
    const intptr_t at = hn::FindFirstTrue(d, better);
    if (at >= 0) return begin + at;
  }
  return begin;
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(NextCandidate);

struct Call {
  AxisLoops x;  // along the axis
  int64_t k = 0;
  bool largest = true;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 2));
  const MemoryDesc &x = spec.inputs[0], &values = spec.outputs[0];
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "x", x, x.dims, DType::kF32));
  ATH_ASSIGN_OR_RETURN(int64_t axis, ReadAxisAttr(spec, x.dims.size()));
  Call call;
  call.x = LoopsAlong(x.dims, axis);
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "largest", &call.largest));
  Shape y = x.dims;
  if (values.dims.size() == y.size()) y[axis] = call.k = values.dims[axis];
  if (call.k < 0 || call.k > call.x.size) return CallError(spec, "k = %d of %d elements", call.k, call.x.size);
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "values", values, y, DType::kF32));
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "indices", spec.outputs[1], y, DType::kS64));
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:heap"));
  info.flops = static_cast<double>(call.x.lines()) * static_cast<double>(call.x.size);
  return info;
}

// The k best of one line, in memory: a heap whose top is the worst of them.
class Best {
 public:
  Best(float* values, int64_t* indices, int64_t stride, bool largest)
      : values_(values), indices_(indices), stride_(stride), largest_(largest) {}

  struct Item {
    float value;
    int64_t index;
  };
  Item Get(int64_t i) const { return {values_[i * stride_], indices_[i * stride_]}; }
  void Put(int64_t i, Item item) const { values_[i * stride_] = item.value, indices_[i * stride_] = item.index; }

  // Whether a stands before b in the result.
  bool Before(Item a, Item b) const {
    const bool a_nan = std::isnan(a.value), b_nan = std::isnan(b.value);
    if (a_nan || b_nan) return a_nan && b_nan ? a.index < b.index : a_nan == largest_;
    if (a.value != b.value) return largest_ ? a.value > b.value : a.value < b.value;
    return a.index < b.index;
  }
  // `item` goes down from place i of the heap of n.
  void SiftDown(int64_t i, int64_t n, Item item) const {
    for (int64_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
      if (child + 1 < n && Before(Get(child), Get(child + 1))) ++child;
      if (Before(Get(child), item)) break;
      Put(i, Get(child));
      i = child;
    }
    Put(i, item);
  }
  void MakeHeap(int64_t n) const {
    for (int64_t i = n / 2; i-- > 0;) SiftDown(i, n, Get(i));
  }
  void Sort(int64_t n) const {
    while (--n > 0) {
      const Item last = Get(n);
      Put(n, Get(0));
      SiftDown(0, n, last);
    }
  }

 private:
  float* values_;
  int64_t* indices_;
  int64_t stride_;
  bool largest_;
};

class TopKKernel final : public Kernel {
 public:
  TopKKernel(const Call& call, int threads) : call_(call), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    x_ = static_cast<const float*>(inputs[0]);
    values_ = static_cast<float*>(outputs[0]);
    indices_ = static_cast<int64_t*>(outputs[1]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    if (call_.k == 0) return absl::OkStatus();
    const AxisLoops& x = call_.x;
    ParallelRanges(x.lines(), 1, 4 * x.size + 24 * call_.k, threads_, [&](int64_t begin, int64_t end) {
      for (int64_t line = begin; line < end; ++line) Line(line / x.inner, line % x.inner);
    });
    return absl::OkStatus();
  }

 private:
  void Line(int64_t o, int64_t i) const {
    const int64_t size = call_.x.size, inner = call_.x.inner, k = call_.k, at = o * k * inner + i;
    const float* x = x_ + o * size * inner + i;
    const Best best(values_ + at, indices_ + at, inner, call_.largest);
    for (int64_t j = 0; j < k; ++j) best.Put(j, {x[j * inner], j});
    best.MakeHeap(k);
    for (int64_t j = k; j < size; ++j) {
      const Best::Item worst = best.Get(0);
      if (inner == 1) {
        j = HWY_DYNAMIC_DISPATCH(NextCandidate)(x, j, size, worst.value, call_.largest);
        if (j == size) break;
      }
      const Best::Item item{x[j * inner], j};
      if (best.Before(item, worst)) best.SiftDown(0, k, item);
    }
    best.Sort(k);
  }

  const Call call_;
  const int threads_;
  const float* x_ = nullptr;
  float* values_ = nullptr;
  int64_t* indices_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  return std::make_unique<TopKKernel>(call, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"top_k", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
