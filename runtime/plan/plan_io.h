// A plan as a .plan file. Buffer::layout_like, a wish of the compiler, is not stored.
#ifndef ATHANOR_RUNTIME_PLAN_PLAN_IO_H_
#define ATHANOR_RUNTIME_PLAN_PLAN_IO_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/container/checkpoint_io.h"
#include "runtime/plan/check_plan.h"
#include "runtime/plan/plan.h"

namespace athanor {

// Atomically (see runtime/core/file.h). The plan must pass CheckPlan, whatever memory it needs: its errors, and PATH.
absl::Status WritePlan(const Plan& plan, const std::string& path);
absl::StatusOr<std::string> SerializePlan(const Plan& plan);

// The plan has passed CheckPlan; a session goes on with VerifyMemory, the target and the kernels. Errors name the file
// (or `name`): FORMAT, VERSION, LIMIT, PATH for the file, PLAN and LIMIT for what it says.
absl::StatusOr<Plan> ReadPlan(const std::string& path, const PlanLimits& limits = {});
absl::StatusOr<Plan> ParsePlan(absl::string_view bytes, absl::string_view name, const PlanLimits& limits = {});

// What a checkpoint of this plan holds: its parameters and state, in the plan's order, row-major.
std::vector<TensorSpec> CheckpointSpecs(const Plan& plan);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_PLAN_PLAN_IO_H_
