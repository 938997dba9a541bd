// Vectors of floats of which only the first lanes are memory of the caller's, for the instruction set being compiled:
// Highway's foreach_target.h includes this file once for each.
#if defined(ATHANOR_RUNTIME_KERNELS_PARTIAL_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_PARTIAL_VECTOR_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_PARTIAL_VECTOR_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_PARTIAL_VECTOR_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVec = hn::Vec<FloatTag>;

inline int64_t FloatLanes() { return static_cast<int64_t>(hn::Lanes(FloatTag())); }

// `count` floats, at most as many as a vector holds, and `fill` behind them. Reads nothing else.
inline FloatVec LoadPart(const float* p, int64_t count, float fill) {
  const FloatTag d;
#if HWY_TARGET <= HWY_AVX2  // the better a target, the lower its bit
  const auto part = hn::FirstN(d, static_cast<size_t>(count));
  return hn::IfThenElse(part, hn::MaskedLoad(part, d, p), hn::Set(d, fill));
#else
  HWY_ALIGN float part[hn::MaxLanes(d)];
  std::fill(std::copy_n(p, count, part), part + FloatLanes(), fill);
  return hn::Load(d, part);
#endif
}

inline void StorePart(FloatVec v, float* p, int64_t count) {
  const FloatTag d;
#if HWY_TARGET <= HWY_AVX2
  hn::BlendedStore(v, hn::FirstN(d, static_cast<size_t>(count)), d, p);
#else
  HWY_ALIGN float part[hn::MaxLanes(d)];
  hn::Store(v, d, part);
  std::copy_n(part, count, p);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif  // ATHANOR_RUNTIME_KERNELS_PARTIAL_VECTOR_INL_H_
