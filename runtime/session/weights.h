// The variables of a plan in memory: parameters, running statistics and optimizer slots, in the layouts that the plan's
// kernels want.
#ifndef ATHANOR_RUNTIME_SESSION_WEIGHTS_H_
#define ATHANOR_RUNTIME_SESSION_WEIGHTS_H_

#include <memory>
#include <string>

#include "runtime/core/tensor.h"
#include "runtime/plan/plan.h"
#include "runtime/session/arena.h"

namespace athanor {

// Shared by the sessions of one plan. Sessions that only infer read it; a training session writes it, and nothing else
// may use it during such a run. Set and Get are not to be called during a run.
class Weights {
 public:
  // Maps the weight arena and fills it with the plan's initial values. PLAN error for a plan that VerifyMemory refuses
  // and for a variable that its bytes cannot hold.
  static absl::StatusOr<std::shared_ptr<Weights>> Create(std::shared_ptr<const Plan> plan);

  // Row-major in and out; the layout is changed on the way. REQ error for an unknown name, SHAPE or DTYPE error for
  // another type.
  absl::Status Set(absl::string_view name, const Tensor& value);
  absl::StatusOr<Tensor> Get(absl::string_view name) const;

  std::byte* data() const { return arena_.data(); }
  int64_t bytes() const { return arena_.bytes(); }
  const Plan& plan() const { return *plan_; }

 private:
  Weights(std::shared_ptr<const Plan> plan, Arena arena) : plan_(std::move(plan)), arena_(std::move(arena)) {}
  std::shared_ptr<const Plan> plan_;
  Arena arena_;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_SESSION_WEIGHTS_H_
