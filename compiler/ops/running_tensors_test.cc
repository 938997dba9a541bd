#include <cmath>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

const std::vector<Shape>& Shapes() {
  static const std::vector<Shape> all = {{}, {1}, {7}, {3, 333}, {6, 1, 5, 3}, {100, 200}, {0}, {2, 0, 3}};
  return all;
}

OpSpec Sum(const Shape& shape, float share = 0.25f) {
  OpSpec spec("AccumulateGradient");
  spec.Input(shape).Input(shape).Given(Tensor::Scalar(share)).NotDifferentiable();
  return spec;
}

TEST(AccumulateGradient, KnownValues) {
  auto sum = [] { return Tensor::Of<float>({2}, {1.0f, -2.0f}); };
  auto grad = [] { return Tensor::Of<float>({2}, {8.0f, 4.0f}); };
  OpSpec("AccumulateGradient").Given(sum()).Given(grad()).Given(Tensor::Scalar(0.25f)).ExpectOutput({2})
      .ExpectValues({3, -1}).NotDifferentiable().Check();
  OpSpec("AccumulateGradient").Given(sum()).Given(grad()).Given(Tensor::Scalar(0.25f)).ExpectOutput({2})
      .ExpectValues({0, 0}).ExpectOutput({2}).ExpectValues({3, -1}).NotDifferentiable().Check();
}

TEST(AccumulateGradient, AnyShapes) {
  for (const Shape& shape : Shapes()) {
    Sum(shape).ExpectOutput(shape).Check();
    Sum(shape).ExpectOutput(shape).ExpectOutput(shape).Check();
    Sum(shape).Parameter(shape).ExpectOutput(shape).ExpectOutput(shape).Check();
  }
}

TEST(AccumulateGradient, Refuses) {
  OpSpec("AccumulateGradient").Input({3}).Input({4}).Input({}).ExpectOutput({3})
      .ExpectError(ErrorClass::kShape, "input \"grad\" is f32[4], but input \"sum\" is f32[3]");
  OpSpec("AccumulateGradient").Input({3}).Input({3}).Input({1}).ExpectOutput({3}).ExpectError(ErrorClass::kShape, "share");
  OpSpec("AccumulateGradient").IntInput({3}, 0, 9).Input({3}).Input({}).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "sum");
  for (float bad : {-0.5f, std::nanf(""), HUGE_VALF}) {
    Sum({3}, bad).ExpectOutput({3}).ExpectRunError(ErrorClass::kData, "the share of this part in the whole batch is");
  }
}

OpSpec Average(const Shape& shape, int64_t step, double decay = 0.9) {
  OpSpec spec("AverageParameter");
  spec.Input(shape).Input(shape).Given(Tensor::Scalar(step)).Attr("decay", decay).NotDifferentiable();
  return spec;
}

TEST(AverageParameter, KnownValues) {
  auto spec = [](int64_t step) {
    OpSpec s("AverageParameter");
    s.Given(Tensor::Of<float>({2}, {1.0f, -4.0f})).Given(Tensor::Of<float>({2}, {3.0f, 0.0f}));
    s.Given(Tensor::Scalar(step)).NotDifferentiable();
    return s;
  };
  spec(2).Attr("decay", 0.75).ExpectOutput({2}).ExpectValues({1.5, -3}).Check();
  spec(1).Attr("decay", 0.75).ExpectOutput({2}).ExpectValues({3, 0}).Check();  // the first step takes it as it is
  spec(2).Attr("decay", 0.75).Attr("warmup", true).ExpectOutput({2}).ExpectValues({2.5, -1}).Check();  // d = 3 / 12
  spec(1000).Attr("decay", 0.75).Attr("warmup", true).ExpectOutput({2}).ExpectValues({1.5, -3}).Check();
}

TEST(AverageParameter, AnyShapes) {
  for (const Shape& shape : Shapes()) {
    for (int64_t step : {1, 7}) Average(shape, step).ExpectOutput(shape).Check();
  }
}

TEST(AverageParameter, Refuses) {
  for (double bad : {-0.1, 1.0, std::nan("")}) {
    Average({3}, 1, bad).ExpectOutput({3}).ExpectError(ErrorClass::kAttr, "\"decay\"");
  }
  OpSpec("AverageParameter").Attr("decay", 0.5).Input({3}).Input({4}).Given(Tensor::Scalar(int64_t{1})).ExpectOutput({3})
      .ExpectError(ErrorClass::kShape, "input \"param\" is f32[4]");
  OpSpec("AverageParameter").Attr("decay", 0.5).Input({3}).Input({3}).Input({}).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "step");
  Average({3}, 0).ExpectOutput({3}).ExpectRunError(ErrorClass::kAttr, "\"step\" is 0");
}

}  // namespace
}  // namespace athanor
