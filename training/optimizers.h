// The optimizers by the names that users type: those of the operators, in lower case.
#ifndef ATHANOR_TRAINING_OPTIMIZERS_H_
#define ATHANOR_TRAINING_OPTIMIZERS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "compiler/options.h"
#include "runtime/core/status.h"

namespace athanor {

// Hyper-parameters that are not given are the optimizer's defaults.
struct OptimizerFlags {
  std::string name = "adam";
  std::optional<double> momentum = {}, weight_decay = {};
  std::optional<double> beta1 = {}, beta2 = {}, epsilon = {};
  std::optional<double> dampening = {}, alpha = {}, rho = {};
  std::optional<double> lr_decay = {}, initial_accumulator_value = {}, momentum_decay = {}, clip_value = {};
  bool nesterov = false, centered = false, amsgrad = false, decoupled_weight_decay = false;
  double clip_norm = 0;  // 0: gradients are not clipped by their norm
};

// The fields above by the names of the operators' attributes, for flags and checkpoints.
struct OptimizerNumber {
  const char* name;
  std::optional<double> OptimizerFlags::*field;
  const char* doc;
};
struct OptimizerSwitch {
  const char* name;
  bool OptimizerFlags::*field;
  const char* doc;
};
absl::Span<const OptimizerNumber> OptimizerNumbers();
absl::Span<const OptimizerSwitch> OptimizerSwitches();

// REQ error listing the names for an unknown one, ATTR error for a number out of its range, or one that is given and that
// the optimizer does not have.
absl::StatusOr<OptimizerSpec> MakeOptimizer(const OptimizerFlags& flags);

std::vector<std::string> OptimizerNames();  // sorted
// Those with such an attribute.
std::vector<std::string> OptimizersWith(const std::string& attribute);
// What the optimizer computes with when it is not given; nullopt where it has no such number.
std::optional<double> OptimizerDefault(const std::string& optimizer, const std::string& number);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_OPTIMIZERS_H_
