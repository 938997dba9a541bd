// Functions whose results are the same bits on every machine: additions, multiplications, divisions and square roots of
// IEEE doubles in a fixed order, without libm, whose functions differ between versions and processors. (Compiled for
// x86-64-v2, which has no fused multiply-add to contract them into.) Branches only where said, so that loops over them
// become vector code.
#ifndef ATHANOR_RUNTIME_CORE_PORTABLE_MATH_H_
#define ATHANOR_RUNTIME_CORE_PORTABLE_MATH_H_

#include <bit>
#include <cmath>
#include <cstdint>

namespace athanor {

// The natural logarithm of a normal positive number; relative error below 1e-15.
inline double PortableLog(double x) {
  // x = 2^e m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1) / (m + 1).
  const uint64_t bits = std::bit_cast<uint64_t>(x), offset = 0x3fe6a09e667f3bcdu;  // sqrt(1/2)
  const uint64_t shifted = bits - offset;
  // The exponent as a double, without a conversion from 64-bit integers, which SSE lacks: 2^52 + 1024 + e.
  const uint64_t biased = ((shifted + (uint64_t{1024} << 52)) >> 52) | 0x4330000000000000u;
  const double e = std::bit_cast<double>(biased) - (0x1p52 + 1024);
  const double m = std::bit_cast<double>(bits - (shifted & 0xfff0000000000000u));
  const double s = (m - 1) / (m + 1), z = s * s;
  double tail = 2.0 / 21;
  tail = tail * z + 2.0 / 19;
  tail = tail * z + 2.0 / 17;
  tail = tail * z + 2.0 / 15;
  tail = tail * z + 2.0 / 13;
  tail = tail * z + 2.0 / 11;
  tail = tail * z + 2.0 / 9;
  tail = tail * z + 2.0 / 7;
  tail = tail * z + 2.0 / 5;
  tail = tail * z + 2.0 / 3;
  constexpr double kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;
  return e * kLn2High + (2 * s + (s * z * tail + e * kLn2Low));
}

// cos(2 pi u) for u in [0, 1); error below 1e-16 of 1.
inline double PortableCosTurns(double u) {
  // A quarter turn has number k, and r in [-1/2, 1/2] of it are left.
  const double shifted = 4 * u + 0x1.8p52, k = shifted - 0x1.8p52, r = 4 * u - k;
  const uint64_t quarter = std::bit_cast<uint64_t>(shifted);
  const double x = r * 1.5707963267948966, z = x * x;
  double sine = -1.0 / 1307674368000;
  sine = sine * z + 1.0 / 6227020800;
  sine = sine * z - 1.0 / 39916800;
  sine = sine * z + 1.0 / 362880;
  sine = sine * z - 1.0 / 5040;
  sine = sine * z + 1.0 / 120;
  sine = sine * z - 1.0 / 6;
  sine = x + x * z * sine;
  double cosine = 1.0 / 20922789888000;
  cosine = cosine * z - 1.0 / 87178291200;
  cosine = cosine * z + 1.0 / 479001600;
  cosine = cosine * z - 1.0 / 3628800;
  cosine = cosine * z + 1.0 / 40320;
  cosine = cosine * z - 1.0 / 720;
  cosine = cosine * z + 1.0 / 24;
  cosine = 1 - z * (0.5 - z * cosine);
  // cos, -sin, -cos, sin; chosen by bits, as a branch would cost more.
  const uint64_t odd = 0 - (quarter & 1), negative = ((quarter + 1) & 2) << 62;
  const uint64_t magnitude = (std::bit_cast<uint64_t>(sine) & odd) | (std::bit_cast<uint64_t>(cosine) & ~odd);
  return std::bit_cast<double>(magnitude ^ negative);
}

// e^x for x in [-700, 700]; relative error below 1e-15.
double PortableExp(double x);

// The share of a standard normal distribution that lies below x, and the number below which a share p in (0, 1) lies;
// relative errors below 1e-13 also where the share is tiny. Both branch.
double NormalShareBelow(double x);
double NormalQuantile(double p);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_PORTABLE_MATH_H_
