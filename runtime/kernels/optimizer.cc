#include "runtime/kernels/optimizer.h"

#include <cmath>

#include "runtime/onednn/library.h"

namespace athanor {

absl::StatusOr<KernelInfo> OptimizerInfo(const CallSpec& spec, size_t tensors, bool has_step, std::string impl) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, tensors + (has_step ? 2 : 1), tensors - 1));
  MemoryDesc parameter = spec.inputs[0];
  if (parameter.any()) parameter.layout = MemoryDesc::PlainLayout(parameter.dims.size());
  auto is_tensor = [&](const MemoryDesc& d) { return d.dtype == DType::kF32 && d.dims == parameter.dims; };
  auto is_scalar = [&](const MemoryDesc& d, DType dtype) { return d.dtype == dtype && d.dims.empty(); };
  KernelInfo info;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const MemoryDesc& d = spec.inputs[i];
    bool fits = i < tensors    ? is_tensor(d)
                : i == tensors ? is_scalar(d, DType::kF32)
                               : is_scalar(d, DType::kS64);
    if (!fits) return CallError(spec, "input %d is %s; the parameter is %s", i, d.ToString(), parameter.ToString());
    info.inputs.push_back(i < tensors ? parameter : MemoryDesc::Plain(d.dtype, {}));
  }
  for (size_t i = 0; i < spec.outputs.size(); ++i) {
    const MemoryDesc& d = spec.outputs[i];
    if (!is_tensor(d))
      return CallError(spec, "output %d is %s; the parameter is %s", i, d.ToString(), parameter.ToString());
    info.outputs.push_back(parameter);
  }
  info.impl = std::move(impl);
  ATH_ASSIGN_OR_RETURN(info.bytes, TrafficBytes(info));
  return info;
}

absl::Status ReadHyper(const CallSpec& spec, absl::string_view name, double min, double max, double* value) {
  ATH_RETURN_IF_ERROR(ReadAttr(spec, name, value));
  if (*value >= min && *value <= max) return absl::OkStatus();
  return CallError(spec, "attribute \"%s\" = %g is not in [%g, %g]", name, *value, min, max);
}

absl::StatusOr<int64_t> PaddedElements(const MemoryDesc& desc) {
  ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(desc));
  return bytes / static_cast<int64_t>(DTypeSize(desc.dtype));
}

absl::Status CheckLr(const std::string& node, float lr) {
  if (lr >= 0 && std::isfinite(lr)) return absl::OkStatus();
  return MakeError(ErrorClass::kAttr, "node \"%s\": the learning rate \"lr\" is %g, expected a finite number >= 0",
                   node, lr);
}

absl::Status CheckStep(const std::string& node, int64_t step) {
  if (step >= 1) return absl::OkStatus();
  return MakeError(ErrorClass::kAttr, "node \"%s\": \"step\" is %d, expected 1 in the first step and more later", node,
                   step);
}

}  // namespace athanor
