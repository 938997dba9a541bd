#include "compiler/ops/testing/elementwise_cases.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const std::string& name, const Shape& x, const Shape& slope) {
  OpSpec spec("PReLU");
  spec.Name(name).Input(x).KinkFree().Parameter(slope).ExpectOutput(x);
  return spec;
}

TEST(PRelu, KnownValues) {
  OpSpec("PReLU").Given(Tensor::Of<float>({2, 2}, {-2.0f, 1.0f, 3.0f, -4.0f}))
      .Given(Tensor::Of<float>({2}, {0.5f, 0.25f})).ExpectOutput({2, 2}).ExpectValues({-1, 1, 3, -1}).Check();
}

TEST(PRelu, OneSlopeOrOneAChannel) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{7}, Shape{3, 5}, Shape{2, 3, 4, 5}, Shape{1, 2, 1, 3, 2}}) {
    Case("one slope", shape, {}).SymbolicBatch().Check();
    Case("a slope each", shape, shape).Check();
  }
  Case("one slope, rank 1", {3, 5}, {1}).SymbolicBatch().Check();
  Case("features", {3, 5}, {5}).SymbolicBatch().Check();
  Case("channels", {2, 3, 4, 5}, {3, 1, 1}).SymbolicBatch().Check();
  Case("channels of 16", {2, 16, 3, 3}, {16, 1, 1}).Check();
  Case("channels of a series", {2, 5, 7}, {5, 1}).Check();
  Case("rows", {3, 5}, {3, 1}).Check();
  Case("none", {0}, {0}).Check();
  Case("large", LargeElementwiseShape(), {129}).Check();
}

// As torch has it: 0 counts as negative.
TEST(PRelu, GradientAtTheCorner) {
  OpSpec("PReLUGrad").Given(Tensor::Of<float>({3}, {2.0f, 2.0f, 2.0f}))
      .Given(Tensor::Of<float>({3}, {-1.0f, 0.0f, 1.0f})).Given(Tensor::Scalar(0.25f)).ExpectOutput({3})
      .ExpectValues({0.5, 0.5, 2}).NotDifferentiable().Check();
  OpSpec("PReLUSlopeGrad").Given(Tensor::Of<float>({3}, {2.0f, 2.0f, 2.0f}))
      .Given(Tensor::Of<float>({3}, {-1.0f, 0.0f, 1.0f})).ExpectOutput({3}).ExpectValues({-2, 0, 0})
      .NotDifferentiable().Check();
}

TEST(PRelu, RefusesWhatDoesNotFit) {
  auto op = [](const Shape& x, const Shape& slope) { return OpSpec("PReLU").Input(x).Input(slope).ExpectOutput(x); };
  op({2, 3, 4, 5}, {3}).ExpectError(ErrorClass::kShape, "f32[2,3,4,5] and f32[3] do not broadcast");
  op({3}, {2, 3}).ExpectError(ErrorClass::kShape, "\"slope\" is f32[2,3], which does not broadcast to x's f32[3]");
  op({1, 3}, {4, 1}).ExpectError(ErrorClass::kShape, "which does not broadcast to x's f32[1,3]");
  OpSpec("PReLU").IntInput({3}, 0, 1).Input({3}).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "input \"x\" is s32[3]");
  OpSpec("PReLU").Input({3}).IntInput({3}, 0, 1).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "input \"slope\" is s32[3]");
  OpSpec("PReLU").Input({3}).ExpectOutput({3}).ExpectError(ErrorClass::kGraph, "has 1 inputs, expected 2");
  OpSpec("PReLUGrad").Input({3}).Input({3}).IntInput({3}, 0, 1).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "input \"slope\" is s32[3]");
  OpSpec("PReLUGrad").Input({3}).Input({4}).Input({}).ExpectOutput({3})
      .ExpectError(ErrorClass::kShape, "do not broadcast");
  OpSpec("PReLUSlopeGrad").Input({3}).IntInput({3}, 0, 1).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "input \"x\" is s32[3]");
}

}  // namespace
}  // namespace athanor
