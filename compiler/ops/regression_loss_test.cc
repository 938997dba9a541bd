#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

// A loss of {4} elements, unreduced.
OpSpec Elements(const char* op, std::vector<float> pred, std::vector<float> target) {
  const Shape shape = {static_cast<int64_t>(pred.size())};
  OpSpec spec(op);
  spec.Attr("reduction", "none").Given(Tensor::Of<float>(shape, pred)).Given(Tensor::Of<float>(shape, target));
  spec.ExpectOutput(shape);
  return spec;
}

// The gradient of four predictions for a target of 0.
OpSpec Slopes(const char* op, std::vector<float> pred) {
  const Shape shape = {static_cast<int64_t>(pred.size())};
  OpSpec spec(op);
  const std::vector<float> target(pred.size());
  spec.Given(Tensor::Scalar(1.0f)).Given(Tensor::Of<float>(shape, pred)).Given(Tensor::Of<float>(shape, target));
  spec.ExpectOutput(shape);
  spec.NotDifferentiable();
  return spec;
}

TEST(RegressionLosses, KnownValues) {
  const std::vector<float> pred = {0.25, 0.5, 3, -4}, zero = {0, 0, 0, 0};
  Elements("MeanAbsoluteError", pred, zero).ExpectValues({0.25, 0.5, 3, 4}).Check();
  Elements("Huber", pred, zero).Attr("delta", 2.0).ExpectValues({0.03125, 0.125, 4, 6}).Check();
  Elements("SmoothL1", pred, zero).Attr("beta", 2.0).ExpectValues({0.015625, 0.0625, 2, 3}).Check();
  Elements("SmoothL1", pred, zero).Attr("beta", 0.0).ExpectValues({0.25, 0.5, 3, 4}).Check();
  Slopes("MeanAbsoluteErrorGrad", {0, 0.5, 3, -4}).ExpectValues({0, 1, 1, -1}).Check();
  Slopes("HuberGrad", {0, 0.5, 3, -4}).Attr("delta", 2.0).ExpectValues({0, 0.5, 2, -2}).Check();
  Slopes("SmoothL1Grad", {0, 0.5, 3, -4}).Attr("beta", 2.0).ExpectValues({0, 0.25, 1, -1}).Check();
  Slopes("SmoothL1Grad", {0, 0.5, 3, -4}).Attr("beta", 0.0).ExpectValues({0, 1, 1, -1}).Check();
  OpSpec("MeanAbsoluteError").Given(Tensor::Of<float>({4}, pred)).Given(Tensor::Of<float>({4}, zero)).ExpectOutput({})
      .ExpectValues({7.75 / 4}).Check();
  OpSpec("Huber").Attr("reduction", "sum").Attr("delta", 2.0).Given(Tensor::Of<float>({4}, pred))
      .Given(Tensor::Of<float>({4}, zero)).ExpectOutput({}).ExpectValues({10.15625}).Check();
}

TEST(RegressionLosses, EndsOfTheRange) {
  const std::vector<float> pred = {1e4f, -1e4f, 1, 0}, target = {-1e4f, 1e4f, 0, 1};
  Elements("MeanAbsoluteError", pred, target).ExpectValues({2e4, 2e4, 1, 1}).Check();
  Elements("Huber", pred, target).Attr("delta", 0.5).ExpectValues({9999.875, 9999.875, 0.375, 0.375}).Check();
  Elements("SmoothL1", pred, target).Attr("beta", 0.5).ExpectValues({19999.75, 19999.75, 0.75, 0.75}).Check();
  for (const char* op : {"MeanAbsoluteErrorGrad", "HuberGrad", "SmoothL1Grad"}) {
    Slopes(op, {1e4f, -1e4f, 1, 0}).ExpectValues({1, -1, 1, 0}).Check();
  }
}

TEST(RegressionLosses, WidthsOfTheParabola) {
  for (double width : {1e-6, 0.1, 1.0, 10.0, 1e6}) {
    for (const char* op : {"Huber", "SmoothL1"}) {
      OpSpec(op).Name(absl::StrCat(op, width)).Attr(op[0] == 'H' ? "delta" : "beta", width).Input({40})
          .InputRange(-3, 3).KinkFree().Input({40}).InputRange(4, 6).ExpectOutput({}).Check();
    }
  }
}

}  // namespace
}  // namespace athanor
