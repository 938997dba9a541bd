#include <cmath>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

Tensor Labels(std::vector<int32_t> labels) {
  return Tensor::Of<int32_t>({static_cast<int64_t>(labels.size())}, labels);
}

TEST(SoftmaxCrossEntropy, KnownValues) {
  const float log3 = static_cast<float>(std::log(3.0));
  OpSpec("SoftmaxCrossEntropy").Given(Tensor::Of<float>({2, 2}, {0, log3, 0, 0})).Given(Labels({1, 0}))
      .ExpectOutput({}).ExpectValues({(std::log(4.0 / 3) + std::log(2.0)) / 2}, 1e-7)
      .ExpectOutput({2, 2}).ExpectValues({0.25, 0.75, 0.5, 0.5}, 1e-7).Check();
  OpSpec("SoftmaxCrossEntropyGrad").Given(Tensor::Scalar(4.0f)).Given(Tensor::Of<float>({2, 2}, {0.25, 0.75, 0.5, 0.5}))
      .Given(Labels({1, 0})).ExpectOutput({2, 2}).ExpectValues({0.5, -0.5, -1, 1}).NotDifferentiable().Check();
}

TEST(SoftmaxCrossEntropy, OddAndUsualSizes) {
  for (const Shape& s : std::vector<Shape>{{1, 1}, {1, 10}, {64, 10}, {7, 2}, {5, 16}, {3, 17}, {2, 1000}, {33, 5}}) {
    OpSpec("SoftmaxCrossEntropy")
        .Input(s)
        .InputRange(-3, 3)
        .IntInput({s[0]}, 0, s[1] - 1)
        .ExpectOutput({})
        .ExpectOutput(s)
        .Check();
    OpSpec("SoftmaxCrossEntropyGrad").Input({}).Input(s).InputRange(0, 1).IntInput({s[0]}, 0, s[1] - 1).ExpectOutput(s)
        .NotDifferentiable().Check();
  }
}

// e^10000 is infinite in double too.
TEST(SoftmaxCrossEntropy, StableForLogitsOfTenThousand) {
  OpSpec("SoftmaxCrossEntropy").Name("sure and right, sure and wrong")
      .Given(Tensor::Of<float>({3, 3}, {1e4f, 0, -1e4f, 1e4f, 0, -1e4f, -1e4f, -1e4f, -1e4f})).Given(Labels({0, 2, 1}))
      .ExpectOutput({}).ExpectValues({(2e4 + std::log(3.0)) / 3}, 1e-12)
      .ExpectOutput({3, 3}).ExpectValues({1, 0, 0, 1, 0, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3}, 1e-12).Check();
}

TEST(SoftmaxCrossEntropy, TheBatchMayBeASymbol) {
  const OpDef* def = OpRegistry::Get().Find("SoftmaxCrossEntropy");
  ASSERT_NE(def, nullptr);
  Node node{"SoftmaxCrossEntropy", "loss", {0, 1}, {2, 3}, {}, {}, ""};
  auto types = InferTypes(*def, node, {TensorType(DType::kF32, {"N", 10}), TensorType(DType::kS32, {"N"})});
  ASSERT_TRUE(types.ok()) << types.status();
  EXPECT_EQ((*types)[0].ToString(), "f32[]");
  EXPECT_EQ((*types)[1].ToString(), "f32[N,10]");
  types = InferTypes(*def, node, {TensorType(DType::kF32, {"N", 10}), TensorType(DType::kS32, {"M"})});
  EXPECT_EQ(ErrorClassOf(types.status()), "SHAPE") << types.status();
  types = InferTypes(*def, node, {TensorType(DType::kF32, {"N", "C"}), TensorType(DType::kS32, {"N"})});
  EXPECT_EQ(ErrorClassOf(types.status()), "SHAPE") << types.status();
}

TEST(SoftmaxCrossEntropy, ALabelThatIsNoClassStopsTheRun) {
  for (int32_t bad : {-1, 3, 1 << 30}) {
    const std::string text = "labels[1] = " + std::to_string(bad) + " is not in [0, 3)";
    OpSpec("SoftmaxCrossEntropy")
        .Input({2, 3})
        .Given(Labels({0, bad}))
        .ExpectOutput({})
        .ExpectRunError(ErrorClass::kIndex, text);
    OpSpec("SoftmaxCrossEntropyGrad").Input({}).Input({2, 3}).Given(Labels({0, bad})).ExpectOutput({2, 3})
        .ExpectRunError(ErrorClass::kIndex, text);
  }
}

TEST(SoftmaxCrossEntropy, Errors) {
  const char* op = "SoftmaxCrossEntropy";
  OpSpec(op).Input({4, 10}).IntInput({3}, 0, 9).ExpectOutput({}).ExpectError(
      ErrorClass::kShape, "\"labels\" is s32[3], expected s32[4] like the batch");
  OpSpec(op).Input({4, 10}).Input({4}).ExpectOutput({}).ExpectError(ErrorClass::kDtype,
                                                                    "\"labels\" is f32[4], expected element type s32");
  OpSpec(op)
      .Input({4, 10})
      .IntInput({4}, 0, 9, DType::kS64)
      .ExpectOutput({})
      .ExpectError(ErrorClass::kDtype, "\"labels\" is s64[4]");
  OpSpec(op).Input({4, 0}).IntInput({4}, 0, 0).ExpectOutput({}).ExpectError(ErrorClass::kShape,
                                                                            "\"logits\" is f32[4,0]: it is empty");
  OpSpec(op).Input({4, 3, 2}).IntInput({4}, 0, 9).ExpectOutput({}).ExpectError(ErrorClass::kShape,
                                                                               "of rank 3, expected rank 2");
  OpSpec("SoftmaxCrossEntropyGrad").Input({1}).Input({4, 3}).IntInput({4}, 0, 2).ExpectOutput({4, 3})
      .ExpectError(ErrorClass::kShape, "\"dloss\" is f32[1], expected f32[]");
}

}  // namespace
}  // namespace athanor
