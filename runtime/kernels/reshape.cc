// The same row-major bytes under other dims, where that cannot be a view.
//   reshape  (x) -> y   any element type
#include <cstring>

#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/parallel.h"

namespace athanor {
namespace {

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  ATH_RETURN_IF_ERROR(CheckOneDtype(spec));
  ATH_ASSIGN_OR_RETURN(int64_t from, NumElements(spec.inputs[0].dims));
  ATH_ASSIGN_OR_RETURN(int64_t to, NumElements(spec.outputs[0].dims));
  if (from != to) {
    return CallError(spec, "%s has %d elements, %s has %d", spec.inputs[0].ToString(), from, spec.outputs[0].ToString(),
                     to);
  }
  return PlainInfo(spec, "ours:copy");
}

class ReshapeKernel final : public Kernel {
 public:
  ReshapeKernel(int64_t bytes, int threads) : bytes_(bytes), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    from_ = static_cast<const std::byte*>(inputs[0]);
    to_ = static_cast<std::byte*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ParallelRanges(bytes_, 4096, 2, threads_,
                   [this](int64_t begin, int64_t end) { std::memcpy(to_ + begin, from_ + begin, end - begin); });
    return absl::OkStatus();
  }

 private:
  const int64_t bytes_;
  const int threads_;
  const std::byte* from_ = nullptr;
  std::byte* to_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(int64_t bytes, NumBytes(spec.inputs[0].dtype, spec.inputs[0].dims));
  return std::make_unique<ReshapeKernel>(bytes, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"reshape", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
