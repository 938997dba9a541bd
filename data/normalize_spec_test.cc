#include "data/normalize_spec.h"

#include <memory>
#include <vector>

#include "data/augmented_source.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

std::shared_ptr<const SampleSource> Stored(Tensor features) {
  auto d = std::make_shared<Dataset>();
  d->name = "d";
  d->features = std::move(features);
  d->labels = Tensor::Create(DType::kS32, {d->size()}).value();
  d->classes = 1;
  return MakeStoredSource(d).value();
}

Normalization Made(const char* text, const SampleSource& source, int threads = 1) {
  absl::StatusOr<Normalization> n = MakeNormalization(ParseNormalizeSpec(text).value(), source, threads);
  EXPECT_TRUE(n.ok()) << n.status();
  return n.value_or(Normalization{});
}

TEST(NormalizeSpecTest, ByName) {
  auto bytes = Stored(Tensor::Of<uint8_t>({2, 1, 1, 2}, {0, 255, 51, 102}));
  auto floats = Stored(Tensor::Of<float>({2, 1}, {1, 3}));
  EXPECT_EQ(Made("none", *bytes), Normalization());
  EXPECT_EQ(Made("scale255", *bytes), Normalization::ScaleBy255());
  EXPECT_EQ(Made("0.1307/0.3081", *bytes), Normalization::MeanStd({0.1307f}, {0.3081f}, 1.0f / 255.0f));
  EXPECT_EQ(Made("0.5/2", *floats), Normalization::MeanStd({0.5f}, {2}, 1));
  EXPECT_EQ(Made("standardize", *floats), Normalization::MeanStd({2}, {1}, 1));
}

TEST(NormalizeSpecTest, StandardizesEachChannelOfBytes) {
  // Channel 0: 0 0 102 102; channel 1 is constant.
  auto source = Stored(Tensor::Of<uint8_t>({2, 2, 1, 2}, {0, 0, 51, 51, 102, 102, 51, 51}));
  Normalization n = Made("standardize", *source);
  ASSERT_EQ(n.mean.size(), 2u);
  EXPECT_FLOAT_EQ(n.scale, 1.0f / 255);
  EXPECT_FLOAT_EQ(n.mean[0], 0.2f);
  EXPECT_FLOAT_EQ(n.std[0], 0.2f);
  EXPECT_FLOAT_EQ(n.mean[1], 0.2f);
  EXPECT_EQ(n.std[1], 1);
}

TEST(NormalizeSpecTest, TheThreadsDoNotMatterAndTheMeanIsRight) {
  Tensor t = Tensor::Create(DType::kU8, {2000, 3, 4, 4}).value();
  for (int64_t i = 0; i < t.num_elements(); ++i) t.as<uint8_t>()[i] = static_cast<uint8_t>(i * i % 251);
  Dataset d;
  d.features = t.Clone();
  d.labels = Tensor::Create(DType::kS32, {2000}).value();
  d.classes = 1;
  const Normalization expected = ComputeMeanStd(d, 1.0f / 255.0f);
  auto source = Stored(std::move(t));
  const Normalization one = Made("standardize", *source, 1);
  EXPECT_EQ(Made("standardize", *source, 4), one);
  for (int c = 0; c < 3; ++c) {
    EXPECT_NEAR(one.mean[c], expected.mean[c], 1e-6);
    EXPECT_NEAR(one.std[c], expected.std[c], 1e-6);
  }
}

TEST(NormalizeSpecTest, IsKeptWithAModel) {
  Attributes metadata;
  StoreNormalization(Normalization::MeanStd({0.5f, 0.25f}, {2, 4}, 0.125f), &metadata);
  EXPECT_EQ(metadata.Float("input_scale"), 0.125);
  EXPECT_EQ(metadata.GetFloats("input_mean"), (Floats{0.5, 0.25}));
  EXPECT_EQ(metadata.GetFloats("input_std"), (Floats{2, 4}));
}

TEST(NormalizeSpecTest, RefusesWhatItDoesNotKnow) {
  ExpectError(ParseNormalizeSpec("minmax").status(), "REQ",
              "normalization \"minmax\": unknown; there are none, scale255, standardize and MEAN/STD");
  ExpectError(ParseNormalizeSpec("1,x/2").status(), "REQ", "\"x\" is no number");
  ExpectError(ParseNormalizeSpec("1/0").status(), "REQ", "a standard deviation is 0, it must be above 0");
  ExpectError(ParseNormalizeSpec("nan/1").status(), "REQ", "\"nan\" is no number");
  auto source = Stored(Tensor::Of<float>({1, 1}, {1}));
  ExpectError(MakeNormalization(ParseNormalizeSpec("1,2/1").value(), *source).status(), "ATTR",
              "2 values of mean for 1 channels");
}

}  // namespace
}  // namespace athanor
