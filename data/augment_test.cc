#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using Bytes = std::vector<uint8_t>;

Augmentation Parsed(const char* text) {
  absl::StatusOr<Augmentation> a = Augmentation::Parse(text);
  EXPECT_TRUE(a.ok()) << a.status();
  return *a;
}

// What a list of one item makes of bytes; the working image is f32 or not.
struct Result {
  std::vector<float> values;
  bool is_f32;
};
Result Apply(const char* text, const Shape& shape, const Bytes& in, int64_t epoch, int64_t index, uint64_t seed = 1) {
  std::vector<float> a(in.size()), b(in.size());
  std::copy(in.begin(), in.end(), reinterpret_cast<uint8_t*>(a.data()));
  WorkImage image{a.data(), b.data(), false, 255};
  AugmentRandom random(seed, epoch, index);
  const Augmentation list = Parsed(text);
  for (const AugmentItem& item : list.items()) ApplyAugmentation(item, shape, random, &image);
  const bool is_f32 = image.is_f32;
  ToF32(static_cast<int64_t>(in.size()), &image);
  const float* x = static_cast<const float*>(image.now);
  return {std::vector<float>(x, x + in.size()), is_f32};
}

TEST(AugmentationTest, ReadsLists) {
  EXPECT_TRUE(Parsed("").empty());
  EXPECT_TRUE(Parsed("none").empty());
  Augmentation a = Parsed(" flip, crop:4 ,jitter:0.2,cutout:8,mixup:0.2");
  ASSERT_EQ(a.items().size(), 5u);
  EXPECT_EQ(a.items()[0], (AugmentItem{AugmentKind::kFlip, {0.5, 0, 0}}));
  EXPECT_EQ(a.items()[1], (AugmentItem{AugmentKind::kCrop, {4, 0, 0}}));
  EXPECT_EQ(a.items()[2], (AugmentItem{AugmentKind::kJitter, {0.2, 0.2, 0.2}}));
  EXPECT_EQ(a.items()[3], (AugmentItem{AugmentKind::kCutout, {8, 0, 0}}));
  EXPECT_EQ(a.items()[4], (AugmentItem{AugmentKind::kMixup, {0.2, 0, 0}}));
  EXPECT_TRUE(a.mixes());
  EXPECT_FALSE(Parsed("flip:1,crop:2:reflect,jitter:0.1:0.2:0").mixes());
  for (const char* text : {"none", "flip:0.25,crop:2:reflect,jitter:0.1:0.2:0", "mixup:1,cutout:3"}) {
    EXPECT_EQ(Parsed(Parsed(text).ToString().c_str()).items(), Parsed(text).items()) << text;
  }
}

TEST(AugmentationTest, RefusesWhatItDoesNotKnow) {
  auto error = [](const char* text, const char* part) {
    ExpectError(Augmentation::Parse(text).status(), "REQ", part);
  };
  error("flip,turn:3",
        "augmentation: item 2 \"turn:3\": no such change; there are flip[:P], crop:PAD[:reflect], jitter:S");
  error("flip,", "item 2 \"\": no such change");
  error("flip:2", "\"2\" is no number in 0 .. 1");
  error("crop", "item 1 \"crop\": 0 values behind the name");
  error("crop:0", "\"0\" is no whole number in 1 .. 16384");
  error("crop:1.5", "\"1.5\" is no whole number");
  error("crop:4:mirror", "2 values");
  error("jitter:1:2", "2 values");
  error("jitter:nan", "\"nan\" is no number");
  error("jitter:-1", "\"-1\"");
  error("cutout:x", "\"x\"");
  error("mixup:0", "\"0\" is no number in 0.001 .. 1000");
  error("flip,flip", "item 2 \"flip\": is in the list twice");
}

TEST(AugmentationTest, ChecksTheShape) {
  EXPECT_TRUE(Parsed("flip,crop:3,cutout:9,jitter:1").Check({3, 4, 5}).ok());
  EXPECT_TRUE(Parsed("mixup:1").Check({7}).ok());
  ExpectError(Parsed("flip").Check({7}), "REQ", "flip is for images [channels,height,width], a sample is [7]");
  ExpectError(Parsed("jitter:1").Check({2, 4, 4}), "REQ",
              "jitter is for images of 1 or 3 channels, a sample is [2,4,4]");
  ExpectError(Parsed("crop:4").Check({3, 4, 5}), "REQ", "crop by 4 pixels");
}

TEST(AugmentTest, IsAFunctionOfSeedEpochAndIndex) {
  Bytes image(3 * 16 * 16);
  for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<uint8_t>(i * 7);
  const char* all = "flip,crop:4,cutout:5,jitter:0.4";
  auto run = [&](int64_t epoch, int64_t index, uint64_t seed) {
    return Apply(all, {3, 16, 16}, image, epoch, index, seed).values;
  };
  const std::vector<float> first = run(0, 0, 1);
  EXPECT_EQ(run(0, 0, 1), first);
  EXPECT_NE(run(1, 0, 1), first);
  EXPECT_NE(run(0, 1, 1), first);
  EXPECT_NE(run(0, 0, 2), first);
}

// What a kind draws does not change when others come into the list.
TEST(AugmentTest, KindsDrawNumbersOfTheirOwn) {
  const Bytes image = {1, 2, 3, 4};
  for (int64_t i = 0; i < 50; ++i) {
    const bool alone = Apply("flip", {1, 1, 4}, image, 0, i).values[0] == 4;
    const std::vector<float> both = Apply("flip,jitter:0.001", {1, 1, 4}, image, 0, i).values;
    EXPECT_EQ(both[0] > both[3], alone) << i;
  }
}

TEST(AugmentTest, FlipsAboutHalfOrTheShareAskedFor) {
  auto flips = [](const char* text) {
    int n = 0;
    for (int64_t i = 0; i < 4000; ++i) n += Apply(text, {1, 1, 2}, {1, 2}, 3, i).values[0] == 2;
    return n;
  };
  EXPECT_NEAR(flips("flip"), 2000, 160);  // five standard deviations
  EXPECT_NEAR(flips("flip:0.1"), 400, 95);
  EXPECT_EQ(flips("flip:0"), 0);
  EXPECT_EQ(flips("flip:1"), 4000);
}

TEST(AugmentTest, CropsUniformlyOverAllOffsets) {
  // One white pixel in the middle tells the offset.
  Bytes image(25, 0);
  image[12] = 255;
  std::map<int64_t, int> counts;
  for (int64_t i = 0; i < 4500; ++i) {
    const std::vector<float> out = Apply("crop:1", {1, 5, 5}, image, 0, i).values;
    ++counts[std::max_element(out.begin(), out.end()) - out.begin()];
  }
  ASSERT_EQ(counts.size(), 9u);
  for (int64_t at : {6, 7, 8, 11, 12, 13, 16, 17, 18}) EXPECT_NEAR(counts[at], 500, 110) << at;
}

TEST(AugmentTest, CutsOutSquaresCentredAnywhere) {
  const Bytes image(36, 1);
  std::set<std::vector<float>> seen;
  int whole = 0;
  for (int64_t i = 0; i < 2000; ++i) {
    const std::vector<float> out = Apply("cutout:2", {1, 6, 6}, image, 0, i).values;
    const auto zeros = std::count(out.begin(), out.end(), 0.0f);
    EXPECT_TRUE(zeros == 1 || zeros == 2 || zeros == 4) << zeros;
    whole += zeros == 4;
    seen.insert(out);
  }
  EXPECT_EQ(seen.size(), 36u);
  EXPECT_NEAR(whole, 2000 * 25 / 36, 105);  // a centre in the first row or column loses half
}

TEST(AugmentTest, JitterGivesFactorsInTheirRange) {
  double low = 1000, high = 0, sum = 0;
  for (int64_t i = 0; i < 2000; ++i) {
    const Result r = Apply("jitter:0.5:0:0", {1, 1, 1}, {100}, 0, i);
    EXPECT_TRUE(r.is_f32);
    low = std::min<double>(low, r.values[0]);
    high = std::max<double>(high, r.values[0]);
    sum += r.values[0];
  }
  EXPECT_GE(low, 50);
  EXPECT_LT(low, 51);
  EXPECT_LE(high, 150);
  EXPECT_GT(high, 149);
  EXPECT_NEAR(sum / 2000, 100, 3.3);
}

TEST(AugmentTest, JitterOrdersDiffer) {
  // Twice as bright cuts off at white, so it matters whether contrast comes before: with the factors of one sample both
  // orders are among many samples.
  int brighter_first = 0;
  for (int64_t i = 0; i < 600; ++i) {
    const std::array<uint32_t, 4> words = AugmentRandom(1, 0, i).Block(AugmentKind::kJitter);
    const float f = 2 * Philox::ToUniform(words[0]), g = 2 * Philox::ToUniform(words[1]);
    const float a = std::min(100 * f, 255.0f), b = std::min(200 * f, 255.0f);
    const float expected = std::clamp(g * a + (1 - g) * (a + b) / 2, 0.0f, 255.0f);
    brighter_first += std::abs(Apply("jitter:1:1:0", {1, 1, 2}, {100, 200}, 0, i).values[0] - expected) < 1e-2;
  }
  EXPECT_GT(brighter_first, 300);  // where nothing is cut off the orders agree
  EXPECT_LT(brighter_first, 570);
}

TEST(AugmentTest, BytesStayBytesUntilSomethingBlends) {
  EXPECT_FALSE(Apply("flip,crop:1,cutout:2", {1, 2, 2}, {1, 2, 3, 4}, 0, 0).is_f32);
}

TEST(AugmentTest, BetaHasItsMeanAndVariance) {
  for (double alpha : {0.1, 0.2, 1.0, 4.0}) {
    double sum = 0, squares = 0;
    constexpr int kDraws = 20000;
    for (int64_t i = 0; i < kDraws; ++i) {
      const double x = AugmentRandom(5, 0, i).Beta(AugmentKind::kMixup, alpha);
      ASSERT_TRUE(x >= 0 && x <= 1) << x;
      sum += x;
      squares += (x - 0.5) * (x - 0.5);
    }
    EXPECT_NEAR(sum / kDraws, 0.5, 0.02) << alpha;
    EXPECT_NEAR(squares / kDraws, 1 / (4 * (2 * alpha + 1)), 0.006) << alpha;
  }
}

TEST(AugmentTest, TheNumbersAreTheSameForever) {
  AugmentRandom random(42, 3, 1234);
  EXPECT_EQ(random.Block(AugmentKind::kFlip), random.Block(AugmentKind::kFlip));
  EXPECT_NE(random.Block(AugmentKind::kFlip), random.Block(AugmentKind::kCrop));
  EXPECT_NE(random.Block(AugmentKind::kMixup, 1), random.Block(AugmentKind::kMixup, 2));
}

}  // namespace
}  // namespace athanor
