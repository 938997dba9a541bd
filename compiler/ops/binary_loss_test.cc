#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

Tensor Vector(std::vector<float> values) {
  return Tensor::Of<float>({static_cast<int64_t>(values.size())}, values);
}

// The loss of four elements and its gradients, which finite differences do not reach at the ends.
void CheckEnds(const std::string& op, std::vector<float> pred, std::vector<float> target, std::vector<double> loss,
               std::vector<double> slopes, double tolerance = 1e-9) {
  OpSpec forward(op + "Grad");
  forward.Given(Tensor::Scalar(1.0f)).Given(Vector(pred)).Given(Vector(target));
  forward.ExpectOutput({static_cast<int64_t>(pred.size())}).ExpectValues(slopes, tolerance).NotDifferentiable().Check();
  OpSpec spec(op);
  spec.Attr("reduction", "none").GivenParameter(Vector(pred)).NoGradient(0).GivenParameter(Vector(target));
  spec.ExpectOutput({static_cast<int64_t>(pred.size())}).ExpectValues(loss, tolerance).Check();
}

TEST(Hinge, KnownValuesAndEnds) {
  CheckEnds("Hinge", {0.5, 2, 0.5, 1e4, -1e4}, {1, 1, -1, -1, 1}, {0.5, 0, 1.5, 10001, 10001}, {-1, 0, 1, 1, -1});
  OpSpec("Hinge").Attr("margin", 2.0).Given(Vector({0.5, 3, 0.25})).Given(Vector({1, 1, -1})).ExpectOutput({})
      .ExpectValues({3.75 / 3}).Check();
  OpSpec("HingeGrad").Name("at the bend").Given(Tensor::Scalar(1.0f)).Given(Vector({1, -1})).Given(Vector({1, -1}))
      .ExpectOutput({2}).ExpectValues({0, 0}).NotDifferentiable().Check();
}

// torch.nn.functional.binary_cross_entropy.
TEST(BinaryCrossEntropy, KnownValuesAndEnds) {
  OpSpec("BinaryCrossEntropy").Given(Vector({0.25, 0.75})).Given(Vector({0, 1})).ExpectOutput({})
      .ExpectValues({-std::log(0.75)}).Check();
  OpSpec("BinaryCrossEntropyGrad").Name("ends").Given(Tensor::Scalar(1.0f)).Given(Vector({0, 1, 0, 1}))
      .Given(Vector({1, 1, 0, 0})).ExpectOutput({4}).ExpectValues({-1e12, 0, 0, 1e12}, 1e-3)
      .ExpectOutput({4}).ExpectValues({100, -100, 100, -100}).NotDifferentiable().Check();
  OpSpec("BinaryCrossEntropy").Name("ends").Attr("reduction", "none").GivenParameter(Vector({0, 1, 0, 1})).NoGradient(0)
      .GivenParameter(Vector({1, 1, 0, 0})).ExpectOutput({4}).ExpectValues({100, 0, 0, 100}).Check();
}

// torch.nn.functional.binary_cross_entropy_with_logits with pos_weight 3.
TEST(BinaryCrossEntropyWithLogits, KnownValuesAndEnds) {
  OpSpec("BinaryCrossEntropyWithLogits").Attr("reduction", "none").Given(Vector({2, -3})).Given(Vector({0, 1}))
      .Given(Vector({3})).NoGradient(2).ExpectOutput({2})
      .ExpectValues({2.1269280110429727, 9.145762054721226}, 1e-12).Check();
  CheckEnds("BinaryCrossEntropyWithLogits", {1e4f, -1e4f, 1e4f, -1e4f, 0}, {1, 1, 0, 0, 1},
            {0, 1e4, 1e4, 0, std::log(2.0)}, {0, -1, 1, 0, -0.5});
}

TEST(BinaryCrossEntropyWithLogits, PosWeightsBroadcast) {
  for (const Shape& w : std::vector<Shape>{{}, {1}, {5}, {4, 5}, {4, 1}, {3, 1, 5}, {3, 4, 5}}) {
    for (const char* reduction : {"mean", "none"}) {
      OpSpec("BinaryCrossEntropyWithLogits").Name(absl::StrCat(ShapeToString(w), reduction))
          .Attr("reduction", reduction).Input({3, 4, 5}).InputRange(-4, 4).Input({3, 4, 5}).InputRange(0, 1).Input(w)
          .InputRange(0.5, 3).NoGradient(2).ExpectOutput(std::string(reduction) == "none" ? Shape{3, 4, 5} : Shape{})
          .Check();
    }
  }
  auto with = [](const char* op) {
    OpSpec spec(op);
    spec.Input({3, 4}).Input({3, 4});
    return spec;
  };
  with("BinaryCrossEntropyWithLogits").Input({3}).ExpectOutput({})
      .ExpectError(ErrorClass::kShape, "do not broadcast");
  with("BinaryCrossEntropyWithLogits").Input({2, 3, 4}).ExpectOutput({})
      .ExpectError(ErrorClass::kShape, "\"pos_weight\" is f32[2,3,4]: it does not broadcast to pred, f32[3,4]");
  with("BinaryCrossEntropyWithLogits").Input({0}).ExpectOutput({}).ExpectError(ErrorClass::kShape, "it is empty");
  with("BinaryCrossEntropyWithLogits").IntInput({4}, 0, 1).ExpectOutput({})
      .ExpectError(ErrorClass::kDtype, "\"pos_weight\" is s32[4]");
  with("BinaryCrossEntropy").Input({4}).ExpectOutput({}).ExpectError(ErrorClass::kGraph, "has 3 inputs");
}

TEST(LogLoss, KnownValuesAndEnds) {
  OpSpec("LogLoss").Attr("epsilon", 0.25).Given(Vector({0.25, 0.75})).Given(Vector({0, 1})).ExpectOutput({})
      .ExpectValues({0}).Check();
  const double sure_error = -std::log(1e-7);
  CheckEnds("LogLoss", {0, 1, 0, 1}, {1, 1, 0, 0}, {sure_error, 0, 0, sure_error}, {-1e7, -1, 1, 1e7}, 1e-6);
}

}  // namespace
}  // namespace athanor
