// Philox4x32-10 (runtime/core/philox.h) in vectors, for the instruction set being compiled: Highway's foreach_target.h
// includes this file once for each.
#if defined(ATHANOR_RUNTIME_KERNELS_PHILOX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_PHILOX_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_PHILOX_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_PHILOX_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D64 = hn::ScalableTag<uint64_t>;
using D32 = hn::Repartition<uint32_t, D64>;
using V64 = hn::Vec<D64>;

// The low halves of a times the low halves of b.
inline V64 MulLow32(V64 a, V64 b) {
  const D32 d;
  return hn::MulEven(hn::BitCast(d, a), hn::BitCast(d, b));
}

// Philox4x32-10 of as many blocks as there are 64-bit lanes. One lane holds one 32-bit word in its low half; what is in
// the high half does not matter, because a multiplication reads the low halves and a shift right brings down the high
// half of a product. c: the counter's four words, replaced by the result's.
inline void PhiloxBlocks(V64& c0, V64& c1, V64& c2, V64& c3, uint64_t seed) {
  const D64 d;
  const V64 multiplier0 = hn::Set(d, uint64_t{0xD2511F53}), multiplier1 = hn::Set(d, uint64_t{0xCD9E8D57});
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const V64 product0 = MulLow32(c0, multiplier0), product1 = MulLow32(c2, multiplier1);
    c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), c1), hn::Set(d, uint64_t{key0}));
    c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), c3), hn::Set(d, uint64_t{key1}));
    c1 = product1;
    c3 = product0;
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif
