// Updates added at their indices along an axis to zeros; row-major, f32, indices s32 or s64. What gather's gradient is.
//   scatter_add           (updates, indices) -> y   attrs: axis (of y; in updates the indices' dims stand there),
//                         padding_idx (updates at this index are left out; -1: none)
//   scatter_elements_add  (updates, indices) -> y   attr axis: y[o, indices[o, j, i], i] += updates[o, j, i]
// An index out of range is an INDEX error, found before anything is written. Every element of y belongs to one thread,
// which adds in the order of the indices: the result does not depend on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/scatter_add.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "runtime/core/axis_loops.h"
#include "runtime/kernels/indices.h"
#include "runtime/kernels/simd.h"

#ifndef ATHANOR_RUNTIME_KERNELS_SCATTER_ADD_ARGS_
#define ATHANOR_RUNTIME_KERNELS_SCATTER_ADD_ARGS_
namespace athanor {
namespace scatter_add {

struct Args {
  AxisLoops y;         // along the axis
  int64_t count = 0;   // indices, or indices a line
  int64_t padding = -1;
  const float* updates = nullptr;
  float* to = nullptr;
};
// The part of y that one thread fills, of one o: targets and columns.
struct Part {
  int64_t o = 0, target_begin = 0, target_end = 0, column_begin = 0, column_end = 0;
};

}  // namespace scatter_add
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_SCATTER_ADD_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline void AddTo(const float* from, int64_t n, float* to) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i);
  for (; i < n; ++i) to[i] += from[i];
}

template <typename Index>
void Fill(const scatter_add::Args& a, const scatter_add::Part& p, const Index* indices) {
  const int64_t inner = a.y.inner, columns = p.column_end - p.column_begin;
  float* to = a.to + p.o * a.y.size * inner + p.column_begin;
  const float* from = a.updates + p.o * a.count * inner + p.column_begin;
  for (int64_t t = p.target_begin; t < p.target_end; ++t) std::fill_n(to + t * inner, columns, 0.0f);
  for (int64_t j = 0; j < a.count; ++j) {
    const int64_t t = static_cast<int64_t>(indices[j]);
    if (t < p.target_begin || t >= p.target_end || t == a.padding) continue;
    AddTo(from + j * inner, columns, to + t * inner);
  }
}

void FillBy32(const scatter_add::Args& a, const scatter_add::Part& p, const int32_t* indices) { Fill(a, p, indices); }
void FillBy64(const scatter_add::Args& a, const scatter_add::Part& p, const int64_t* indices) { Fill(a, p, indices); }

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(FillBy32);
HWY_EXPORT(FillBy64);

struct Call {
  scatter_add::Args args;
  IndexOperand indices;
  bool elements = false;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 2, 1));
  const MemoryDesc &updates = spec.inputs[0], &indices = spec.inputs[1], &y = spec.outputs[0];
  ATH_RETURN_IF_ERROR(CheckIndexDtype(spec, indices));
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "y", y, y.dims, DType::kF32));
  ATH_RETURN_IF_ERROR(NumBytes(indices.dtype, indices.dims).status());
  ATH_ASSIGN_OR_RETURN(int64_t axis, ReadAxisAttr(spec, y.dims.size()));
  Call call;
  call.elements = spec.kernel == "scatter_elements_add";
  Shape wanted = y.dims;
  if (call.elements) {
    if (indices.dims.size() == wanted.size()) wanted[axis] = indices.dims[axis];
    ATH_RETURN_IF_ERROR(CheckDesc(spec, "indices", indices, wanted, indices.dtype));
    call.args.count = wanted[axis];
  } else {
    wanted.erase(wanted.begin() + axis);
    wanted.insert(wanted.begin() + axis, indices.dims.begin(), indices.dims.end());
    call.args.count = *NumElements(indices.dims);
    ATH_RETURN_IF_ERROR(ReadAttr(spec, "padding_idx", &call.args.padding));
  }
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "updates", updates, wanted, DType::kF32));
  call.args.y = LoopsAlong(y.dims, axis);
  call.indices = {indices, call.args.y.size, spec.name, spec.threads};
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(Read(spec).status());
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:simd"));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(spec.inputs[0].dims));
  info.flops = static_cast<double>(elements);
  return info;
}

class ScatterAddKernel final : public Kernel {
 public:
  explicit ScatterAddKernel(Call call) : call_(std::move(call)), a_(call_.args) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    a_.updates = static_cast<const float*>(inputs[0]);
    indices_ = inputs[1];
    a_.to = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(call_.indices.Check(indices_));
    const bool is32 = call_.indices.desc.dtype == DType::kS32;
    if (call_.elements) {
      is32 ? Elements(static_cast<const int32_t*>(indices_)) : Elements(static_cast<const int64_t*>(indices_));
    } else {
      Rows();
    }
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kMinColumns = 64;  // a thread

  // Each thread takes some columns where there are enough of them, for then all have the same work; else some targets.
  void Rows() const {
    const AxisLoops& y = a_.y;
    const int threads = call_.indices.threads;
    if (y.inner >= threads * kMinColumns) {
      ParallelRanges(y.inner, 16, y.outer * (12 * a_.count + 4 * y.size), threads, [&](int64_t begin, int64_t end) {
        for (int64_t o = 0; o < y.outer; ++o) FillPart({o, 0, y.size, begin, end});
      });
      return;
    }
    const int64_t bytes = y.size == 0 ? 1 : y.inner * (4 + 12 * a_.count / y.size);
    ParallelRanges(y.outer * y.size, 1, bytes, threads, [&](int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t o = begin / y.size, first = begin % y.size, n = std::min(y.size - first, end - begin);
        FillPart({o, first, first + n, 0, y.inner});
        begin += n;
      }
    });
  }

  void FillPart(const scatter_add::Part& p) const {
    if (call_.indices.desc.dtype == DType::kS32) {
      HWY_DYNAMIC_DISPATCH(FillBy32)(a_, p, static_cast<const int32_t*>(indices_));
    } else {
      HWY_DYNAMIC_DISPATCH(FillBy64)(a_, p, static_cast<const int64_t*>(indices_));
    }
  }

  template <typename Index>
  void Elements(const Index* indices) const {
    const AxisLoops& y = a_.y;
    const int64_t inner = y.inner, count = a_.count;
    ParallelRanges(y.lines(), 1, 4 * y.size + 12 * count, call_.indices.threads, [&](int64_t begin, int64_t end) {
      ForEachLineRun(y, begin, end, [&](int64_t o, int64_t first, int64_t last) {
        float* to = a_.to + o * y.size * inner;
        for (int64_t t = 0; t < y.size; ++t) std::fill(to + t * inner + first, to + t * inner + last, 0.0f);
        for (int64_t j = 0; j < count; ++j) {
          const int64_t row = (o * count + j) * inner;
          for (int64_t i = first; i < last; ++i) to[indices[row + i] * inner + i] += a_.updates[row + i];
        }
      });
    });
  }

  const Call call_;
  scatter_add::Args a_;
  const void* indices_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  return std::make_unique<ScatterAddKernel>(std::move(call));
}

ATH_REGISTER_KERNEL((KernelDef{"scatter_add", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"scatter_elements_add", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
