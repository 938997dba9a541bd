#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

Tensor Labels(std::vector<int32_t> labels) {
  return Tensor::Of<int32_t>({static_cast<int64_t>(labels.size())}, labels);
}

TEST(NLLLoss, KnownValues) {
  auto x = [] { return Tensor::Of<float>({3, 2}, {-1, -2, -3, -4, -5, -6}); };
  auto weights = [] { return Tensor::Of<float>({2}, {1, 3}); };
  OpSpec("NLLLoss").Given(x()).Given(Labels({0, 1, 1})).ExpectOutput({}).ExpectValues({11.0 / 3}).Check();
  OpSpec("NLLLoss").Given(x()).Given(Labels({0, 1, 1})).Given(weights()).NoGradient(2).ExpectOutput({})
      .ExpectValues({31.0 / 7}).Check();
  OpSpec("NLLLoss").Given(x()).Given(Labels({0, -100, 1})).Given(weights()).NoGradient(2).ExpectOutput({})
      .ExpectValues({19.0 / 4}).Check();
  OpSpec("NLLLoss").Attr("reduction", "none").Given(x()).Given(Labels({0, -100, 1})).ExpectOutput({3})
      .ExpectValues({1, 0, 6}).Check();
  OpSpec("NLLLoss").Name("all ignored").Given(x()).Given(Labels({-100, -100, -100})).ExpectOutput({}).ExpectValues({0})
      .Check();
  OpSpec("NLLLoss").Name("ends").Given(Tensor::Of<float>({2, 2}, {-1e4, 0, 1e4, -1e4})).Given(Labels({0, 0}))
      .ExpectOutput({}).ExpectValues({0}).Check();
}

TEST(NLLLoss, EveryOptionAxisAndRank) {
  for (const Shape& x : std::vector<Shape>{{3, 4}, {1, 1}, {2, 3, 5}, {2, 3, 4, 3}, {70, 33}}) {
    for (int axis : {0, 1, -1}) {
      const size_t at = axis < 0 ? axis + x.size() : axis;
      Shape labels = x;
      labels.erase(labels.begin() + static_cast<int64_t>(at));
      for (const char* reduction : {"mean", "sum", "none"}) {
        for (int options = 0; options < 4; ++options) {
          const Shape loss = std::string(reduction) == "none" ? labels : Shape{};
          for (bool grad : {false, true}) {
            OpSpec spec(grad ? "NLLLossGrad" : "NLLLoss");
            spec.Name(absl::StrCat(ShapeToString(x), " axis ", axis, " ", reduction, " options ", options));
            spec.Attr("axis", axis).Attr("reduction", reduction);
            if (options & 2) spec.Attr("ignore_index", 0);
            if (grad) spec.Input(loss);
            spec.Input(x).InputRange(-5, 0).IntInput(labels, 0, x[at] - 1);
            if (options & 1) spec.Input({x[at]}).InputRange(0.5, 2);
            if (options & 1 && !grad) spec.NoGradient(2);
            spec.ExpectOutput(grad ? x : loss);
            if (grad) spec.NotDifferentiable();
            spec.Check();
          }
        }
      }
    }
  }
  OpSpec("NLLLoss").Input({4, 3, 2}).IntInput({4, 2}, 0, 2).ExpectOutput({}).SymbolicBatch().Check();
}

TEST(NLLLoss, ALabelThatIsNoClassStopsTheRun) {
  for (int32_t bad : {-1, 3, 1 << 30}) {
    const std::string text = absl::StrCat("labels[1] = ", bad, " is not in [0, 3)");
    OpSpec("NLLLoss").Input({2, 3}).Given(Labels({0, bad})).ExpectOutput({}).ExpectRunError(ErrorClass::kIndex, text);
    OpSpec("NLLLossGrad").Input({}).Input({2, 3}).Given(Labels({0, bad})).ExpectOutput({2, 3})
        .ExpectRunError(ErrorClass::kIndex, text);
  }
}

TEST(NLLLoss, Errors) {
  auto with = [](const Shape& x, const Shape& labels) {
    OpSpec spec("NLLLoss");
    spec.Input(x).IntInput(labels, 0, 0).ExpectOutput({});
    return spec;
  };
  with({4, 3}, {3}).ExpectError(ErrorClass::kShape,
                                "\"labels\" is s32[3], expected s32[4] like the scores without the classes");
  with({4, 3, 2}, {4}).ExpectError(ErrorClass::kShape, "\"labels\" is s32[4], expected s32[4,2]");
  with({4}, {}).ExpectError(ErrorClass::kShape, "of rank 1");
  with({4, 0}, {4}).ExpectError(ErrorClass::kShape, "it is empty");
  with({4, 3}, {4}).Attr("axis", 2).ExpectError(ErrorClass::kAttr, "axis 2 is not in [-2, 1]");
  with({4, 3}, {4}).Attr("reduction", "batchmean").ExpectError(ErrorClass::kAttr, "\"reduction\"");
  with({4, 3}, {4}).Attr("ignore_index", 0.5).ExpectError(ErrorClass::kAttr, "of type float, expected int");
  with({4, 3}, {4}).Input({4})
      .ExpectError(ErrorClass::kShape, "\"weights\" is f32[4], expected f32[3] like the classes");
  OpSpec("NLLLoss").Input({4, 3}).Input({4}).ExpectOutput({}).ExpectError(ErrorClass::kDtype, "\"labels\" is f32[4]");
  OpSpec("NLLLoss").IntInput({4, 3}, 0, 1).IntInput({4}, 0, 1).ExpectOutput({})
      .ExpectError(ErrorClass::kDtype, "\"x\" is s32[4,3]");
  OpSpec("NLLLossGrad").Input({1}).Input({4, 3}).IntInput({4}, 0, 2).ExpectOutput({4, 3})
      .ExpectError(ErrorClass::kShape, "\"dloss\" is f32[1], expected f32[] like the loss");
}

}  // namespace
}  // namespace athanor
