#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

void ExpectTransposed(const Shape& from, const Ints& perm, DType dtype, int threads) {
  SCOPED_TRACE(ShapeToString(from) + " by " + ShapeToString(perm) + " " + std::string(DTypeName(dtype)));
  Shape to;
  for (int64_t p : perm) to.push_back(from[p]);
  Tensor x = CountingTensor(dtype, from);
  auto run = TestCall("transpose").Attr("perm", perm).In(x.Clone()).Out(to, dtype).Threads(threads).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  ForEachIndex(to, [&](const Shape& index, int64_t i) {
    Shape source(from.size());
    for (size_t d = 0; d < perm.size(); ++d) source[perm[d]] = index[d];
    ASSERT_EQ(ElementBits(run->outputs[0], i), ElementBits(x, RowMajorOffset(from, source))) << ShapeToString(index);
  });
}

TEST(Transpose, EveryPermutationOfFourDimensions) {
  Ints perm = {0, 1, 2, 3};
  do {
    for (DType dtype : {DType::kF32, DType::kS64}) ExpectTransposed({3, 5, 2, 7}, perm, dtype, 2);
  } while (std::next_permutation(perm.begin(), perm.end()));
}

TEST(Transpose, EveryElementType) {
  for (DType dtype : kAllDTypes) {
    for (int threads : {1, 2}) {
      ExpectTransposed({17, 33}, {1, 0}, dtype, threads);
      ExpectTransposed({2, 3, 5}, {2, 0, 1}, dtype, threads);
      ExpectTransposed({401, 203}, {1, 0}, dtype, threads);
    }
  }
}

TEST(Transpose, OddShapes) {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    ExpectTransposed({}, {}, dtype, 1);
    ExpectTransposed({5}, {0}, dtype, 1);
    ExpectTransposed({1, 7, 1}, {2, 1, 0}, dtype, 1);
    ExpectTransposed({4, 0, 3}, {2, 0, 1}, dtype, 1);
    ExpectTransposed({2, 1, 3, 1, 2, 2, 1, 3}, {7, 3, 5, 1, 6, 0, 2, 4}, dtype, 2);
  }
}

TEST(Transpose, RefusesADamagedCall) {
  auto refuse = [](const TestCall& call, const std::string& text) {
    auto run = call.Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr(text));
  };
  auto call = [](const Ints& perm, const Shape& to) {
    return TestCall("transpose").Attr("perm", perm).In(CountingTensor(DType::kF32, {2, 3})).Out(to);
  };
  refuse(call({0, 0}, {2, 2}), "perm [0,0] does not take [2,3] to [2,2]");
  refuse(call({0, 2}, {2, 3}), "perm [0,2]");
  refuse(call({-1, 0}, {3, 2}), "perm [-1,0]");
  refuse(call({1}, {3}), "perm [1]");
  refuse(call({1, 0}, {2, 3}), "perm [1,0]");
  refuse(TestCall("transpose").In(CountingTensor(DType::kF32, {2})).Out({2}), "attribute \"perm\" is missing");
  refuse(TestCall("transpose").Attr("perm", 1).In(CountingTensor(DType::kF32, {2})).Out({2}), "of the wrong type");
}

}  // namespace
}  // namespace athanor
