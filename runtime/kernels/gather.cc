// Elements of a tensor by their indices along an axis; row-major, x of any element type, indices s32 or s64.
//   gather           (x, indices) -> y   attr axis: y's dims are x's with the axis replaced by the indices' dims;
//                                        y[o, j.., i] = x[o, indices[j..], i]
//   gather_elements  (x, indices) -> y   attr axis: y[o, j, i] = x[o, indices[o, j, i], i], dims as of indices
// An index out of range is an INDEX error, found before anything is written.
#include <cstring>

#include "runtime/core/axis_loops.h"
#include "runtime/kernels/indices.h"

namespace athanor {
namespace {

struct Call {
  AxisLoops x;       // along the axis
  int64_t count = 0;  // indices, or indices a line
  size_t element = 4;  // bytes
  bool elements = false;
  IndexOperand indices;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 2, 1));
  const MemoryDesc &x = spec.inputs[0], &indices = spec.inputs[1];
  ATH_RETURN_IF_ERROR(CheckIndexDtype(spec, indices));
  ATH_RETURN_IF_ERROR(NumBytes(x.dtype, x.dims).status());
  ATH_RETURN_IF_ERROR(NumBytes(indices.dtype, indices.dims).status());
  ATH_ASSIGN_OR_RETURN(int64_t axis, ReadAxisAttr(spec, x.dims.size()));
  Call call;
  call.elements = spec.kernel == "gather_elements";
  Shape y = x.dims;
  if (call.elements) {
    if (indices.dims.size() == y.size()) y[axis] = indices.dims[axis];
    ATH_RETURN_IF_ERROR(CheckDesc(spec, "indices", indices, y, indices.dtype));
    call.count = y[axis];
  } else {
    y.erase(y.begin() + axis);
    y.insert(y.begin() + axis, indices.dims.begin(), indices.dims.end());
    call.count = *NumElements(indices.dims);
  }
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "y", spec.outputs[0], y, x.dtype));
  call.x = LoopsAlong(x.dims, axis);
  call.element = DTypeSize(x.dtype);
  call.indices = {indices, call.x.size, spec.name, spec.threads};
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(Read(spec).status());
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:copy"));
  // What is read of x is as much as is written.
  ATH_ASSIGN_OR_RETURN(int64_t y, NumBytes(spec.outputs[0].dtype, spec.outputs[0].dims));
  ATH_ASSIGN_OR_RETURN(int64_t indices, NumBytes(spec.inputs[1].dtype, spec.inputs[1].dims));
  info.bytes = 2 * static_cast<double>(y) + static_cast<double>(indices);
  return info;
}

class GatherKernel final : public Kernel {
 public:
  explicit GatherKernel(Call call) : call_(std::move(call)) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    x_ = static_cast<const std::byte*>(inputs[0]);
    indices_ = inputs[1];
    y_ = static_cast<std::byte*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(call_.indices.Check(indices_));
    call_.indices.desc.dtype == DType::kS32 ? RunBy<int32_t>() : RunBy<int64_t>();
    return absl::OkStatus();
  }

 private:
  template <typename Index>
  void RunBy() const {
    if (!call_.elements && call_.x.inner > 1) return Rows(static_cast<const Index*>(indices_));
    switch (call_.element) {
      case 1: return Elements<Index, uint8_t>();
      case 2: return Elements<Index, uint16_t>();
      case 4: return Elements<Index, uint32_t>();
      default: return Elements<Index, uint64_t>();
    }
  }

  template <typename Index>
  void Rows(const Index* indices) const {
    const int64_t row = call_.x.inner * static_cast<int64_t>(call_.element), count = call_.count;
    ParallelRanges(call_.x.outer * count, 1, 2 * row, call_.indices.threads, [=, this](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t from = r / count * call_.x.size + indices[r % count];
        std::memcpy(y_ + r * row, x_ + from * row, static_cast<size_t>(row));
      }
    });
  }

  // Element by element: gather with nothing behind the axis, where the indices are the same for every line, and
  // gather_elements.
  template <typename Index, typename T>
  void Elements() const {
    const auto* x = reinterpret_cast<const T*>(x_);
    auto* y = reinterpret_cast<T*>(y_);
    const auto* indices = static_cast<const Index*>(indices_);
    const int64_t inner = call_.x.inner, line = call_.count * inner;
    ParallelRanges(call_.x.outer * line, 16, 2 * sizeof(T) + sizeof(Index), call_.indices.threads,
                   [=, this](int64_t begin, int64_t end) {
                     for (int64_t r = begin; r < end;) {
                       const int64_t o = r / line, first = r - o * line, last = std::min(line, first + end - r);
                       const T* from = x + o * call_.x.size * inner;
                       const Index* index = indices + (call_.elements ? o * line : 0);
                       T* to = y + o * line;
                       for (int64_t k = first, i = first % inner; k < last; ++k) {
                         to[k] = from[index[k] * inner + i];
                         if (++i == inner) i = 0;
                       }
                       r += last - first;
                     }
                   });
  }

  const Call call_;
  const std::byte* x_ = nullptr;
  const void* indices_ = nullptr;
  std::byte* y_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  return std::make_unique<GatherKernel>(std::move(call));
}

ATH_REGISTER_KERNEL((KernelDef{"gather", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"gather_elements", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
