// Pow, Min and Max.
#include <cmath>

#include "compiler/ops/testing/elementwise_cases.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

Tensor Points(std::vector<float> x) {
  const int64_t n = static_cast<int64_t>(x.size());
  return Tensor::Of<float>({n}, x);
}

// Bases above 0; for Min and Max no two operands may be closer than a step.
OpSpec Case(const char* op, const char* name, const Shape& a, const Shape& b) {
  OpSpec spec(op);
  spec.Name(name).Input(a);
  if (std::string(op) == "Pow") return std::move(spec.InputRange(0.3, 2.5).Input(b).InputRange(-2, 3));
  return std::move(spec.KinkFree().Input(b).InputRange(-1.1, 0.93).KinkFree());
}

TEST(BinaryMath, KnownValues) {
  OpSpec("Pow").Given(Points({2, 9, 4, 0.5f})).Given(Points({3, 0.5f, -1, 2})).ExpectOutput({4})
      .ExpectValues({8, 3, 0.25, 0.25}).Check();
  OpSpec("Pow").Name("negative base").Given(Points({-2, -3, -1})).Given(Tensor::Scalar(3.0f)).ExpectOutput({3})
      .ExpectValues({-8, -27, -1}).NoGradient(1).Check();
  OpSpec("Pow").Name("squares").Given(Points({-2, 0.5f, 3})).Given(Tensor::Scalar(2.0f)).ExpectOutput({3})
      .ExpectValues({4, 0.25, 9}).NoGradient(1).Check();
  OpSpec("Pow").Name("exponents").Given(Tensor::Scalar(2.0f)).Given(Points({-2, 0, 5})).ExpectOutput({3})
      .ExpectValues({0.25, 1, 32}).Check();
  OpSpec("Min").Given(Points({1, -2, 3})).Given(Points({2, -3, 2.5f})).ExpectOutput({3}).ExpectValues({1, -3, 2.5})
      .Check();
  OpSpec("Max").Given(Points({1, -2, 3})).Given(Points({2, -3, 2.5f})).ExpectOutput({3}).ExpectValues({2, -2, 3})
      .Check();
}

TEST(BinaryMath, Broadcasts) {
  for (const char* op : {"Pow", "Min", "Max"}) {
    for (const BroadcastCase& b : BroadcastCases()) Case(op, b.name, b.a, b.b).ExpectOutput(b.y).Check();
    for (const BroadcastCase& b : EmptyBroadcastCases()) Case(op, b.name, b.a, b.b).ExpectOutput(b.y).Check();
    Case(op, "batch", {3, 5}, {3, 1}).ExpectOutput({3, 5}).SymbolicBatch().Check();
  }
  const Shape large = LargeElementwiseShape();
  Case("Pow", "large", large, {129}).ExpectOutput(large).Check();
}

// What torch gives.
TEST(BinaryMath, GradientsAtTies) {
  auto dy = [] { return Points({2, 2, 2}); };
  OpSpec("MinGrad").Given(dy()).Given(Points({1, 2, 3})).Given(Points({2, 2, 2})).ExpectOutput({3})
      .ExpectValues({2, 1, 0}).NotDifferentiable().Check();
  OpSpec("MaxGrad").Given(dy()).Given(Points({1, 2, 3})).Given(Points({2, 2, 2})).ExpectOutput({3})
      .ExpectValues({0, 1, 2}).NotDifferentiable().Check();
}

TEST(BinaryMath, GradientsOfPowersOfZero) {
  auto dy = [] { return Points({1, 1, 1, 1}); };
  auto a = [] { return Points({0, 0, 0, 2}); };
  auto b = [] { return Points({0, 1, 2, 0}); };
  OpSpec("PowBaseGrad").Given(dy()).Given(a()).Given(b()).ExpectOutput({4}).ExpectValues({0, 1, 0, 0})
      .NotDifferentiable().Check();
  OpSpec("PowExponentGrad").Given(dy()).Given(a()).Given(b()).ExpectOutput({4})
      .ExpectValues({0, 0, 0, 0.6931471805599453}).NotDifferentiable().Check();
}

TEST(BinaryMath, NaNPasses) {
  const float nan = std::nanf("");
  for (const char* op : {"MinGrad", "MaxGrad"}) {
    OpSpec(op).Name("NaN").Given(Points({1, 1})).Given(Points({nan, 0})).Given(Points({0, nan})).ExpectOutput({2})
        .ExpectValues({1, 1}).NotDifferentiable().Check();
  }
}

TEST(BinaryMath, RefusesWhatDoesNotFit) {
  for (const char* op : {"Pow", "Min", "Max"}) {
    auto spec = [op] { return OpSpec(op).ExpectOutput({3}); };
    spec().Input({3, 5}).Input({3, 4}).ExpectError(
        ErrorClass::kShape, "f32[3,5] and f32[3,4] do not broadcast: dimension 1 from the right is 5 against 4");
    spec().Input({0}).Input({2}).ExpectError(ErrorClass::kShape, "do not broadcast");
    spec().Input({3}).IntInput({3}, 0, 9).ExpectError(ErrorClass::kDtype, "input \"b\" is s32[3]");
    spec().IntInput({3}, 0, 9).Input({3}).ExpectError(ErrorClass::kDtype, "input \"a\" is s32[3]");
    spec().Input({3}).ExpectError(ErrorClass::kGraph, "has 1 inputs, expected 2");
    spec().Input({3}).Absent().ExpectError(ErrorClass::kGraph, "input 1 (\"b\") is required");
    spec().Input({3}).Input({3}).Attr("axis", 1).ExpectError(ErrorClass::kAttr, "no attribute \"axis\"");
  }
  for (const char* op : {"PowBaseGrad", "PowExponentGrad", "MinGrad", "MaxGrad"}) {
    auto spec = [op] { return OpSpec(op).ExpectOutput({3}); };
    spec().Input({3}).Input({3}).Input({4}).ExpectError(ErrorClass::kShape, "do not broadcast");
    spec().IntInput({3}, 0, 1).Input({3}).Input({3}).ExpectError(ErrorClass::kDtype, "\"dy\" is s32[3]");
    spec().Input({3}).IntInput({3}, 0, 1).Input({3}).ExpectError(ErrorClass::kDtype, "\"a\" is s32[3]");
    spec().Input({3}).Input({3}).IntInput({3}, 0, 1).ExpectError(ErrorClass::kDtype, "\"b\" is s32[3]");
  }
}

TEST(BinaryMath, RefusesAResultBeyond64Bits) {
  Node node{"Max", "max", {0, 1}, {2}, {}, {}, ""};
  const TensorType column(DType::kF32, {int64_t{1} << 40, 1}), row(DType::kF32, {1, int64_t{1} << 40});
  const absl::Status status = InferTypes(**FindOp(node), node, {column, row}).status();
  EXPECT_EQ(ErrorClassOf(status), "LIMIT") << status;
}

}  // namespace
}  // namespace athanor
