// Elementary functions of vectors of floats, for the instruction set being compiled: Highway's foreach_target.h includes
// this file once for each. Within 2.5 units in the last place of the true value over the whole range, right at its ends
// (infinities, NaN, subnormals, the poles) and exact where that matters: e^0 = 1, log 1 = 0, f(0) = 0 for the odd ones.
// vector_math_test.cc measures it. The polynomials are minimax fits made for these intervals.
#if defined(ATHANOR_RUNTIME_KERNELS_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_VECTOR_MATH_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_VECTOR_MATH_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_VECTOR_MATH_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "runtime/kernels/partial_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace vmath {
namespace hn = hwy::HWY_NAMESPACE;

using V = FloatVec;
using IntTag = hn::RebindToSigned<FloatTag>;
using IntVec = hn::Vec<IntTag>;

inline V Num(float v) { return hn::Set(FloatTag(), v); }
inline V Infinity() { return Num(std::numeric_limits<float>::infinity()); }
inline V NaN() { return Num(std::numeric_limits<float>::quiet_NaN()); }
inline IntVec Bits(V v) { return hn::BitCast(IntTag(), v); }
inline V FromBits(IntVec v) { return hn::BitCast(FloatTag(), v); }

// x86's min and max give their second operand where either is NaN: NaN in x stays.
inline V Clamp(V x, float low, float high) { return hn::Min(Num(high), hn::Max(Num(low), x)); }

// c[0] + x (c[1] + x (...))
template <size_t N>
inline V Polynomial(V x, const float (&c)[N]) {
  V sum = Num(c[N - 1]);
  for (size_t i = N - 1; i-- > 0;) sum = hn::MulAdd(sum, x, Num(c[i]));
  return sum;
}

// 1.5 * 2^23: a sum with it is rounded to an integer, which its low bits hold.
inline V Magic() { return Num(12582912.0f); }

// x = n log 2 + r with |r| <= log(2) / 2, and e^r - 1. n: Bits(shifted) - Bits(Magic()).
struct ExpParts {
  V shifted, expm1;
};
inline ExpParts SplitExp(V x) {
  const V shifted = hn::MulAdd(x, Num(1.44269504088896f), Magic());
  const V n = hn::Sub(shifted, Magic());
  // log 2 in two parts; n times the first is exact.
  V r = hn::NegMulAdd(n, Num(0.693359375f), x);
  r = hn::NegMulAdd(n, Num(-2.12194440e-4f), r);
  const float c[] = {4.999999404e-01f, 1.666651517e-01f, 4.166845605e-02f, 8.369418792e-03f, 1.381314243e-03f};
  return {shifted, hn::MulAdd(hn::Mul(r, r), Polynomial(r, c), r)};
}

// 2^n for n in [-126, 127].
inline V PowerOf2(IntVec n) { return FromBits(hn::ShiftLeft<23>(hn::Add(n, hn::Set(IntTag(), 127)))); }

// v 2^n for n in the low bits of `shifted`, where both v and the result are normal.
inline V Scaled(V v, V shifted) { return FromBits(hn::Add(Bits(v), hn::ShiftLeft<23>(Bits(shifted)))); }

// The paths taken by vectors without extremes give the same bits as the others: what a lane holds must not depend on its
// neighbours.
inline V Exp(V x) {
  if (HWY_LIKELY(hn::AllTrue(FloatTag(), hn::Le(hn::Abs(x), Num(87))))) {
    const ExpParts e = SplitExp(x);
    return Scaled(hn::Add(e.expm1, Num(1)), e.shifted);
  }
  const ExpParts e = SplitExp(Clamp(x, -105, 90));
  const IntVec n = hn::Sub(Bits(e.shifted), Bits(Magic())), half = hn::ShiftRight<1>(n);
  // In two steps: 2^n itself may be no normal float.
  return hn::Mul(hn::Mul(hn::Add(e.expm1, Num(1)), PowerOf2(half)), PowerOf2(hn::Sub(n, half)));
}

// 2^n (e^r - 1) + (2^n - 1), all of it halved lest 2^128 overflow.
inline V Expm1(V x) {
  const ExpParts e = SplitExp(Clamp(x, -30, 89));
  const V scale = Scaled(Num(0.5f), e.shifted);
  const V sum = hn::MulAdd(scale, e.expm1, hn::Sub(scale, Num(0.5f)));
  const V y = hn::Add(sum, sum);
  // Of small numbers, and 0 with its sign.
  return hn::IfThenElse(hn::Lt(hn::Abs(x), Num(1e-7f)), x, y);
}

// log((1 + f) 2^e) for 1 + f in [sqrt(1/2), sqrt(2)].
inline V LogOfParts(V f, V e) {
  const float c[] = {3.333333135e-01f, -2.500082254e-01f, 2.000122666e-01f, -1.662335694e-01f,
                     1.420176178e-01f, -1.316019446e-01f, 1.276154965e-01f, -7.634429634e-02f};
  const V f2 = hn::Mul(f, f);
  V rest = hn::Mul(hn::Mul(f2, f), Polynomial(f, c));
  rest = hn::MulAdd(e, Num(-2.12194440e-4f), rest);
  rest = hn::NegMulAdd(Num(0.5f), f2, rest);
  return hn::MulAdd(e, Num(0.693359375f), hn::Add(f, rest));
}

// x = m 2^e with m in [sqrt(1/2), sqrt(2)), for normal x > 0.
struct FloatParts {
  V m;
  IntVec e;
};
inline FloatParts Split(V x) {
  const IntVec bits = Bits(x), e = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(IntTag(), 0x3f3504f3)));
  return {FromBits(hn::Sub(bits, hn::ShiftLeft<23>(e))), e};
}

inline bool AllNormalPositive(V x) {
  return hn::AllTrue(FloatTag(), hn::And(hn::Ge(x, Num(std::numeric_limits<float>::min())), hn::Lt(x, Infinity())));
}

// y where x is positive and finite; at the other places what a logarithm is there.
inline V LogEnds(V x, V y) {
  y = hn::IfThenElse(hn::Lt(x, Infinity()), y, x);  // infinity and NaN
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(FloatTag())), hn::Neg(Infinity()), y);
  return hn::IfThenElse(hn::Lt(x, hn::Zero(FloatTag())), NaN(), y);
}

inline V Log(V x) {
  if (HWY_LIKELY(AllNormalPositive(x))) {
    const FloatParts p = Split(x);
    return LogOfParts(hn::Sub(p.m, Num(1)), hn::ConvertTo(FloatTag(), p.e));
  }
  const auto subnormal = hn::Lt(x, Num(std::numeric_limits<float>::min()));
  const FloatParts p = Split(hn::IfThenElse(subnormal, hn::Mul(x, Num(33554432.0f)), x));  // 2^25
  const V e = hn::Sub(hn::ConvertTo(FloatTag(), p.e), hn::IfThenElseZero(subnormal, Num(25)));
  return LogEnds(x, LogOfParts(hn::Sub(p.m, Num(1)), e));
}

// log of u = 1 + x rounded, with what the rounding lost put back.
inline V Log1p(V x) {
  const V one = Num(1), u = hn::Add(one, x);
  const V lost = hn::IfThenElse(hn::Lt(x, one), hn::Sub(x, hn::Sub(u, one)), hn::Sub(one, hn::Sub(u, x)));
  const FloatParts p = Split(u);
  const V back = FromBits(hn::ShiftLeft<23>(hn::Sub(hn::Set(IntTag(), 127), hn::Min(p.e, hn::Set(IntTag(), 126)))));
  const V f = hn::MulAdd(lost, back, hn::Sub(p.m, one));
  const V log = LogOfParts(f, hn::ConvertTo(FloatTag(), p.e));
  const V y = HWY_LIKELY(AllNormalPositive(u)) ? log : LogEnds(u, log);
  return hn::IfThenElse(hn::Lt(hn::Abs(x), Num(1e-7f)), x, y);
}

// t / (t + 2) for t = e^2|x| - 1.
inline V Tanh(V x) {
  const V a = Clamp(hn::Abs(x), 0, 20);
  const ExpParts e = SplitExp(hn::Add(a, a));
  const V scale = Scaled(Num(1), e.shifted);
  const V t = hn::MulAdd(scale, e.expm1, hn::Sub(scale, Num(1)));
  return hn::CopySign(hn::Div(t, hn::Add(t, Num(2))), x);
}

// Both branches by e^-|x|, which cannot overflow.
inline V Logistic(V x) {
  const V e = Exp(hn::Neg(hn::Abs(x))), one = Num(1);
  return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(FloatTag())), e, one), hn::Add(one, e));
}

// Below 0.85: x + x P(x^2). Above: 1 - 2^Q(|x|), where Q is the binary logarithm of 1 - erf.
inline V Erf(V x) {
  const float small[] = {1.283791661e-01f,  -3.761257231e-01f, 1.128270850e-01f,
                         -2.680214867e-02f, 5.050387699e-03f,  -6.310800090e-04f};
  const float large[] = {-1.638804533e-04f, -1.627389193e+00f, -9.184099436e-01f, -1.506976783e-01f,
                         3.243580088e-02f,  -4.484135192e-03f, 2.923345601e-04f};
  const float power[] = {1.0f,           6.931471825e-01f, 2.402265072e-01f, 5.550327897e-02f,
                         9.618005715e-03f, 1.340028364e-03f, 1.547589782e-04f};
  const V t = Clamp(hn::Abs(x), 0, 4);
  const V below = hn::MulAdd(x, Polynomial(hn::Mul(x, x), small), x);
  const V q = Polynomial(t, large), shifted = hn::Add(q, Magic());
  const V e = Scaled(Polynomial(hn::Sub(q, hn::Sub(shifted, Magic())), power), shifted);
  const V above = hn::CopySign(hn::Sub(Num(1), e), x);
  return hn::IfThenElse(hn::Ge(t, Num(0.85f)), above, below);  // NaN: below
}

// Calls f(Vec of doubles) on both halves.
template <class F>
inline V InDouble(V a, V b, const F& f) {
  const FloatTag d;
  const hn::Half<FloatTag> dh;
  const hn::RepartitionToWide<FloatTag> dd;
  const auto low = f(hn::PromoteTo(dd, hn::LowerHalf(dh, a)), hn::PromoteTo(dd, hn::LowerHalf(dh, b)));
  const auto high = f(hn::PromoteTo(dd, hn::UpperHalf(dh, a)), hn::PromoteTo(dd, hn::UpperHalf(dh, b)));
  return hn::Combine(d, hn::DemoteTo(dh, high), hn::DemoteTo(dh, low));
}

// Beyond it the reduction of an angle loses digits: libm does those.
inline constexpr float kLargestAngle = 1e6f;

template <class D64, class V64>
inline V64 AngleQuarters(D64 dd, V64 x) {
  return hn::Round(hn::Mul(x, hn::Set(dd, 0.63661977236758134)));
}

// sin(x + quarter pi / 2).
inline V SinOfQuarter(V x, int quarter) {
  const FloatTag d;
  const hn::RepartitionToWide<FloatTag> dd;
  using V64 = hn::Vec<decltype(dd)>;
  const V inside = hn::IfThenElseZero(hn::Le(hn::Abs(x), Num(kLargestAngle)), x);
  // x = q pi / 2 + r; pi / 2 in two parts, of which q times the first is exact.
  const V r = InDouble(inside, inside, [dd](V64 v, V64) HWY_ATTR {
    const V64 q = AngleQuarters(dd, v);
    return hn::NegMulAdd(q, hn::Set(dd, 6.077100506506192e-11), hn::NegMulAdd(q, hn::Set(dd, 1.5707963267341256), v));
  });
  const V quarters = InDouble(inside, inside, [dd](V64 v, V64) HWY_ATTR { return AngleQuarters(dd, v); });
  const IntVec q = hn::Add(hn::ConvertTo(IntTag(), quarters), hn::Set(IntTag(), quarter));
  const float sin_c[] = {-1.666666716e-01f, 8.333329111e-03f, -1.983923285e-04f, 2.717366897e-06f};
  const float cos_c[] = {4.166664556e-02f, -1.388725126e-03f, 2.442568075e-05f};
  const V r2 = hn::Mul(r, r);
  const V sin = hn::MulAdd(hn::Mul(r2, r), Polynomial(r2, sin_c), r);
  const V cos = hn::MulAdd(hn::Mul(r2, r2), Polynomial(r2, cos_c), hn::NegMulAdd(Num(0.5f), r2, Num(1)));
  const auto odd = hn::RebindMask(d, hn::TestBit(q, hn::Set(IntTag(), 1)));
  const IntVec sign = hn::ShiftLeft<30>(hn::And(q, hn::Set(IntTag(), 2)));
  return hn::Xor(hn::IfThenElse(odd, cos, sin), FromBits(sign));
}

template <int kQuarter>
inline V SinOrCos(V x) {
  const FloatTag d;
  const V y = SinOfQuarter(x, kQuarter);
  const auto inside = hn::Le(hn::Abs(x), Num(kLargestAngle));
  if (hn::AllTrue(d, inside)) return y;
  HWY_ALIGN float xs[hn::MaxLanes(d)], ys[hn::MaxLanes(d)];
  hn::Store(x, d, xs);
  hn::Store(y, d, ys);
  for (int64_t i = 0; i < FloatLanes(); ++i) {
    if (std::abs(xs[i]) <= kLargestAngle) continue;
    ys[i] = static_cast<float>(kQuarter == 0 ? std::sin(static_cast<double>(xs[i])) : std::cos(static_cast<double>(xs[i])));
  }
  return hn::Load(d, ys);
}
// Of small numbers, and 0 with its sign: the sine of x is x.
inline V Sin(V x) { return hn::IfThenElse(hn::Lt(hn::Abs(x), Num(1e-4f)), x, SinOrCos<0>(x)); }
inline V Cos(V x) { return SinOrCos<1>(x); }

// |a|^b by e^(b log |a|) in double; then the sign, and C's rules for the ends.
inline V Pow(V a, V b) {
  const FloatTag d;
  const hn::RepartitionToWide<FloatTag> dd;
  using V64 = hn::Vec<decltype(dd)>;
  const V zero = hn::Zero(d), one = Num(1), size = hn::Abs(a);
  V y = InDouble(size, b, [dd](V64 base, V64 exponent) HWY_ATTR {
    const V64 infinity = hn::Set(dd, std::numeric_limits<double>::infinity());
    V64 log = hn::Log(dd, base);
    log = hn::IfThenElse(hn::Eq(base, hn::Zero(dd)), hn::Neg(infinity), log);
    log = hn::IfThenElse(hn::Eq(base, infinity), infinity, log);
    const V64 power = hn::Mul(exponent, log);
    return hn::Exp(dd, hn::Min(hn::Set(dd, 200), hn::Max(hn::Set(dd, -200), power)));
  });
  const auto integer = hn::Eq(hn::Floor(b), b);
  const V half = hn::Mul(b, Num(0.5f));
  const auto odd = hn::AndNot(hn::Eq(hn::Floor(half), half), integer);
  const auto negative = hn::And(hn::Lt(a, zero), hn::Lt(size, Infinity()));
  y = hn::IfThenElse(hn::And(negative, hn::Not(integer)), NaN(), y);
  y = hn::IfThenElse(odd, hn::CopySign(y, a), y);
  y = hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), NaN(), y);
  // 1 to any power, anything to the power 0, and -1 to an infinite one.
  const auto is_one = hn::Or(hn::Eq(a, one), hn::And(hn::Eq(size, one), hn::Eq(hn::Abs(b), Infinity())));
  return hn::IfThenElse(hn::Or(is_one, hn::Eq(b, zero)), one, y);
}

}  // namespace vmath
}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif  // ATHANOR_RUNTIME_KERNELS_VECTOR_MATH_INL_H_
