#include "training/metrics.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(ClassificationMetrics, CountsHitsAndAveragesCrossEntropyOverBatches) {
  ClassificationMetrics m;
  std::vector<float> first = {0, 0, 2, 0};  // two rows of two classes
  m.Add(first, 2, std::vector<int32_t>{0, 1});
  std::vector<float> second = {-1, 1};
  m.Add(second, 2, std::vector<int32_t>{1});
  EXPECT_EQ(m.samples(), 3);
  EXPECT_EQ(m.correct(), 2);  // a tie goes to the first class
  double expected = (std::log(2.0) + std::log(1 + std::exp(2.0)) + std::log(1 + std::exp(-2.0))) / 3;
  EXPECT_NEAR(m.loss(), expected, 1e-12);
}

TEST(ClassificationMetrics, StaysFiniteForHugeLogits) {
  ClassificationMetrics m;
  std::vector<float> logits = {1e4f, -1e4f};
  m.Add(logits, 2, std::vector<int32_t>{1});
  EXPECT_NEAR(m.loss(), 2e4, 1e-6);
}

TEST(ClassificationMetrics, PaddingRowsAreNotCounted) {
  ClassificationMetrics m;
  std::vector<float> logits = {0, 1, 5, 5};
  m.Add(logits, 2, std::vector<int32_t>{1});
  EXPECT_EQ(m.samples(), 1);
  EXPECT_EQ(m.accuracy(), 1.0);
}

}  // namespace
}  // namespace athanor
