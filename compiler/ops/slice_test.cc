#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Part {
  Ints starts, ends, axes = {}, steps = {};
};

OpSpec Case(const std::string& name, const Shape& x, const Part& p) {
  OpSpec spec("Slice");
  spec.Name(name).Input(x).Attr("starts", p.starts).Attr("ends", p.ends).Attr("axes", p.axes).Attr("steps", p.steps);
  return spec;
}

TEST(Slice, KnownValues) {
  auto x = [] { return Tensor::Of<float>({2, 4}, {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f}); };
  // ONNX's two examples.
  OpSpec("Slice").Given(x()).Attr("starts", Ints{1, 0}).Attr("ends", Ints{2, 3}).Attr("axes", Ints{0, 1})
      .Attr("steps", Ints{1, 2}).ExpectOutput({1, 2}).ExpectValues({5, 7}).Check();
  OpSpec("Slice").Given(x()).Attr("starts", Ints{0, 1}).Attr("ends", Ints{-1, 1000})
      .ExpectOutput({1, 3}).ExpectValues({2, 3, 4}).Check();
}

TEST(Slice, AlongEveryAxis) {
  for (int axis : {0, 1, 2, 3, -1, -2, -3, -4}) {
    Shape y = {5, 4, 6, 7};
    y[axis < 0 ? axis + 4 : axis] = 2;
    OpSpec spec = Case("axis " + std::to_string(axis), {5, 4, 6, 7}, {{1}, {3}, {axis}});
    spec.ExpectOutput(y);
    if (axis % 4 != 0) spec.SymbolicBatch();
    spec.Check();
  }
}

TEST(Slice, IndicesCountFromTheEndAndAreClamped) {
  Case("from the end", {3, 10}, {{-3}, {-1}, {1}}).ExpectOutput({3, 2}).SymbolicBatch().Check();
  Case("before the start", {3, 10}, {{-1000}, {4}, {1}}).ExpectOutput({3, 4}).Check();
  Case("behind the end", {3, 10}, {{8}, {1000}, {1}}).ExpectOutput({3, 2}).Check();
  Case("int64 limits", {3, 10}, {{INT64_MIN}, {INT64_MAX}, {1}}).ExpectOutput({3, 10}).SymbolicBatch().Check();
  Case("a symbolic dimension, whole", {3, 10}, {{0, 1}, {INT64_MAX, 3}}).ExpectOutput({3, 2}).SymbolicBatch().Check();
}

TEST(Slice, Steps) {
  Case("even", {3, 10}, {{0}, {10}, {1}, {2}}).ExpectOutput({3, 5}).SymbolicBatch().Check();
  Case("odd rest", {3, 10}, {{1}, {10}, {1}, {4}}).ExpectOutput({3, 3}).Check();
  Case("beyond", {3, 10}, {{2}, {10}, {1}, {100}}).ExpectOutput({3, 1}).Check();
  Case("largest", {3, 10}, {{2}, {10}, {1}, {INT64_MAX}}).ExpectOutput({3, 1}).Check();
  Case("in all dimensions", {5, 7, 9}, {{1, 0, 2}, {5, 7, 9}, {0, 1, 2}, {3, 2, 4}}).ExpectOutput({2, 4, 2}).Check();
  Case("axes in any order", {5, 7, 9}, {{1, 2}, {5, 9}, {2, 0}, {3, 1}}).ExpectOutput({3, 7, 2}).Check();
}

TEST(Slice, OddShapes) {
  Case("nothing cut", {3, 4}, {{0, 0}, {3, 4}}).ExpectOutput({3, 4}).Check();
  Case("no axes", {3, 4}, {{}, {}}).ExpectOutput({3, 4}).SymbolicBatch().Check();
  Case("scalar", {}, {{}, {}}).ExpectOutput({}).Check();
  Case("channels of a blocked layout", {2, 32, 3, 3}, {{16}, {32}, {1}})
      .ExpectOutput({2, 16, 3, 3})
      .SymbolicBatch()
      .Check();
  OpSpec("Slice")
      .Name("parameter")
      .Parameter({16, 8})
      .Attr("starts", Ints{3})
      .Attr("ends", Ints{9})
      .ExpectOutput({6, 8})
      .Check();
}

TEST(Slice, OfAnyType) {
  for (DType dtype : {DType::kS32, DType::kS64, DType::kU8}) {
    OpSpec("Slice").IntInput({4, 5}, 0, 9, dtype).Attr("starts", Ints{1, 1}).Attr("ends", Ints{4, 4})
        .ExpectOutput({3, 3}, dtype).Check();
  }
}

TEST(Slice, RefusesBadAttributes) {
  auto refuse = [](const Part& p, const std::string& text) {
    Case("", {3, 10}, p).ExpectOutput({3, 10}).ExpectError(ErrorClass::kAttr, text);
  };
  refuse({{0}, {1}, {0}, {0}}, "attribute \"steps\" = [0] is not in [1");
  refuse({{0}, {1}, {0}, {-1}}, "attribute \"steps\" = [-1] is not in [1");
  refuse({{0}, {1}, {2}}, "axes [2] are not different ones in [-2, 1], the axes of f32[3,10]");
  refuse({{0}, {1}, {-3}}, "axes [-3] are not different ones");
  refuse({{0}, {1}, {INT64_MIN}}, "are not different ones");
  refuse({{0, 0}, {1, 1}, {1, -1}}, "axes [1,-1] are not different ones");
  refuse({{0, 0, 0}, {1, 1, 1}}, "axes [0,1,2] are not different ones");
  refuse({{0, 0}, {1}}, "starts has 2 entries, but ends has 1");
  refuse({{0}, {1}, {0, 1}}, "starts has 1 entries, but axes has 2");
  refuse({{0}, {1}, {0}, {1, 1}}, "starts has 1 entries, but steps has 2");
}

TEST(Slice, RefusesToCutASymbol) {
  Node node{"Slice", "s", {0}, {1}, {{"starts", Ints{1}}, {"ends", Ints{3}}}, {}, ""};
  auto types = InferTypes(**FindOp(node), node, {TensorType(DType::kF32, {"N", 3})});
  ASSERT_FALSE(types.ok());
  EXPECT_EQ(std::string(types.status().message()),
            "SHAPE: node \"s\" (Slice): input \"x\" is f32[N,3]: dimension 0 must be a number to be sliced");
}

OpSpec Grad(const std::string& name, const Shape& dy, const Ints& shape, const Ints& starts, const Ints& steps) {
  OpSpec spec("SliceGrad");
  spec.Name(name).Input(dy).Attr("shape", shape).Attr("starts", starts).Attr("steps", steps);
  return spec;
}

TEST(SliceGrad, PutsThePartInZeros) {
  OpSpec("SliceGrad").Given(Tensor::Of<float>({2}, {1.0f, 2.0f})).Attr("shape", Ints{5}).Attr("starts", Ints{1})
      .Attr("steps", Ints{2}).ExpectOutput({5}).ExpectValues({0, 1, 0, 2, 0}).Check();
  Grad("whole batch", {3, 2}, {-1, 7}, {0, 4}, {1, 2}).ExpectOutput({3, 7}).SymbolicBatch().Check();
  Grad("all cut", {3, 2, 4}, {5, 3, 9}, {2, 1, 0}, {1, 1, 2}).ExpectOutput({5, 3, 9}).Check();
}

TEST(SliceGrad, RefusesAPartThatLiesOutside) {
  Grad("", {3}, {4}, {2}, {1})
      .ExpectOutput({4})
      .ExpectError(ErrorClass::kShape, "dimension 0 from 2 by 1 does not lie within 4");
  Grad("", {3}, {4}, {0}, {2}).ExpectOutput({4}).ExpectError(ErrorClass::kShape, "does not lie within 4");
  Grad("", {3}, {4}, {5}, {1}).ExpectOutput({4}).ExpectError(ErrorClass::kShape, "does not lie within 4");
  Grad("", {3}, {-1}, {1}, {1})
      .ExpectOutput({4})
      .ExpectError(ErrorClass::kAttr, "dimension 0 is whole, but starts at 1");
  Grad("", {3}, {4, 4}, {1}, {1})
      .ExpectOutput({4})
      .ExpectError(ErrorClass::kAttr, "shape, starts and steps have 2, 1 and 1");
  Grad("", {3}, {4}, {-1}, {1}).ExpectOutput({4}).ExpectError(ErrorClass::kAttr, "attribute \"starts\"");
  Grad("", {3}, {4}, {0}, {0}).ExpectOutput({4}).ExpectError(ErrorClass::kAttr, "attribute \"steps\"");
}

}  // namespace
}  // namespace athanor
