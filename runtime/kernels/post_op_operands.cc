#include "runtime/kernels/post_op_operands.h"

#include <algorithm>

namespace athanor {

absl::Status CheckOperandCounts(const CallSpec& spec, size_t own, size_t outputs) {
  if (spec.outputs.size() != outputs) {
    return CallError(spec, "has %d outputs, expected %d", spec.outputs.size(), outputs);
  }
  std::vector<bool> read(spec.inputs.size(), false);
  for (const PostOp& p : spec.post_ops) {
    if (p.operand == -1) continue;
    if (p.operand < static_cast<int>(own) || p.operand >= static_cast<int>(spec.inputs.size())) {
      return CallError(spec, "post-op %s reads input %d, expected one in [%d, %d)", p.op, p.operand, own,
                       spec.inputs.size());
    }
    read[p.operand] = true;
  }
  const auto operands = std::count(read.begin(), read.end(), true);
  if (spec.inputs.size() != own + operands) {
    return CallError(spec, "has %d inputs, expected %d and %d operands of post-ops", spec.inputs.size(), own, operands);
  }
  return absl::OkStatus();
}

absl::Status CheckOperand(const CallSpec& spec, absl::string_view what, const MemoryDesc& desc, const Shape& dims,
                          DType dtype) {
  if (desc.dtype != dtype || desc.dims != dims) {
    return CallError(spec, "%s is %s, expected %s%s", what, desc.ToString(), DTypeName(dtype), ShapeToString(dims));
  }
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(dims));
  if (elements == 0) return CallError(spec, "%s %s is empty", what, desc.ToString());
  return absl::OkStatus();
}

absl::Status SettlePostOpOperands(size_t own, const MemoryDesc& result, CallSpec* spec) {
  for (size_t i = own; i < spec->inputs.size(); ++i) {
    MemoryDesc& operand = spec->inputs[i];
    auto shape = BroadcastShapes(operand.dims, result.dims);
    if (operand.dtype != DType::kF32 || !shape.ok() || *shape != result.dims) {
      return CallError(*spec, "a post-op's operand %s does not broadcast to %s", operand.ToString(), result.ToString());
    }
    operand.layout = operand.dims == result.dims ? result.layout : MemoryDesc::PlainLayout(operand.dims.size());
  }
  return absl::OkStatus();
}

}  // namespace athanor
