// A sum of squares of floats, in double, for the instruction set being compiled: Highway's foreach_target.h includes this
// file once for each.
#if defined(ATHANOR_RUNTIME_KERNELS_SQUARE_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_SQUARE_SUM_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_SQUARE_SUM_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_SQUARE_SUM_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

class SquareSum {
 public:
  using Floats = hn::ScalableTag<float>;
  using Doubles = hn::ScalableTag<double>;
  using Half = hn::Rebind<float, Doubles>;

  SquareSum() : low_(hn::Zero(Doubles())), high_(hn::Zero(Doubles())) {}

  void Add(hn::Vec<Floats> v) {
    const auto low = hn::PromoteTo(Doubles(), hn::LowerHalf(Half(), v));
    const auto high = hn::PromoteTo(Doubles(), hn::UpperHalf(Half(), v));
    low_ = hn::MulAdd(low, low, low_);
    high_ = hn::MulAdd(high, high, high_);
  }
  void Add(const float* x, int64_t n) {
    const Floats d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) Add(hn::LoadU(d, x + i));
    if (i == n) return;
    HWY_ALIGN float rest[hn::MaxLanes(d)] = {};
    std::copy_n(x + i, n - i, rest);
    Add(hn::Load(d, rest));
  }
  double Total() const {
    return hn::GetLane(hn::SumOfLanes(Doubles(), hn::Add(low_, high_)));
  }

 private:
  hn::Vec<Doubles> low_, high_;
};

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif  // ATHANOR_RUNTIME_KERNELS_SQUARE_SUM_INL_H_
