#include "runtime/core/portable_math.h"

#include <iterator>

namespace athanor {
namespace {

// c[0] + c[1] x + c[2] x^2 + ...
template <size_t kSize>
double Polynomial(const double (&c)[kSize], double x) {
  double y = c[kSize - 1];
  for (size_t i = kSize - 1; i-- > 0;) y = y * x + c[i];
  return y;
}

double Density(double x) { return 0.3989422804014327 * PortableExp(-0.5 * x * x); }

}  // namespace

double PortableExp(double x) {
  const double n = std::floor(x * 1.4426950408889634 + 0.5);
  const double r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
  double y = 1;
  for (int i = 16; i > 0; --i) y = 1 + y * r / i;
  return std::ldexp(y, static_cast<int>(n));
}

double NormalShareBelow(double x) {
  if (x > 0) return 1 - NormalShareBelow(-x);
  if (x < -38) return 0;
  if (x > -2) {  // 1/2 + density (x + x^3/3 + x^5/15 + ...)
    double term = x, sum = x;
    for (int k = 3; k < 200; k += 2) sum += term = term * x * x / k;
    return 0.5 + Density(x) * sum;
  }
  double fraction = 0;  // Laplace's: density / (-x + 1 / (-x + 2 / (-x + ...)))
  for (int k = 200; k > 0; --k) fraction = k / (-x + fraction);
  return Density(x) / (-x + fraction);
}

// Wichura: "Algorithm AS 241: the percentage points of the normal distribution", 1988.
double NormalQuantile(double p) {
  static constexpr double kA[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                  1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                  3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static constexpr double kB[] = {1.0,
                                  4.2313330701600911252e+1,
                                  6.8718700749205790830e+2,
                                  5.3941960214247511077e+3,
                                  2.1213794301586595867e+4,
                                  3.9307895800092710610e+4,
                                  2.8729085735721942674e+4,
                                  5.2264952788528545610e+3};
  static constexpr double kC[] = {1.42343711074968357734e0,  4.63033784615654529590e0,  5.76949722146069140550e0,
                                  3.64784832476320460504e0,  1.27045825245236838258e0,  2.41780725177450611770e-1,
                                  2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double kD[] = {1.0,
                                  2.05319162663775882187e0,
                                  1.67638483018380384940e0,
                                  6.89767334985100004550e-1,
                                  1.48103976427480074590e-1,
                                  1.51986665636164571966e-2,
                                  5.47593808499534494600e-4,
                                  1.05075007164441684324e-9};
  static constexpr double kE[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                  2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                  2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double kF[] = {1.0,
                                  5.99832206555887937690e-1,
                                  1.36929880922735805310e-1,
                                  1.48753612908506148525e-2,
                                  7.86869131145613259100e-4,
                                  1.84631831751005468180e-5,
                                  1.42151175831644588870e-7,
                                  2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * Polynomial(kA, r) / Polynomial(kB, r);
  }
  const double r = std::sqrt(-PortableLog(q < 0 ? p : 1 - p));
  const double x = r <= 5 ? Polynomial(kC, r - 1.6) / Polynomial(kD, r - 1.6) : Polynomial(kE, r - 5) / Polynomial(kF, r - 5);
  return q < 0 ? -x : x;
}

}  // namespace athanor
