// The elementary functions of vector_math-inl.h, through the loops that use them, against libm in double.
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/kernels/elementwise_loops.h"
#include "runtime/kernels/simd.h"

namespace athanor {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kMax = std::numeric_limits<float>::max(), kTiny = std::numeric_limits<float>::denorm_min();

std::vector<float> Apply(MicroOp op, const std::vector<float>& a, const std::vector<float>& b = {}) {
  HoldSimdToOneDnnIsa();
  std::vector<float> y(a.size());
  FindMicroLoop(op, 0)(a.data(), b.data(), nullptr, y.data(), static_cast<int64_t>(a.size()));
  return y;
}

float Apply1(MicroOp op, float a, float b = 0) { return Apply(op, {a}, {b})[0]; }

// How far a float is from the true value, in the distance of floats there. 0 where both are NaN, or the same infinity.
double UlpError(float got, double want) {
  const float nearest = static_cast<float>(want);
  if (got == nearest || (std::isnan(want) && std::isnan(got))) return 0;
  if (std::isnan(want) || std::isnan(got)) return kInf;
  if (std::isinf(got) || std::isinf(nearest)) return std::min(std::abs(got), std::abs(nearest)) == kMax ? 1 : kInf;
  const float size = std::max(std::abs(nearest), std::numeric_limits<float>::min());
  return std::abs(got - want) / (std::nextafter(size, kInf) - size);
}

struct Function {
  MicroOp op;
  double (*exact)(double);
};
double Logistic(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
const Function kFunctions[] = {
    {MicroOp::kExp, [](double x) { return std::exp(x); }},     {MicroOp::kExpm1, [](double x) { return std::expm1(x); }},
    {MicroOp::kLog, [](double x) { return std::log(x); }},     {MicroOp::kLog1p, [](double x) { return std::log1p(x); }},
    {MicroOp::kTanh, [](double x) { return std::tanh(x); }},   {MicroOp::kLogistic, Logistic},
    {MicroOp::kErf, [](double x) { return std::erf(x); }},     {MicroOp::kSin, [](double x) { return std::sin(x); }},
    {MicroOp::kCos, [](double x) { return std::cos(x); }},     {MicroOp::kSqrt, [](double x) { return std::sqrt(x); }},
    {MicroOp::kReciprocal, [](double x) { return 1 / x; }},    {MicroOp::kFloor, [](double x) { return std::floor(x); }},
    {MicroOp::kCeil, [](double x) { return std::ceil(x); }},   {MicroOp::kRound, [](double x) { return std::nearbyint(x); }},
};

// Floats spread over all their bit patterns, and densely over [-20, 20].
std::vector<float> Arguments() {
  std::vector<float> x;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 20011) x.push_back(std::bit_cast<float>(uint32_t(bits)));
  for (int i = -100000; i <= 100000; ++i) x.push_back(static_cast<float>(i) * 2e-4f);
  return x;
}

TEST(VectorMath, WithinAFewUnitsInTheLastPlace) {
  const std::vector<float> x = Arguments();
  for (const Function& f : kFunctions) {
    const std::vector<float> y = Apply(f.op, x);
    double worst = 0;
    float at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double error = UlpError(y[i], f.exact(x[i]));
      if (error > worst) worst = error, at = x[i];
    }
    EXPECT_LE(worst, 2.5) << MicroOpName(f.op) << " at " << at << ": " << Apply1(f.op, at) << ", exact " << f.exact(at);
    std::printf("%-10s %.2f units\n", std::string(MicroOpName(f.op)).c_str(), worst);
  }
}

TEST(VectorMath, Powers) {
  std::vector<float> a, b;
  const float values[] = {0, -0.0f, 1, -1, 2, -2, 0.5f, -0.5f, 3, -3, 2.5f, -2.5f, 1e-30f, -1e-30f, 1e30f, -1e30f,
                          kTiny, kMax, -kMax, kInf, -kInf, kNaN, 16777216, 16777215, 0.99999f, 1.00001f, 88, 1e5f};
  for (float x : values) {
    for (float y : values) a.push_back(x), b.push_back(y);
  }
  for (int i = 1; i < 3000; ++i) {
    a.push_back(static_cast<float>(i) * 0.013f);
    b.push_back(static_cast<float>(i % 71) * 0.37f - 12);
  }
  const std::vector<float> y = Apply(MicroOp::kPow, a, b);
  for (size_t i = 0; i < a.size(); ++i) {
    const double want = std::pow(static_cast<double>(a[i]), static_cast<double>(b[i]));
    EXPECT_LE(UlpError(y[i], want), 1.0) << a[i] << " ^ " << b[i] << " is " << y[i] << ", expected " << want;
    EXPECT_EQ(std::signbit(y[i]), std::signbit(want) && !std::isnan(want)) << a[i] << " ^ " << b[i];
  }
}

TEST(VectorMath, Ends) {
  EXPECT_EQ(Apply1(MicroOp::kExp, 1e4f), kInf);
  EXPECT_EQ(Apply1(MicroOp::kExp, -1e4f), 0);
  EXPECT_EQ(Apply1(MicroOp::kExp, -kInf), 0);
  EXPECT_EQ(Apply1(MicroOp::kExp, 0), 1);
  EXPECT_EQ(Apply1(MicroOp::kCos, 0), 1);
  EXPECT_EQ(Apply1(MicroOp::kExpm1, -1e4f), -1);
  EXPECT_EQ(Apply1(MicroOp::kLog, 0), -kInf);
  EXPECT_EQ(Apply1(MicroOp::kLog, 1), 0);
  EXPECT_TRUE(std::isnan(Apply1(MicroOp::kLog, -1)));
  EXPECT_EQ(Apply1(MicroOp::kLog1p, -1), -kInf);
  EXPECT_EQ(Apply1(MicroOp::kTanh, 1e4f), 1);
  EXPECT_EQ(Apply1(MicroOp::kTanh, -1e4f), -1);
  EXPECT_EQ(Apply1(MicroOp::kLogistic, 1e4f), 1);
  EXPECT_EQ(Apply1(MicroOp::kLogistic, -1e4f), 0);
  EXPECT_EQ(Apply1(MicroOp::kErf, -kInf), -1);
  EXPECT_TRUE(std::isnan(Apply1(MicroOp::kSin, kInf)));
  for (MicroOp op : {MicroOp::kExpm1, MicroOp::kLog1p, MicroOp::kTanh, MicroOp::kErf, MicroOp::kSin, MicroOp::kSqrt}) {
    for (float zero : {0.0f, -0.0f}) {
      const float y = Apply1(op, zero);
      EXPECT_EQ(y, 0) << MicroOpName(op);
      EXPECT_EQ(std::signbit(y), std::signbit(zero)) << MicroOpName(op);
    }
  }
  for (const Function& f : kFunctions) EXPECT_TRUE(std::isnan(Apply1(f.op, kNaN))) << MicroOpName(f.op);
}

// The loops against the oracle, one element, at numbers that matter.
TEST(ElementwiseLoops, EveryOperationAtSpecialNumbers) {
  const float values[] = {0, -0.0f, 1, -1, 2.5f, -3.5f, 0.5f, 1e-30f, kMax, kInf, -kInf, kNaN};
  for (int op = 0; op <= static_cast<int>(MicroOp::kMulAdd); ++op) {
    const MicroOp micro = static_cast<MicroOp>(op);
    for (float a : values) {
      for (float b : values) {
        for (float c : {0.25f, kNaN, -kInf}) {
          const double args[] = {a, b, c};
          // A product that overflows, where the CPU cannot add to it before it is rounded.
          if (micro == MicroOp::kMulAdd && std::isinf(a * b) && std::isfinite(a) && std::isfinite(b)) continue;
          const double want = EvaluateMicroOp(micro, args);
          float y;
          FindMicroLoop(micro, 0)(&a, &b, &c, &y, 1);
          EXPECT_LE(UlpError(y, want), 2) << MicroOpName(micro) << " " << a << " " << b << " " << c << " is " << y
                                          << ", expected " << want;
        }
      }
    }
  }
}

TEST(ElementwiseLoops, ThePlaceOfAnElementDoesNotMatter) {
  for (int op = 0; op <= static_cast<int>(MicroOp::kMulAdd); ++op) {
    const MicroOp micro = static_cast<MicroOp>(op);
    const int arity = MicroArity(micro);
    for (int repeats = 0; repeats < (arity == 1 ? 1 : (1 << arity) - 1); ++repeats) {
      std::vector<float> a(100), b(100), c(100), all(100, -7);
      for (int i = 0; i < 100; ++i) {
        auto value = [&](int k, float v) { return (repeats >> k & 1) != 0 ? 1.7f : v; };
        a[i] = value(0, 0.013f * i), b[i] = value(1, 2.1f - 0.07f * i), c[i] = value(2, 0.3f * i - 9);
      }
      FindMicroLoop(micro, repeats)(a.data(), b.data(), c.data(), all.data(), 100);
      for (int64_t n : {0, 1, 3, 15, 16, 17, 33, 99}) {
        std::vector<float> part(100, -7);
        FindMicroLoop(micro, repeats)(a.data(), b.data(), c.data(), part.data(), n);
        for (int64_t i = 0; i < 100; ++i) {
          EXPECT_EQ(std::bit_cast<uint32_t>(part[i]), std::bit_cast<uint32_t>(i < n ? all[i] : -7.0f))
              << MicroOpName(micro) << " repeats " << repeats << " n " << n << " i " << i;
        }
      }
    }
  }
}

TEST(ElementwiseLoops, StoresSaturate) {
  const std::vector<float> x = {0, 0.9f, -0.9f, 1.5f, -1.5f, 255, 256, 300, 2147483520.0f, 2147483648.0f, -2147483648.0f,
                                1e30f, -1e30f, kInf, -kInf, kNaN};
  const int n = static_cast<int>(x.size());
  constexpr int32_t kMin32 = std::numeric_limits<int32_t>::min(), kMax32 = std::numeric_limits<int32_t>::max();
  constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min(), kMax64 = std::numeric_limits<int64_t>::max();
  std::vector<int32_t> s32(n);
  FindStoreLoop(DType::kS32)(x.data(), s32.data(), n);
  EXPECT_EQ(s32, (std::vector<int32_t>{0, 0, 0, 1, -1, 255, 256, 300, 2147483520, kMax32, kMin32, kMax32, kMin32, kMax32,
                                       kMin32, 0}));
  std::vector<int64_t> s64(n);
  FindStoreLoop(DType::kS64)(x.data(), s64.data(), n);
  EXPECT_EQ(s64, (std::vector<int64_t>{0, 0, 0, 1, -1, 255, 256, 300, 2147483520, 2147483648, -2147483648, kMax64, kMin64,
                                       kMax64, kMin64, 0}));
  std::vector<uint8_t> u8(n);
  FindStoreLoop(DType::kU8)(x.data(), u8.data(), n);
  EXPECT_EQ(u8, (std::vector<uint8_t>{0, 0, 0, 1, 0, 255, 255, 255, 255, 255, 0, 255, 0, 255, 0, 0}));
  FindStoreLoop(DType::kBool)(x.data(), u8.data(), n);
  EXPECT_EQ(u8, (std::vector<uint8_t>{0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(FindStoreLoop(DType::kF64), nullptr);
  EXPECT_EQ(FindLoadLoop(DType::kBF16), nullptr);
}

TEST(ElementwiseLoops, LoadsConvert) {
  const int32_t s32[] = {-5, 7, 9, 16777217};
  float y[4];
  FindLoadLoop(DType::kS32)(s32, 1, y, 4);
  EXPECT_EQ(y[0], -5);
  EXPECT_EQ(y[3], 16777216);
  FindLoadLoop(DType::kS32)(s32, 2, y, 2);
  EXPECT_EQ(y[1], 9);
  FindLoadLoop(DType::kS32)(s32 + 1, 0, y, 4);
  EXPECT_EQ(y[3], 7);
  const uint8_t u8[] = {0, 1, 200, 255};
  FindLoadLoop(DType::kU8)(u8, 1, y, 4);
  EXPECT_EQ(y[2], 200);
  FindLoadLoop(DType::kBool)(u8, 1, y, 4);
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[2], 1);
}

}  // namespace
}  // namespace athanor
