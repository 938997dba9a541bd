#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

TEST(Shuffle, IsAPermutationThatItsInverseUndoes) {
  const Shape shape = {3, 501, 40};
  auto call = [&](Tensor x, bool inverse, int64_t step, int threads) {
    return TestCall("shuffle").Attr("axis", 1).Attr("stream", 3).Attr("inverse", inverse).In(std::move(x))
        .In(Tensor::Scalar<int64_t>(5)).In(Tensor::Scalar(step)).Out(shape).Threads(threads).Run();
  };
  Tensor x = RandomTensor(shape, 1);
  auto one = call(x.Clone(), false, 1, 1), two = call(x.Clone(), false, 1, 2), other = call(x.Clone(), false, 2, 1);
  ASSERT_TRUE(one.ok() && two.ok() && other.ok()) << one.status();
  EXPECT_EQ(one->stored, two->stored);
  EXPECT_NE(one->stored, other->stored);
  EXPECT_NE(one->outputs[0].as<float>(), x.as<float>());
  auto back = call(one->outputs[0].Clone(), true, 1, 2);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->outputs[0].as<float>(), x.as<float>());
  auto damaged = TestCall("shuffle").Attr("axis", 0).Attr("stream", 3).Attr("inverse", false).In(RandomTensor({3}, 1))
                     .In(RandomTensor({}, 1)).In(Tensor::Scalar<int64_t>(1)).Out({3}).Query();
  EXPECT_THAT(std::string(damaged.status().message()), HasSubstr("seed is f32[]:a, expected s64[]"));
}

}  // namespace
}  // namespace athanor
