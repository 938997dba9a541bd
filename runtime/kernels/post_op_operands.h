// What kernels that take post-ops share: checks of the call, which may come from a damaged plan, and the layouts of the
// operands that binary post-ops read. Does not include oneDNN's header.
#ifndef ATHANOR_RUNTIME_KERNELS_POST_OP_OPERANDS_H_
#define ATHANOR_RUNTIME_KERNELS_POST_OP_OPERANDS_H_

#include <string>

#include "runtime/kernels/own_loop.h"

namespace athanor {

// PLAN error unless there are `own` inputs and behind them only operands of the call's post-ops, and this many outputs.
absl::Status CheckOperandCounts(const CallSpec& spec, size_t own, size_t outputs);

// PLAN error unless the operand has this type and these dimensions, none of them 0.
absl::Status CheckOperand(const CallSpec& spec, absl::string_view what, const MemoryDesc& desc, const Shape& dims,
                          DType dtype = DType::kF32);

// Gives the operands of the post-ops, the inputs from number `own` on, the layouts in which oneDNN reads them beside a
// result that lies as `result` says: the same where the dimensions are equal, else row-major. PLAN error for an operand
// that does not broadcast to the result.
absl::Status SettlePostOpOperands(size_t own, const MemoryDesc& result, CallSpec* spec);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_POST_OP_OPERANDS_H_
