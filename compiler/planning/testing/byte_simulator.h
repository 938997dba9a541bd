// Decides by brute force whether a plan is safe: it runs every call over arenas of tagged bytes, next to a second
// memory where each buffer has bytes of its own, and compares. Knows nothing of lifetimes or intervals, so that it can
// judge both the planner and VerifyMemory.
#ifndef ATHANOR_COMPILER_PLANNING_TESTING_BYTE_SIMULATOR_H_
#define ATHANOR_COMPILER_PLANNING_TESTING_BYTE_SIMULATOR_H_

#include <string>

#include "runtime/plan/plan.h"

namespace athanor {

struct Fault {
  enum Kind {
    kNone,
    kOverlap,    // bytes were destroyed while something still needed them, or a call's operands overlap
    kUnwritten,  // a call or the caller reads bytes that nothing has written as that buffer
    kOutside,    // a place outside its arena or not aligned
  };
  Kind kind = kNone;
  std::string what;
};

// The first fault of the plan's first entry. All indices of the plan must be in range and its views without cycles.
Fault Simulate(const Plan& plan);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PLANNING_TESTING_BYTE_SIMULATOR_H_
