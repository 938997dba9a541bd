#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(MeanSquaredError, KnownValues) {
  auto pred = [] { return Tensor::Of<float>({2, 2}, {1, 2, 3, 4}); };
  auto target = [] { return Tensor::Of<float>({2, 2}, {1, 0, 0, 5}); };
  OpSpec("MeanSquaredError").Given(pred()).Given(target()).ExpectOutput({}).ExpectValues({3.5}).Check();
  OpSpec("MeanSquaredError")
      .Name("sum")
      .Attr("reduction", "sum")
      .Given(pred())
      .Given(target())
      .ExpectOutput({})
      .ExpectValues({14})
      .Check();
  OpSpec("MeanSquaredError").Attr("reduction", "half_sum").Given(pred()).Given(target()).ExpectOutput({})
      .ExpectValues({7}).Check();
  OpSpec("MeanSquaredError").Attr("reduction", "none").Given(pred()).Given(target()).ExpectOutput({2, 2})
      .ExpectValues({0, 4, 9, 1}).Check();
  OpSpec("MeanSquaredErrorGrad").Given(Tensor::Scalar(2.0f)).Given(pred()).Given(target()).ExpectOutput({2, 2})
      .ExpectValues({0, 2, 3, -1}).NotDifferentiable().Check();
}

TEST(MeanSquaredError, AnyShape) {
  for (const char* reduction : {"mean", "sum", "half_sum", "none"}) {
    for (const Shape& s : std::vector<Shape>{{}, {1}, {33}, {64, 10}, {2, 3, 4, 5}, {5000}}) {
      OpSpec("MeanSquaredError")
          .Name(reduction)
          .Attr("reduction", reduction)
          .Input(s)
          .Input(s)
          .ExpectOutput(std::string(reduction) == "none" ? s : Shape{})
          .Check();
      OpSpec("MeanSquaredErrorGrad")
          .Name(reduction)
          .Attr("reduction", reduction)
          .Input(std::string(reduction) == "none" ? s : Shape{})
          .Input(s)
          .Input(s)
          .ExpectOutput(s)
          .NotDifferentiable()
          .Check();
    }
  }
}

TEST(MeanSquaredError, StableForTenThousand) {
  OpSpec("MeanSquaredError")
      .Name("large")
      .Given(Tensor::Of<float>({2}, {1e4f, -1e4f}))
      .Given(Tensor::Of<float>({2}, {-1e4f, -1e4f}))
      .ExpectOutput({})
      .ExpectValues({2e8})
      .Check();
}

TEST(MeanSquaredError, Errors) {
  OpSpec("MeanSquaredError").Input({2, 3}).Input({2, 1}).ExpectOutput({})
      .ExpectError(ErrorClass::kShape, "\"target\" is f32[2,1], expected f32[2,3] like pred");
  OpSpec("MeanSquaredError")
      .Input({2})
      .IntInput({2}, 0, 1)
      .ExpectOutput({})
      .ExpectError(ErrorClass::kDtype, "\"target\" is s32[2]");
  OpSpec("MeanSquaredError")
      .Input({0, 3})
      .Input({0, 3})
      .ExpectOutput({})
      .ExpectError(ErrorClass::kShape, "it is empty");
  OpSpec("MeanSquaredError").Input({2}).Input({2}).Attr("reduction", "max").ExpectOutput({})
      .ExpectError(ErrorClass::kAttr, "\"reduction\" = \"max\" is not one of mean, sum, half_sum, none");
  OpSpec("MeanSquaredErrorGrad").Attr("reduction", "none").Input({}).Input({2}).Input({2}).ExpectOutput({2})
      .ExpectError(ErrorClass::kShape, "\"dloss\" is f32[], expected f32[2] like the loss");
}

}  // namespace
}  // namespace athanor
