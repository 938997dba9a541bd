// The algorithms of the kernel optimizer_update and the one loop that runs them all, for the instruction set being
// compiled: Highway's foreach_target.h includes this file once for each.
//
// A rule updates its slots and gives the direction; the loop does the rest. p is the parameter, g the gradient, scaled,
// clipped and with the L2 penalty; both as torch.optim has them where it has the algorithm. Of zeros in p, g and the slots,
// as in the padding of blocked layouts, a rule makes zeros.
#if defined(ATHANOR_RUNTIME_KERNELS_OPTIMIZER_RULES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_OPTIMIZER_RULES_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_OPTIMIZER_RULES_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_OPTIMIZER_RULES_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "runtime/kernels/optimizer_step.h"
#include "runtime/kernels/optimizer_tensor.h"
#include "runtime/kernels/square_sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using UpdateTag = hn::ScalableTag<float>;
using UpdateVec = hn::Vec<UpdateTag>;

HWY_INLINE UpdateVec All(float v) { return hn::Set(UpdateTag(), v); }

// old_weight a + new_weight b
HWY_INLINE UpdateVec Average(float old_weight, UpdateVec a, float new_weight, UpdateVec b) {
  return hn::MulAdd(All(new_weight), b, hn::Mul(All(old_weight), a));
}

struct SgdRule {
  static constexpr int kSlots = 0;
  static HWY_INLINE UpdateVec Direction(const UpdateConstants&, UpdateVec, UpdateVec g, UpdateVec*) { return g; }
};

template <bool kNesterov>
struct MomentumRule {
  static constexpr int kSlots = 1;
  static HWY_INLINE UpdateVec Direction(const UpdateConstants& k, UpdateVec, UpdateVec g, UpdateVec* slots) {
    slots[0] = Average(k.momentum, slots[0], k.grad_share, g);
    return kNesterov ? hn::MulAdd(All(k.momentum), slots[0], g) : slots[0];
  }
};

struct AdaGradRule {
  static constexpr int kSlots = 1;
  static HWY_INLINE UpdateVec Direction(const UpdateConstants& k, UpdateVec, UpdateVec g, UpdateVec* slots) {
    slots[0] = hn::MulAdd(g, g, slots[0]);
    return hn::Div(g, hn::Add(hn::Sqrt(hn::Add(slots[0], All(k.initial))), All(k.epsilon)));
  }
};

// Slots: the mean square, the mean (centred), the momentum.
template <bool kCentered, bool kMomentum>
struct RmsPropRule {
  static constexpr int kSlots = 1 + kCentered + kMomentum;
  static HWY_INLINE UpdateVec Direction(const UpdateConstants& k, UpdateVec, UpdateVec g, UpdateVec* slots) {
    slots[0] = Average(k.beta2, slots[0], k.rest2, hn::Mul(g, g));
    auto square = slots[0];
    if constexpr (kCentered) {
      slots[1] = Average(k.beta2, slots[1], k.rest2, g);
      const auto variance = hn::NegMulAdd(slots[1], slots[1], square);
      square = hn::IfThenElse(hn::Lt(variance, All(0)), All(0), variance);  // rounding; NaN stays NaN
    }
    const auto direction = hn::Div(g, hn::Add(hn::Sqrt(square), All(k.epsilon)));
    if constexpr (!kMomentum) return direction;
    slots[kSlots - 1] = hn::MulAdd(All(k.momentum), slots[kSlots - 1], direction);
    return slots[kSlots - 1];
  }
};

// sqrt of the corrected second moment, plus epsilon.
HWY_INLINE UpdateVec AdamDenominator(const UpdateConstants& k, UpdateVec v) {
  return hn::Add(hn::Div(hn::Sqrt(v), All(k.correction2)), All(k.epsilon));
}

template <bool kAmsgrad>
struct AdamRule {
  static constexpr int kSlots = kAmsgrad ? 3 : 2;
  static HWY_INLINE UpdateVec Direction(const UpdateConstants& k, UpdateVec, UpdateVec g, UpdateVec* slots) {
    slots[0] = Average(k.beta1, slots[0], k.rest1, g);
    slots[1] = Average(k.beta2, slots[1], k.rest2, hn::Mul(g, g));
    if constexpr (kAmsgrad) slots[2] = hn::Max(slots[2], slots[1]);
    return hn::Div(slots[0], AdamDenominator(k, slots[kSlots - 1]));
  }
};

struct AdaDeltaRule {
  static constexpr int kSlots = 2;
  static HWY_INLINE UpdateVec Direction(const UpdateConstants& k, UpdateVec, UpdateVec g, UpdateVec* slots) {
    slots[0] = Average(k.beta2, slots[0], k.rest2, hn::Mul(g, g));
    const auto delta = hn::Mul(hn::Div(hn::Sqrt(hn::Add(slots[1], All(k.epsilon))),
                                       hn::Sqrt(hn::Add(slots[0], All(k.epsilon)))), g);
    slots[1] = Average(k.beta2, slots[1], k.rest2, hn::Mul(delta, delta));
    return delta;
  }
};

struct AdamaxRule {
  static constexpr int kSlots = 2;
  static HWY_INLINE UpdateVec Direction(const UpdateConstants& k, UpdateVec, UpdateVec g, UpdateVec* slots) {
    slots[0] = Average(k.beta1, slots[0], k.rest1, g);
    // While all gradients of an element are 0, the norm stays 0, not epsilon, and m is 0 as well: 0 / epsilon.
    const auto size = hn::Abs(g);
    const auto none = hn::Eq(hn::Add(size, slots[1]), All(0));
    slots[1] = hn::IfThenZeroElse(none, hn::Max(hn::Mul(All(k.beta2), slots[1]), hn::Add(size, All(k.epsilon))));
    return hn::Div(slots[0], hn::IfThenElse(none, All(k.epsilon), slots[1]));
  }
};

struct NAdamRule {
  static constexpr int kSlots = 2;
  static HWY_INLINE UpdateVec Direction(const UpdateConstants& k, UpdateVec, UpdateVec g, UpdateVec* slots) {
    slots[0] = Average(k.beta1, slots[0], k.rest1, g);
    slots[1] = Average(k.beta2, slots[1], k.rest2, hn::Mul(g, g));
    return hn::Div(Average(k.moment_weight, slots[0], k.grad_weight, g), AdamDenominator(k, slots[1]));
  }
};

struct LionRule {
  static constexpr int kSlots = 1;
  static HWY_INLINE UpdateVec Direction(const UpdateConstants& k, UpdateVec, UpdateVec g, UpdateVec* slots) {
    const auto x = Average(k.beta1, slots[0], k.rest1, g);
    slots[0] = Average(k.beta2, slots[0], k.rest2, g);
    const auto sign = hn::Or(All(1), hn::And(x, hn::SignBit(UpdateTag())));
    return hn::IfThenElse(hn::Eq(x, All(0)), All(0), hn::IfThenElse(hn::Eq(x, x), sign, x));  // NaN stays NaN
  }
};

struct LambRule {
  static constexpr int kSlots = 2;
  static HWY_INLINE UpdateVec Direction(const UpdateConstants& k, UpdateVec p, UpdateVec g, UpdateVec* slots) {
    slots[0] = Average(k.beta1, slots[0], k.rest1, g);
    slots[1] = Average(k.beta2, slots[1], k.rest2, hn::Mul(g, g));
    return DirectionOf(k, p, slots);
  }
  static HWY_INLINE UpdateVec DirectionOf(const UpdateConstants& k, UpdateVec p, const UpdateVec* slots) {
    const auto adam = hn::Div(hn::Div(slots[0], All(k.correction1)), AdamDenominator(k, slots[1]));
    return hn::MulAdd(All(k.weight_decay), p, adam);
  }
};

// NaN stays NaN.
HWY_INLINE UpdateVec FinalGradient(const UpdateConstants& k, UpdateVec grad, UpdateVec p) {
  const auto scaled = hn::Mul(grad, All(k.grad_scale));
  const auto high = All(k.clip), low = hn::Neg(high);
  const auto clipped = hn::IfThenElse(hn::Gt(scaled, high), high, hn::IfThenElse(hn::Lt(scaled, low), low, scaled));
  return hn::MulAdd(All(k.l2), p, clipped);
}

template <class Rule>
HWY_INLINE UpdateVec* LoadSlots(const UpdateTensor& t, int64_t i, UpdateVec* slots) {
  for (int s = 0; s < Rule::kSlots; ++s) slots[s] = hn::LoadU(UpdateTag(), t.slots[s] + i);
  return slots;
}
template <class Rule>
HWY_INLINE void StoreSlots(const UpdateTensor& t, int64_t i, const UpdateVec* slots) {
  for (int s = 0; s < Rule::kSlots; ++s) hn::StoreU(slots[s], UpdateTag(), t.slots_out[s] + i);
}

HWY_INLINE void Apply(const UpdateConstants& k, const UpdateTensor& t, int64_t i, UpdateVec p, UpdateVec direction) {
  hn::StoreU(hn::NegMulAdd(All(k.step_size), direction, hn::Mul(All(k.decay), p)), UpdateTag(), t.param_out + i);
}

// What happens to one vector of elements. The sums are for LAMB only.
template <class Rule>
struct WholeUpdate {
  static constexpr bool kWritesParam = true, kWritesSlots = true;
  static HWY_INLINE void Run(const UpdateConstants& k, const UpdateTensor& t, int64_t i, SquareSum*) {
    UpdateVec slots[Rule::kSlots + 1];
    const auto p = hn::LoadU(UpdateTag(), t.param + i);
    const auto g = FinalGradient(k, hn::LoadU(UpdateTag(), t.grad + i), p);
    Apply(k, t, i, p, Rule::Direction(k, p, g, LoadSlots<Rule>(t, i, slots)));
    StoreSlots<Rule>(t, i, slots);
  }
};

// LAMB's two passes: moments and sums of squares, then the parameters.
struct LambMoments {
  static constexpr bool kWritesParam = false, kWritesSlots = true;
  static HWY_INLINE void Run(const UpdateConstants& k, const UpdateTensor& t, int64_t i, SquareSum* sums) {
    UpdateVec slots[LambRule::kSlots];
    const auto p = hn::LoadU(UpdateTag(), t.param + i);
    const auto g = FinalGradient(k, hn::LoadU(UpdateTag(), t.grad + i), p);
    sums[1].Add(LambRule::Direction(k, p, g, LoadSlots<LambRule>(t, i, slots)));
    sums[0].Add(p);
    StoreSlots<LambRule>(t, i, slots);
  }
};
struct LambParameters {
  static constexpr bool kWritesParam = true, kWritesSlots = false;
  static HWY_INLINE void Run(const UpdateConstants& k, const UpdateTensor& t, int64_t i, SquareSum*) {
    UpdateVec slots[LambRule::kSlots];
    const auto p = hn::LoadU(UpdateTag(), t.param + i);
    Apply(k, t, i, p, LambRule::DirectionOf(k, p, LoadSlots<LambRule>(t, i, slots)));
  }
};

// Copies of the last elements, fewer than a vector, in memory of a vector's size: so every element is rounded alike.
template <class Pass>
void RunRest(const UpdateConstants& k, const UpdateTensor& t, int64_t begin, int64_t rest, SquareSum* sums) {
  constexpr size_t kLanes = hn::MaxLanes(UpdateTag());
  HWY_ALIGN float param[kLanes] = {}, grad[kLanes] = {}, slots[kMaxSlots][kLanes] = {};
  UpdateTensor part;
  std::copy_n(t.param + begin, rest, param);
  std::copy_n(t.grad + begin, rest, grad);
  part.param = part.param_out = param;
  part.grad = grad;
  for (int s = 0; s < kMaxSlots; ++s) {
    if (t.slots[s] != nullptr) std::copy_n(t.slots[s] + begin, rest, slots[s]);
    part.slots[s] = part.slots_out[s] = slots[s];
  }
  Pass::Run(k, part, 0, sums);
  if (Pass::kWritesParam) std::copy_n(param, rest, t.param_out + begin);
  for (int s = 0; Pass::kWritesSlots && s < kMaxSlots; ++s) {
    if (t.slots[s] != nullptr) std::copy_n(slots[s], rest, t.slots_out[s] + begin);
  }
}

template <class Pass>
void RunPass(const UpdateConstants& constants, const UpdateTensor& tensor, int64_t begin, int64_t end,
             SquareSum* sums) {
  const UpdateConstants k = constants;  // copies that no store can change
  const UpdateTensor t = tensor;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(UpdateTag()));
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) Pass::Run(k, t, i, sums);
  if (i < end) RunRest<Pass>(k, t, i, end - i, sums);
}

template <class Rule>
void RunRule(const UpdateConstants& k, const UpdateTensor& t, int64_t begin, int64_t end) {
  RunPass<WholeUpdate<Rule>>(k, t, begin, end, nullptr);
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif  // ATHANOR_RUNTIME_KERNELS_OPTIMIZER_RULES_INL_H_
