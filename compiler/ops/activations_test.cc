#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(Activations, KnownValues) {
  auto points = [] { return Tensor::Of<float>({2, 2}, {-2.0f, 0.0f, 0.5f, 3.0f}); };
  // 0 is ReLU's kink: no finite differences there, so the case is checked through its gradient operator below.
  OpSpec("Sigmoid").Given(points()).ExpectOutput({2, 2})
      .ExpectValues({0.11920292202211755, 0.5, 0.62245933120185459, 0.95257412682243336}).Check();
  OpSpec("Tanh").Given(points()).ExpectOutput({2, 2})
      .ExpectValues({-0.96402758007581690, 0, 0.46211715726000979, 0.99505475368673046}).Check();
  OpSpec("ReLU").Given(Tensor::Of<float>({4}, {-2.0f, -0.5f, 0.5f, 3.0f})).ExpectOutput({4})
      .ExpectValues({0, 0, 0.5, 3}).Check();
}

TEST(Activations, AnyShape) {
  for (const char* op : {"ReLU", "Sigmoid", "Tanh"}) {
    OpSpec(op).Name("images").Input({3, 5, 7, 1}).KinkFree().ExpectOutput({3, 5, 7, 1}).SymbolicBatch().Check();
    OpSpec(op).Name("scalar").Input({}).KinkFree().ExpectOutput({}).Check();
    OpSpec(op).Name("steep").Input({33}).InputRange(-30, 30).KinkFree().ExpectOutput({33}).Check();
    OpSpec(op).Name("one of a wide row").Input({1, 1000}).KinkFree().ExpectOutput({1, 1000}).Check();
  }
}

TEST(Activations, GradientsByTheOutput) {
  auto dy = [] { return Tensor::Of<float>({4}, {1.0f, 2.0f, 3.0f, -4.0f}); };
  OpSpec("ReLUGrad").Name("slope 0 at 0").Given(dy()).Given(Tensor::Of<float>({4}, {0.0f, 0.5f, 0.0f, 2.0f}))
      .ExpectOutput({4}).ExpectValues({0, 2, 0, -4}).NotDifferentiable().Check();
  OpSpec("SigmoidGrad").Given(dy()).Given(Tensor::Of<float>({4}, {0.0f, 0.5f, 0.25f, 1.0f}))
      .ExpectOutput({4}).ExpectValues({0, 0.5, 0.5625, 0}).NotDifferentiable().Check();
  OpSpec("TanhGrad").Given(dy()).Given(Tensor::Of<float>({4}, {0.0f, 0.5f, -0.5f, 1.0f}))
      .ExpectOutput({4}).ExpectValues({1, 1.5, 2.25, 0}).NotDifferentiable().Check();
}

TEST(Activations, Identity) {
  OpSpec("Identity").Input({2, 3}).ExpectOutput({2, 3}).SymbolicBatch().Check();
  OpSpec("Identity").Name("labels").IntInput({5}, -3, 3).ExpectOutput({5}, DType::kS32).Check();
}

TEST(Activations, RefuseOtherTypes) {
  for (const char* op : {"ReLU", "Sigmoid", "Tanh"}) {
    OpSpec(op).IntInput({2}, 0, 1).ExpectOutput({2}).ExpectError(ErrorClass::kDtype, "input \"x\" is s32[2]");
    OpSpec(op).Input({2}).Attr("alpha", 0.1).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "no attribute \"alpha\"");
    OpSpec(op).Input({2}).Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kGraph, "has 2 inputs, expected 1");
    OpSpec(std::string(op) + "Grad").Input({2}).Input({3}).ExpectOutput({2})
        .ExpectError(ErrorClass::kShape, "\"dy\" f32[2] and \"y\" f32[3]");
  }
}

}  // namespace
}  // namespace athanor
