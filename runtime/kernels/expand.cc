// A tensor repeated along its dimensions of 1, as NumPy broadcasts. Row-major, any element type.
//   expand  (x) -> y
#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/strided_copy.h"

namespace athanor {
namespace {

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  ATH_RETURN_IF_ERROR(CheckOneDtype(spec));
  auto shape = BroadcastShapes(spec.inputs[0].dims, spec.outputs[0].dims);
  if (!shape.ok() || *shape != spec.outputs[0].dims) {
    return CallError(spec, "%s does not broadcast to %s", spec.inputs[0].ToString(), spec.outputs[0].ToString());
  }
  return PlainInfo(spec, "ours:strided");
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  const Shape& from = spec.inputs[0].dims;
  const Shape& to = spec.outputs[0].dims;
  std::vector<int64_t> own_strides = RowMajorStrides(from);
  std::vector<int64_t> strides(to.size(), 0);
  const size_t extra = to.size() - from.size();
  for (size_t d = 0; d < from.size(); ++d) strides[extra + d] = from[d] == 1 ? 0 : own_strides[d];
  StridedCopy copy(DTypeSize(spec.inputs[0].dtype), to, strides, 0, RowMajorStrides(to), 0);
  return std::make_unique<StridedCopyKernel>(copy, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"expand", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
