// Loops over contiguous floats by vectors, the last of which may be shorter, for the instruction set being compiled:
// Highway's foreach_target.h includes this file once for each.
#if defined(ATHANOR_RUNTIME_KERNELS_VECTOR_LOOPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_VECTOR_LOOPS_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_VECTOR_LOOPS_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_VECTOR_LOOPS_INL_H_
#endif

#include <algorithm>

#include "runtime/kernels/softmax_rows-inl.h"

// Behind the parameters of a lambda that is the body of a loop: g++ would call it where there are two loops, one over
// whole vectors and one for the rest, and the whole ones would be asked how long they are.
#undef ATH_INLINE
#define ATH_INLINE __attribute__((always_inline))

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

// `count` floats, at most as many as a vector holds, and zeros behind them.
inline FloatVec LoadSome(const float* p, int64_t count) {
  return count == FloatLanes() ? hn::LoadU(FloatTag(), p) : LoadPart(p, count, 0);
}

inline void StoreSome(FloatVec v, float* p, int64_t count) {
  count == FloatLanes() ? hn::StoreU(v, FloatTag(), p) : StorePart(v, p, count);
}

inline FloatVec KeepSome(FloatVec v, int64_t count) {
  return count == FloatLanes() ? v : hn::IfThenElseZero(hn::FirstN(FloatTag(), static_cast<size_t>(count)), v);
}

// f(first element, how many): vector by vector, the last perhaps shorter.
template <typename F>
HWY_INLINE void ForEachVector(int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + FloatLanes() <= n; i += FloatLanes()) f(i, FloatLanes());
  if (i < n) f(i, n - i);
}

// Two sums over n elements; f gives the terms of one vector, zeros behind its end. Two accumulators each hide the
// latency of the additions.
struct Sums {
  double a = 0, b = 0;
};
template <typename F>
HWY_INLINE Sums AddUpVectors(int64_t n, const F& f) {
  const FloatTag d;
  FloatVec a0 = hn::Zero(d), a1 = a0, b0 = a0, b1 = a0;
  int64_t i = 0;
  for (; i + 2 * FloatLanes() <= n; i += 2 * FloatLanes()) {
    f(i, FloatLanes(), a0, b0);
    f(i + FloatLanes(), FloatLanes(), a1, b1);
  }
  for (; i < n; i += FloatLanes()) f(i, std::min(FloatLanes(), n - i), a0, b0);
  return {hn::GetLane(hn::SumOfLanes(d, hn::Add(a0, a1))), hn::GetLane(hn::SumOfLanes(d, hn::Add(b0, b1)))};
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif  // ATHANOR_RUNTIME_KERNELS_VECTOR_LOOPS_INL_H_
