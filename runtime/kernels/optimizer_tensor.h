// Where the kernel optimizer_update finds one parameter and what belongs to it.
#ifndef ATHANOR_RUNTIME_KERNELS_OPTIMIZER_TENSOR_H_
#define ATHANOR_RUNTIME_KERNELS_OPTIMIZER_TENSOR_H_

#include "runtime/kernels/optimizer_step.h"

namespace athanor {

// All in the parameter's layout; a result may lie where its operand does. Null: the algorithm has fewer slots.
struct UpdateTensor {
  const float* param = nullptr;
  const float* grad = nullptr;
  const float* slots[kMaxSlots] = {};
  float* param_out = nullptr;
  float* slots_out[kMaxSlots] = {};
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_OPTIMIZER_TENSOR_H_
