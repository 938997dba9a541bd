#include "data/subset.h"

#include <algorithm>
#include <vector>

#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

// Sample i is the number 10 i; sample 7 is bad.
class Tens : public SampleSource {
 public:
  int64_t size() const override { return 9; }
  const std::vector<FieldSpec>& fields() const override { return fields_; }
  absl::Status Read(int64_t index, int64_t epoch, absl::Span<const TensorView> out) const override {
    if (index == 7) return MakeError(ErrorClass::kData, "seven.png: broken");
    out[0].as<int32_t>()[0] = static_cast<int32_t>(10 * index + epoch);
    return absl::OkStatus();
  }

 private:
  const std::vector<FieldSpec> fields_ = {{"x", DType::kS32, {}}};
};

TEST(SubsetTest, HasTheSamplesNamed) {
  auto subset = MakeSubset(std::make_shared<Tens>(), {5, 7, 2});
  EXPECT_EQ(subset->size(), 3);
  EXPECT_EQ(subset->fields()[0].name, "x");
  Tensor t = Tensor::Create(DType::kS32, {}).value();
  const TensorView views[] = {t.view()};
  EXPECT_TRUE(subset->Read(2, 3, views).ok());
  EXPECT_EQ(t.as<int32_t>()[0], 23);
  ExpectError(subset->Read(1, 0, views), "DATA", "sample 7 before the split: seven.png: broken");
}

TEST(SplitTest, DividesTheSamples) {
  Split split = SplitForValidation(100, 0.2, 1).value();
  EXPECT_EQ(split.validation.size(), 20u);
  EXPECT_EQ(split.train.size(), 80u);
  EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end()));
  EXPECT_TRUE(std::is_sorted(split.validation.begin(), split.validation.end()));
  std::vector<int64_t> all = split.train;
  all.insert(all.end(), split.validation.begin(), split.validation.end());
  std::sort(all.begin(), all.end());
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(all[i], i);
  EXPECT_LT(split.validation.front(), 20);  // not the end of the set
}

TEST(SplitTest, DependsOnTheSeed) {
  EXPECT_EQ(SplitForValidation(50, 0.1, 4)->validation, SplitForValidation(50, 0.1, 4)->validation);
  EXPECT_NE(SplitForValidation(50, 0.1, 4)->validation, SplitForValidation(50, 0.1, 5)->validation);
}

TEST(SplitTest, RefusesSharesThatLeaveNothing) {
  EXPECT_EQ(SplitForValidation(10, 0.001, 1)->validation.size(), 1u);
  ExpectError(SplitForValidation(10, 0, 1).status(), "REQ", "the share for validation is 0");
  ExpectError(SplitForValidation(10, 1, 1).status(), "REQ", "is 1, it must be above 0 and below 1");
  ExpectError(SplitForValidation(10, 0.96, 1).status(), "DATA", "10 of 10 samples for validation");
  ExpectError(SplitForValidation(1, 0.5, 1).status(), "DATA", "1 of 1");
}

}  // namespace
}  // namespace athanor
