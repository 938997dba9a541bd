// A row-major tensor seen along one of its axes.
#ifndef ATHANOR_RUNTIME_CORE_AXIS_LOOPS_H_
#define ATHANOR_RUNTIME_CORE_AXIS_LOOPS_H_

#include <algorithm>
#include <cstdint>

#include "absl/types/span.h"

namespace athanor {

// Element (o, a, i) lies at (o * size + a) * inner + i. There are outer * inner lines along the axis.
struct AxisLoops {
  int64_t outer = 1, size = 1, inner = 1;
  int64_t lines() const { return outer * inner; }
};

// `axis` is in range; the number of elements fits.
inline AxisLoops LoopsAlong(absl::Span<const int64_t> shape, int64_t axis) {
  AxisLoops loops;
  for (int64_t d = 0; d < static_cast<int64_t>(shape.size()); ++d) {
    (d < axis ? loops.outer : d == axis ? loops.size : loops.inner) *= shape[d];
  }
  return loops;
}

// Calls f(o, i_begin, i_end) for the neighbouring lines that lines [begin, end) consist of; line o * inner + i.
template <typename F>
void ForEachLineRun(const AxisLoops& loops, int64_t begin, int64_t end, const F& f) {
  while (begin < end) {
    const int64_t o = begin / loops.inner, i = begin % loops.inner, n = std::min(loops.inner - i, end - begin);
    f(o, i, i + n);
    begin += n;
  }
}

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_AXIS_LOOPS_H_
