#include "data/token_windows.h"

#include <numeric>
#include <set>
#include <vector>

#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

// The tokens 0, 1, 2, ...
std::shared_ptr<const std::vector<int32_t>> Numbers(int64_t n) {
  auto tokens = std::make_shared<std::vector<int32_t>>(n);
  std::iota(tokens->begin(), tokens->end(), 0);
  return tokens;
}

std::vector<int32_t> Read(const SampleSource& source, int64_t index, int64_t epoch, int field) {
  Tensor x = Tensor::Create(DType::kS32, source.fields()[0].shape).value(), y = x.Clone();
  const TensorView views[] = {x.view(), y.view()};
  EXPECT_TRUE(source.Read(index, epoch, views).ok());
  absl::Span<const int32_t> values = (field == 0 ? x : y).as<int32_t>();
  return {values.begin(), values.end()};
}

using Ints = std::vector<int32_t>;

TEST(TokenWindowsTest, LieSideBySide) {
  auto source = MakeTokenWindows(Numbers(10), {"t", 0, 10, 3, {}}).value();
  EXPECT_EQ(source->fields(), (std::vector<FieldSpec>{{"x", DType::kS32, {3}}, {"labels", DType::kS32, {3}}}));
  EXPECT_EQ(source->size(), 3);
  EXPECT_EQ(Read(*source, 0, 0, 0), (Ints{0, 1, 2}));
  EXPECT_EQ(Read(*source, 0, 0, 1), (Ints{1, 2, 3}));
  EXPECT_EQ(Read(*source, 2, 5, 0), (Ints{6, 7, 8}));
  EXPECT_EQ(Read(*source, 2, 5, 1), (Ints{7, 8, 9}));
  EXPECT_EQ(MakeTokenWindows(Numbers(9), {"t", 0, 9, 3, {}}).value()->size(), 2);  // the last label is missing
}

TEST(TokenWindowsTest, StayWithinTheirRange) {
  auto source = MakeTokenWindows(Numbers(100), {"t", 40, 50, 4, {}}).value();
  EXPECT_EQ(source->size(), 2);
  EXPECT_EQ(Read(*source, 0, 0, 0), (Ints{40, 41, 42, 43}));
  EXPECT_EQ(Read(*source, 1, 0, 1), (Ints{45, 46, 47, 48}));
}

TEST(TokenWindowsTest, ThePhaseDependsOnSeedAndEpoch) {
  auto source = MakeTokenWindows(Numbers(1000), {"t", 0, 1000, 10, 3}).value();
  EXPECT_EQ(source->size(), 99);
  std::set<int32_t> phases;
  for (int64_t epoch = 0; epoch < 200; ++epoch) {
    const int32_t phase = Read(*source, 0, epoch, 0)[0];
    EXPECT_EQ(Read(*source, 98, epoch, 1)[9], phase + 990);
    EXPECT_LT(phase, 10);
    phases.insert(phase);
  }
  EXPECT_EQ(phases.size(), 10u);
  auto again = MakeTokenWindows(Numbers(1000), {"t", 0, 1000, 10, 3}).value();
  auto other = MakeTokenWindows(Numbers(1000), {"t", 0, 1000, 10, 4}).value();
  int same = 0;
  for (int64_t epoch = 0; epoch < 50; ++epoch) {
    EXPECT_EQ(Read(*source, 0, epoch, 0), Read(*again, 0, epoch, 0));
    same += Read(*source, 0, epoch, 0) == Read(*other, 0, epoch, 0);
  }
  EXPECT_LT(same, 25);
}

TEST(TokenWindowsTest, RefusesWhatDoesNotFit) {
  auto error = [](int64_t n, const TokenWindowsOptions& options) {
    return MakeTokenWindows(Numbers(n), options).status();
  };
  ExpectError(error(10, {"a.txt", 0, 10, 0, {}}), "REQ", "a.txt: the sequence length is 0");
  ExpectError(error(10, {"a.txt", 0, 11, 2, {}}), "REQ", "a.txt: the tokens 0 .. 11 are not among the 10");
  ExpectError(error(10, {"a.txt", 0, 10, 10, {}}), "DATA", "a.txt: 10 characters do not hold a sequence of 10");
  ExpectError(error(10, {"a.txt", 0, 10, 6, 1}), "DATA", "at every phase");
}

}  // namespace
}  // namespace athanor
