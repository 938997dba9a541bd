#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

struct Case {
  Shape whole, part;
  Ints starts, steps;
};

TestCall Forward(const Case& c, DType dtype) {
  return TestCall("slice")
      .Attr("starts", c.starts)
      .Attr("steps", c.steps)
      .In(CountingTensor(dtype, c.whole))
      .Out(c.part, dtype);
}
TestCall Backward(const Case& c, DType dtype) {
  return TestCall("slice_backward")
      .Attr("starts", c.starts)
      .Attr("steps", c.steps)
      .In(CountingTensor(dtype, c.part))
      .Out(c.whole, dtype);
}

// Checks both ways.
void ExpectPart(const Case& c, DType dtype, int threads) {
  SCOPED_TRACE(ShapeToString(c.whole) + " to " + ShapeToString(c.part) + " " + std::string(DTypeName(dtype)));
  auto forward = Forward(c, dtype).Threads(threads).Run();
  ASSERT_TRUE(forward.ok()) << forward.status();
  auto backward = Backward(c, dtype).Threads(threads).Run();
  ASSERT_TRUE(backward.ok()) << backward.status();
  Tensor x = CountingTensor(dtype, c.whole), dy = CountingTensor(dtype, c.part);
  std::vector<uint64_t> dx(x.num_elements(), 0);
  ForEachIndex(c.part, [&](const Shape& index, int64_t i) {
    Shape source(index);
    for (size_t d = 0; d < index.size(); ++d) source[d] = c.starts[d] + index[d] * c.steps[d];
    const int64_t at = RowMajorOffset(c.whole, source);
    ASSERT_EQ(ElementBits(forward->outputs[0], i), ElementBits(x, at)) << ShapeToString(index);
    dx[at] = ElementBits(dy, i);
  });
  for (size_t i = 0; i < dx.size(); ++i) ASSERT_EQ(ElementBits(backward->outputs[0], i), dx[i]) << i;
}

TEST(Slice, AlongEachDimension) {
  for (int threads : {1, 2}) {
    ExpectPart({{4, 5, 6}, {2, 5, 6}, {1, 0, 0}, {1, 1, 1}}, DType::kF32, threads);
    ExpectPart({{4, 5, 6}, {4, 3, 6}, {0, 2, 0}, {1, 1, 1}}, DType::kF32, threads);
    ExpectPart({{4, 5, 6}, {4, 5, 1}, {0, 0, 5}, {1, 1, 1}}, DType::kF32, threads);
    ExpectPart({{4, 5, 6}, {2, 2, 3}, {1, 0, 1}, {2, 4, 2}}, DType::kF32, threads);
    ExpectPart({{4, 5, 6}, {4, 5, 6}, {0, 0, 0}, {1, 1, 1}}, DType::kF32, threads);
    ExpectPart({{}, {}, {}, {}}, DType::kF32, threads);
    ExpectPart({{7}, {0}, {7}, {1}}, DType::kF32, threads);
    ExpectPart({{7}, {1}, {6}, {INT64_MAX}}, DType::kF32, threads);
    ExpectPart({{0, 3}, {0, 2}, {0, 1}, {1, 1}}, DType::kF32, threads);
    ExpectPart({{67, 30, 201}, {33, 30, 100}, {1, 0, 1}, {2, 1, 2}}, DType::kF32, threads);
    ExpectPart({{67, 30, 201}, {67, 29, 201}, {0, 1, 0}, {1, 1, 1}}, DType::kF32, threads);
  }
}

TEST(Slice, EveryElementType) {
  for (DType dtype : kAllDTypes) ExpectPart({{3, 4, 5}, {2, 2, 4}, {1, 1, 1}, {1, 2, 1}}, dtype, 2);
}

TEST(Slice, RefusesADamagedCall) {
  const Case cases[] = {
      {{4, 5}, {4, 5}, {0, 1}, {1, 1}},          {{4, 5}, {4, 5}, {-1, 0}, {1, 1}},
      {{4, 5}, {2, 3}, {0, 0}, {1, 0}},          {{4, 5}, {2, 3}, {0, 0}, {1, 3}},
      {{4, 5}, {2, 2}, {0, 0}, {1, INT64_MAX}},  {{4, 5}, {1, 1}, {0, INT64_MAX}, {1, 1}},
      {{4, 5}, {0, 5}, {5, 0}, {1, 1}},          {{4, 5}, {4}, {0, 0}, {1, 1}},
      {{4, 5}, {4, 5}, {0}, {1}},
  };
  for (const Case& c : cases) {
    for (const TestCall& call : {Forward(c, DType::kF32), Backward(c, DType::kF32)}) {
      auto run = call.Run();
      ASSERT_FALSE(run.ok()) << ShapeToString(c.part);
      EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
      EXPECT_THAT(std::string(run.status().message()), HasSubstr("of \"node\""));
    }
  }
}

}  // namespace
}  // namespace athanor
