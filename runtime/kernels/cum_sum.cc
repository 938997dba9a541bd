// Running sums along an axis; row-major f32.
//   cum_sum  (x) -> y   attrs: axis, exclusive (y[0] = 0, the element itself is left out), reverse (from the end)
// Added up in double, in the order of the axis: the result does not depend on the number of threads.
#include "runtime/core/axis_loops.h"
#include "runtime/kernels/indices.h"

namespace athanor {
namespace {

struct Call {
  AxisLoops loops;
  bool exclusive = false, reverse = false;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  const MemoryDesc& x = spec.inputs[0];
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "x", x, x.dims, DType::kF32));
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "y", spec.outputs[0], x.dims, DType::kF32));
  ATH_ASSIGN_OR_RETURN(int64_t axis, ReadAxisAttr(spec, x.dims.size()));
  Call call;
  call.loops = LoopsAlong(x.dims, axis);
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "exclusive", &call.exclusive));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "reverse", &call.reverse));
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:loop"));
  info.flops = static_cast<double>(call.loops.lines()) * static_cast<double>(call.loops.size);
  return info;
}

class CumSumKernel final : public Kernel {
 public:
  CumSumKernel(const Call& call, int threads) : call_(call), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    x_ = static_cast<const float*>(inputs[0]);
    y_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const AxisLoops& l = call_.loops;
    ParallelRanges(l.lines(), 16, 8 * l.size, threads_, [&](int64_t begin, int64_t end) {
      ForEachLineRun(l, begin, end, [&](int64_t o, int64_t first, int64_t last) {
        for (int64_t i = first; i < last; i += kTile) Lines(o, i, std::min(kTile, last - i));
      });
    });
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kTile = 256;  // lines added up side by side

  void Lines(int64_t o, int64_t i, int64_t n) const {
    const AxisLoops& l = call_.loops;
    double sum[kTile];
    std::fill_n(sum, n, 0.0);
    for (int64_t k = 0; k < l.size; ++k) {
      const int64_t at = (o * l.size + (call_.reverse ? l.size - 1 - k : k)) * l.inner + i;
      const float* x = x_ + at;
      float* y = y_ + at;
      for (int64_t j = 0; j < n; ++j) {
        const double before = sum[j];
        sum[j] += static_cast<double>(x[j]);
        y[j] = static_cast<float>(call_.exclusive ? before : sum[j]);
      }
    }
  }

  const Call call_;
  const int threads_;
  const float* x_ = nullptr;
  float* y_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  return std::make_unique<CumSumKernel>(call, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"cum_sum", &Query, &Create, {{0, 0}}}));

}  // namespace
}  // namespace athanor
