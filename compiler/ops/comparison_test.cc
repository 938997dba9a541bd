// Equal and its like, And and its like.
#include <cmath>

#include "compiler/ops/testing/elementwise_cases.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kComparisons[] = {"Equal", "NotEqual", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"};
constexpr const char* kLogic[] = {"And", "Or", "Xor"};
constexpr DType kIntegers[] = {DType::kS32, DType::kS64, DType::kU8, DType::kBool};

template <typename T>
Tensor Points(std::vector<T> x) {
  const int64_t n = static_cast<int64_t>(x.size());
  return Tensor::Of<T>({n}, absl::Span<const T>(x));
}
Tensor Bools(const std::vector<int>& x) {
  DoubleTensor t(Shape{static_cast<int64_t>(x.size())});
  t.data.assign(x.begin(), x.end());
  return t.To(DType::kBool);
}

// Less, equal, greater.
template <typename T>
void CheckOrder(T low, T high) {
  const std::vector<std::vector<double>> want = {{0, 1, 0}, {1, 0, 1}, {1, 0, 0}, {1, 1, 0}, {0, 0, 1}, {0, 1, 1}};
  for (size_t i = 0; i < want.size(); ++i) {
    OpSpec(kComparisons[i]).Name("order").Given(Points<T>({low, high, high})).Given(Points<T>({high, high, low}))
        .ExpectOutput({3}, DType::kBool).ExpectValues(want[i]).NotDifferentiable().Check();
  }
}

TEST(Comparison, KnownValues) {
  CheckOrder<float>(-1.5f, 2);
  CheckOrder<int32_t>(-7, 9);
  CheckOrder<int64_t>(-7, 9);
  CheckOrder<uint8_t>(0, 255);
}

// f32 has the same number for both.
TEST(Comparison, NeighboursOfLargeIntegers) {
  CheckOrder<int32_t>((1 << 30) + 1, (1 << 30) + 2);
  CheckOrder<int32_t>(INT32_MAX - 1, INT32_MAX);
  CheckOrder<int32_t>(INT32_MIN, INT32_MIN + 1);
  CheckOrder<int64_t>((int64_t{1} << 52) + 1, (int64_t{1} << 52) + 2);
  CheckOrder<int64_t>(-(int64_t{1} << 52) - 1, -(int64_t{1} << 52));
}

TEST(Comparison, OfNaN) {
  const float nan = std::nanf("");
  for (const char* op : kComparisons) {
    const double want = std::string(op) == "NotEqual" ? 1 : 0;
    OpSpec(op).Name("NaN").Given(Points<float>({nan, 1, nan})).Given(Points<float>({1, nan, nan}))
        .ExpectOutput({3}, DType::kBool).ExpectValues({want, want, want}).NotDifferentiable().Check();
  }
}

TEST(Comparison, Broadcasts) {
  std::vector<BroadcastCase> cases = BroadcastCases();
  for (const BroadcastCase& c : EmptyBroadcastCases()) cases.push_back(c);
  cases.push_back({"nothing by a row", {0, 3}, {3}, {0, 3}});
  for (const char* op : kComparisons) {
    for (const BroadcastCase& c : cases) {
      OpSpec(op).Name(c.name).Input(c.a).Input(c.b).ExpectOutput(c.y, DType::kBool).NotDifferentiable().Check();
      OpSpec(op).Name(c.name).IntInput(c.a, -2, 2).IntInput(c.b, -2, 2).ExpectOutput(c.y, DType::kBool)
          .NotDifferentiable().Check();
    }
    OpSpec(op).Name("s64").IntInput({3, 5}, 0, 1, DType::kS64).IntInput({5}, 0, 1, DType::kS64)
        .ExpectOutput({3, 5}, DType::kBool).NotDifferentiable().Check();
    OpSpec(op).Name("bool").IntInput({3, 5}, 0, 1, DType::kBool).IntInput({3, 1}, 0, 1, DType::kBool)
        .ExpectOutput({3, 5}, DType::kBool).NotDifferentiable().SymbolicBatch().Check();
  }
  const Shape large = LargeElementwiseShape();
  OpSpec("Less").Name("large").IntInput(large, -5, 5, DType::kS64).IntInput({129}, -5, 5, DType::kS64)
      .ExpectOutput(large, DType::kBool).NotDifferentiable().Check();
}

TEST(Comparison, RefusesWhatDoesNotFit) {
  for (const char* op : kComparisons) {
    auto refuse = [op](DType a, DType b, ErrorClass error, const std::string& text) {
      OpSpec(op).IntInput({3}, 0, 1, a).IntInput({3}, 0, 1, b).ExpectOutput({3}, DType::kBool).ExpectError(error, text);
    };
    for (DType t : kIntegers) {
      OpSpec(op).Input({3}).IntInput({3}, 0, 1, t).ExpectOutput({3})
          .ExpectError(ErrorClass::kDtype, "expected element type f32");
    }
    refuse(DType::kS32, DType::kS64, ErrorClass::kDtype, "input \"b\" is s64[3], expected element type s32");
    refuse(DType::kS8, DType::kS8, ErrorClass::kDtype, "input \"a\" is s8[3], expected f32, s32, s64, u8 or bool");
    refuse(DType::kF64, DType::kF64, ErrorClass::kDtype, "input \"a\" is f64[3]");
    OpSpec(op).Input({3, 5}).Input({3, 4}).ExpectOutput({3, 5})
        .ExpectError(ErrorClass::kShape, "f32[3,5] and f32[3,4] do not broadcast");
    OpSpec(op).Input({3}).ExpectOutput({3}).ExpectError(ErrorClass::kGraph, "has 1 inputs, expected 2");
    OpSpec(op).Input({3}).Absent().ExpectOutput({3}).ExpectError(ErrorClass::kGraph, "input 1 (\"b\") is required");
    OpSpec(op).Input({3}).Input({3}).Attr("axis", 1).ExpectOutput({3}).ExpectError(ErrorClass::kAttr, "\"axis\"");
  }
}

TEST(Logic, Tables) {
  auto check = [](const char* op, std::vector<double> y) {
    OpSpec(op).Given(Bools({0, 0, 1, 1})).Given(Bools({0, 1, 0, 1})).ExpectOutput({4}, DType::kBool)
        .ExpectValues(std::move(y)).NotDifferentiable().Check();
  };
  check("And", {0, 0, 0, 1});
  check("Or", {0, 1, 1, 1});
  check("Xor", {0, 1, 1, 0});
  OpSpec("Not").Given(Bools({0, 1})).ExpectOutput({2}, DType::kBool).ExpectValues({1, 0}).NotDifferentiable().Check();
}

TEST(Logic, Broadcasts) {
  auto bools = [](OpSpec& spec, const Shape& shape) -> OpSpec& { return spec.IntInput(shape, 0, 1, DType::kBool); };
  for (const char* op : kLogic) {
    for (const BroadcastCase& c : BroadcastCases()) {
      OpSpec spec(op);
      bools(bools(spec.Name(c.name), c.a), c.b).ExpectOutput(c.y, DType::kBool).NotDifferentiable().Check();
    }
    for (const BroadcastCase& c : EmptyBroadcastCases()) {
      OpSpec spec(op);
      bools(bools(spec.Name(c.name), c.a), c.b).ExpectOutput(c.y, DType::kBool).NotDifferentiable().Check();
    }
  }
  for (const Shape& shape : ElementwiseShapes()) {
    OpSpec spec("Not");
    bools(spec, shape).ExpectOutput(shape, DType::kBool).NotDifferentiable().SymbolicBatch().Check();
  }
}

TEST(Logic, RefusesOtherTypes) {
  for (const char* op : kLogic) {
    OpSpec(op).Input({3}).IntInput({3}, 0, 1, DType::kBool).ExpectOutput({3})
        .ExpectError(ErrorClass::kDtype, "input \"a\" is f32[3], expected element type bool");
    OpSpec(op).IntInput({3}, 0, 1, DType::kBool).IntInput({3}, 0, 1).ExpectOutput({3})
        .ExpectError(ErrorClass::kDtype, "input \"b\" is s32[3], expected element type bool");
    OpSpec(op).IntInput({3}, 0, 1, DType::kBool).IntInput({2}, 0, 1, DType::kBool).ExpectOutput({3})
        .ExpectError(ErrorClass::kShape, "bool[3] and bool[2] do not broadcast");
    OpSpec(op).IntInput({3}, 0, 1, DType::kBool).ExpectOutput({3}).ExpectError(ErrorClass::kGraph, "expected 2");
  }
  OpSpec("Not").Input({3}).ExpectOutput({3}).ExpectError(ErrorClass::kDtype, "input \"a\" is f32[3]");
  OpSpec("Not").IntInput({3}, 0, 1, DType::kU8).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "input \"a\" is u8[3]");
}

TEST(IntegerCompare, RefusesOtherTypesAndRelations) {
  auto op = [] { return OpSpec("IntegerCompare").ExpectOutput({3}, DType::kBool); };
  op().Attr("relation", "eq").Input({3}).Input({3})
      .ExpectError(ErrorClass::kDtype, "\"a\" is f32[3], expected s32 or s64");
  op().Attr("relation", "eq").IntInput({3}, 0, 1).IntInput({3}, 0, 1, DType::kS64)
      .ExpectError(ErrorClass::kDtype, "input \"b\" is s64[3]");
  op().Attr("relation", "eq").IntInput({3}, 0, 1).IntInput({2}, 0, 1)
      .ExpectError(ErrorClass::kShape, "do not broadcast");
  op().Attr("relation", "=").IntInput({3}, 0, 1).IntInput({3}, 0, 1)
      .ExpectError(ErrorClass::kAttr, "is not one of eq, ne, lt, le, gt, ge");
  op().IntInput({3}, 0, 1).IntInput({3}, 0, 1).ExpectError(ErrorClass::kAttr, "attribute \"relation\" is required");
}

}  // namespace
}  // namespace athanor
