#include "data/normalize.h"

#include <cmath>
#include <limits>
#include <vector>

#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

template <typename T>
std::vector<float> Applied(const Normalization& n, const std::vector<T>& in, int64_t channels) {
  std::vector<float> out(in.size());
  n.Apply(absl::MakeConstSpan(in), channels, absl::MakeSpan(out));
  return out;
}

Dataset Data(Tensor features) {
  Dataset d;
  d.features = std::move(features);
  d.labels = *Tensor::Create(DType::kS32, {d.size()});
  d.classes = 1;
  return d;
}

TEST(NormalizationTest, ScalesBytesToOne) {
  EXPECT_EQ(Applied<uint8_t>(Normalization::ScaleBy255(), {0, 51, 255}, 1),
            (std::vector<float>{0, 51 * (1.0f / 255.0f), 1}));
  EXPECT_EQ(Applied<float>({}, {-1, 0.5f}, 1), (std::vector<float>{-1, 0.5f}));
}

TEST(NormalizationTest, OneValueForAllChannelsOrOneForEach) {
  EXPECT_EQ(Applied<float>(Normalization::MeanStd({1}, {2}), {1, 3, 5, 7}, 2), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(Applied<float>(Normalization::MeanStd({1, 5}, {2, 1}), {1, 3, 5, 7}, 2), (std::vector<float>{0, 1, 0, 2}));
  EXPECT_EQ(Applied<uint8_t>(Normalization::MeanStd({1}, {0.5f}, 0.5f), {2, 4}, 1), (std::vector<float>{0, 2}));
}

TEST(NormalizationTest, ComputesMeanAndStdOfEachChannel) {
  // Two samples of two channels of two values.
  Dataset d = Data(Tensor::Of<uint8_t>({2, 2, 2}, {0, 2, 7, 7, 4, 6, 7, 7}));
  Normalization n = ComputeMeanStd(d);
  EXPECT_EQ(n, Normalization::MeanStd({3, 7}, {std::sqrt(5.0f), 1}));
  EXPECT_EQ(ComputeMeanStd(d, 0.5f).mean, (std::vector<float>{1.5f, 3.5f}));
  EXPECT_TRUE(n.Check(2).ok());
}

TEST(NormalizationTest, ComputedNormalizationGivesMeanZeroAndVarianceOne) {
  Tensor t = *Tensor::Create(DType::kF32, {100, 3});
  for (int i = 0; i < 300; ++i) t.as<float>()[i] = 1000 + 5 * std::sin(static_cast<float>(i));
  Dataset d = Data(std::move(t));
  Normalization n = ComputeMeanStd(d);
  ASSERT_EQ(n.mean.size(), 3u);
  double sum = 0, squares = 0;
  for (int i = 0; i < 100; ++i) {
    std::vector<float> y(3);
    n.Apply(absl::MakeConstSpan(d.features.as<float>()).subspan(3 * i, 3), 3, absl::MakeSpan(y));
    sum += y[0];
    squares += y[0] * y[0];
  }
  EXPECT_NEAR(sum / 100, 0, 1e-3);
  EXPECT_NEAR(squares / 100, 1, 1e-3);
}

TEST(NormalizationTest, RefusesWhatDoesNotFit) {
  const float inf = std::numeric_limits<float>::infinity();
  ExpectError(Normalization::MeanStd({1, 2}, {1}).Check(3), "ATTR", "2 values of mean for 3 channels");
  ExpectError(Normalization::MeanStd({}, {1, 1}).Check(1), "ATTR", "2 values of std for 1 channels");
  ExpectError(Normalization::MeanStd({0}, {0}).Check(1), "ATTR", "a std is 0");
  ExpectError(Normalization::MeanStd({0}, {-1}).Check(1), "ATTR", "above 0");
  ExpectError(Normalization::MeanStd({0}, {inf}).Check(1), "ATTR", "a std is inf");
  ExpectError(Normalization::MeanStd({0}, {1e-40f}).Check(1), "ATTR", "are not finite");
  ExpectError(Normalization::MeanStd({3e38f}, {1e-5f}).Check(1), "ATTR", "are not finite");
  ExpectError(Normalization::MeanStd({inf}, {1}).Check(1), "ATTR", "a mean is inf");
  ExpectError(Normalization::MeanStd({}, {}, std::nanf("")).Check(1), "ATTR", "the scale is nan");
}

TEST(NormalizationTest, RefusesWhatWouldMakeValuesInfinite) {
  const float scale = 1.0f / 255.0f;
  ExpectError(Normalization::MeanStd({0}, {1e-45f}, scale).Check(1, 255), "ATTR", "the std of channel 0 is 1.4");
  ExpectError(Normalization::MeanStd({0, 3e38f}, {1, 1e-5f}, scale).Check(2, 255), "ATTR", "the std of channel 1");
  // 1 / 255 / 1e-40 is finite, 255 times as much is not.
  ExpectError(Normalization::MeanStd({0}, {1e-40f}, scale).Check(1, 255), "ATTR", "values up to 1 ");
  const Normalization smallest = Normalization::MeanStd({0}, {4e-39f}, scale);
  ASSERT_TRUE(smallest.Check(1, 255).ok());
  EXPECT_TRUE(std::isfinite(Applied<uint8_t>(smallest, {255}, 1)[0]));
}

TEST(NormalizationTest, AChannelOfTinyNumbersStaysFinite) {
  const Normalization n = ComputeMeanStd(Data(Tensor::Of<float>({2, 2}, {1e-42f, 1, 2e-42f, 3})));
  EXPECT_EQ(n.std, (std::vector<float>{1, 1}));
  EXPECT_TRUE(n.Check(2).ok());
  EXPECT_EQ(Applied<float>(n, {2e-42f, 3}, 2)[1], 1);
  EXPECT_TRUE(std::isfinite(Applied<float>(n, {2e-42f, 3}, 2)[0]));
}

}  // namespace
}  // namespace athanor
