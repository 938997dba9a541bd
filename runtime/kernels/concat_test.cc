#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

TestCall Join(const std::vector<Shape>& shapes, int axis, DType dtype, const std::string& layout) {
  TestCall call("concat");
  call.Attr("axis", axis);
  Shape sum = shapes[0];
  sum[axis] = 0;
  for (const Shape& s : shapes) {
    call.In(CountingTensor(dtype, s), layout);
    sum[axis] += s[axis];
  }
  return call.Out(sum, dtype);
}

// The layout that the kernel chose; "" after a failure.
std::string ExpectJoined(const std::vector<Shape>& shapes, int axis, DType dtype, int threads,
                         const std::string& layout = "") {
  SCOPED_TRACE(ShapeToString(shapes[0]) + " along " + std::to_string(axis) + " " + std::string(DTypeName(dtype)));
  auto run = Join(shapes, axis, dtype, layout).Threads(threads).Run();
  EXPECT_TRUE(run.ok()) << run.status();
  if (!run.ok()) return "";
  const Tensor& y = run->outputs[0];
  int64_t offset = 0;
  for (const Shape& s : shapes) {
    Tensor x = CountingTensor(dtype, s);
    ForEachIndex(s, [&](const Shape& index, int64_t i) {
      Shape to = index;
      to[axis] += offset;
      ASSERT_EQ(ElementBits(y, RowMajorOffset(y.shape(), to)), ElementBits(x, i)) << ShapeToString(to);
    });
    offset += s[axis];
  }
  return run->info.outputs[0].layout;
}

TEST(Concat, AlongEveryAxis) {
  for (int threads : {1, 2}) {
    ExpectJoined({{2, 3, 4, 5}, {1, 3, 4, 5}, {4, 3, 4, 5}}, 0, DType::kF32, threads);
    ExpectJoined({{2, 3, 4, 5}, {2, 1, 4, 5}}, 1, DType::kF32, threads);
    ExpectJoined({{2, 3, 4, 5}, {2, 3, 7, 5}}, 2, DType::kF32, threads);
    ExpectJoined({{2, 3, 4, 5}, {2, 3, 4, 1}, {2, 3, 4, 2}}, 3, DType::kF32, threads);
    ExpectJoined({{7, 101, 40}, {7, 59, 40}}, 1, DType::kF32, threads);
  }
}

TEST(Concat, OddCounts) {
  ExpectJoined({{3, 2}}, 0, DType::kF32, 1);
  ExpectJoined({{5}, {1}}, 0, DType::kF32, 1);
  ExpectJoined({{2, 3}, {2, 0}, {2, 4}}, 1, DType::kF32, 2);
  ExpectJoined({{0, 3}, {0, 4}}, 1, DType::kF32, 1);
  ExpectJoined(std::vector<Shape>(60, Shape{2, 3}), 1, DType::kF32, 2);
}

TEST(Concat, EveryElementType) {
  for (DType dtype : kAllDTypes) {
    for (int axis : {0, 1, 2}) ExpectJoined({{2, 3, 5}, {2, 3, 5}}, axis, dtype, 2);
  }
}

TEST(Concat, KeepsABlockedLayoutOfWholeBlocks) {
  for (int threads : {1, 2}) {
    EXPECT_EQ(ExpectJoined({{2, 16, 5, 7}, {2, 32, 5, 7}}, 1, DType::kF32, threads, "aBcd16b"), "aBcd16b");
    EXPECT_EQ(ExpectJoined({{2, 8, 5, 7}, {2, 24, 5, 7}}, 1, DType::kF32, threads, "aBcd8b"), "aBcd8b");
    EXPECT_EQ(ExpectJoined({{2, 5, 5, 7}, {2, 3, 5, 7}}, 1, DType::kF32, threads, "acdb"), "acdb");
  }
}

TEST(Concat, UnpacksBlocksThatAreNotFull) {
  EXPECT_EQ(ExpectJoined({{2, 6, 5, 7}, {2, 10, 5, 7}}, 1, DType::kF32, 2, "aBcd16b"), "abcd");
}

TEST(Concat, UnpacksMixedLayouts) {
  auto run = TestCall("concat").Attr("axis", 1).In(CountingTensor(DType::kF32, {2, 16, 3, 3}), "aBcd16b")
                 .In(CountingTensor(DType::kF32, {2, 16, 3, 3}), "acdb").Out({2, 32, 3, 3}).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->info.inputs[0].layout, "abcd");
  EXPECT_EQ(run->info.outputs[0].layout, "abcd");
}

TEST(Concat, RefusesADamagedCall) {
  auto refuse = [](const TestCall& call, const std::string& text) {
    auto run = call.Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr(text));
  };
  auto x = [](const Shape& shape) { return CountingTensor(DType::kF32, shape); };
  refuse(TestCall("concat").Attr("axis", 0).Out({2}), "has no inputs");
  refuse(TestCall("concat").Attr("axis", 2).In(x({2, 3})).Out({2, 3}), "axis 2 is not one of");
  refuse(TestCall("concat").Attr("axis", -1).In(x({2, 3})).Out({2, 3}), "axis -1 is not one of");
  refuse(TestCall("concat").Attr("axis", 0).In(x({2, 3})).In(x({2, 4})).Out({4, 3}), "f32[2,4]:ab does not fit");
  refuse(TestCall("concat").Attr("axis", 0).In(x({2, 3})).In(x({2})).Out({4, 3}), "f32[2]:a does not fit");
  refuse(TestCall("concat").Attr("axis", 0).In(x({2, 3})).In(x({2, 3})).Out({5, 3}), "expected [4,3]");
}

}  // namespace
}  // namespace athanor
