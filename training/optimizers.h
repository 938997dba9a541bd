// The optimizers by the names that users type.
#ifndef ATHANOR_TRAINING_OPTIMIZERS_H_
#define ATHANOR_TRAINING_OPTIMIZERS_H_

#include <string>
#include <vector>

#include "compiler/options.h"
#include "runtime/core/status.h"

namespace athanor {

struct OptimizerFlags {
  std::string name = "adam";  // "sgd" or "adam"
  double momentum = 0;        // sgd
  double weight_decay = 0;    // L2, added to the gradient
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // adam
};

// REQ error listing the names for an unknown one, ATTR error for a number out of its range.
absl::StatusOr<OptimizerSpec> MakeOptimizer(const OptimizerFlags& flags);
std::vector<std::string> OptimizerNames();

}  // namespace athanor

#endif  // ATHANOR_TRAINING_OPTIMIZERS_H_
