#include <cmath>

#include "compiler/compile.h"
#include "compiler/graph/text.h"
#include "compiler/ops/testing/elementwise_cases.h"
#include "compiler/ops/testing/op_spec.h"
#include "compiler/ops/testing/run_graph.h"
#include "compiler/passes/pipeline.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

Tensor Bools(const Shape& shape, const std::vector<int>& x) {
  DoubleTensor t(shape);
  t.data.assign(x.begin(), x.end());
  return t.To(DType::kBool);
}

OpSpec Case(const std::string& name, const Shape& condition, const Shape& a, const Shape& b) {
  OpSpec spec("Where");
  spec.Name(name).IntInput(condition, 0, 1, DType::kBool).Input(a).Input(b);
  return spec;
}

TEST(Where, KnownValues) {
  OpSpec("Where").Given(Bools({2, 2}, {1, 0, 0, 1})).Given(Tensor::Of<float>({2, 2}, {1.0f, 2.0f, 3.0f, 4.0f}))
      .Given(Tensor::Of<float>({2}, {-1.0f, -2.0f})).ExpectOutput({2, 2}).ExpectValues({1, -2, -1, 4}).Check();
}

TEST(Where, WhatIsNotChosenDoesNotMatter) {
  auto run = RunGraphText(R"(
    %c : input bool[3]
    %a : input f32[3]
    %b : input f32[3]
    %y = Where(%c, %a, %b) @"y" : f32[3]
    entry "e" (c=%c, a=%a, b=%b) -> (y=%y))",
                          {{"c", DoubleTensor::From(Bools({3}, {1, 0, 1}))},
                           {"a", DoubleTensor::From(Tensor::Of<float>({3}, {1.0f, std::nanf(""), 3.0f}))},
                           {"b", DoubleTensor::From(Tensor::Of<float>({3}, {INFINITY, 2.0f, std::nanf("")}))}});
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->got["y"].data, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(run->want["y"].data, (std::vector<double>{1, 2, 3}));
}

TEST(Where, Broadcasts) {
  for (const BroadcastCase& c : BroadcastCases()) {
    Case(std::string(c.name) + ", choices", c.y, c.a, c.b).ExpectOutput(c.y).Check();
    Case(std::string(c.name) + ", condition and a", c.a, c.b, c.y).ExpectOutput(c.y).Check();
    Case(std::string(c.name) + ", condition and b", c.b, c.y, c.a).ExpectOutput(c.y).Check();
  }
  for (const BroadcastCase& c : EmptyBroadcastCases()) Case(c.name, c.a, c.a, c.b).ExpectOutput(c.y).Check();
  Case("batch", {3, 1}, {3, 5}, {1, 5}).ExpectOutput({3, 5}).Check();
  Case("symbols", {3, 1}, {3, 5}, {3, 5}).ExpectOutput({3, 5}).SymbolicBatch().Check();
  const Shape large = LargeElementwiseShape();
  Case("large", {129}, large, {257, 1}).ExpectOutput(large).Check();
}

TEST(Where, Integers) {
  for (DType t : {DType::kS32, DType::kS64, DType::kU8, DType::kBool}) {
    for (const BroadcastCase& c : BroadcastCases()) {
      OpSpec("Where").Name(c.name).IntInput(c.y, 0, 1, DType::kBool).IntInput(c.a, 0, 200, t).IntInput(c.b, 0, 200, t)
          .ExpectOutput(c.y, t).Check();
      OpSpec("Where").Name(c.name).IntInput(c.a, 0, 1, DType::kBool).IntInput(c.b, 0, 200, t).IntInput(c.a, 0, 200, t)
          .ExpectOutput(c.y, t).Check();
    }
    OpSpec("Where").Name("empty").IntInput({0, 3}, 0, 1, DType::kBool).IntInput({3}, 0, 9, t).IntInput({}, 0, 9, t)
        .ExpectOutput({0, 3}, t).Check();
  }
  const int64_t big = (int64_t{1} << 52) + 1;  // f32 has no such number
  OpSpec("Where").Name("s64").Given(Bools({2}, {1, 0})).Given(Tensor::Of<int64_t>({2}, {big, 1}))
      .Given(Tensor::Of<int64_t>({2}, {2, -big})).ExpectOutput({2}, DType::kS64)
      .ExpectValues({static_cast<double>(big), -static_cast<double>(big)}).Check();
  OpSpec("Where").Name("s32").Given(Bools({2}, {1, 0})).Given(Tensor::Of<int32_t>({2}, {INT32_MAX, 1}))
      .Given(Tensor::Of<int32_t>({2}, {2, INT32_MIN + 1})).ExpectOutput({2}, DType::kS32)
      .ExpectValues({2147483647.0, -2147483647.0}).Check();
}

TEST(Where, RefusesWhatDoesNotFit) {
  auto op = [](const char* name = "Where") { return OpSpec(name).ExpectOutput({3}); };
  op().Input({3}).Input({3}).Input({3})
      .ExpectError(ErrorClass::kDtype, "input \"condition\" is f32[3], expected element type bool");
  op().IntInput({3}, 0, 1).Input({3}).Input({3}).ExpectError(ErrorClass::kDtype, "input \"condition\" is s32[3]");
  auto masked = [&](const char* name = "Where") { return op(name).IntInput({3}, 0, 1, DType::kBool); };
  masked().Input({3}).IntInput({3}, 0, 1)
      .ExpectError(ErrorClass::kDtype, "input \"b\" is s32[3], expected element type f32");
  masked().IntInput({3}, 0, 1, DType::kS8).IntInput({3}, 0, 1, DType::kS8)
      .ExpectError(ErrorClass::kDtype, "input \"a\" is s8[3]");
  masked().Input({4}).Input({3}).ExpectError(ErrorClass::kShape, "do not broadcast");
  masked().Input({3}).Input({4}).ExpectError(ErrorClass::kShape, "do not broadcast");
  masked().Input({3}).ExpectError(ErrorClass::kGraph, "has 2 inputs, expected 3");
  masked().Absent().Input({3}).ExpectError(ErrorClass::kGraph, "input 1 (\"a\") is required");
  masked("IntegerWhere").Input({3}).Input({3})
      .ExpectError(ErrorClass::kDtype, "input \"a\" is f32[3], expected s32 or s64");
  masked("IntegerWhere").IntInput({3}, 0, 1).IntInput({3}, 0, 1, DType::kS64)
      .ExpectError(ErrorClass::kDtype, "input \"b\" is s64[3]");
  op("IntegerWhere").IntInput({3}, 0, 1).IntInput({3}, 0, 1).IntInput({3}, 0, 1)
      .ExpectError(ErrorClass::kDtype, "input \"condition\" is s32[3]");
  masked("IntegerWhere").IntInput({3}, 0, 1).IntInput({4}, 0, 1).ExpectError(ErrorClass::kShape, "do not broadcast");
}

// The gradient goes around a condition made of what is trained.
TEST(Where, TrainsBehindAComparisonWithAParameter) {
  auto graph = ParseGraph(R"(graph "g" {
    %w : parameter f32[4] = [-2.0,-0.5,0.5,2.0]
    %zero : constant f32[] = [0.0]
    %above = Greater(%w, %zero) @"above" : bool[4]
    %double = Add(%w, %w) @"double" : f32[4]
    %leaky = Where(%above, %w, %double) @"leaky" : f32[4]
    %loss = ReduceSum(%leaky) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss
  })");
  ASSERT_TRUE(graph.ok()) << graph.status();
  CompileOptions options;
  options.entries = {{"e", {}}};
  options.gradients_as_outputs = true;
  auto differentiated = RunPipeline(*graph, options);
  ASSERT_TRUE(differentiated.ok()) << differentiated.status();
  auto run = RunGraph(*differentiated, {});
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->want["grad:w"].data, (std::vector<double>{2, 2, 1, 1}));
  EXPECT_EQ(run->got["grad:w"].data, (std::vector<double>{2, 2, 1, 1}));
}

}  // namespace
}  // namespace athanor
