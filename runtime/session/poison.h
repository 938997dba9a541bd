// Filling bytes that nobody may read with NaN, so that a wrong plan shows in its results.
#ifndef ATHANOR_RUNTIME_SESSION_POISON_H_
#define ATHANOR_RUNTIME_SESSION_POISON_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "runtime/plan/plan.h"

namespace athanor {

using ByteRanges = std::vector<std::pair<int64_t, int64_t>>;  // [begin, end) in the activation arena

struct PoisonSchedule {
  ByteRanges at_start;                 // all but the inputs
  std::vector<ByteRanges> after_call;  // what dies with each call and is nobody's afterwards
};

PoisonSchedule MakePoisonSchedule(const Entry& entry);

// Writes 0xFF over the ranges: NaN as floats, -1 as integers.
void PoisonRanges(std::byte* arena, const ByteRanges& ranges);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_SESSION_POISON_H_
