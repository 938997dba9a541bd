#include "runtime/kernels/own_loop.h"

#include "runtime/onednn/library.h"

namespace athanor {

absl::Status CheckOperands(const CallSpec& spec, size_t inputs, size_t outputs) {
  if (spec.inputs.size() != inputs || spec.outputs.size() != outputs) {
    return CallError(spec, "has %d inputs and %d outputs, expected %d and %d", spec.inputs.size(), spec.outputs.size(),
                     inputs, outputs);
  }
  if (!spec.post_ops.empty()) return CallError(spec, "takes no post-ops, has %d", spec.post_ops.size());
  return absl::OkStatus();
}

absl::Status CheckOneDtype(const CallSpec& spec) {
  if (spec.inputs[0].dtype == DType::kUndefined) return CallError(spec, "has an input without an element type");
  auto check = [&](const std::vector<MemoryDesc>& operands) -> absl::Status {
    for (const MemoryDesc& d : operands) {
      if (d.dtype == spec.inputs[0].dtype) continue;
      return CallError(spec, "mixes the element types %s and %s", DTypeName(spec.inputs[0].dtype), DTypeName(d.dtype));
    }
    return absl::OkStatus();
  };
  ATH_RETURN_IF_ERROR(check(spec.inputs));
  return check(spec.outputs);
}

absl::StatusOr<double> TrafficBytes(const KernelInfo& info) {
  double sum = 0;
  for (const std::vector<MemoryDesc>* operands : {&info.inputs, &info.outputs}) {
    for (const MemoryDesc& d : *operands) {
      ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(d));
      sum += static_cast<double>(bytes);
    }
  }
  return sum;
}

absl::StatusOr<KernelInfo> PlainInfo(const CallSpec& spec, std::string impl) {
  KernelInfo info;
  for (const MemoryDesc& d : spec.inputs) info.inputs.push_back(MemoryDesc::Plain(d.dtype, d.dims));
  for (const MemoryDesc& d : spec.outputs) info.outputs.push_back(MemoryDesc::Plain(d.dtype, d.dims));
  info.impl = std::move(impl);
  ATH_ASSIGN_OR_RETURN(info.bytes, TrafficBytes(info));
  return info;
}

absl::Status CheckSettled(const CallSpec& spec, const KernelInfo& info) {
  auto check = [&](absl::string_view what, const std::vector<MemoryDesc>& has,
                   const std::vector<MemoryDesc>& wants) -> absl::Status {
    for (size_t i = 0; i < has.size(); ++i) {
      if (has[i] == wants[i]) continue;
      return CallError(spec, "%s %d is %s, expected %s", what, i, has[i].ToString(), wants[i].ToString());
    }
    return absl::OkStatus();
  };
  ATH_RETURN_IF_ERROR(check("input", spec.inputs, info.inputs));
  return check("output", spec.outputs, info.outputs);
}

}  // namespace athanor
