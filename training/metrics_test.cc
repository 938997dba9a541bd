#include "training/metrics.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(DisplayNameTest, ControlCharactersAreNumbersAndLongNamesAreCut) {
  EXPECT_EQ(DisplayName("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(DisplayName("a\x1b[31m\n"), "a\\x1b[31m\\x0a");
  std::string accents, cut;
  for (int i = 0; i < 60; ++i) accents += "\xc3\xa9";
  for (int i = 0; i < 40; ++i) cut += "\xc3\xa9";
  EXPECT_EQ(DisplayName(accents), cut + "...");
}

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
  m.Reset();
  EXPECT_EQ(m.samples(), 0);
  EXPECT_EQ(m.loss(), 0);
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

TEST(ClassificationMetrics, TopKLooksForTheLabelAmongTheLargest) {
  MetricsOptions options;
  options.top_k = 2;
  ClassificationMetrics m(options);
  // Label 2 is first, second, third of four.
  m.Add(std::vector<float>{0, 1, 9, 3, 0, 9, 5, 3, 9, 1, 4, 7}, 4, std::vector<int32_t>{2, 2, 2});
  EXPECT_DOUBLE_EQ(m.accuracy(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(m.top_k_accuracy(), 2.0 / 3);
  m.Reset();  // of four equal logits the first two are the two largest
  m.Add(std::vector<float>{1, 1, 1, 1, 1, 1, 1, 1}, 4, std::vector<int32_t>{1, 2});
  EXPECT_DOUBLE_EQ(m.top_k_accuracy(), 0.5);
}

TEST(ClassificationMetrics, ARowWithNaNIsNeverRight) {
  ClassificationMetrics m(MetricsOptions{1, false, true});
  m.Add(std::vector<float>{kNaN, 1, 1, kNaN, kNaN, kNaN}, 2, std::vector<int32_t>{1, 0, 0});
  EXPECT_EQ(m.samples(), 3);
  EXPECT_EQ(m.correct(), 0);
  EXPECT_EQ(m.top_k_accuracy(), 0);
}

// Four characters of which the third is padding: probabilities 1/2, 1/4, -, 1/8 of the right one.
TEST(ClassificationMetrics, TokensWithANegativeLabelDoNotCountAndBitsAndPerplexityFollowFromTheLoss) {
  ClassificationMetrics m;
  const float ln3 = std::log(3.0f), ln7 = std::log(7.0f);
  m.Add(std::vector<float>{0, 0, 0, ln3, 99, 0, 0, ln7}, 2, std::vector<int32_t>{0, 0, -1, 0});
  EXPECT_EQ(m.samples(), 3);
  EXPECT_NEAR(m.bits(), (1 + 2 + 3) / 3.0, 1e-6);
  EXPECT_NEAR(m.perplexity(), 4, 1e-5);
}

TEST(ClassificationMetrics, SoftLabelsGiveTheCrossEntropyOfTheTwoDistributions) {
  ClassificationMetrics m;
  const float ln3 = std::log(3.0f);  // predicted: 1/4, 3/4
  m.AddSoft(std::vector<float>{0, ln3, 0, ln3}, 2, std::vector<float>{0.3f, 0.7f, 0.6f, 0.4f});
  EXPECT_NEAR(m.loss(),
              (-0.3 * std::log(0.25) - 0.7 * std::log(0.75) - 0.6 * std::log(0.25) - 0.4 * std::log(0.75)) / 2, 1e-6);
  EXPECT_EQ(m.correct(), 1);
  ClassificationMetrics hard, one_hot;
  hard.Add(std::vector<float>{1, 2, 3}, 3, std::vector<int32_t>{1});
  one_hot.AddSoft(std::vector<float>{1, 2, 3}, 3, std::vector<float>{0, 1, 0});
  EXPECT_DOUBLE_EQ(hard.loss(), one_hot.loss());
}

TEST(ClassificationMetrics, ALossComputedElsewhereIsAveragedOverItsSamples) {
  MetricsOptions options;
  options.loss_from_logits = false;
  ClassificationMetrics m(options);
  m.Add(std::vector<float>{0, 1}, 2, std::vector<int32_t>{1});
  m.AddLoss(1, 3);
  m.AddLoss(2, 1);
  EXPECT_DOUBLE_EQ(m.loss(), 1.25);
}

// The example of scikit-learn's classification_report: y_true = [0, 1, 2, 2, 2], y_pred = [0, 0, 2, 2, 1].
class ConfusionTest : public testing::Test {
 protected:
  void SetUp() override {
    for (auto [truth, predicted] : {std::pair(0, 0), {1, 0}, {2, 2}, {2, 2}, {2, 1}}) m_.Add(truth, predicted);
  }
  ConfusionMatrix m_{3};
};

TEST_F(ConfusionTest, ScoresAreThoseOfScikitLearn) {
  EXPECT_DOUBLE_EQ(m_.of_class(0).precision, 0.5);
  EXPECT_DOUBLE_EQ(m_.of_class(0).recall, 1);
  EXPECT_DOUBLE_EQ(m_.of_class(0).f1, 2.0 / 3);
  EXPECT_DOUBLE_EQ(m_.of_class(1).precision, 0);
  EXPECT_DOUBLE_EQ(m_.of_class(1).f1, 0);
  EXPECT_DOUBLE_EQ(m_.of_class(2).precision, 1);
  EXPECT_DOUBLE_EQ(m_.of_class(2).recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(m_.of_class(2).f1, 0.8);
  EXPECT_DOUBLE_EQ(m_.macro().precision, 0.5);
  EXPECT_DOUBLE_EQ(m_.macro().recall, 5.0 / 9);
  EXPECT_NEAR(m_.macro().f1, (2.0 / 3 + 0.8) / 3, 1e-15);
  EXPECT_NEAR(m_.weighted().precision, 0.7, 1e-15);
  EXPECT_NEAR(m_.weighted().recall, 0.6, 1e-15);
  EXPECT_NEAR(m_.weighted().f1, (2.0 / 3 + 3 * 0.8) / 5, 1e-15);
  EXPECT_DOUBLE_EQ(m_.micro().precision, 0.6);
  EXPECT_DOUBLE_EQ(m_.micro().f1, 0.6);
  EXPECT_DOUBLE_EQ(m_.accuracy(), 0.6);
}

TEST_F(ConfusionTest, TextAndCsv) {
  EXPECT_EQ(m_.MatrixText({"cat", "dog", "gnu"}),
            "truth \\ predicted  cat  dog  gnu\n"
            "cat                  1    0    0\n"
            "dog                  1    0    0\n"
            "gnu                  0    1    2\n");
  EXPECT_EQ(m_.ReportText({"cat", "dog", "gnu"}),
            "class             precision  recall      f1  support\n"
            "cat                  0.5000  1.0000  0.6667        1\n"
            "dog                  0.0000  0.0000  0.0000        1\n"
            "gnu                  1.0000  0.6667  0.8000        3\n"
            "macro average        0.5000  0.5556  0.4889        5\n"
            "weighted average     0.7000  0.6000  0.6133        5\n"
            "micro average        0.6000  0.6000  0.6000        5\n"
            "accuracy 0.6000\n");
  EXPECT_EQ(m_.MatrixCsv({"a,b", "say \"x\""}),
            "truth,\"a,b\",\"say \"\"x\"\"\",2\n\"a,b\",1,0,0\n\"say \"\"x\"\"\",1,0,0\n2,0,1,2\n");
  EXPECT_EQ(m_.ReportCsv({}).substr(0, 75),
            "class,precision,recall,f1,support\n0,0.500000,1.000000,0.666667,1\n1,0.000000");
}

TEST(ConfusionMatrix, WithoutSamplesAllIsZero) {
  ConfusionMatrix m(2);
  EXPECT_EQ(m.accuracy(), 0);
  EXPECT_EQ(m.macro().f1, 0);
  EXPECT_EQ(m.weighted().f1, 0);
}

TEST(ConfusionMatrix, IsFilledFromLogitsWhenAskedFor) {
  MetricsOptions options;
  options.confusion = true;
  ClassificationMetrics m(options);
  m.Add(std::vector<float>{1, 0, 0, 0, 1, 0, 9, 9, 9}, 3, std::vector<int32_t>{0, 2, -1});
  EXPECT_EQ(m.confusion().classes(), 3);
  EXPECT_EQ(m.confusion().at(0, 0), 1);
  EXPECT_EQ(m.confusion().at(2, 1), 1);
  EXPECT_EQ(m.confusion().total(), 2);
}

TEST(ModeOfMetric, AccuracyGrowsAndLossFalls) {
  EXPECT_EQ(ModeOfMetric("val_accuracy"), MetricMode::kMax);
  EXPECT_EQ(ModeOfMetric("exact_match"), MetricMode::kMax);
  EXPECT_EQ(ModeOfMetric("val_loss"), MetricMode::kMin);
  EXPECT_EQ(ModeOfMetric("bits_per_character"), MetricMode::kMin);
}

}  // namespace
}  // namespace athanor
