#include "runtime/core/portable_math.h"

#include <cmath>

#include "gtest/gtest.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

TEST(PortableMath, TheLogarithmIsExactToLessThanTwoUlps) {
  for (double x : {1.0, 0.5, 2.0, 0x1p-32, std::sqrt(0.5), std::sqrt(2.0), 1 - 0x1p-32, 1 + 0x1p-40, 1e300, 1e-300}) {
    EXPECT_NEAR(PortableLog(x), std::log(x), 4e-16 * std::abs(std::log(x))) << x;
  }
  Philox random(1, 1);
  for (int i = 0; i < 20000; ++i) {
    const double x = (random.Block(i)[0] + 1.0) * 0x1p-32;
    ASSERT_NEAR(PortableLog(x), std::log(x), 4e-16 * std::abs(std::log(x))) << x;
  }
}

TEST(PortableMath, TheCosineOfATurn) {
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(PortableCosTurns(i / 8.0), std::cos(i * M_PI / 4), 3e-16) << i;
  EXPECT_EQ(PortableCosTurns(0), 1);
  EXPECT_EQ(PortableCosTurns(0.25), 0);
  EXPECT_EQ(PortableCosTurns(0.5), -1);
  Philox random(1, 2);
  for (int i = 0; i < 20000; ++i) {
    const double u = random.Block(i)[0] * 0x1p-32;
    ASSERT_NEAR(PortableCosTurns(u), static_cast<double>(cosl(2 * 3.14159265358979323846264338327950288L * u)), 3e-16) << u;
  }
}

TEST(PortableMath, TheExponential) {
  for (double x = -700; x <= 700; x += 0.37) EXPECT_NEAR(PortableExp(x) / std::exp(x), 1, 1e-15) << x;
  EXPECT_EQ(PortableExp(0), 1);
}

TEST(PortableMath, TheNormalDistributionAndItsInverse) {
  for (double x = -37; x <= 8; x += 0.0625) {
    const double share = NormalShareBelow(x), want = 0.5 * std::erfc(-x / std::sqrt(2.0));
    EXPECT_NEAR(share / want, 1, 1e-13 + 1e-15 * x * x) << x;
    if (x <= 3) {
      EXPECT_NEAR(NormalQuantile(share), x, 1e-12 * std::max(1.0, std::abs(x))) << x;
    }
  }
  EXPECT_EQ(NormalShareBelow(0), 0.5);
  EXPECT_EQ(NormalShareBelow(-100), 0);
  EXPECT_EQ(NormalShareBelow(100), 1);
  EXPECT_EQ(NormalQuantile(0.5), 0);
}

// The bits that every machine must give.
TEST(PortableMath, Bits) {
  EXPECT_EQ(PortableLog(0.3), -0x1.34378fcbda721p+0);
  EXPECT_EQ(PortableCosTurns(0.3), -0x1.3c6ef372fe94ep-2);
  EXPECT_EQ(PortableExp(1.5), 0x1.1ed3fe64fc541p+2);
  EXPECT_EQ(NormalShareBelow(-1.25), 0x1.b0bdd12ba9c28p-4);
  EXPECT_EQ(NormalQuantile(0.9), 0x1.4813c36e26d34p+0);
}

}  // namespace
}  // namespace athanor
