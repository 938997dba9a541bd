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

// torch.nn.functional.multi_margin_loss.
TEST(MultiClassHinge, ValuesOfPyTorch) {
  OpSpec("MultiClassHinge").Given(Tensor::Of<float>({2, 3}, {1, 2.25, 3, 0, -1.5, 0.5})).Given(Labels({2, 0}))
      .Given(Tensor::Of<float>({3}, {1, 2, 0.5})).NoGradient(2).ExpectOutput({})
      .ExpectValues({(0.5 * 0.25 / 3 + 1.5 / 3) / 2}).Check();
  OpSpec("MultiClassHinge").Attr("p", 2).Attr("margin", 0.5).Attr("reduction", "none")
      .Given(Tensor::Of<float>({2, 3}, {1, 2, 3, 0, -1, 0.5})).Given(Labels({2, 0})).ExpectOutput({2})
      .ExpectValues({0, 1.0 / 3}).Check();
  OpSpec("MultiClassHinge").Attr("p", 2).Name("ends").Attr("reduction", "none")
      .Given(Tensor::Of<float>({3, 2}, {1e4, -1e4, -1e4, 1e4, 0, 1})).Given(Labels({0, 0, 1})).ExpectOutput({3})
      .ExpectValues({0, 20001.0 * 20001.0 / 2, 0}, 1e-3).Check();
}

TEST(MultiClassHinge, EveryOption) {
  for (const Shape& x : std::vector<Shape>{{1, 1}, {3, 2}, {5, 7}, {4, 33}}) {
    for (const char* reduction : {"mean", "sum", "none"}) {
      for (int64_t p : {1, 2}) {
        for (double margin : {0.317, 0.951}) {  // no difference of kink-free numbers
          for (bool weights : {false, true}) {
            const Shape loss = std::string(reduction) == "none" ? Shape{x[0]} : Shape{};
            for (bool grad : {false, true}) {
              OpSpec spec(grad ? "MultiClassHingeGrad" : "MultiClassHinge");
              spec.Name(absl::StrCat(ShapeToString(x), " ", reduction, p, " ", margin, weights ? " weights" : ""));
              spec.Attr("reduction", reduction).Attr("p", p).Attr("margin", margin);
              if (grad) spec.Input(loss);
              spec.Input(x).KinkFree().IntInput({x[0]}, 0, x[1] - 1);
              if (weights) spec.Input({x[1]}).InputRange(0.5, 2);
              if (weights && !grad) spec.NoGradient(2);
              spec.ExpectOutput(grad ? x : loss);
              if (grad) spec.NotDifferentiable();
              spec.Check();
            }
          }
        }
      }
    }
  }
  OpSpec("MultiClassHinge").Input({5, 7}).KinkFree().IntInput({5}, 0, 6).ExpectOutput({}).SymbolicBatch().Check();
}

TEST(MultiClassHinge, ALabelThatIsNoClassStopsTheRun) {
  for (int32_t bad : {-100, -1, 3, 1 << 30}) {
    const std::string text = absl::StrCat("labels[1] = ", bad, " is not in [0, 3)");
    OpSpec("MultiClassHinge").Input({2, 3}).Given(Labels({0, bad})).ExpectOutput({})
        .ExpectRunError(ErrorClass::kIndex, text);
    OpSpec("MultiClassHingeGrad").Input({}).Input({2, 3}).Given(Labels({0, bad})).ExpectOutput({2, 3})
        .ExpectRunError(ErrorClass::kIndex, text);
  }
}

TEST(MultiClassHinge, Errors) {
  auto with = [](const Shape& x, const Shape& labels) {
    OpSpec spec("MultiClassHinge");
    spec.Input(x).IntInput(labels, 0, 0).ExpectOutput({});
    return spec;
  };
  with({4, 3}, {3}).ExpectError(ErrorClass::kShape, "\"labels\" is s32[3], expected s32[4]");
  with({4, 3, 2}, {4, 2}).ExpectError(ErrorClass::kShape, "of rank 3, expected rank 2");
  with({0, 3}, {0}).ExpectError(ErrorClass::kShape, "it is empty");
  for (int64_t p : {int64_t{0}, int64_t{3}, std::numeric_limits<int64_t>::min()}) {
    with({4, 3}, {4}).Attr("p", p).ExpectError(ErrorClass::kAttr, "\"p\"");
  }
  for (double margin : {std::nan(""), 1e300}) {
    with({4, 3}, {4}).Attr("margin", margin).ExpectError(ErrorClass::kAttr, "\"margin\"");
  }
  with({4, 3}, {4}).Attr("reduction", "max").ExpectError(ErrorClass::kAttr, "\"reduction\"");
  with({4, 3}, {4}).Attr("axis", 1).ExpectError(ErrorClass::kAttr, "\"axis\"");
  with({4, 3}, {4}).Input({4}).ExpectError(ErrorClass::kShape, "\"weights\" is f32[4], expected f32[3]");
  OpSpec("MultiClassHinge").Input({4, 3}).Input({4}).ExpectOutput({}).ExpectError(ErrorClass::kDtype, "\"labels\"");
  OpSpec("MultiClassHingeGrad").Attr("reduction", "none").Input({}).Input({4, 3}).IntInput({4}, 0, 2)
      .ExpectOutput({4, 3}).ExpectError(ErrorClass::kShape, "\"dloss\" is f32[], expected f32[4]");
}

}  // namespace
}  // namespace athanor
