#include <cmath>
#include <limits>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Norm(std::initializer_list<Shape> shapes) {
  OpSpec spec("GlobalNorm");
  for (const Shape& shape : shapes) spec.Input(shape);
  return spec;
}

TEST(GlobalNorm, KnownValues) {
  auto x = [] { return Tensor::Of<float>({2}, {3.0f, 0.0f}); };
  auto y = [] { return Tensor::Of<float>({1, 1}, {-4.0f}); };
  OpSpec("GlobalNorm").Given(x()).Given(y()).ExpectOutput({}).ExpectValues({5}).NotDifferentiable().Check();
  OpSpec("GlobalNorm").Given(x()).Given(y()).Attr("max_norm", 2.0).ExpectOutput({}).ExpectValues({5}).ExpectOutput({})
      .ExpectValues({2 / (5 + 1e-6)}).NotDifferentiable().Check();
  OpSpec("GlobalNorm").Given(x()).Given(y()).Attr("max_norm", 6.0).ExpectOutput({}).ExpectOutput({}).ExpectValues({1})
      .NotDifferentiable().Check();
  OpSpec("GlobalNorm").Given(Tensor::Scalar(0.0f)).Attr("max_norm", 1.0).ExpectOutput({}).ExpectValues({0})
      .ExpectOutput({}).ExpectValues({1}).NotDifferentiable().Check();
  // Squares that no float holds.
  OpSpec("GlobalNorm").Given(Tensor::Of<float>({2}, {3e30f, 4e30f})).Attr("max_norm", 1.0).ExpectOutput({})
      .ExpectOutput({}).NotDifferentiable().Check();
  OpSpec("GlobalNorm").Given(Tensor::Of<float>({2}, {3e-30f, 4e-30f})).ExpectOutput({}).NotDifferentiable().Check();
}

TEST(GlobalNorm, AnyShapes) {
  for (auto shapes : {std::initializer_list<Shape>{{}}, {{1}}, {{7}}, {{3, 5}, {2}}, {{3, 333}, {6, 1, 5, 3}, {}, {17}},
                      {{100, 200}, {5}}, {{0}}, {{2, 0}, {3}}}) {
    Norm(shapes).ExpectOutput({}).NotDifferentiable().Check();
    Norm(shapes).Attr("max_norm", 0.5).ExpectOutput({}).ExpectOutput({}).NotDifferentiable().Check();
  }
}

TEST(GlobalNorm, Refuses) {
  for (double bad : {-1.0, std::nan(""), HUGE_VAL}) {
    Norm({{3}}).Attr("max_norm", bad).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "attribute \"max_norm\" = ");
  }
  Norm({{3}}).ExpectOutput({}).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "the output \"scale\" needs a max_norm");
  OpSpec("GlobalNorm").Input({3}).IntInput({3}, 0, 9).ExpectOutput({}).ExpectError(ErrorClass::kDtype, "\"x\" is s32[3]");
  OpSpec("GlobalNorm").ExpectOutput({}).ExpectError(ErrorClass::kGraph, "has 0 inputs");
}

TEST(GlobalNorm, WhatIsNotFiniteHasNoScale) {
  for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    OpSpec("GlobalNorm").Input({3}).Given(Tensor::Scalar(bad)).Attr("max_norm", 1.0).ExpectOutput({}).ExpectOutput({})
        .ExpectRunError(ErrorClass::kData, "the norm of the gradients is");
  }
}

}  // namespace
}  // namespace athanor
