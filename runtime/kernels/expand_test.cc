#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

void ExpectRepeated(const Shape& from, const Shape& to, DType dtype, int threads) {
  SCOPED_TRACE(ShapeToString(from) + " to " + ShapeToString(to) + " " + std::string(DTypeName(dtype)));
  Tensor x = CountingTensor(dtype, from);
  auto run = TestCall("expand").In(x.Clone()).Out(to, dtype).Threads(threads).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  ForEachIndex(to, [&](const Shape& index, int64_t i) {
    Shape source(index.end() - from.size(), index.end());
    for (size_t d = 0; d < from.size(); ++d) source[d] = from[d] == 1 ? 0 : source[d];
    ASSERT_EQ(ElementBits(run->outputs[0], i), ElementBits(x, RowMajorOffset(from, source))) << ShapeToString(index);
  });
}

TEST(Expand, RepeatsAlongEachDimension) {
  for (int threads : {1, 2}) {
    ExpectRepeated({3, 1, 1}, {2, 3, 5, 7}, DType::kF32, threads);
    ExpectRepeated({1, 3, 1, 7}, {2, 3, 5, 7}, DType::kF32, threads);
    ExpectRepeated({2, 1, 5, 1}, {2, 3, 5, 7}, DType::kF32, threads);
    ExpectRepeated({}, {3, 4}, DType::kF32, threads);
    ExpectRepeated({1}, {1, 1, 1}, DType::kF32, threads);
    ExpectRepeated({2, 3}, {2, 3}, DType::kF32, threads);
    ExpectRepeated({1, 4}, {0, 4}, DType::kF32, threads);
    ExpectRepeated({1, 1, 301}, {7, 99, 301}, DType::kF32, threads);
    ExpectRepeated({99, 1}, {7, 99, 301}, DType::kF32, threads);
  }
}

TEST(Expand, EveryElementType) {
  for (DType dtype : kAllDTypes) {
    ExpectRepeated({3, 1}, {2, 3, 5}, dtype, 2);
    ExpectRepeated({5}, {2, 3, 5}, dtype, 2);
  }
}

TEST(Expand, RefusesADamagedCall) {
  for (const Shape& to : {Shape{2, 4}, Shape{3}, Shape{1, 3}}) {
    auto run = TestCall("expand").In(CountingTensor(DType::kF32, {2, 3})).Out(to).Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
    EXPECT_THAT(std::string(run.status().message()),
                HasSubstr("f32[2,3]:ab does not broadcast to f32" + ShapeToString(to)));
  }
}

}  // namespace
}  // namespace athanor
