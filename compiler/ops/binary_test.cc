#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kOps[] = {"Add", "Sub", "Mul", "Div"};

// A divisor keeps away from 0.
OpSpec Case(const char* op, const std::string& name, const Shape& a, const Shape& b) {
  OpSpec spec(op);
  spec.Name(name).Input(a).Input(b);
  if (std::string(op) == "Div") spec.InputRange(0.5, 2);
  return spec;
}

TEST(Binary, KnownValues) {
  auto a = [] { return Tensor::Of<float>({2, 2}, {1.0f, -2.0f, 3.0f, 8.0f}); };
  auto b = [] { return Tensor::Of<float>({2}, {2.0f, 4.0f}); };
  OpSpec("Add").Given(a()).Given(b()).ExpectOutput({2, 2}).ExpectValues({3, 2, 5, 12}).Check();
  OpSpec("Sub").Given(a()).Given(b()).ExpectOutput({2, 2}).ExpectValues({-1, -6, 1, 4}).Check();
  OpSpec("Mul").Given(a()).Given(b()).ExpectOutput({2, 2}).ExpectValues({2, -8, 6, 32}).Check();
  OpSpec("Div").Given(a()).Given(b()).ExpectOutput({2, 2}).ExpectValues({0.5, -0.5, 1.5, 2}).Check();
}

TEST(Binary, Broadcasts) {
  for (const char* op : kOps) {
    Case(op, "same", {3, 5}, {3, 5}).ExpectOutput({3, 5}).SymbolicBatch().Check();
    Case(op, "bias of a row", {3, 5}, {5}).ExpectOutput({3, 5}).Check();
    Case(op, "bias of channels", {2, 3, 5, 4}, {3, 1, 1}).ExpectOutput({2, 3, 5, 4}).Check();
    Case(op, "left operand repeats", {5}, {3, 5}).ExpectOutput({3, 5}).Check();
    Case(op, "both repeat", {3, 1, 4}, {5, 1}).ExpectOutput({3, 5, 4}).Check();
    Case(op, "column by row", {7, 1}, {1, 9}).ExpectOutput({7, 9}).Check();
    Case(op, "by a scalar", {2, 3}, {}).ExpectOutput({2, 3}).Check();
    Case(op, "scalar by a tensor", {}, {2, 3}).ExpectOutput({2, 3}).Check();
    Case(op, "scalars", {}, {}).ExpectOutput({}).Check();
    Case(op, "one element", {1, 1}, {1}).ExpectOutput({1, 1}).Check();
    Case(op, "wide", {3, 1001}, {3, 1}).ExpectOutput({3, 1001}).Check();
  }
}

TEST(Binary, RefusesWhatDoesNotFit) {
  for (const char* op : kOps) {
    Case(op, "", {3, 5}, {3, 4}).ExpectOutput({3, 5}).ExpectError(
        ErrorClass::kShape, "f32[3,5] and f32[3,4] do not broadcast: dimension 1 from the right is 5 against 4");
    OpSpec(op).Input({3}).IntInput({3}, 0, 9).ExpectOutput({3})
        .ExpectError(ErrorClass::kDtype, "input \"b\" is s32[3]");
    OpSpec(op).IntInput({3}, 0, 9).Input({3}).ExpectOutput({3})
        .ExpectError(ErrorClass::kDtype, "input \"a\" is s32[3]");
    OpSpec(op).Input({3}).ExpectOutput({3}).ExpectError(ErrorClass::kGraph, "has 1 inputs, expected 2");
    OpSpec(op).Input({3}).Absent().ExpectOutput({3}).ExpectError(ErrorClass::kGraph, "input 1 (\"b\") is required");
  }
}

}  // namespace
}  // namespace athanor
