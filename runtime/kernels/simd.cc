#include "runtime/kernels/simd.h"

#include <hwy/highway.h>
#include <hwy/targets.h>

#include <string>

#include "absl/strings/match.h"
#include "runtime/onednn/library.h"

namespace athanor {

void HoldSimdToOneDnnIsa() {
  static const bool once = [] {
    // The better a target is, the lower its bit: HWY_AVX2 - 1 is all that are better than AVX2.
    const std::string isa = EffectiveIsa();
    if (absl::StartsWith(isa, "avx512") || isa == "default") {
      // All that the CPU has.
    } else if (absl::StartsWith(isa, "avx2")) {
      hwy::DisableTargets(HWY_AVX2 - 1);
    } else {
      hwy::DisableTargets(HWY_SSE4 - 1);
    }
    return true;
  }();
  (void)once;
}

}  // namespace athanor
