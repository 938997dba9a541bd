#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const std::string& name, const Shape& x, int axis, const Ints& sizes) {
  OpSpec spec("Split");
  spec.Name(name).Input(x).Attr("axis", axis).Attr("split", sizes);
  for (int64_t size : sizes) {
    Shape y = x;
    y[axis < 0 ? axis + static_cast<int>(x.size()) : axis] = size;
    spec.ExpectOutput(y);
  }
  return spec;
}

TEST(Split, KnownValues) {
  auto x = [] { return Tensor::Of<float>({2, 3}, {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}); };
  OpSpec("Split").Given(x()).Attr("axis", 1).Attr("split", Ints{1, 2}).ExpectOutput({2, 1}).ExpectValues({1, 4})
      .ExpectOutput({2, 2}).ExpectValues({2, 3, 5, 6}).Check();
  OpSpec("Split").Given(x()).ExpectOutput({1, 3}).ExpectValues({1, 2, 3}).ExpectOutput({1, 3}).ExpectValues({4, 5, 6})
      .Check();
}

TEST(Split, AlongEveryAxis) {
  for (int axis : {0, 1, 2, -1, -2, -3}) {
    const Shape x = {6, 6, 6};
    Case("thirds", x, axis, {2, 2, 2}).Check();
    Case("unequal", x, axis, {1, 3, 2}).Check();
    Case("ones", x, axis, {1, 1, 1, 1, 1, 1}).Check();
    Case("one empty", x, axis, {4, 0, 2}).Check();
    Case("whole", x, axis, {6}).Check();
  }
  Case("channels", {3, 8, 5, 7}, 1, {3, 5}).SymbolicBatch().Check();
  Case("channels of a blocked layout", {2, 48, 3, 3}, 1, {16, 32}).SymbolicBatch().Check();
  Case("vector", {7}, 0, {3, 4}).Check();
}

TEST(Split, EqualParts) {
  OpSpec("Split").Name("as many as outputs").Input({6, 2}).ExpectOutput({2, 2}).ExpectOutput({2, 2})
      .ExpectOutput({2, 2}).Check();
  OpSpec("Split").Name("the last is smaller").Input({7, 2}).Attr("num_outputs", 3).ExpectOutput({3, 2})
      .ExpectOutput({3, 2}).ExpectOutput({1, 2}).Check();
  OpSpec("Split").Name("one").Input({4, 5}).ExpectOutput({4, 5}).SymbolicBatch().Check();
  OpSpec("Split").Name("one said").Input({4, 5}).Attr("num_outputs", 1).Attr("axis", 0).ExpectOutput({4, 5})
      .SymbolicBatch().Check();
  OpSpec("Split").Name("nothing").Input({0, 5}).ExpectOutput({0, 5}).ExpectOutput({0, 5}).Check();
  OpSpec("Split").Name("beside nothing").Input({4, 0}).ExpectOutput({2, 0}).ExpectOutput({2, 0}).Check();
}

TEST(Split, OfAnyType) {
  for (DType dtype : {DType::kS32, DType::kS64, DType::kU8}) {
    OpSpec("Split").IntInput({4, 5}, 0, 9, dtype).Attr("axis", 1).Attr("split", Ints{2, 3}).ExpectOutput({4, 2}, dtype)
        .ExpectOutput({4, 3}, dtype).Check();
  }
}

TEST(Split, AGradientOfSomeParts) {
  Case("only the first", {3, 6}, 1, {2, 4}).NoGradientFromOutput(1).Check();
  Case("only the middle", {3, 6}, 1, {2, 3, 1}).NoGradientFromOutput(0).NoGradientFromOutput(2).Check();
  Case("beside an empty one", {3, 6}, 1, {6, 0}).NoGradientFromOutput(1).Check();
}

TEST(Split, Errors) {
  auto refuse = [](const Ints& sizes, const std::string& text) {
    OpSpec("Split").Input({3, 6}).Attr("axis", 1).Attr("split", sizes).ExpectOutput({3, 2}).ExpectOutput({3, 4})
        .ExpectError(ErrorClass::kAttr, text);
  };
  refuse({2, 3}, "split = [2,3] do not add up to the dimension, 6");
  refuse({4, 4}, "do not add up to the dimension, 6");
  refuse({INT64_MAX, INT64_MAX}, "do not add up to the dimension, 6");
  refuse({-1, 7}, "attribute \"split\" = [-1,7] is not in [0");
  refuse({-1, -1}, "attribute \"split\" = [-1,-1] is not in [0");
  refuse({2, 2, 2}, "split has 3 sizes, but the node has 2 outputs");
  refuse({6}, "split has 1 sizes, but the node has 2 outputs");
  auto two = [] { return OpSpec("Split").Input({3, 6}).ExpectOutput({3, 3}).ExpectOutput({3, 3}); };
  two().Attr("num_outputs", 0).ExpectError(ErrorClass::kAttr, "attribute \"num_outputs\" = 0 is not in [1");
  two().Attr("num_outputs", -2).ExpectError(ErrorClass::kAttr, "attribute \"num_outputs\" = -2");
  two().Attr("num_outputs", 3).ExpectError(ErrorClass::kAttr, "num_outputs is 3, but the node has 2 outputs");
  two().Attr("num_outputs", 3).Attr("split", Ints{1, 2})
      .ExpectError(ErrorClass::kAttr, "split has 2 sizes, but num_outputs is 3");
  for (int64_t axis : {int64_t{2}, int64_t{-3}, INT64_MIN, INT64_MAX}) {
    two().Attr("axis", axis).ExpectError(ErrorClass::kAttr, "is not in [-2, 1]");
  }
  OpSpec("Split").Input({}).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "axis 0 is not in");
  OpSpec("Split").Input({3}).ExpectError(ErrorClass::kGraph, "has 0 outputs, expected at least 1");
  OpSpec("Split").Input({3, 1}).ExpectOutput({3, 1}).OmitOutput()
      .ExpectError(ErrorClass::kGraph, "output 1 (\"y\") is required");
  OpSpec("Split").Input({2}).ExpectOutput({1}).ExpectOutput({1}).ExpectOutput({0})
      .ExpectError(ErrorClass::kAttr, "a dimension of 2 cannot be split into 3 parts of 1");
  OpSpec("Split").Input({5}).ExpectOutput({2}).ExpectOutput({2}).ExpectOutput({1}).ExpectOutput({0})
      .ExpectError(ErrorClass::kAttr, "a dimension of 5 cannot be split into 4 parts of 2");
}

TEST(Split, ASymbolIsNotCut) {
  Node node{"Split", "s", {0}, {1, 2}, {}, {}, ""};
  auto types = InferTypes(**FindOp(node), node, {TensorType(DType::kF32, {"N", 3})});
  ASSERT_FALSE(types.ok());
  EXPECT_EQ(std::string(types.status().message()),
            "SHAPE: node \"s\" (Split): input \"x\" is f32[N,3]: dimension 0 must be a number here");
}

}  // namespace
}  // namespace athanor
