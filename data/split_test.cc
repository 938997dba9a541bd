#include "data/split.h"

#include <algorithm>
#include <vector>

#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

// Sample i has the feature i and the label i % classes.
Dataset Numbered(int64_t n, int64_t classes) {
  Dataset d;
  d.name = "numbered";
  d.features = Tensor::Create(DType::kF32, {n, 1}).value();
  d.labels = Tensor::Create(DType::kS32, {n}).value();
  d.classes = classes;
  d.class_names.assign(classes, "c");
  for (int64_t i = 0; i < n; ++i) {
    d.features.as<float>()[i] = static_cast<float>(i);
    d.labels.as<int32_t>()[i] = static_cast<int32_t>(i % classes);
  }
  return d;
}

std::vector<int64_t> Numbers(const Dataset& d) {
  std::vector<int64_t> numbers;
  for (float v : d.features.as<float>()) numbers.push_back(static_cast<int64_t>(v));
  return numbers;
}

// Both sets together are all samples, each once.
void ExpectPartition(const TrainTest& both, int64_t n) {
  std::vector<int64_t> all = Numbers(both.train), test = Numbers(both.test);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_TRUE(std::is_sorted(test.begin(), test.end()));
  all.insert(all.end(), test.begin(), test.end());
  std::sort(all.begin(), all.end());
  ASSERT_EQ(static_cast<int64_t>(all.size()), n);
  for (int64_t i = 0; i < n; ++i) EXPECT_EQ(all[i], i);
}

TEST(SplitTest, EachClassGivesItsShare) {
  TrainTest both = SplitDataset(Numbered(100, 4), 0.2, 1).value();
  ExpectPartition(both, 100);
  EXPECT_EQ(both.test.size(), 20);
  EXPECT_EQ(ClassCounts(both.test), (std::vector<int64_t>{5, 5, 5, 5}));
  EXPECT_TRUE(CheckDataset(both.train).ok());
  EXPECT_TRUE(CheckDataset(both.test).ok());
  EXPECT_EQ(both.test.class_names.size(), 4u);
}

TEST(SplitTest, AShareIsRightToWithinOneSample) {
  TrainTest both = SplitDataset(Numbered(101, 7), 0.33, 5).value();
  ExpectPartition(both, 101);
  EXPECT_EQ(both.test.size(), 33);
  const std::vector<int64_t> all = ClassCounts(Numbered(101, 7)), test = ClassCounts(both.test);
  for (int c = 0; c < 7; ++c) EXPECT_NEAR(test[c], 0.33 * all[c], 1);
}

TEST(SplitTest, DependsOnTheSeedAlone) {
  auto test = [](uint64_t seed) { return Numbers(SplitDataset(Numbered(50, 2), 0.3, seed)->test); };
  EXPECT_EQ(test(7), test(7));
  EXPECT_NE(test(7), test(8));
  // DO NOT CHANGE: a resumed training must find its split again.
  EXPECT_EQ(Numbers(SplitDataset(Numbered(20, 2), 0.2, 0)->test), (std::vector<int64_t>{1, 2, 12, 17}));
}

TEST(SplitTest, ExactFractionsAreExact) {
  for (int tenths = 1; tenths < 10; ++tenths) {
    EXPECT_EQ(SplitDataset(Numbered(10, 1), 0.1 * tenths, 3)->test.size(), tenths);
  }
}

TEST(SplitTest, FoldsCoverEverySampleOnce) {
  std::vector<int> seen(23, 0);
  for (int64_t fold = 0; fold < 4; ++fold) {
    TrainTest both = FoldDataset(Numbered(23, 3), fold, 4, 9).value();
    ExpectPartition(both, 23);
    EXPECT_NEAR(both.test.size(), 23.0 / 4, 1);
    for (int64_t i : Numbers(both.test)) ++seen[i];
  }
  EXPECT_EQ(seen, std::vector<int>(23, 1));
}

TEST(SplitTest, ARegressionIsSplitToo) {
  Dataset d;
  d.name = "r";
  d.features = Tensor::Of<uint8_t>({4, 2}, {0, 1, 10, 11, 20, 21, 30, 31});
  d.targets = Tensor::Of<float>({4, 1}, {0, 1, 2, 3});
  TrainTest both = SplitDataset(d, 0.5, 0).value();
  for (const Dataset* part : {&both.train, &both.test}) {
    EXPECT_TRUE(CheckDataset(*part).ok());
    ASSERT_EQ(part->size(), 2);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(static_cast<float>(part->features.as<uint8_t>()[2 * i + 1]), 10 * part->targets.as<float>()[i] + 1);
    }
  }
}

TEST(SplitTest, SelectsInAnyOrder) {
  EXPECT_EQ(Numbers(SelectSamples(Numbered(5, 2), {4, 0, 4}).value()), (std::vector<int64_t>{4, 0, 4}));
}

TEST(SplitTest, RefusesWhatCannotBeSplit) {
  for (double fraction : {0.0, 1.0, -1.0, 0.0 / 0.0}) {
    ExpectError(SplitDataset(Numbered(10, 2), fraction, 0).status(), "ATTR", "numbered: the test fraction is ");
  }
  ExpectError(SplitDataset(Numbered(3, 1), 0.2, 0).status(), "DATA", "3 samples cannot be split: a fraction of 0.2");
  ExpectError(FoldDataset(Numbered(3, 1), 3, 3, 0).status(), "ATTR", "fold 3 of 3");
  ExpectError(FoldDataset(Numbered(3, 1), 0, 1, 0).status(), "ATTR", "fold 0 of 1");
  ExpectError(FoldDataset(Numbered(2, 1), 2, 3, 0).status(), "DATA", "fold 2 of 3 leaves a set empty");
  ExpectError(SplitDataset(Dataset(), 0.5, 0).status(), "DATA", "");
}

}  // namespace
}  // namespace athanor
