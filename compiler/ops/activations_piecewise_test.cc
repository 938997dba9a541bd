// Step, HardSigmoid, HardSwish, ReLU6, LeakyReLU, ThresholdedReLU and Clip.
#include <cmath>
#include <limits>

#include "compiler/ops/testing/elementwise_cases.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Variant {
  const char* op;
  Attributes attrs;
};
std::vector<Variant> Variants() {
  return {{"Step", {}},
          {"HardSigmoid", {}},
          {"HardSigmoid", {{"alpha", 1.0 / 6}}},
          {"HardSigmoid", {{"alpha", -0.7}, {"beta", 0.25}}},
          {"HardSwish", {}},
          {"ReLU6", {}},
          {"LeakyReLU", {}},
          {"LeakyReLU", {{"alpha", 0.3}}},
          {"LeakyReLU", {{"alpha", 0.0}}},
          {"LeakyReLU", {{"alpha", -0.3}}},
          {"LeakyReLU", {{"alpha", 2.0}}},
          {"ThresholdedReLU", {}},
          {"ThresholdedReLU", {{"alpha", 0.1}}},
          {"ThresholdedReLU", {{"alpha", -1.3}}},
          {"Clip", {}},
          {"Clip", {{"min", -1.03}, {"max", 2.07}}},
          {"Clip", {{"min", 0.51}}},
          {"Clip", {{"max", -0.17}}},
          {"Clip", {{"min", 0.3}, {"max", 0.3}}}};
}

OpSpec Case(const Variant& v, const std::string& name) {
  OpSpec spec(v.op);
  spec.Name(name);
  for (const auto& [attr, value] : v.attrs.items()) spec.Attr(attr, value);
  return spec;
}

Tensor Points(std::vector<float> x) {
  const int64_t n = static_cast<int64_t>(x.size());
  return Tensor::Of<float>({n}, x);
}

TEST(PiecewiseActivations, KnownValues) {
  auto x = [] { return Points({-4.0f, -1.0f, 0.5f, 2.0f, 7.0f}); };
  const auto values = [&](OpSpec spec, std::vector<double> y) {
    spec.Given(x()).ExpectOutput({5}).ExpectValues(std::move(y)).Check();
  };
  values(OpSpec("Step"), {0, 0, 1, 1, 1});
  values(OpSpec("HardSigmoid"), {0, 0.3, 0.6, 0.9, 1});
  values(OpSpec("HardSigmoid").Attr("alpha", 1.0 / 6), {0, 1.0 / 3, 0.5 + 1.0 / 12, 0.5 + 1.0 / 3, 1});
  values(OpSpec("HardSwish"), {0, -1.0 / 3, 3.5 / 12, 10.0 / 6, 7});
  values(OpSpec("ReLU6"), {0, 0, 0.5, 2, 6});
  values(OpSpec("LeakyReLU"), {-0.04, -0.01, 0.5, 2, 7});
  values(OpSpec("LeakyReLU").Attr("alpha", -2), {8, 2, 0.5, 2, 7});
  values(OpSpec("ThresholdedReLU"), {0, 0, 0, 2, 7});
  values(OpSpec("ThresholdedReLU").Attr("alpha", -2), {0, -1, 0.5, 2, 7});
  values(OpSpec("Clip"), {-4, -1, 0.5, 2, 7});
  values(OpSpec("Clip").Attr("min", -1.5).Attr("max", 1.5), {-1.5, -1, 0.5, 1.5, 1.5});
  values(OpSpec("Clip").Attr("min", 1), {1, 1, 1, 2, 7});
  values(OpSpec("Clip").Attr("max", 1), {-4, -1, 0.5, 1, 1});
}

TEST(PiecewiseActivations, EveryShape) {
  for (const Variant& v : Variants()) {
    for (const Shape& shape : ElementwiseShapes()) {
      Case(v, "shape").Input(shape).InputRange(-4.13, 4.31).KinkFree().ExpectOutput(shape).SymbolicBatch().Check();
    }
    Case(v, "steep").Input({61}).InputRange(-91.3, 103.7).KinkFree().ExpectOutput({61}).Check();
  }
  const Shape large = LargeElementwiseShape();
  OpSpec("LeakyReLU").Name("large").Input(large).KinkFree().ExpectOutput(large).Check();
}

// Alone in a tensor, so that each is compared with itself.
TEST(PiecewiseActivations, AtTheEndsOfTheRange) {
  for (const Variant& v : Variants()) {
    for (float x : {-1e4f, 1e4f}) Case(v, "end").Given(Points({x})).ExpectOutput({1}).Check();
  }
}

// At the corners: as torch has it.
TEST(PiecewiseActivations, SlopesAtTheCorners) {
  auto slopes = [](OpSpec spec, std::vector<float> saved, std::vector<double> want) {
    const int64_t n = static_cast<int64_t>(saved.size());
    spec.Name("corners").Given(Tensor::Of<float>({n}, std::vector<float>(n, 1.0f))).Given(Points(std::move(saved)))
        .ExpectOutput({n}).ExpectValues(std::move(want)).NotDifferentiable().Check();
  };
  slopes(OpSpec("HardSigmoidGrad").Attr("alpha", 0.25), {0, 0.5, 1}, {0, 0.25, 0});
  slopes(OpSpec("HardSwishGrad"), {-3, 0, 3, 3e38f, -3e38f}, {0, 0.5, 1, 1, 0});
  slopes(OpSpec("ReLU6Grad"), {0, 3, 6}, {0, 1, 0});
  slopes(OpSpec("LeakyReLUGrad").Attr("alpha", 0.25), {-1, 0, 1}, {0.25, 0.25, 1});
  slopes(OpSpec("ThresholdedReLUGrad"), {0, 1, 2}, {0, 0, 1});
  slopes(OpSpec("ClipGrad").Attr("min", -1).Attr("max", 2), {-2, -1, 0, 2, 3}, {0, 1, 1, 1, 0});
  slopes(OpSpec("ClipGrad"), {-3e38f, 0, 3e38f}, {1, 1, 1});
}

TEST(PiecewiseActivations, RefuseBadTypesAndAttributes) {
  for (const char* op : {"Step", "HardSigmoid", "HardSwish", "ReLU6", "LeakyReLU", "ThresholdedReLU", "Clip"}) {
    OpSpec(op).IntInput({2}, 0, 1).ExpectOutput({2}).ExpectError(ErrorClass::kDtype, "input \"x\" is s32[2]");
    OpSpec(op).IntInput({2}, 0, 1, DType::kBool).ExpectOutput({2}).ExpectError(ErrorClass::kDtype, "\"x\" is bool[2]");
    OpSpec(op).Input({2}).Attr("gamma", 0.1).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "no attribute \"gamma\"");
    OpSpec(op).Input({2}).Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kGraph, "has 2 inputs, expected 1");
    if (std::string(op) == "Step") continue;
    OpSpec(std::string(op) + "Grad").Input({2, 1}).Input({2}).ExpectOutput({2, 1})
        .ExpectError(ErrorClass::kShape, "input \"saved\" is f32[2], expected f32[2,1] like dy");
  }
  const double nan = std::nan("");
  auto refuse = [](const char* op, const char* attr, double value) {
    OpSpec(op).Input({2}).Attr(attr, value).ExpectOutput({2})
        .ExpectError(ErrorClass::kAttr, std::string("attribute \"") + attr + "\" = ");
  };
  for (double v : {kInfinity, -kInfinity, nan}) {
    for (const char* op : {"HardSigmoid", "LeakyReLU", "ThresholdedReLU"}) refuse(op, "alpha", v);
    refuse("HardSigmoid", "beta", v);
  }
  refuse("Clip", "min", nan);
  refuse("Clip", "max", nan);
  OpSpec("Clip").Input({2}).Attr("min", 2).Attr("max", 1).ExpectOutput({2})
      .ExpectError(ErrorClass::kAttr, "min = 2 is above max = 1");
  OpSpec("Clip").Input({2}).Attr("min", kInfinity).Attr("max", 0).ExpectOutput({2})
      .ExpectError(ErrorClass::kAttr, "min = inf is above max = 0");
  OpSpec("ClipGrad").Input({2}).Input({2}).Attr("min", 2).Attr("max", 1).ExpectOutput({2})
      .ExpectError(ErrorClass::kAttr, "min = 2 is above max = 1");
  OpSpec("Clip").Input({2}).Attr("min", "low").ExpectOutput({2})
      .ExpectError(ErrorClass::kAttr, "is of type string, expected float");
}

}  // namespace
}  // namespace athanor
