#include <cmath>
#include <limits>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

Tensor Lr(float lr) { return Tensor::Scalar(lr); }
Tensor Step(int64_t step) { return Tensor::Scalar(step); }

OpSpec Plain(const std::string& name, const Shape& shape, double weight_decay = 0) {
  OpSpec spec("SGD");
  spec.Name(name).Parameter(shape).Input(shape).Absent().Given(Lr(0.1f)).Attr("weight_decay", weight_decay)
      .ExpectOutput(shape).NotDifferentiable();
  return spec;
}

OpSpec WithMomentum(const std::string& name, const Shape& shape, double momentum) {
  OpSpec spec("SGD");
  spec.Name(name).Parameter(shape).Input(shape).Parameter(shape).Given(Lr(0.1f)).Attr("momentum", momentum)
      .ExpectOutput(shape).ExpectOutput(shape).NotDifferentiable();
  return spec;
}

TEST(Sgd, KnownValues) {
  auto p = [] { return Tensor::Of<float>({2}, {1.0f, -2.0f}); };
  auto g = [] { return Tensor::Of<float>({2}, {0.5f, 4.0f}); };
  auto b = [] { return Tensor::Of<float>({2}, {2.0f, -1.0f}); };
  auto lr = [] { return Lr(0.5f); };
  OpSpec("SGD").Given(p()).Given(g()).Absent().Given(lr()).ExpectOutput({2}).ExpectValues({0.75, -4})
      .NotDifferentiable().Check();
  OpSpec("SGD").Name("decay").Given(p()).Given(g()).Absent().Given(lr()).Attr("weight_decay", 0.5).ExpectOutput({2})
      .ExpectValues({0.5, -3.5}).NotDifferentiable().Check();
  OpSpec("SGD").Name("momentum").Given(p()).Given(g()).Given(b()).Given(lr()).Attr("momentum", 0.5).ExpectOutput({2})
      .ExpectValues({0.25, -3.75}).ExpectOutput({2}).ExpectValues({1.5, 3.5}).NotDifferentiable().Check();
  OpSpec("SGD").Name("nesterov").Given(p()).Given(g()).Given(b()).Given(lr()).Attr("momentum", 0.5)
      .Attr("nesterov", true).ExpectOutput({2}).ExpectValues({0.375, -4.875}).ExpectOutput({2}).ExpectValues({1.5, 3.5})
      .NotDifferentiable().Check();
  OpSpec("SGD").Name("dampening").Given(p()).Given(g()).Given(b()).Given(lr()).Given(Step(2)).Attr("momentum", 0.5)
      .Attr("dampening", 0.5).ExpectOutput({2}).ExpectValues({0.375, -2.75}).ExpectOutput({2}).ExpectValues({1.25, 1.5})
      .NotDifferentiable().Check();
  OpSpec("SGD").Name("the first step is undampened").Given(p()).Given(g()).Given(b()).Given(lr()).Given(Step(1))
      .Attr("momentum", 0.5).Attr("dampening", 0.5).ExpectOutput({2}).ExpectValues({0.25, -3.75}).ExpectOutput({2})
      .ExpectValues({1.5, 3.5}).NotDifferentiable().Check();
}

TEST(Sgd, AnyShape) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{7}, Shape{3, 5}, Shape{6, 1, 5, 5}, Shape{3, 333}}) {
    Plain("plain", shape).Check();
    Plain("decay", shape, 0.01).Check();
    WithMomentum("momentum", shape, 0.9).Check();
    WithMomentum("decay and momentum", shape, 0.9).Attr("weight_decay", 0.01).Check();
    WithMomentum("nesterov", shape, 0.9).Attr("nesterov", true).Check();
    WithMomentum("dampening", shape, 0.9).Given(Step(3)).Attr("dampening", 0.1).Check();
  }
  Plain("a step is not needed", {3}).Given(Step(3)).Check();
}

TEST(Sgd, DecoupledWeightDecayIsSgdW) {
  // 0.5 (1 - 0.5 0.25) 1 and 2 (...): the gradient is left alone.
  OpSpec("SGD").Given(Tensor::Of<float>({2}, {1.0f, -2.0f})).Given(Tensor::Of<float>({2}, {0.5f, 4.0f})).Absent()
      .Given(Lr(0.5f)).Attr("weight_decay", 0.25).Attr("decoupled_weight_decay", true).ExpectOutput({2})
      .ExpectValues({0.875 - 0.25, -1.75 - 2}).NotDifferentiable().Check();
  for (const Shape& shape : {Shape{}, Shape{7}, Shape{3, 5}}) {
    WithMomentum("decoupled", shape, 0.9).Attr("weight_decay", 0.1).Attr("decoupled_weight_decay", true).Check();
  }
}

TEST(Sgd, GradientsAreScaledThenClippedThenPenalised) {
  OpSpec("SGD").Given(Tensor::Of<float>({3}, {1.0f, -2.0f, 4.0f})).Given(Tensor::Of<float>({3}, {0.5f, 4.0f, -8.0f}))
      .Absent().Given(Lr(0.5f)).Absent().Given(Tensor::Scalar(0.5f)).Attr("clip_value", 1.0).Attr("weight_decay", 0.5)
      .Attr("lr_scale", 2.0).ExpectOutput({3}).ExpectValues({1 - 0.75, -2.0, 4 - 1.0}).NotDifferentiable().Check();
}

TEST(Sgd, RefusesBadHyperParameters) {
  for (const char* name : {"momentum", "dampening"}) {
    for (double v : {-0.1, 1.1, std::nan("")}) {
      Plain("", {3}).Attr(name, v).ExpectError(ErrorClass::kAttr, std::string("attribute \"") + name);
    }
  }
  for (const char* name : {"weight_decay", "clip_value", "lr_scale"}) {
    for (double v : {-0.1, std::nan(""), HUGE_VAL}) {
      Plain("", {3}).Attr(name, v).ExpectError(ErrorClass::kAttr, std::string("attribute \"") + name);
    }
  }
  Plain("", {3}).Attr("nesterov", true).ExpectError(ErrorClass::kAttr, "nesterov needs a momentum and no dampening");
  WithMomentum("", {3}, 0.9).Given(Step(1)).Attr("nesterov", true).Attr("dampening", 0.5)
      .ExpectError(ErrorClass::kAttr, "nesterov needs a momentum and no dampening");
}

TEST(Sgd, RefusesInputsThatDoNotFit) {
  OpSpec("SGD").Input({3}).Input({4}).Absent().Given(Lr(0.1f)).ExpectOutput({3})
      .ExpectError(ErrorClass::kShape, "input \"grad\" is f32[4], but input \"param\" is f32[3]");
  OpSpec("SGD").Input({3}).IntInput({3}, 0, 9).Absent().Given(Lr(0.1f)).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "input \"grad\" is s32[3]");
  OpSpec("SGD").Input({3}).Input({3}).Absent().Input({1}).ExpectOutput({3})
      .ExpectError(ErrorClass::kShape, "input \"lr\" is f32[1]");
  OpSpec("SGD").Input({3}).Input({3}).Absent().ExpectOutput({3}).ExpectError(ErrorClass::kGraph, "has 3 inputs");
  Plain("", {3}).Attr("momentum", 0.9).ExpectError(ErrorClass::kGraph, "momentum=0.9, nesterov=false, weight_decay=0.0} it has an input and output");
  WithMomentum("", {3}, 0).ExpectError(ErrorClass::kGraph, "it has no input and output \"momentum_buffer\"");
  WithMomentum("", {3}, 0.9).Attr("dampening", 0.5)
      .ExpectError(ErrorClass::kGraph, "it needs the input \"step\"");
}

TEST(Sgd, RefusesABadLearningRateOrStepWhenItRuns) {
  for (float lr : {-0.1f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    OpSpec("SGD").Parameter({3}).Input({3}).Absent().Given(Lr(lr)).ExpectOutput({3})
        .ExpectRunError(ErrorClass::kAttr, "the learning rate \"lr\" is");
  }
  for (float scale : {-1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    OpSpec("SGD").Parameter({3}).Input({3}).Absent().Given(Lr(0.1f)).Absent().Given(Tensor::Scalar(scale))
        .ExpectOutput({3}).ExpectRunError(ErrorClass::kData, "\"grad_scale\" is");
  }
  for (int64_t step : {0, -1}) {
    WithMomentum("", {3}, 0.9).Given(Step(step)).Attr("dampening", 0.5)
        .ExpectRunError(ErrorClass::kAttr, "\"step\" is");
  }
}

TEST(Sgd, UsesTheBufferWithMomentumAndTheStepWithDampening) {
  const OpDef& def = *OpRegistry::Get().Find("SGD");
  auto uses = [&](const Attributes& attrs) {
    std::string used;
    for (const char* name : {"momentum_buffer", "lr", "step"}) used += def.optimizer_uses(attrs, name) ? "y" : "n";
    return used;
  };
  EXPECT_EQ(uses({}), "nyn");
  EXPECT_EQ(uses({{"momentum", 0.9}}), "yyn");
  EXPECT_EQ(uses({{"momentum", int64_t{1}}}), "yyn");
  EXPECT_EQ(uses({{"dampening", 0.5}}), "nyn");
  EXPECT_EQ(uses({{"momentum", 0.9}, {"dampening", 0.5}}), "yyy");
  EXPECT_EQ(uses({{"momentum", std::string("much")}}), "nyn");  // refused later
}

}  // namespace
}  // namespace athanor
