// What the kernels of optimizers share. Their tensors (parameter, gradient, slots) all take the parameter's layout and
// are updated over the whole buffer, the zero padding of blocked layouts included: an update of zeros by a zero
// gradient must give zeros.
#ifndef ATHANOR_RUNTIME_KERNELS_OPTIMIZER_H_
#define ATHANOR_RUNTIME_KERNELS_OPTIMIZER_H_


#include "runtime/kernels/own_loop.h"

namespace athanor {

// The first `tensors` inputs and all outputs are f32 of the parameter's dims and layout; behind them come the scalars
// lr (f32) and, with `has_step`, step (s64). PLAN error for anything else.
absl::StatusOr<KernelInfo> OptimizerInfo(const CallSpec& spec, size_t tensors, bool has_step, std::string impl);

// A required float attribute in [min, max]; PLAN error otherwise, NaN included.
absl::Status ReadHyper(const CallSpec& spec, absl::string_view name, double min, double max, double* value);

// Elements of a parameter with its padding.
absl::StatusOr<int64_t> PaddedElements(const MemoryDesc& desc);

// ATTR errors for a learning rate that is negative or not finite, and for a step before the first (1).
absl::Status CheckLr(const std::string& node, float lr);
absl::Status CheckStep(const std::string& node, int64_t step);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_OPTIMIZER_H_
