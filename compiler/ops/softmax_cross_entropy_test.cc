#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
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
      ErrorClass::kShape, "\"labels\" is s32[3], expected s32[4] like the scores without the classes");
  OpSpec(op).Input({4, 10}).Input({4}).ExpectOutput({}).ExpectError(ErrorClass::kDtype,
                                                                    "\"labels\" is f32[4], expected element type s32");
  OpSpec(op)
      .Input({4, 10})
      .IntInput({4}, 0, 9, DType::kS64)
      .ExpectOutput({})
      .ExpectError(ErrorClass::kDtype, "\"labels\" is s64[4]");
  OpSpec(op).Input({4, 0}).IntInput({4}, 0, 0).ExpectOutput({}).ExpectError(ErrorClass::kShape,
                                                                            "\"logits\" is f32[4,0]: it is empty");
  OpSpec(op).Input({4, 3, 2}).IntInput({4}, 0, 2).ExpectOutput({}).ExpectError(
      ErrorClass::kShape, "\"labels\" is s32[4], expected s32[4,2] like the scores without the classes");
  OpSpec(op).Input({4}).IntInput({}, 0, 2).ExpectOutput({}).ExpectError(ErrorClass::kShape, "of rank 1");
  OpSpec("SoftmaxCrossEntropyGrad").Input({1}).Input({4, 3}).IntInput({4}, 0, 2).ExpectOutput({4, 3})
      .ExpectError(ErrorClass::kShape, "\"dloss\" is f32[1], expected f32[]");
}

TEST(SoftmaxCrossEntropy, ValuesOfPyTorch) {
  auto logits = [] { return Tensor::Of<float>({2, 3}, {1, 2, 3, 0, -1, 0.5}); };
  auto weights = [] { return Tensor::Of<float>({3}, {1, 2, 0.5}); };
  OpSpec("SoftmaxCrossEntropy").Name("weights, smoothing").Given(logits()).Given(Labels({2, 0})).Given(weights())
      .NoGradient(2).Attr("label_smoothing", 0.3).ExpectOutput({}).ExpectValues({1.346440873809754}).Check();
  OpSpec("SoftmaxCrossEntropy").Name("unreduced").Given(logits()).Given(Labels({2, 0})).Attr("label_smoothing", 0.3)
      .Attr("reduction", "none").ExpectOutput({2}).ExpectValues({0.7076059644443804, 1.1541306053367284}).Check();
  OpSpec("SoftmaxCrossEntropy").Name("ignored").Given(logits()).Given(Labels({2, -100})).Given(weights())
      .NoGradient(2).ExpectOutput({}).ExpectValues({0.4076059644443804}).Check();
  auto target = [] { return Tensor::Of<float>({2, 3}, {0.25, 0.25, 0.5, 1, 0, 0}); };
  OpSpec("CategoricalCrossEntropy").Name("sure").Given(logits()).Given(target()).NoGradient(1).ExpectOutput({})
      .ExpectValues({(2 * std::log(std::exp(1.0) + std::exp(2.0) + std::exp(3.0)) - 2 * 2.25 +
                      2 * std::log(1 + std::exp(-1.0) + std::exp(0.5))) / 4 }, 1e-7).Check();
}

TEST(SoftmaxCrossEntropy, EveryOption) {
  for (const char* reduction : {"mean", "sum", "none"}) {
    for (double smoothing : {0.0, 0.1, 1.0}) {
      for (bool weights : {false, true}) {
        for (int64_t ignored : {-100, 0}) {
          const Shape loss = std::string(reduction) == "none" ? Shape{5} : Shape{};
          OpSpec spec("SoftmaxCrossEntropy");
          spec.Name(absl::StrCat(reduction, " ", smoothing, weights ? " weights" : "", " ignores ", ignored));
          spec.Attr("reduction", reduction).Attr("label_smoothing", smoothing).Attr("ignore_index", ignored);
          spec.Input({5, 4}).InputRange(-3, 3).IntInput({5}, 0, 3);
          if (weights) spec.Input({4}).InputRange(0.5, 2).NoGradient(2);
          spec.ExpectOutput(loss).ExpectOutput({5, 4}).Check();
          OpSpec grad("SoftmaxCrossEntropyGrad");
          grad.Name(absl::StrCat(reduction, " ", smoothing, weights ? " weights" : "", " ignores ", ignored));
          grad.Attr("reduction", reduction).Attr("label_smoothing", smoothing).Attr("ignore_index", ignored);
          grad.Input(loss).Input({5, 4}).InputRange(0, 1).IntInput({5}, 0, 3);
          if (weights) grad.Input({4}).InputRange(0.5, 2);
          grad.ExpectOutput({5, 4}).NotDifferentiable().Check();
        }
        OpSpec dense("CategoricalCrossEntropy");
        dense.Name(absl::StrCat(reduction, " ", smoothing, weights ? " weights" : ""));
        dense.Attr("reduction", reduction).Attr("label_smoothing", smoothing);
        dense.Input({5, 4}).InputRange(-3, 3).Input({5, 4}).InputRange(0, 1).NoGradient(1);
        if (weights) dense.Input({4}).InputRange(0.5, 2).NoGradient(2);
        const Shape dense_loss = std::string(reduction) == "none" ? Shape{5} : Shape{};
        dense.ExpectOutput(dense_loss).ExpectOutput({5, 4}).Check();
        OpSpec dense_grad("CategoricalCrossEntropyGrad");
        dense_grad.Name(absl::StrCat(reduction, " ", smoothing, weights ? " weights" : ""));
        dense_grad.Attr("reduction", reduction).Attr("label_smoothing", smoothing);
        dense_grad.Input(dense_loss).Input({5, 4}).InputRange(0, 1).Input({5, 4}).InputRange(0, 1);
        if (weights) dense_grad.Input({4}).InputRange(0.5, 2);
        dense_grad.ExpectOutput({5, 4}).NotDifferentiable().Check();
      }
    }
  }
}

TEST(SoftmaxCrossEntropy, AnyAxisAndRank) {
  for (const Shape& x : std::vector<Shape>{{3, 4}, {2, 3, 5}, {2, 1, 5}, {2, 3, 4, 3}, {1, 2, 2, 3, 2}}) {
    for (int axis = -static_cast<int>(x.size()); axis < static_cast<int>(x.size()); ++axis) {
      const size_t at = axis < 0 ? axis + x.size() : axis;
      Shape labels = x;
      labels.erase(labels.begin() + static_cast<int64_t>(at));
      for (const char* reduction : {"mean", "none"}) {
        const Shape loss = std::string(reduction) == "none" ? labels : Shape{};
        OpSpec spec("SoftmaxCrossEntropy");
        spec.Name(absl::StrCat(ShapeToString(x), " axis ", axis, " ", reduction)).Attr("axis", axis);
        spec.Attr("reduction", reduction).Input(x).InputRange(-3, 3).IntInput(labels, 0, x[at] - 1).ExpectOutput(loss);
        if (at != 0) spec.SymbolicBatch();
        spec.ExpectOutput(x).Check();
        OpSpec dense("CategoricalCrossEntropy");
        dense.Name(absl::StrCat(ShapeToString(x), " axis ", axis, " ", reduction)).Attr("axis", axis);
        dense.Attr("reduction", reduction).Attr("label_smoothing", 0.2).Input(x).InputRange(-3, 3);
        dense.Input(x).InputRange(0, 1).NoGradient(1).ExpectOutput(loss).ExpectOutput(x).Check();
      }
    }
  }
}

// torch gives NaN here.
TEST(SoftmaxCrossEntropy, NothingButIgnoredLabelsLoseNothing) {
  for (const char* reduction : {"mean", "sum"}) {
    OpSpec("SoftmaxCrossEntropy").Name(reduction).Attr("reduction", reduction).Input({3, 4})
        .Given(Labels({-100, -100, -100})).ExpectOutput({}).ExpectValues({0}).Check();
  }
  OpSpec("SoftmaxCrossEntropy").Name("none").Attr("reduction", "none").Input({2, 4}).Given(Labels({-100, -100}))
      .ExpectOutput({2}).ExpectValues({0, 0}).Check();
}

TEST(CategoricalCrossEntropy, StableForLogitsOfTenThousand) {
  OpSpec("CategoricalCrossEntropy")
      .Given(Tensor::Of<float>({3, 3}, {1e4f, 0, -1e4f, 1e4f, 0, -1e4f, -1e4f, -1e4f, -1e4f}))
      .Given(Tensor::Of<float>({3, 3}, {1, 0, 0, 0, 0, 1, 0.25, 0.25, 0.5})).NoGradient(1)
      .ExpectOutput({}).ExpectValues({(2e4 + std::log(3.0)) / 3}, 1e-11).Check();
}

TEST(SoftmaxCrossEntropy, ErrorsOfItsOptions) {
  for (const char* op : {"SoftmaxCrossEntropy", "CategoricalCrossEntropy"}) {
    const bool dense = op[0] == 'C';
    auto with = [&] {
      OpSpec spec(op);
      spec.Input({4, 10});
      dense ? spec.Input({4, 10}) : spec.IntInput({4}, 0, 9);
      spec.ExpectOutput({});
      return spec;
    };
    for (double smoothing : {-0.1, 1.1, std::nan("")}) {
      with().Attr("label_smoothing", smoothing).ExpectError(ErrorClass::kAttr, "\"label_smoothing\"");
    }
    for (int64_t axis : {int64_t{2}, int64_t{-3}, std::numeric_limits<int64_t>::min()}) {
      with().Attr("axis", axis).ExpectError(ErrorClass::kAttr, absl::StrCat("axis ", axis, " is not in [-2, 1]"));
    }
    with().Attr("reduction", "max").ExpectError(ErrorClass::kAttr, "\"reduction\"");
    with().Attr("reduction", 1).ExpectError(ErrorClass::kAttr, "of type int, expected string");
    OpSpec weights(op);
    weights.Input({4, 10});
    dense ? weights.Input({4, 10}) : weights.IntInput({4}, 0, 9);
    weights.Input({4}).ExpectOutput({}).ExpectError(ErrorClass::kShape, "\"weights\" is f32[4], expected f32[10]");
  }
  OpSpec("CategoricalCrossEntropy").Input({4, 10}).Input({4, 9}).ExpectOutput({})
      .ExpectError(ErrorClass::kShape, "\"target\" is f32[4,9], expected f32[4,10] like logits");
  OpSpec("CategoricalCrossEntropy").Input({4, 10}).IntInput({4, 10}, 0, 1).ExpectOutput({})
      .ExpectError(ErrorClass::kDtype, "\"target\" is s32[4,10]");
  OpSpec("CategoricalCrossEntropy").Input({4, 10}).Input({4, 10}).Attr("ignore_index", 1).ExpectOutput({})
      .ExpectError(ErrorClass::kAttr, "\"ignore_index\"");
  OpSpec("SoftmaxCrossEntropyGrad").Attr("reduction", "none").Input({}).Input({4, 3}).IntInput({4}, 0, 2)
      .ExpectOutput({4, 3}).ExpectError(ErrorClass::kShape, "\"dloss\" is f32[], expected f32[4]");
}

}  // namespace
}  // namespace athanor
