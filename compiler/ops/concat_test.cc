#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const std::vector<Shape>& inputs, int axis) {
  OpSpec spec("Concat");
  spec.Name("axis " + std::to_string(axis)).Attr("axis", axis);
  for (const Shape& s : inputs) spec.Input(s);
  return spec;
}

TEST(Concat, KnownValues) {
  auto a = [] { return Tensor::Of<float>({2, 1}, {1.0f, 2.0f}); };
  auto b = [] { return Tensor::Of<float>({2, 2}, {3.0f, 4.0f, 5.0f, 6.0f}); };
  OpSpec("Concat").Given(a()).Given(b()).Attr("axis", 1).ExpectOutput({2, 3}).ExpectValues({1, 3, 4, 2, 5, 6}).Check();
}

TEST(Concat, AlongEveryAxis) {
  Case({{2, 3, 4, 5}, {1, 3, 4, 5}}, 0).ExpectOutput({3, 3, 4, 5}).Check();
  Case({{2, 3, 4, 5}, {2, 1, 4, 5}, {2, 7, 4, 5}}, 1).ExpectOutput({2, 11, 4, 5}).SymbolicBatch().Check();
  Case({{2, 3, 4, 5}, {2, 3, 1, 5}}, 2).ExpectOutput({2, 3, 5, 5}).SymbolicBatch().Check();
  Case({{2, 3, 4, 5}, {2, 3, 4, 1}}, 3).ExpectOutput({2, 3, 4, 6}).SymbolicBatch().Check();
  Case({{2, 3, 4, 5}, {2, 3, 4, 1}}, -1).ExpectOutput({2, 3, 4, 6}).SymbolicBatch().Check();
  Case({{2, 3, 4, 5}, {2, 3, 4, 5}}, -4).ExpectOutput({4, 3, 4, 5}).Check();
}

TEST(Concat, OddShapes) {
  Case({{3}}, 0).ExpectOutput({3}).SymbolicBatch().Check();
  Case({{3}, {1}, {5}}, 0).ExpectOutput({9}).Check();
  Case({{2, 16, 3, 3}, {2, 32, 3, 3}}, 1).ExpectOutput({2, 48, 3, 3}).SymbolicBatch().Check();
  Case(std::vector<Shape>(20, Shape{2, 1}), 1).ExpectOutput({2, 20}).SymbolicBatch().Check();
  OpSpec("Concat").Name("a parameter").Input({2, 3}).Parameter({2, 4}).Attr("axis", 1).ExpectOutput({2, 7}).Check();
}

TEST(Concat, OfAnyType) {
  for (DType dtype : {DType::kS32, DType::kS64, DType::kU8}) {
    OpSpec("Concat").IntInput({2, 3}, 0, 9, dtype).IntInput({2, 2}, 0, 9, dtype).Attr("axis", 1)
        .ExpectOutput({2, 5}, dtype).Check();
  }
}

TEST(Concat, RefusesWhatDoesNotFit) {
  Case({{2, 3}, {2, 3}}, 2).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "axis 2 is not in [-2, 1]");
  Case({{2, 3}, {2, 3}}, -3).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "axis -3 is not in [-2, 1]");
  OpSpec("Concat").Input({2}).Attr("axis", INT64_MIN).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "is not in");
  Case({{}, {}}, 0).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "axis 0 is not in");
  Case({{2, 3}, {3, 3}}, 1)
      .ExpectOutput({})
      .ExpectError(ErrorClass::kShape,
                   "input 1 is f32[3,3], which does not fit input 0, f32[2,3]: all dimensions but 1 must be equal");
  Case({{2, 3}, {2, 3, 1}}, 1).ExpectOutput({}).ExpectError(ErrorClass::kShape, "input 1 is f32[2,3,1]");
  OpSpec("Concat").Input({2}).IntInput({2}, 0, 1).Attr("axis", 0).ExpectOutput({4})
      .ExpectError(ErrorClass::kDtype, "expected element type f32");
  OpSpec("Concat").Attr("axis", 0).ExpectOutput({2}).ExpectError(ErrorClass::kGraph,
                                                                 "has 0 inputs, expected at least 1");
  OpSpec("Concat").Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "attribute \"axis\" is required");
}

// No tensor can be as large as the axis' total here, so only the types are asked for.
TEST(Concat, RefusesATotalThatOverflows) {
  Node node{"Concat", "c", {0, 1}, {2}, {{"axis", int64_t{0}}}, {}, ""};
  const TensorType x(DType::kU8, {INT64_MAX});
  auto types = InferTypes(**FindOp(node), node, {x, x});
  ASSERT_FALSE(types.ok());
  EXPECT_EQ(std::string(types.status().message()),
            "SHAPE: node \"c\" (Concat): the sum of dimension 0 over the inputs overflows");
}

TEST(Concat, RefusesToAddUpSymbols) {
  Node node{"Concat", "c", {0, 1}, {2}, {{"axis", int64_t{0}}}, {}, ""};
  const TensorType x(DType::kF32, {"N", 3});
  EXPECT_FALSE(InferTypes(**FindOp(node), node, {x, x}).ok());
}

}  // namespace
}  // namespace athanor
