#include <limits>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const std::string& program, const Ints& shape, const Strings& dtypes = {"f32"}) {
  OpSpec spec("Elementwise");
  spec.Attr("program", AttrValue(program)).Attr("shape", AttrValue(shape)).Attr("dtypes", AttrValue(dtypes));
  return spec.NotDifferentiable();
}

TEST(Elementwise, KnownValues) {
  Case("sub x0 x1; mul t0 t0; neg t1 -> t1, t2", {2, 2}, {"f32", "f32"})
      .Given(Tensor::Of<float>({2, 2}, {1.0f, -2.0f, 3.0f, 8.0f})).Given(Tensor::Of<float>({2}, {2.0f, 4.0f}))
      .ExpectOutput({2, 2}).ExpectValues({1, 36, 1, 16}).ExpectOutput({2, 2}).ExpectValues({-1, -36, -1, -16}).Check();
  Case("select x0 x1 -1 -> t0", {3}).Given(Tensor::Of<int32_t>({3}, {0, 7, -3})).Given(Tensor::Of<float>({3}, {1, 2, 3}))
      .ExpectOutput({3}).ExpectValues({-1, 2, 3}).Check();
  Case("-> x0, 2.5", {3}, {"f32", "s32"}).Given(Tensor::Of<float>({3}, {1, 2, 3}))
      .ExpectOutput({3}).ExpectValues({1, 2, 3}).ExpectOutput({3}, DType::kS32).ExpectValues({2, 2, 2}).Check();
}

TEST(Elementwise, Shapes) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{7}, Shape{3, 1}, Shape{5, 17}, Shape{2, 3, 5, 7}, Shape{0, 4},
                             Shape{2, 1, 3, 1, 2, 1, 1, 2}}) {
    Case("tanh x0; mul_add t0 0.5 x1 -> t1", shape).Input(shape).Input(shape).ExpectOutput(shape).Check();
    Case("logistic x0; sub t0 x1 -> t1", shape).Input(shape).Input({}).ExpectOutput(shape).Check();
  }
  Case("mul x0 x1; add t0 x2 -> t1", {2, 3, 5, 4}).Input({2, 3, 5, 4}).Parameter({3, 1, 1}).Parameter({3, 1, 1})
      .ExpectOutput({2, 3, 5, 4}).Check();
  Case("mul x0 x1 -> t0", {7, 9}).Input({7, 1}).Input({1, 9}).ExpectOutput({7, 9}).Check();
  Case("exp x0 -> t0", {5, 3}).Input({3}).ExpectOutput({5, 3}).Check();
  Case("mul x0 x0 -> t0", {3000}).Parameter({3000}).ExpectOutput({3000}).Check();
}

TEST(Elementwise, TypesOfResults) {
  const float inf = std::numeric_limits<float>::infinity();
  Case("-> x0, x0, x0, x0", {8}, {"s32", "s64", "u8", "bool"})
      .Given(Tensor::Of<float>({8}, {0, 1.9f, -1.9f, 300, -300, inf, -inf, std::numeric_limits<float>::quiet_NaN()}))
      .ExpectOutput({8}, DType::kS32).ExpectValues({0, 1, -1, 300, -300, 0x1p31 - 1, -0x1p31, 0})
      .ExpectOutput({8}, DType::kS64)
      .ExpectOutput({8}, DType::kU8).ExpectValues({0, 1, 0, 255, 0, 255, 0, 0})
      .ExpectOutput({8}, DType::kBool).ExpectValues({0, 1, 1, 1, 1, 1, 1, 1}).Check();
  for (DType dtype : {DType::kS32, DType::kS64, DType::kU8, DType::kBool}) {
    Case("add x0 x1; gt t0 4 -> t0, t1", {3, 5}, {"f32", "bool"}).IntInput({3, 5}, 0, 1, dtype).IntInput({5}, 0, 9)
        .ExpectOutput({3, 5}).ExpectOutput({3, 5}, DType::kBool).Check();
  }
}

TEST(Elementwise, Errors) {
  auto expect = [](OpSpec spec, ErrorClass error, const std::string& text) {
    spec.Input({2, 3}).ExpectOutput({2, 3}).ExpectError(error, text);
  };
  expect(Case("exp x0", {2, 3}), ErrorClass::kAttr, "no \"->\"");
  expect(Case("exp x0 -> t1", {2, 3}), ErrorClass::kAttr, "result 0 reads t1, and there are 1");
  expect(Case("exp x1 -> t0", {2, 3}), ErrorClass::kAttr, "instruction 0 reads x1, and there are 1");
  expect(Case("exp x0 -> t0", {2, 3}, {"f32", "f32"}), ErrorClass::kAttr,
         "\"dtypes\" names 2 types, the program has 1 results, the node 1 outputs");
  expect(Case("exp x0 -> t0, t0", {2, 3}, {"f32", "f32"}), ErrorClass::kAttr, "the node 1 outputs");
  expect(Case("exp x0 -> t0", {2, 3}, {"f31"}), ErrorClass::kAttr, "\"f31\" is no element type");
  expect(Case("exp x0 -> t0", {3}), ErrorClass::kShape, "input 0 is f32[2,3], which does not broadcast to \"shape\" [3]");
  expect(Case("exp x0 -> t0", {2, 4}), ErrorClass::kShape, "f32[2,3] and f32[2,4] do not broadcast");
  expect(Case("exp x0 -> t0", {2, -3}), ErrorClass::kAttr, "shape");
  expect(OpSpec("Elementwise").Attr("program", "-> x0").Attr("shape", AttrValue(Ints{2, 3})), ErrorClass::kAttr,
         "attribute \"dtypes\" is required");
  Case("exp x0 -> t0", {2}).ExpectOutput({2}).ExpectError(ErrorClass::kGraph, "has 0 inputs");
  Case("exp x0 -> t0", {2}).IntInput({2}, 0, 1, DType::kS8).ExpectOutput({2})
      .ExpectError(ErrorClass::kDtype, "input 0 is s8[2], expected f32, s32, s64, u8 or bool");
}

}  // namespace
}  // namespace athanor
