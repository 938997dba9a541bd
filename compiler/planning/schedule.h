// The order of the calls of a program.
#ifndef ATHANOR_COMPILER_PLANNING_SCHEDULE_H_
#define ATHANOR_COMPILER_PLANNING_SCHEDULE_H_

#include "runtime/core/status.h"
#include "runtime/plan/plan.h"

namespace athanor {

// Reorders the calls to lower the peak of AnalyzeLiveness: what frees memory runs as soon as it can (an optimizer's
// update when its gradient is there), what needs memory as late as it must. Each call still sees the bytes it saw
// before: reads and writes of one root buffer, or of one variable under whatever buffers, keep their order (but reads
// among themselves). Where no lower peak is found the order stays. The same entry always gives the same order.
// The entry must be well formed (VerifyProgram); LIMIT error when its sizes overflow (NaiveBytes). Nearly linear:
// 10,000 calls take well under a second.
absl::StatusOr<Entry> Schedule(Entry entry);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PLANNING_SCHEDULE_H_
