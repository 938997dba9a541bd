// Gives every buffer, scratch and variable its place. Nothing trusts this file: VerifyMemory (runtime/plan) proves each
// plan without it.
#ifndef ATHANOR_COMPILER_PLANNING_PLAN_MEMORY_H_
#define ATHANOR_COMPILER_PLANNING_PLAN_MEMORY_H_

#include <cstdint>
#include <string>

#include "runtime/core/status.h"
#include "runtime/plan/plan.h"

namespace athanor {

// What PlanMemory found, in bytes of the activation arena.
struct MemoryReport {
  int64_t arena_bytes = 0;
  int64_t lower_bound = 0;  // the most that is in use at one call, in-place results counted once: no plan needs less
  int64_t naive_bytes = 0;  // if nothing shared memory
  int in_place = 0;         // results that take over the memory of an operand
  std::string heuristic;    // the placing order that won
};

// Sets Buffer::offset of the roots that are used, KernelCall::scratch_offset and Entry::arena_bytes. First lets results
// take over the memory of operands that die there, where the kernel's in_place allows it; then places by several greedy
// orders and takes the smallest arena. Every offset is a multiple of kAlignment; empty buffers are at 0; views, unused
// roots and calls without scratch stay kUnplaced. The same entry always gives the same plan.
// The entry must be well formed (VerifyProgram) with decided layouts. LIMIT error when the sizes overflow.
absl::StatusOr<Entry> PlanMemory(Entry entry, MemoryReport* report = nullptr);

// Packs the variables into the weight arena in their order: sets Variable::offset and Plan::weight_bytes. LIMIT error
// naming the variable when the sizes overflow or one is negative.
absl::Status PlaceVariables(Plan* plan);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PLANNING_PLAN_MEMORY_H_
