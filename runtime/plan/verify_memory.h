// Proves that a plan's places are safe to run on. Called on every plan that is built and on every plan that is loaded.
// It shares nothing with the planner and believes no lifetime: it walks the calls and keeps account of what every byte
// of the arena holds.
#ifndef ATHANOR_RUNTIME_PLAN_VERIFY_MEMORY_H_
#define ATHANOR_RUNTIME_PLAN_VERIFY_MEMORY_H_

#include "runtime/core/status.h"
#include "runtime/plan/plan.h"

namespace athanor {

// OkStatus when all of this holds, so that a session may execute the plan with the addresses that it states:
//  - every index names something: buffers, views, variables, operands of calls and post-ops; views have no cycles and
//    are not larger than what they view; every kernel is in KernelRegistry
//  - every place that is used is aligned to kAlignment and inside its arena; activation_bytes hold every entry's
//  - a buffer's bytes hold its dims x dtype, and its layout is decided
//  - variables do not overlap; a buffer of one has its desc and bytes; it is written as a whole, and no constant is
//  - a call reads only bytes that the caller (inputs) or an earlier call has written as that very buffer, and that
//    nothing has overwritten since, scratch included
//  - the operands and the scratch of one call are disjoint; inputs may overlap inputs, and an output lies exactly on an
//    input where the kernel's in_place lists the pair and both have the same desc
//  - nothing ever overwrites an entry's input, so that a second run sees it too
//  - at the end every output of the entry holds what was written as it
//
// PLAN error otherwise: names the entry, the call's number, name and kernel, and the buffers with their ranges.
//
// Not proved here, because it needs oneDNN: that the bytes of a blocked layout hold its padding, and that the scratch
// is what the kernel needs. The session compares both when it makes the kernels.
//
// O((buffers + operands) log buffers) for the whole plan. Thread-safe.
absl::Status VerifyMemory(const Plan& plan);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_PLAN_VERIFY_MEMORY_H_
