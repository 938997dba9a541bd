// Plans written by hand, placed by hand: for tests of what a session makes of good and of broken ones.
#ifndef ATHANOR_RUNTIME_SESSION_TESTING_TEXT_PLAN_H_
#define ATHANOR_RUNTIME_SESSION_TESTING_TEXT_PLAN_H_

#include <string>
#include <vector>

#include "runtime/plan/plan.h"

namespace athanor {

// One program (compiler/program/text.h) an entry, for this process's ISA and oneDNN. The variables are those of the
// first program; all others declare the same ones. The arenas are whole pages that hold what the texts say.
Plan PlanOfTexts(const std::vector<std::string>& programs);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_SESSION_TESTING_TEXT_PLAN_H_
