#include <cmath>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Of(Tensor x) {
  OpSpec spec("TensorStatistics");
  spec.Given(std::move(x)).NotDifferentiable();
  return spec;
}

TEST(TensorStatistics, KnownValues) {
  auto x = [] { return Tensor::Of<float>({2, 2}, {3.0f, 0.0f, -4.0f, 0.0f}); };
  const double std = std::sqrt(25.0 / 4 - 1.0 / 16);
  Of(x()).ExpectOutput({9}).ExpectValues({5, -0.25, std, -4, 3, 0.5, 0, 0, 0}).Check();
  Of(x()).Attr("axis", 1).ExpectOutput({9}).ExpectValues({5, -0.25, std, -4, 3, 0.5, 0, 0.5, 0}).Check();
  Of(x()).Attr("axis", 0).ExpectOutput({9}).ExpectValues({5, -0.25, std, -4, 3, 0.5, 0, 0, 0}).Check();
  Of(x()).Attr("bounds", Floats{-2, 3}).ExpectOutput({9}).ExpectValues({5, -0.25, std, -4, 3, 0.5, 0.5, 0, 0}).Check();
  Of(x()).Given(x()).ExpectOutput({9}).ExpectValues({0, 0, 0, 0, 0, 1, 0, 0, 0}).Check();
}

TEST(TensorStatistics, WhatIsNotFiniteIsCountedAndLeftOut) {
  const float inf = HUGE_VALF, nan = std::nanf("");
  Of(Tensor::Of<float>({5}, {inf, 1.0f, nan, -inf, 3.0f})).ExpectOutput({9})
      .ExpectValues({std::sqrt(10.0), 2, 1, 1, 3, 0, 0, 0, 3}).Check();
  Of(Tensor::Of<float>({2}, {nan, inf})).ExpectOutput({9}).ExpectValues({0, 0, 0, 0, 0, 0, 0, 0, 2}).Check();
  // Squares that no float holds.
  Of(Tensor::Of<float>({2}, {3e30f, 4e30f})).ExpectOutput({9}).NotDifferentiable().Check();
}

TEST(TensorStatistics, AnyShapes) {
  for (const Shape& shape : std::vector<Shape>{{}, {1}, {7}, {3, 5}, {2, 3, 333}, {6, 16, 5, 3}, {100, 200}, {2, 20, 3, 4},
                                               {0}, {2, 0, 3}}) {
    for (int axis = -1; axis < static_cast<int>(shape.size()); ++axis) {
      OpSpec("TensorStatistics").Input(shape).Attr("axis", axis).Attr("bounds", Floats{-0.9, 0.5}).ExpectOutput({9})
          .NotDifferentiable().Check();
      OpSpec("TensorStatistics").Parameter(shape).Attr("axis", axis).Input(shape).ExpectOutput({9}).NotDifferentiable()
          .Check();
    }
  }
}

TEST(TensorStatistics, Refuses) {
  OpSpec("TensorStatistics").Input({3}).Input({4}).ExpectOutput({9})
      .ExpectError(ErrorClass::kShape, "input \"minus\" is f32[4], but input \"x\" is f32[3]");
  OpSpec("TensorStatistics").Input({3}).Attr("axis", 1).ExpectOutput({9}).ExpectError(ErrorClass::kAttr, "axis = 1");
  OpSpec("TensorStatistics").Input({3}).Attr("axis", -2).ExpectOutput({9}).ExpectError(ErrorClass::kAttr, "\"axis\" = -2");
  for (const Floats& bad : {Floats{1}, Floats{2, 1}, Floats{0, 1, 2}}) {
    OpSpec("TensorStatistics").Input({3}).Attr("bounds", bad).ExpectOutput({9}).ExpectError(ErrorClass::kAttr, "bounds = ");
  }
  OpSpec("TensorStatistics").IntInput({3}, 0, 9).ExpectOutput({9}).ExpectError(ErrorClass::kDtype, "\"x\" is s32[3]");
}

}  // namespace
}  // namespace athanor
