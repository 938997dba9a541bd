#include "runtime/session/testing/text_plan.h"

#include <algorithm>

#include "compiler/program/text.h"
#include "runtime/core/checked.h"
#include "runtime/onednn/library.h"

namespace athanor {

Plan PlanOfTexts(const std::vector<std::string>& programs) {
  Plan plan;
  plan.model_name = "by hand";
  plan.target = {EffectiveIsa(), OneDnnVersion(), 1};
  for (const std::string& text : programs) {
    auto program = ParseProgram(text);
    ATH_CHECK_OK(program.status());
    if (plan.entries.empty()) plan.variables = std::move(program->variables);
    plan.activation_bytes = std::max(plan.activation_bytes, program->entry.arena_bytes);
    plan.entries.push_back(std::move(program->entry));
  }
  for (const Variable& v : plan.variables) plan.weight_bytes = std::max(plan.weight_bytes, v.offset + v.bytes);
  plan.activation_bytes = *CheckedAlignUp(plan.activation_bytes, 4096);
  plan.weight_bytes = *CheckedAlignUp(plan.weight_bytes, 4096);
  return plan;
}

}  // namespace athanor
