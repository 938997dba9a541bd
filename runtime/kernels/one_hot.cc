// A vector of `off` with one `on` for each index; row-major, f32, indices s32 or s64.
//   one_hot  (indices) -> y   attrs: axis (of y: the one that the indices lack), on, off
// An index out of range is an INDEX error, found before anything is written.
#include "runtime/core/axis_loops.h"
#include "runtime/kernels/indices.h"

namespace athanor {
namespace {

struct Call {
  AxisLoops y;  // along the axis
  double on = 1, off = 0;
  IndexOperand indices;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  const MemoryDesc &indices = spec.inputs[0], &y = spec.outputs[0];
  ATH_RETURN_IF_ERROR(CheckIndexDtype(spec, indices));
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "y", y, y.dims, DType::kF32));
  ATH_ASSIGN_OR_RETURN(int64_t axis, ReadAxisAttr(spec, y.dims.size()));
  Call call;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "on", &call.on));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "off", &call.off));
  Shape wanted = y.dims;
  wanted.erase(wanted.begin() + axis);
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "indices", indices, wanted, indices.dtype));
  call.y = LoopsAlong(y.dims, axis);
  call.indices = {indices, call.y.size, spec.name, spec.threads};
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(Read(spec).status());
  return PlainInfo(spec, "ours:fill");
}

class OneHotKernel final : public Kernel {
 public:
  explicit OneHotKernel(Call call) : call_(std::move(call)) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    indices_ = inputs[0];
    y_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(call_.indices.Check(indices_));
    call_.indices.desc.dtype == DType::kS32 ? Fill(static_cast<const int32_t*>(indices_))
                                            : Fill(static_cast<const int64_t*>(indices_));
    return absl::OkStatus();
  }

 private:
  template <typename Index>
  void Fill(const Index* indices) const {
    const AxisLoops& y = call_.y;
    const float on = static_cast<float>(call_.on), off = static_cast<float>(call_.off);
    ParallelRanges(y.lines(), 16, 4 * y.size, call_.indices.threads, [=, this](int64_t begin, int64_t end) {
      ForEachLineRun(y, begin, end, [&](int64_t o, int64_t first, int64_t last) {
        float* to = y_ + o * y.size * y.inner;
        for (int64_t k = 0; k < y.size; ++k) std::fill(to + k * y.inner + first, to + k * y.inner + last, off);
        const Index* index = indices + o * y.inner;
        for (int64_t i = first; i < last; ++i) to[static_cast<int64_t>(index[i]) * y.inner + i] = on;
      });
    });
  }

  const Call call_;
  const void* indices_ = nullptr;
  float* y_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  return std::make_unique<OneHotKernel>(std::move(call));
}

ATH_REGISTER_KERNEL((KernelDef{"one_hot", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
