#include "training/optimizers.h"

#include <cmath>

#include "absl/strings/str_join.h"

namespace athanor {
namespace {

absl::Status CheckRange(const char* name, double value, double low, double high) {
  if (value >= low && value < high) return absl::OkStatus();  // NaN fails too
  return MakeError(ErrorClass::kAttr, "optimizer %s = %g is not in [%g, %g)", name, value, low, high);
}

}  // namespace

std::vector<std::string> OptimizerNames() { return {"adam", "sgd"}; }

absl::StatusOr<OptimizerSpec> MakeOptimizer(const OptimizerFlags& flags) {
  ATH_RETURN_IF_ERROR(CheckRange("momentum", flags.momentum, 0, 1));
  ATH_RETURN_IF_ERROR(CheckRange("weight-decay", flags.weight_decay, 0, HUGE_VAL));
  ATH_RETURN_IF_ERROR(CheckRange("beta1", flags.beta1, 0, 1));
  ATH_RETURN_IF_ERROR(CheckRange("beta2", flags.beta2, 0, 1));
  if (flags.name == "sgd") {
    return OptimizerSpec{"SGD", {{"momentum", flags.momentum}, {"weight_decay", flags.weight_decay}}};
  }
  if (flags.name == "adam") {
    return OptimizerSpec{"Adam",
                         {{"beta1", flags.beta1},
                          {"beta2", flags.beta2},
                          {"epsilon", flags.epsilon},
                          {"weight_decay", flags.weight_decay}}};
  }
  return MakeError(ErrorClass::kReq, "no optimizer \"%s\"; there are: %s", flags.name,
                   absl::StrJoin(OptimizerNames(), ", "));
}

}  // namespace athanor
