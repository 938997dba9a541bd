#include "training/lr_range.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::HasSubstr;

// A sweep over a made-up loss.
LrRangeTest Sweep(const LrRangeConfig& config, const std::function<double(double lr, int step)>& loss) {
  absl::StatusOr<LrRangeTest> test = LrRangeTest::Create(config);
  EXPECT_TRUE(test.ok()) << test.status();
  for (int step = 0; !test->done(); ++step) test->Add(loss(test->next_lr(), step));
  return *test;
}

// Flat at 2.3, falls most at 1e-3, is least near 0.03, and blows up from 0.1 on.
double Typical(double lr, int step) {
  const double wave = 0.03 * std::sin(step * 1.7), t = std::log10(lr);
  return 2.3 - 2 / (1 + std::exp(-5 * (t + 3))) + std::pow(lr / 0.5, 2) + wave;
}

TEST(LrRangeTest, RatesGrowByTheSameFactorFromTheFirstToTheLast) {
  LrRangeConfig config{1e-4, 1, 41};
  const std::vector<LrRangePoint> points = Sweep(config, [](double, int) { return 1.0; }).Points();
  ASSERT_EQ(points.size(), 41u);
  EXPECT_DOUBLE_EQ(points.front().lr, 1e-4);
  EXPECT_NEAR(points[10].lr, 1e-3, 1e-12);
  EXPECT_NEAR(points.back().lr, 1, 1e-12);
}

TEST(LrRangeTest, ATypicalCurveGivesASteepestPlaceAndAMinimum) {
  const LrRangeTest test = Sweep({}, Typical);
  EXPECT_EQ(test.end(), LrRangeEnd::kDiverged);
  EXPECT_LT(test.Points().back().lr, 5);
  const LrSuggestion s = SuggestLearningRate(test.Points(), test.end());
  EXPECT_TRUE(s.found);
  EXPECT_GT(s.steepest, 4e-4);
  EXPECT_LT(s.steepest, 2.5e-3);
  EXPECT_GT(s.minimum, 0.01);
  EXPECT_LT(s.minimum, 0.12);
  EXPECT_DOUBLE_EQ(s.minimum_tenth, s.minimum / 10);
  EXPECT_EQ(s.note, "");
}

TEST(LrRangeTest, SmoothingHasNoLag) {
  // A step from 2 to 1 in the middle: the smoothed curve crosses 1.5 there, whatever the smoothing.
  for (double smooth : {0.0, 0.5, 0.9, 0.98}) {
    LrRangeConfig config{1e-5, 1, 200, smooth};
    const std::vector<LrRangePoint> points =
        Sweep(config, [](double, int step) { return step < 100 ? 2.0 : 1.0; }).Points();
    EXPECT_GT(points[98].smoothed, 1.5) << smooth;
    EXPECT_LT(points[101].smoothed, 1.5) << smooth;
  }
}

TEST(LrRangeTest, WhatBlowsUpAtTheEndDoesNotShowInTheSmoothedCurveBefore) {
  const LrRangeTest test =
      Sweep({1e-4, 100, 100, 0.9}, [](double lr, int) { return lr < 1 ? 2.3 - std::min(1.5, 10 * lr) : 1e6 * lr; });
  EXPECT_EQ(test.end(), LrRangeEnd::kDiverged);
  const LrSuggestion s = SuggestLearningRate(test.Points(), test.end());
  EXPECT_TRUE(s.found);
  EXPECT_GT(s.minimum, 0.1);
  for (const LrRangePoint& p : test.Points()) EXPECT_LT(p.smoothed, 4);
}

TEST(LrRangeTest, ALossThatIsNotFiniteEndsTheSweepAndIsNoPoint) {
  const LrRangeTest test = Sweep({1e-7, 10, 100, 0.9, 1e9}, [](double, int step) {
    return step < 60 ? 2.0 - step * 0.01 : std::numeric_limits<double>::quiet_NaN();
  });
  EXPECT_EQ(test.end(), LrRangeEnd::kNotFinite);
  EXPECT_EQ(test.Points().size(), 60u);
}

TEST(LrRangeTest, ACurveThatOnlyFallsAsksForALargerRange) {
  const LrRangeTest test =
      Sweep({1e-7, 1e-3}, [](double lr, int) { return 2.3 - 1.5 / (1 + std::exp(-3 * (std::log10(lr) + 3.5))); });
  EXPECT_EQ(test.end(), LrRangeEnd::kAllSteps);
  const LrSuggestion s = SuggestLearningRate(test.Points(), test.end());
  EXPECT_TRUE(s.found);
  EXPECT_THAT(s.note, HasSubstr("--max-lr"));
}

TEST(LrRangeTest, ACurveThatNeverFallsGivesNoSuggestion) {
  const auto noise = [](double, int step) { return 2.3 + 0.1 * std::sin(step * 12.9898) * std::cos(step * 78.233); };
  const LrRangeTest flat = Sweep({}, noise);
  EXPECT_FALSE(SuggestLearningRate(flat.Points(), flat.end()).found);
  const LrRangeTest rising = Sweep({}, [](double lr, int) { return 1 + lr; });
  EXPECT_FALSE(SuggestLearningRate(rising.Points(), rising.end()).found);
  const LrRangeTest at_once = Sweep({}, [](double, int step) { return std::pow(100.0, step); });
  EXPECT_EQ(at_once.end(), LrRangeEnd::kDiverged);
  EXPECT_THAT(SuggestLearningRate(at_once.Points(), at_once.end()).note, HasSubstr("--min-lr"));
}

TEST(LrRangeTest, ConfigurationsOutOfRangeAreRefused) {
  for (const LrRangeConfig& bad :
       {LrRangeConfig{0, 1}, LrRangeConfig{1, 1}, LrRangeConfig{1e-3, std::numeric_limits<double>::infinity()},
        LrRangeConfig{1e-7, 10, 9}, LrRangeConfig{1e-7, 10, 100, 1}, LrRangeConfig{1e-7, 10, 100, 0.9, 1}}) {
    EXPECT_EQ(ErrorClassOf(LrRangeTest::Create(bad).status()), "REQ");
  }
}

TEST(LrRangeTest, ChartAndCsvHoldTheSweep) {
  const LrRangeTest test = Sweep({}, Typical);
  const std::vector<LrRangePoint> points = test.Points();
  const Chart chart = LrRangeChart("Range test", points, SuggestLearningRate(points, test.end()));
  EXPECT_EQ(chart.series[0].points.size(), points.size());
  ASSERT_EQ(chart.marks.size(), 2u);
  ASSERT_TRUE(chart.y_max.has_value());
  EXPECT_LT(*chart.y_max, 4);  // what blows up does not hide the rest
  EXPECT_THAT(ToAscii(chart), HasSubstr("minimum/10"));
  const std::string csv = LrRangeCsv(points);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), static_cast<int64_t>(points.size()) + 1);
  EXPECT_EQ(csv.substr(0, 24), "lr,loss,smoothed\n1e-07,2");
}

}  // namespace
}  // namespace athanor
