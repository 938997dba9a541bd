#include "runtime/kernels/simd.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include "runtime/onednn/library.h"

namespace athanor {
namespace {

// Run with ONEDNN_MAX_CPU_ISA=AVX2 or SSE41, it shows the hold; without, that there is none.
TEST(Simd, OurLoopsUseNoMoreThanOneDnn) {
  const int64_t of_cpu = hwy::SupportedTargets();
  HoldSimdToOneDnnIsa();
  const int64_t allowed = hwy::SupportedTargets();
  const std::string isa = EffectiveIsa();
  const bool avx512 = isa.starts_with("avx512") || isa == "default", avx2 = avx512 || isa.starts_with("avx2");
  EXPECT_EQ(allowed & HWY_AVX3, avx512 ? of_cpu & HWY_AVX3 : 0) << isa;
  EXPECT_EQ(allowed & HWY_AVX2, avx2 ? of_cpu & HWY_AVX2 : 0) << isa;
  EXPECT_NE(allowed, 0);
}

}  // namespace
}  // namespace athanor
