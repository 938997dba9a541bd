#include <numeric>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

TEST(ChannelShuffle, KnownValues) {
  OpSpec("ChannelShuffle").Given(Tensor::Of<float>({1, 6}, {0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f})).Attr("groups", 2)
      .ExpectOutput({1, 6}).ExpectValues({0, 3, 1, 4, 2, 5}).Check();
  OpSpec("ChannelShuffle").Given(Tensor::Of<float>({1, 6}, {0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f})).Attr("groups", 3)
      .ExpectOutput({1, 6}).ExpectValues({0, 2, 4, 1, 3, 5}).Check();
}

TEST(ChannelShuffle, EveryGroupingAndRank) {
  for (int groups : {1, 2, 3, 4, 6, 12}) {
    for (const Shape& x : std::vector<Shape>{{2, 12}, {3, 12, 5}, {2, 12, 3, 5}, {2, 12, 2, 1, 3}}) {
      OpSpec("ChannelShuffle").Name(ShapeToString(x)).Input(x).Attr("groups", groups).ExpectOutput(x).SymbolicBatch()
          .Check();
    }
  }
  OpSpec("ChannelShuffle").Name("blocked channels").Input({2, 32, 3, 3}).Attr("groups", 4).ExpectOutput({2, 32, 3, 3})
      .Check();
  OpSpec("ChannelShuffle").Name("no images").Input({0, 4, 3}).Attr("groups", 2).ExpectOutput({0, 4, 3}).Check();
  OpSpec("ChannelShuffle").Name("no channels").Input({3, 0}).Attr("groups", 2).ExpectOutput({3, 0}).Check();
}

TEST(ChannelShuffle, Errors) {
  auto refuse = [](const Shape& x, int64_t groups, ErrorClass error, const std::string& text) {
    OpSpec("ChannelShuffle").Input(x).Attr("groups", groups).ExpectOutput(x).ExpectError(error, text);
  };
  refuse({2, 6}, 4, ErrorClass::kAttr, "groups = 4 does not divide the 6 channels of input \"x\", f32[2,6]");
  refuse({2, 6}, INT64_MAX, ErrorClass::kAttr, "does not divide the 6 channels");
  refuse({2, 6}, 0, ErrorClass::kAttr, "attribute \"groups\" = 0 is not in [1");
  refuse({2, 6}, -2, ErrorClass::kAttr, "attribute \"groups\" = -2");
  refuse({6}, 2, ErrorClass::kShape, "of rank 1, expected rank 2 to 7");
  refuse({2, 6, 1, 1, 1, 1, 1, 1}, 2, ErrorClass::kShape, "of rank 8");
  OpSpec("ChannelShuffle").Input({2, 6}).ExpectOutput({2, 6})
      .ExpectError(ErrorClass::kAttr, "attribute \"groups\" is required");
}

Tensor Number(int64_t n) { return Tensor::Scalar(n); }

OpSpec Training(const std::string& name, const Shape& x, int axis, bool inverse = false) {
  OpSpec spec("Shuffle");
  spec.Name(name).Input(x).Given(Number(3)).Given(Number(4)).Attr("axis", axis).Attr("stream", 5)
      .Attr("inverse", inverse).Attr("training", true).Training().ExpectOutput(x);
  return spec;
}

TEST(Shuffle, PermutesByThePhiloxStreamOfTheStep) {
  std::vector<float> x(50);
  std::iota(x.begin(), x.end(), 0.0f);
  std::vector<double> want(x.begin(), x.end());
  const Philox random(42, Philox::MixStream(5, 7));
  for (uint64_t a = 49; a > 0; --a) std::swap(want[a], want[(a + 1) * random.Block(a / 4)[a % 4] >> 32]);
  EXPECT_NE(want, std::vector<double>(x.begin(), x.end()));
  OpSpec("Shuffle").Given(Tensor::Of<float>({50}, x)).Given(Number(42)).Given(Number(7)).Attr("stream", 5)
      .Attr("training", true).Training().ExpectOutput({50}).ExpectValues(want).Check();
}

TEST(Shuffle, AlongEveryAxisAndBack) {
  for (bool inverse : {false, true}) {
    for (int axis : {0, 1, 2, -1, -2}) Training("axis " + std::to_string(axis), {4, 5, 6}, axis, inverse).Check();
    Training("one", {1}, 0, inverse).Check();
    Training("many", {301}, 0, inverse).Check();
    Training("wide", {5, 700}, 0, inverse).Check();
    Training("nothing", {0, 3}, 0, inverse).Check();
  }
  OpSpec("Shuffle").IntInput({9}, 0, 9, DType::kS64).Given(Number(1)).Given(Number(1)).Attr("stream", 0)
      .Attr("training", true).Training().ExpectOutput({9}, DType::kS64).Check();
}

TEST(Shuffle, OutsideOfTrainingItIsTheIdentity) {
  OpSpec("Shuffle").Input({3, 5}).ExpectOutput({3, 5}).SymbolicBatch().Check();
  OpSpec("Shuffle").Name("values").Given(Tensor::Of<float>({2}, {1.0f, -2.0f})).ExpectOutput({2})
      .ExpectValues({1, -2}).Check();
}

TEST(Shuffle, Errors) {
  for (int64_t axis : {int64_t{2}, int64_t{-3}, INT64_MIN}) {
    OpSpec("Shuffle").Input({2, 3}).Attr("axis", axis).ExpectOutput({2, 3})
        .ExpectError(ErrorClass::kAttr, "is not in [-2, 1]");
  }
  OpSpec("Shuffle").Input({}).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "axis 0 is not in");
  OpSpec("Shuffle").Input({3}).Attr("stream", -2).ExpectOutput({3})
      .ExpectError(ErrorClass::kAttr, "attribute \"stream\" = -2");
  OpSpec("Shuffle").Input({3}).Input({}).ExpectOutput({3}).ExpectError(ErrorClass::kDtype, "input \"seed\" is f32[]");
  OpSpec("Shuffle").Input({3}).Given(Number(1)).IntInput({2}, 0, 9, DType::kS64).ExpectOutput({3})
      .ExpectError(ErrorClass::kShape, "input \"step\" is s64[2]");
}

}  // namespace
}  // namespace athanor
