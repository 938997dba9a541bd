#include <cmath>
#include <limits>
#include <string>

#include "compiler/ops/testing/elementwise_cases.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// With a range in which the function is defined and not too steep.
struct Function {
  const char* op;
  double low, high;
};
constexpr Function kFunctions[] = {
    {"Neg", -3, 3},        {"Abs", -3, 3},       {"Sign", -3, 3},    {"Floor", -2.93, 3.31}, {"Ceil", -2.93, 3.31},
    {"Round", -2.93, 3.3}, {"Sqrt", 0.3, 4},     {"Rsqrt", 0.3, 4},  {"Reciprocal", 0.3, 4}, {"Square", -3, 3},
    {"Exp", -3, 3},        {"Expm1", -3, 3},     {"Log", 0.2, 5},    {"Log1p", -0.8, 5},     {"Erf", -3, 3},
    {"Sin", -7, 7},        {"Cos", -7, 7},       {"ZerosLike", -3, 3}};
constexpr const char* kWithGradOperator[] = {"Sqrt", "Rsqrt", "Reciprocal", "Square", "Expm1", "Log1p", "Erf", "Cos"};
constexpr const char* kPredicates[] = {"IsNaN", "IsInf", "IsFinite"};

Tensor Points(std::vector<float> x) {
  const int64_t n = static_cast<int64_t>(x.size());
  return Tensor::Of<float>({n}, x);
}

TEST(UnaryMath, KnownValues) {
  const auto values = [](const char* op, std::vector<float> x, std::vector<double> y) {
    const int64_t n = static_cast<int64_t>(x.size());
    OpSpec(op).Given(Points(std::move(x))).ExpectOutput({n}).ExpectValues(std::move(y)).Check();
  };
  values("Neg", {-2, 0, 3.5f}, {2, 0, -3.5});
  values("Abs", {-2, 0.25f, 3.5f}, {2, 0.25, 3.5});
  values("Sign", {-2, 0.125f, 3.5f}, {-1, 1, 1});
  values("Floor", {-1.5f, -0.25f, 0.5f, 2.75f}, {-2, -1, 0, 2});
  values("Ceil", {-1.5f, -0.25f, 0.5f, 2.75f}, {-1, 0, 1, 3});
  values("Round", {-1.25f, 0.25f, 1.75f}, {-1, 0, 2});
  values("Sqrt", {0.25f, 1, 9}, {0.5, 1, 3});
  values("Rsqrt", {0.25f, 1, 16}, {2, 1, 0.25});
  values("Reciprocal", {-0.5f, 1, 4}, {-2, 1, 0.25});
  values("Square", {-3, 0, 1.5f}, {9, 0, 2.25});
  values("Exp", {-1, 0, 1}, {0.36787944117144233, 1, 2.718281828459045});
  values("Expm1", {-1, 0, 1}, {-0.6321205588285577, 0, 1.718281828459045});
  values("Log", {0.5f, 1, 8}, {-0.6931471805599453, 0, 2.0794415416798357});
  values("Log1p", {-0.5f, 0, 1}, {-0.6931471805599453, 0, 0.6931471805599453});
  values("Erf", {-1, 0, 0.5f}, {-0.8427007929497149, 0, 0.5204998778130465});
  values("Sin", {-1, 0, 2}, {-0.8414709848078965, 0, 0.9092974268256817});
  values("Cos", {-1, 0, 2}, {0.5403023058681398, 1, -0.4161468365471424});
  values("ZerosLike", {-1, 0, 2}, {0, 0, 0});
}

TEST(UnaryMath, EveryShape) {
  for (const Function& f : kFunctions) {
    for (const Shape& shape : ElementwiseShapes()) {
      OpSpec(f.op).Name("shape").Input(shape).InputRange(f.low, f.high).KinkFree().ExpectOutput(shape).SymbolicBatch()
          .Check();
    }
  }
  const Shape large = LargeElementwiseShape();
  OpSpec("Erf").Name("large").Input(large).InputRange(-4, 4).ExpectOutput(large).Check();
}

// Points where a function steps or has a corner, and the ends of f32, are in elementwise_extremes_test: there are no
// finite differences.
TEST(UnaryMath, FarFromZero) {
  const auto at = [](const char* op, float x) { OpSpec(op).Name("far").Given(Points({x})).ExpectOutput({1}).Check(); };
  for (float x : {-1e4f, 1e4f}) {
    for (const char* op : {"Neg", "Abs", "Sign", "Square", "Erf", "Sin", "Cos", "Reciprocal"}) at(op, x);
  }
  for (float x : {1.0f, 1e4f}) {
    for (const char* op : {"Sqrt", "Rsqrt", "Log", "Log1p"}) at(op, x);
  }
  for (float x : {-1e4f, -100.0f, 1e-4f}) {
    for (const char* op : {"Exp", "Expm1"}) at(op, x);
  }
}

TEST(UnaryMath, Predicates) {
  const float nan = std::nanf("");
  auto x = [&] { return Points({0, -1e38f, nan, kInf, -kInf, std::numeric_limits<float>::max()}); };
  auto check = [&](const char* op, std::vector<double> y) {
    OpSpec(op).Given(x()).ExpectOutput({6}, DType::kBool).ExpectValues(std::move(y)).NotDifferentiable().Check();
  };
  check("IsNaN", {0, 0, 1, 0, 0, 0});
  check("IsInf", {0, 0, 0, 1, 1, 0});
  check("IsFinite", {1, 1, 0, 0, 0, 1});
  for (const char* op : kPredicates) {
    for (const Shape& shape : ElementwiseShapes()) {
      OpSpec(op).Name("shape").Input(shape).ExpectOutput(shape, DType::kBool).NotDifferentiable().SymbolicBatch()
          .Check();
    }
  }
}

TEST(UnaryMath, RefuseOtherTypes) {
  auto refuse = [](const std::string& op) {
    OpSpec(op).IntInput({2}, 0, 1).ExpectOutput({2}).ExpectError(ErrorClass::kDtype, "input \"x\" is s32[2]");
    OpSpec(op).IntInput({2}, 0, 1, DType::kBool).ExpectOutput({2}).ExpectError(ErrorClass::kDtype, "\"x\" is bool[2]");
    OpSpec(op).Input({2}).Attr("alpha", 0.1).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "it has: none");
    OpSpec(op).Input({2}).Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kGraph, "has 2 inputs, expected 1");
    OpSpec(op).Absent().ExpectOutput({2}).ExpectError(ErrorClass::kGraph, "input 0 (\"x\") is required");
  };
  for (const Function& f : kFunctions) refuse(f.op);
  for (const char* op : kPredicates) refuse(op);
  for (const char* op : kWithGradOperator) {
    OpSpec(std::string(op) + "Grad").Input({2, 1}).Input({2}).ExpectOutput({2, 1})
        .ExpectError(ErrorClass::kShape, "input \"saved\" is f32[2], expected f32[2,1] like dy");
  }
}

}  // namespace
}  // namespace athanor
