#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const char* op, const Shape& x, const Ints& axes) {
  OpSpec spec(op);
  spec.Name(ShapeToString(x) + " " + ShapeToString(axes)).Input(x).Attr("axes", axes);
  return spec;
}

TEST(Squeeze, DropsTheNamedDimensions) {
  Case("Squeeze", {1, 3, 1, 5}, {0}).ExpectOutput({3, 1, 5}).Check();
  Case("Squeeze", {1, 3, 1, 5}, {2}).ExpectOutput({1, 3, 5}).Check();
  Case("Squeeze", {1, 3, 1, 5}, {0, 2}).ExpectOutput({3, 5}).Check();
  Case("Squeeze", {1, 3, 1, 5}, {-2, -4}).ExpectOutput({3, 5}).Check();
  Case("Squeeze", {4, 3, 1, 5}, {2}).ExpectOutput({4, 3, 5}).SymbolicBatch().Check();
  Case("Squeeze", {4, 1}, {1}).ExpectOutput({4}).SymbolicBatch().Check();
  Case("Squeeze", {1}, {0}).ExpectOutput({}).Check();
  Case("Squeeze", {0, 1}, {1}).ExpectOutput({0}).Check();
}

TEST(Squeeze, DropsAllThatAreOneWhereNoneIsNamed) {
  OpSpec("Squeeze").Input({1, 3, 1, 5, 1}).ExpectOutput({3, 5}).Check();
  OpSpec("Squeeze").Input({1, 1}).ExpectOutput({}).Check();
  OpSpec("Squeeze").Input({2, 3}).ExpectOutput({2, 3}).SymbolicBatch().Check();
  OpSpec("Squeeze").Input({}).ExpectOutput({}).Check();
  OpSpec("Squeeze").Input({1, 16, 1, 1}).ExpectOutput({16}).Check();
}

TEST(Unsqueeze, PutsOnesIn) {
  Case("Unsqueeze", {3, 5}, {0}).ExpectOutput({1, 3, 5}).Check();
  Case("Unsqueeze", {3, 5}, {1}).ExpectOutput({3, 1, 5}).SymbolicBatch().Check();
  Case("Unsqueeze", {3, 5}, {2}).ExpectOutput({3, 5, 1}).SymbolicBatch().Check();
  Case("Unsqueeze", {3, 5}, {-1}).ExpectOutput({3, 5, 1}).SymbolicBatch().Check();
  Case("Unsqueeze", {3, 5}, {-3}).ExpectOutput({1, 3, 5}).Check();
  Case("Unsqueeze", {3, 5}, {3, 0}).ExpectOutput({1, 3, 5, 1}).Check();
  Case("Unsqueeze", {3, 5}, {1, 2}).ExpectOutput({3, 1, 1, 5}).SymbolicBatch().Check();
  Case("Unsqueeze", {}, {0}).ExpectOutput({1}).Check();
  Case("Unsqueeze", {}, {0, 1, 2, 3, 4, 5, 6, 7}).ExpectOutput({1, 1, 1, 1, 1, 1, 1, 1}).Check();
  Case("Unsqueeze", {3, 0}, {1}).ExpectOutput({3, 1, 0}).Check();
  Case("Unsqueeze", {3, 5}, {}).ExpectOutput({3, 5}).SymbolicBatch().Check();
}

TEST(Squeeze, OfAnyType) {
  for (DType dtype : {DType::kS32, DType::kS64, DType::kU8, DType::kBool}) {
    OpSpec("Squeeze").IntInput({1, 4}, 0, 1, dtype).ExpectOutput({4}, dtype).Check();
    OpSpec("Unsqueeze").IntInput({4}, 0, 1, dtype).Attr("axes", Ints{0}).ExpectOutput({1, 4}, dtype).Check();
  }
}

TEST(Squeeze, Errors) {
  auto refuse = [](const char* op, const Shape& x, const Ints& axes, ErrorClass error, const std::string& text) {
    Case(op, x, axes).ExpectOutput(x).ExpectError(error, text);
  };
  refuse("Squeeze", {1, 3}, {1}, ErrorClass::kShape, "input \"x\" is f32[1,3]: dimension 1 is not 1");
  refuse("Squeeze", {1, 0}, {1}, ErrorClass::kShape, "dimension 1 is not 1");
  refuse("Squeeze", {1, 3}, {2}, ErrorClass::kAttr, "axis 2 is not in [-2, 1]");
  refuse("Squeeze", {1, 3}, {-3}, ErrorClass::kAttr, "axis -3 is not in [-2, 1]");
  refuse("Squeeze", {1, 3}, {INT64_MIN}, ErrorClass::kAttr, "is not in [-2, 1]");
  refuse("Squeeze", {1, 3}, {INT64_MAX}, ErrorClass::kAttr, "is not in [-2, 1]");
  refuse("Squeeze", {1, 3}, {0, -2}, ErrorClass::kAttr, "axes [0,-2] name axis 0 twice");
  refuse("Squeeze", {}, {0}, ErrorClass::kAttr, "axis 0 is not in");
  refuse("Unsqueeze", {2, 3}, {3}, ErrorClass::kAttr, "axis 3 is not in [-3, 2]");
  refuse("Unsqueeze", {2, 3}, {-4}, ErrorClass::kAttr, "axis -4 is not in [-3, 2]");
  refuse("Unsqueeze", {2, 3}, {-100000}, ErrorClass::kAttr, "axis -100000 is not in [-3, 2]");
  refuse("Unsqueeze", {2, 3}, {0, 0}, ErrorClass::kAttr, "axes [0,0] name axis 0 twice");
  refuse("Unsqueeze", {2, 3}, {0, 1, 2, 3, 4, 5, 6}, ErrorClass::kShape, "7 axes more are beyond rank 8");
  OpSpec("Unsqueeze").Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "attribute \"axes\" is required");
}

TEST(Squeeze, ASymbolIsNotOne) {
  Node node{"Squeeze", "s", {0}, {1}, {{"axes", Ints{0}}}, {}, ""};
  auto types = InferTypes(**FindOp(node), node, {TensorType(DType::kF32, {"N", 3})});
  ASSERT_FALSE(types.ok());
  EXPECT_EQ(std::string(types.status().message()),
            "SHAPE: node \"s\" (Squeeze): input \"x\" is f32[N,3]: dimension 0 is not 1");
}

}  // namespace
}  // namespace athanor
