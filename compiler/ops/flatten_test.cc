#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const Shape& x, int axis) {
  OpSpec spec("Flatten");
  spec.Name("axis " + std::to_string(axis)).Input(x).Attr("axis", axis);
  return spec;
}

TEST(Flatten, FromEveryAxis) {
  OpSpec("Flatten").Name("default").Input({2, 3, 5, 7}).ExpectOutput({2, 105}).SymbolicBatch().Check();
  Case({2, 3, 5, 7}, 0).ExpectOutput({1, 210}).Check();
  Case({2, 3, 5, 7}, 1).ExpectOutput({2, 105}).SymbolicBatch().Check();
  Case({2, 3, 5, 7}, 2).ExpectOutput({6, 35}).Check();
  Case({2, 3, 5, 7}, 3).ExpectOutput({30, 7}).Check();
  Case({2, 3, 5, 7}, 4).ExpectOutput({210, 1}).Check();
  Case({2, 3, 5, 7}, -1).ExpectOutput({30, 7}).Check();
  Case({2, 3, 5, 7}, -4).ExpectOutput({1, 210}).Check();
}

TEST(Flatten, OddShapes) {
  OpSpec("Flatten").Name("vector").Input({5}).ExpectOutput({5, 1}).SymbolicBatch().Check();
  OpSpec("Flatten").Name("matrix").Input({5, 3}).ExpectOutput({5, 3}).SymbolicBatch().Check();
  Case({}, 0).ExpectOutput({1, 1}).Check();
  OpSpec("Flatten").Name("blocked").Input({3, 17, 1, 5}).ExpectOutput({3, 85}).SymbolicBatch().Check();
  OpSpec("Flatten").Name("integers").IntInput({4, 3, 2}, 0, 9).ExpectOutput({4, 6}, DType::kS32).Check();
}

TEST(Flatten, RefusesAnAxisThatIsNotThere) {
  Case({2, 3}, 3).ExpectOutput({2, 3}).ExpectError(ErrorClass::kAttr, "axis 3 is not in [-2, 2]");
  Case({2, 3}, -3).ExpectOutput({2, 3}).ExpectError(ErrorClass::kAttr, "axis -3 is not in [-2, 2]");
  OpSpec("Flatten")
      .Input({2, 3})
      .Attr("axis", INT64_MIN)
      .ExpectOutput({2, 3})
      .ExpectError(ErrorClass::kAttr, "is not in");
  OpSpec("Flatten").Input({}).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "axis 1 is not in [0, 0]");
}

TEST(Flatten, RefusesAProductWithASymbol) {
  Node node{"Flatten", "f", {0}, {1}, {{"axis", int64_t{2}}}, {}, ""};
  const TensorType x(DType::kF32, {"N", 3, 5});
  auto types = InferTypes(**FindOp(node), node, {x});
  ASSERT_FALSE(types.ok());
  EXPECT_EQ(
      std::string(types.status().message()),
      "SHAPE: node \"f\" (Flatten): input \"x\" is f32[N,3,5]: dimensions 0 to 1 would become a product with a symbol");
}

}  // namespace
}  // namespace athanor
