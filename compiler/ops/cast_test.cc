#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/elementwise_cases.h"
#include "compiler/ops/testing/op_spec.h"
#include "compiler/ops/testing/run_graph.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Type {
  const char* name;
  DType dtype;
  int64_t low, high;  // whole numbers that it holds
};
constexpr Type kTypes[] = {{"f32", DType::kF32, -500, 500},
                           {"s32", DType::kS32, -500, 500},
                           {"s64", DType::kS64, -500, 500},
                           {"u8", DType::kU8, 0, 255},
                           {"bool", DType::kBool, 0, 1}};

template <typename T>
Tensor Points(std::vector<T> x) {
  const int64_t n = static_cast<int64_t>(x.size());
  return Tensor::Of<T>({n}, absl::Span<const T>(x));
}

void Values(Tensor x, const char* to, DType dtype, std::vector<double> y) {
  const Shape shape = x.shape();
  OpSpec("Cast").Name(to).Given(std::move(x)).Attr("to", to).ExpectOutput(shape, dtype).ExpectValues(std::move(y))
      .Check();
}

// Towards zero, and what is out of range to the nearest end.
TEST(Cast, FromF32) {
  auto x = [] { return Points<float>({-1.9f, -0.5f, 0.25f, 0.9f, 255.9f, 3e9f, -3e9f}); };
  Values(x(), "s32", DType::kS32, {-1, 0, 0, 0, 255, 2147483647.0, -2147483648.0});
  Values(x(), "s64", DType::kS64, {-1, 0, 0, 0, 255, 3e9, -3e9});
  Values(x(), "u8", DType::kU8, {0, 0, 0, 0, 255, 255, 0});
  Values(x(), "bool", DType::kBool, {1, 1, 1, 1, 1, 1, 1});
}

// NaN to 0; infinity and whatever no integer can be to the ends.
TEST(Cast, FromWhatNoIntegerCanBe) {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  DoubleTensor x(Shape{8});
  x.data = {nan, inf, -inf, 1e30, -1e30, 0x1p31, 0x1p63, 0};
  auto check = [&](const char* to, const std::vector<double>& want) {
    auto run = RunGraphText(absl::StrCat("%x : input f32[8]\n%y = Cast(%x) {to=\"", to, "\"} @\"y\" : ", to,
                                         "[8]\nentry \"e\" (x=%x) -> (y=%y)"),
                            {{"x", x}});
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_EQ(run->want["y"].data, want) << to;
    EXPECT_EQ(run->got["y"].data, want) << to;
  };
  const double high = 2147483647.0, low = -2147483648.0;
  check("s32", {0, high, low, high, low, high, high, 0});
  check("s64", {0, 0x1p63, -0x1p63, 0x1p63, -0x1p63, 0x1p31, 0x1p63, 0});
  check("u8", {0, 255, 0, 255, 0, 255, 255, 0});
  check("bool", {1, 1, 1, 1, 1, 1, 1, 0});
}

TEST(Cast, FromIntegers) {
  auto s32 = [] { return Points<int32_t>({-5, 0, 7, 300, INT32_MAX, INT32_MIN}); };
  Values(s32(), "f32", DType::kF32, {-5, 0, 7, 300, 2147483647.0, -2147483648.0});
  Values(s32(), "s64", DType::kS64, {-5, 0, 7, 300, 2147483647.0, -2147483648.0});
  Values(s32(), "u8", DType::kU8, {0, 0, 7, 255, 255, 0});
  Values(s32(), "bool", DType::kBool, {1, 0, 1, 1, 1, 1});
  const int64_t big = (int64_t{1} << 52) + 1;
  auto s64 = [=] { return Points<int64_t>({-5, 0, 300, (1 << 30) + 1, big, -big}); };
  Values(s64(), "s32", DType::kS32, {-5, 0, 300, (1 << 30) + 1, 2147483647.0, -2147483648.0});
  Values(s64(), "u8", DType::kU8, {0, 0, 255, 255, 255, 0});
  Values(s64(), "bool", DType::kBool, {1, 0, 1, 1, 1, 1});
  Values(Points<uint8_t>({0, 1, 255}), "s32", DType::kS32, {0, 1, 255});
}

TEST(Cast, EveryPairOfTypesAndShape) {
  for (const Type& from : kTypes) {
    for (const Type& to : kTypes) {
      for (const Shape& shape : ElementwiseShapes()) {
        OpSpec("Cast").Name(std::string(from.name) + " to " + to.name).IntInput(shape, from.low, from.high, from.dtype)
            .Attr("to", to.name).ExpectOutput(shape, to.dtype).Check();
      }
    }
  }
  const Shape large = LargeElementwiseShape();
  OpSpec("Cast").Name("large").IntInput(large, -9, 9, DType::kS64).Attr("to", "s32").ExpectOutput(large, DType::kS32)
      .Check();
}

TEST(Cast, PassesTheGradientBetweenFloats) {
  OpSpec("Cast").Input({3, 5}).Attr("to", "f32").ExpectOutput({3, 5}).SymbolicBatch().Check();
}

// What stands behind it reads the whole number, fused or not.
TEST(Cast, IsNotForgottenWhenFused) {
  auto run = RunGraphText(R"(
    %x : input f32[6]
    %i = Cast(%x) {to="s32"} @"i" : s32[6]
    %f = Cast(%i) {to="f32"} @"f" : f32[6]
    %b = Cast(%x) {to="bool"} @"b" : bool[6]
    %g = Cast(%b) {to="f32"} @"g" : f32[6]
    %u = Cast(%x) {to="u8"} @"u" : u8[6]
    %h = Cast(%u) {to="f32"} @"h" : f32[6]
    %fg = Add(%f, %g) @"fg" : f32[6]
    %y = Add(%fg, %h) @"y" : f32[6]
    entry "e" (x=%x) -> (y=%y))",
                          {{"x", DoubleTensor::From(Points<float>({-1.75f, -0.5f, 0, 0.5f, 2.75f, 300.5f}))}});
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->want["y"].data, (std::vector<double>{0, 1, 0, 1, 5, 556}));
  EXPECT_EQ(run->got["y"].data, run->want["y"].data);
}

TEST(Cast, RefusesOtherTypes) {
  for (const char* to : {"f64", "s8", "bf16", "float", "F32", "undefined", ""}) {
    OpSpec("Cast").Input({2}).Attr("to", to).ExpectOutput({2})
        .ExpectError(ErrorClass::kAttr, "is not one of f32, s32, s64, u8, bool");
  }
  OpSpec("Cast").Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "attribute \"to\" is required");
  OpSpec("Cast").Input({2}).Attr("to", 1).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "is of type int");
  for (DType t : {DType::kF64, DType::kS8}) {
    OpSpec("Cast").IntInput({2}, 0, 1, t).Attr("to", "f32").ExpectOutput({2})
        .ExpectError(ErrorClass::kDtype, "expected f32, s32, s64, u8 or bool");
  }
  OpSpec("IntegerCast").Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kDtype, "expected s32 or s64");
  OpSpec("IntegerCast").IntInput({2}, 0, 1, DType::kU8).ExpectOutput({2})
      .ExpectError(ErrorClass::kDtype, "input \"x\" is u8[2], expected s32 or s64");
}

}  // namespace
}  // namespace athanor
