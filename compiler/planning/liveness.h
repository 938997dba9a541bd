// When each piece of the activation arena is in use.
#ifndef ATHANOR_COMPILER_PLANNING_LIVENESS_H_
#define ATHANOR_COMPILER_PLANNING_LIVENESS_H_

#include <cstdint>
#include <vector>

#include "runtime/plan/plan.h"

namespace athanor {

// From call `first` to call `last`, both included: what a call reads and what it writes are in use together. -1 is
// before the first call, the number of calls is after the last.
struct Lifetime {
  int first = 0, last = -1;
  bool empty() const { return first > last; }
  bool Overlaps(const Lifetime& o) const { return first <= o.last && o.first <= last; }
  bool operator==(const Lifetime&) const = default;
};

struct Liveness {
  // By buffer: from the first write to the last use through any view. Empty for views, variables and what nothing
  // uses. Inputs live from -1 and, since a second run must see them, to the end, outputs to the end.
  std::vector<Lifetime> lifetimes;
  // By call: bytes of the roots in use and of the call's own scratch, each rounded up to kAlignment.
  std::vector<int64_t> live_bytes;
  // The largest of them, and of the bytes in use before and after all calls.
  int64_t peak_bytes = 0;
};

// The entry must be well formed (VerifyProgram) and its NaiveBytes fit. O(calls x operands + buffers).
Liveness AnalyzeLiveness(const Entry& entry);

// The arena that the entry would need if nothing shared memory: the sum of its roots (but variables) and scratches,
// each rounded up to kAlignment. LIMIT error naming the entry and the culprit when a size is negative or the sum
// overflows.
absl::StatusOr<int64_t> NaiveBytes(const Entry& entry);

// n rounded up to kAlignment; n is a size that NaiveBytes has accepted.
inline int64_t AlignedBytes(int64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PLANNING_LIVENESS_H_
