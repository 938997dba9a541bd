// Loops of our own over OpenMP threads, with a split that depends on nothing but its arguments.
#ifndef ATHANOR_RUNTIME_KERNELS_PARALLEL_H_
#define ATHANOR_RUNTIME_KERNELS_PARALLEL_H_

#include <algorithm>
#include <cstdint>

namespace athanor {

// Below this many bytes of traffic a loop is done before a second thread has woken up.
inline constexpr int64_t kMinParallelBytes = 128 * 1024;

// Runs f(part, begin, end) on `threads` contiguous ranges that cover [0, n); all but the last end at multiples of
// `align`, and some may be empty, which are left out. `part` < threads tells the ranges apart. One range, on the calling
// thread, when the traffic is below kMinParallelBytes. Allocates nothing. f must not throw. Either one thread or all of
// them: a team of another size would make libgomp end threads and start them again.
template <typename F>
void ParallelParts(int64_t n, int64_t align, int64_t bytes_per_item, int threads, const F& f) {
  if (n <= 0) return;
  if (threads <= 1 || n * bytes_per_item < kMinParallelBytes) {
    f(0, int64_t{0}, n);
    return;
  }
  const int64_t units = (n + align - 1) / align;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) {
    const int64_t begin = units * t / threads * align;
    const int64_t end = std::min(n, units * (t + 1) / threads * align);
    if (begin < end) f(t, begin, end);
  }
}

// The same for f(begin, end).
template <typename F>
void ParallelRanges(int64_t n, int64_t align, int64_t bytes_per_item, int threads, const F& f) {
  ParallelParts(n, align, bytes_per_item, threads, [&f](int, int64_t begin, int64_t end) { f(begin, end); });
}

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_PARALLEL_H_
