// Models over symbols, as the sub-commands that run them take them.
#ifndef ATHANOR_CLI_TEXT_PLAN_H_
#define ATHANOR_CLI_TEXT_PLAN_H_

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/plan/plan.h"

namespace athanor {

// A plan file as it is; or a model file, or the folder of a training run with its model.ath, compiled at this batch (see
// training/text/text_model.h).
absl::StatusOr<std::shared_ptr<const Plan>> LoadTextPlan(const std::string& path, int64_t batch, int threads);

}  // namespace athanor

#endif  // ATHANOR_CLI_TEXT_PLAN_H_
