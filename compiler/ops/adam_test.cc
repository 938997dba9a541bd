#include <cmath>
#include <limits>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const std::string& name, const Shape& shape, float lr = 0.01f, int64_t step = 3) {
  OpSpec spec("Adam");
  spec.Name(name).Parameter(shape).Input(shape).Parameter(shape).Parameter(shape).InputRange(0, 1)
      .Given(Tensor::Scalar(lr)).Given(Tensor::Scalar(step)).ExpectOutput(shape).ExpectOutput(shape)
      .ExpectOutput(shape).NotDifferentiable();
  return spec;
}

TEST(Adam, KnownValues) {
  auto zeros = [] { return Tensor::Of<float>({2}, {0.0f, 0.0f}); };
  // In the first step, with no epsilon to speak of, every element moves by lr against its gradient's sign.
  OpSpec("Adam").Name("first step").Given(Tensor::Of<float>({2}, {1.0f, -2.0f}))
      .Given(Tensor::Of<float>({2}, {0.5f, -4.0f})).Given(zeros()).Given(zeros()).Given(Tensor::Scalar(0.25f))
      .Given(Tensor::Scalar(int64_t{1})).Attr("beta1", 0.5).Attr("beta2", 0.75).Attr("epsilon", 1e-30)
      .ExpectOutput({2}).ExpectValues({0.75, -1.75}).ExpectOutput({2}).ExpectValues({0.25, -2})
      .ExpectOutput({2}).ExpectValues({0.0625, 4}).NotDifferentiable().Check();
  // m = 0.5 * 2 + 0.5 * 1 = 1.5, v = 0.75 * 4 + 0.25 * 1 = 3.25, 1 - 0.5^2 = 0.75, 1 - 0.75^2 = 0.4375.
  OpSpec("Adam").Name("second step").Given(Tensor::Of<float>({1}, {1.0f})).Given(Tensor::Of<float>({1}, {0.5f}))
      .Given(Tensor::Of<float>({1}, {2.0f})).Given(Tensor::Of<float>({1}, {4.0f})).Given(Tensor::Scalar(0.25f))
      .Given(Tensor::Scalar(int64_t{2})).Attr("beta1", 0.5).Attr("beta2", 0.75).Attr("epsilon", 0.5)
      .Attr("weight_decay", 0.5).ExpectOutput({1})
      .ExpectValues({1 - 0.25 / 0.75 * 1.5 / (std::sqrt(3.25 / 0.4375) + 0.5)}).ExpectOutput({1}).ExpectValues({1.5})
      .ExpectOutput({1}).ExpectValues({3.25}).NotDifferentiable().Check();
}

TEST(Adam, AnyShape) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{7}, Shape{3, 5}, Shape{6, 1, 5, 5}, Shape{3, 333}}) {
    Case("defaults", shape).Check();
    Case("first step", shape, 0.01f, 1).Check();
    Case("late", shape, 0.01f, 1000000000).Check();
    Case("decay", shape).Attr("weight_decay", 0.01).Check();
    Case("small betas", shape).Attr("beta1", 0.0).Attr("beta2", 0.0).Attr("epsilon", 0.1).Check();
  }
}

// v_max comes last among the inputs: it was added later.
TEST(Adam, Amsgrad) {
  auto one = [](float v) { return Tensor::Of<float>({1}, {v}); };
  for (float v_max : {1.0f, 9.0f}) {
    const double v = 0.75 * 4 + 0.25 * 1, used = std::max<double>(v, v_max);
    OpSpec("Adam").Given(one(1)).Given(one(1)).Given(one(2)).Given(one(4)).Given(Tensor::Scalar(0.25f))
        .Given(Tensor::Scalar(int64_t{2})).Absent().Given(one(v_max)).Attr("beta1", 0.5).Attr("beta2", 0.75)
        .Attr("epsilon", 0.5).Attr("amsgrad", true).ExpectOutput({1})
        .ExpectValues({1 - 0.25 / 0.75 * 1.5 / (std::sqrt(used / 0.4375) + 0.5)}).ExpectOutput({1}).ExpectValues({1.5})
        .ExpectOutput({1}).ExpectValues({v}).ExpectOutput({1}).ExpectValues({used}).NotDifferentiable().Check();
  }
  Case("", {3}).Attr("amsgrad", true).ExpectError(ErrorClass::kGraph, "it has an input and output \"v_max\"");
  Case("", {3}).Absent().Input({3}).ExpectError(ErrorClass::kGraph, "it has no input and output \"v_max\"");
}

TEST(Adam, RefusesBadHyperParameters) {
  for (const char* name : {"beta1", "beta2"}) {
    for (double v : {-0.1, 1.0, 2.0, std::nan("")}) {
      Case("", {3}).Attr(name, v).ExpectError(ErrorClass::kAttr, "is not in [0, 1)");
    }
  }
  for (double v : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    Case("", {3}).Attr("epsilon", v).ExpectError(ErrorClass::kAttr, "attribute \"epsilon\"");
  }
  for (double v : {-0.1, std::nan(""), HUGE_VAL}) {
    Case("", {3}).Attr("weight_decay", v).ExpectError(ErrorClass::kAttr, "attribute \"weight_decay\"");
  }
  Case("", {3}).Attr("amsgrads", true).ExpectError(ErrorClass::kAttr, "no attribute \"amsgrads\"");
}

TEST(Adam, RefusesInputsThatDoNotFit) {
  auto scalars = [](OpSpec& spec) -> OpSpec& {
    return spec.Given(Tensor::Scalar(0.1f)).Given(Tensor::Scalar(int64_t{1})).ExpectOutput({3}).ExpectOutput({3})
        .ExpectOutput({3});
  };
  scalars(OpSpec("Adam").Input({3}).Input({4}).Input({3}).Input({3}))
      .ExpectError(ErrorClass::kShape, "input \"grad\" is f32[4], but input \"param\" is f32[3]");
  scalars(OpSpec("Adam").Input({3}).Input({3}).Input({1, 3}).Input({3}))
      .ExpectError(ErrorClass::kShape, "input \"m\" is f32[1,3], but input \"param\" is f32[3]");
  scalars(OpSpec("Adam").Input({3}).Input({3}).Input({3}).Input({}))
      .ExpectError(ErrorClass::kShape, "input \"v\" is f32[], but input \"param\" is f32[3]");
  OpSpec("Adam").Input({3}).Input({3}).Input({3}).Input({3}).Given(Tensor::Scalar(0.1f)).Given(Tensor::Scalar(1))
      .ExpectOutput({3}).ExpectOutput({3}).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "input \"step\" is s32[], expected element type s64");
  OpSpec("Adam").Input({3}).Input({3}).ExpectOutput({3}).ExpectError(ErrorClass::kGraph, "has 2 inputs, expected");
}

TEST(Adam, RefusesABadLearningRateOrStepWhenItRuns) {
  for (float lr : {-0.1f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    Case("", {3}, lr).ExpectRunError(ErrorClass::kAttr, "the learning rate \"lr\" is");
  }
  for (int64_t step : {int64_t{0}, int64_t{-1}, INT64_MIN}) {
    Case("", {3}, 0.1f, step).ExpectRunError(ErrorClass::kAttr, "\"step\" is");
  }
}

}  // namespace
}  // namespace athanor
