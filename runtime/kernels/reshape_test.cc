#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

void ExpectSameElements(const Shape& from, const Shape& to, DType dtype, int threads) {
  SCOPED_TRACE(ShapeToString(from) + " to " + ShapeToString(to) + " " + std::string(DTypeName(dtype)));
  Tensor x = CountingTensor(dtype, from);
  auto run = TestCall("reshape").In(x.Clone()).Out(to, dtype).Threads(threads).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(run->outputs[0].shape(), to);
  for (int64_t i = 0; i < x.num_elements(); ++i) ASSERT_EQ(ElementBits(run->outputs[0], i), ElementBits(x, i)) << i;
}

TEST(Reshape, KeepsTheElementsOfEveryType) {
  for (DType dtype : kAllDTypes) {
    for (int threads : {1, 2}) {
      ExpectSameElements({2, 3, 5}, {6, 5}, dtype, threads);
      ExpectSameElements({1}, {}, dtype, threads);
      ExpectSameElements({3, 0}, {0, 7}, dtype, threads);
      ExpectSameElements({301, 1001}, {1001, 7, 43}, dtype, threads);
    }
  }
}

TEST(Reshape, UnpacksABlockedInput) {
  // Query asks for row-major, so that the compiler puts a reorder before it.
  auto info = TestCall("reshape").In(CountingTensor(DType::kF32, {2, 16, 3, 3}), "aBcd16b").Out({2, 144}).Query();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->inputs[0].layout, "abcd");
  EXPECT_EQ(info->outputs[0].layout, "ab");
}

TEST(Reshape, RefusesADamagedCall) {
  auto refuse = [](const TestCall& call, const std::string& text) {
    auto run = call.Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr(text));
    EXPECT_THAT(std::string(run.status().message()), HasSubstr("\"node\""));
  };
  Tensor x = CountingTensor(DType::kF32, {2, 3});
  refuse(TestCall("reshape").In(x.Clone()).Out({7}), "6 elements");
  refuse(TestCall("reshape").In(x.Clone()).Out({6}, DType::kS32), "mixes the element types f32 and s32");
  refuse(TestCall("reshape").In(x.Clone()).In(x.Clone()).Out({6}), "has 2 inputs and 1 outputs, expected 1 and 1");
  refuse(TestCall("reshape").In(x.Clone()).Out({6}).Fuse({"ReLU", {}, -1}), "takes no post-ops");
}

}  // namespace
}  // namespace athanor
