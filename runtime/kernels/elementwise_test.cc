#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "runtime/core/elementwise_program.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

double ElementOf(const Tensor& t, int64_t i) {
  switch (t.dtype()) {
    case DType::kF32:
      return t.as<float>()[i];
    case DType::kS32:
      return t.as<int32_t>()[i];
    case DType::kS64:
      return static_cast<double>(t.as<int64_t>()[i]);
    case DType::kU8:
      return t.as<uint8_t>()[i];
    default:
      return t.as<bool>()[i] ? 1 : 0;
  }
}

// The results of a program by its oracle, in row-major order.
std::vector<std::vector<double>> Expected(const std::string& text, const std::vector<Tensor>& inputs, const Shape& shape) {
  const ElementwiseProgram program = *ElementwiseProgram::Parse(text);
  std::vector<std::vector<double>> results(program.results.size());
  ForEachIndex(shape, [&](const Shape& index, int64_t) {
    std::vector<double> args, out(results.size());
    for (const Tensor& x : inputs) {
      Shape at(index.end() - static_cast<int64_t>(x.shape().size()), index.end());
      for (size_t d = 0; d < at.size(); ++d) at[d] = x.shape()[d] == 1 ? 0 : at[d];
      args.push_back(ElementOf(x, RowMajorOffset(x.shape(), at)));
    }
    program.Evaluate(args, absl::MakeSpan(out));
    for (size_t i = 0; i < out.size(); ++i) results[i].push_back(out[i]);
  });
  return results;
}

struct Case {
  std::string program;
  std::vector<Shape> inputs;
  Shape shape;
  std::vector<std::string> layouts = {};  // of inputs; row-major where there is none
  int threads = 1;
};

TestCall Call(const Case& c, std::vector<Tensor>* inputs) {
  TestCall call("elementwise");
  call.Attr("program", AttrValue(c.program)).Threads(c.threads);
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    inputs->push_back(RandomTensor(c.inputs[i], i));
    call.In(inputs->back().Clone(), i < c.layouts.size() ? c.layouts[i] : "");
  }
  for (size_t i = 0; i < ElementwiseProgram::Parse(c.program)->results.size(); ++i) call.Out(c.shape);
  return call;
}

// Gives the layout of the results.
std::string Check(const Case& c) {
  SCOPED_TRACE(c.program + " of " + ShapeToString(c.shape) + (c.inputs.empty() ? "" : ShapeToString(c.inputs.back())));
  std::vector<Tensor> inputs;
  auto result = Call(c, &inputs).Run();
  if (!result.ok()) {
    ADD_FAILURE() << result.status();
    return "";
  }
  const auto expected = Expected(c.program, inputs, c.shape);
  for (size_t i = 0; i < expected.size(); ++i) {
    ExpectClose(result->outputs[i], expected[i], 2e-6);
    EXPECT_TRUE(c.shape.empty() || PaddedWithZeros(result->outputs[i], result->stored[i]));
  }
  EXPECT_GT(result->info.bytes, 0);
  return result->info.outputs[0].layout;
}

TEST(Elementwise, Shapes) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{3}, Shape{17}, Shape{1, 1}, Shape{5, 7}, Shape{2, 3, 4, 5},
                             Shape{1, 2, 1, 3, 1}, Shape{63, 65}, Shape{3000}, Shape{2, 2, 2, 2, 2, 2, 2, 2}}) {
    Check({"exp x0; mul t0 x1; add t1 0.5 -> t2, t0", {shape, shape}, shape});
    Check({"-> x0, 2.5, x0", {shape}, shape});
    Check({"-> 3", {}, shape});
  }
}

TEST(Elementwise, Threads) {
  for (int threads : {1, 2, 3, 7}) {
    Check({"tanh x0; sub t0 x1 -> t1", {{301, 257}, {301, 257}}, {301, 257}, {}, threads});
    Check({"mul x0 x1; add t0 x2 -> t1", {{301, 257}, {257}, {301, 1}}, {301, 257}, {}, threads});
    Check({"mul x0 x1; add t0 x2 -> t1", {{8, 32, 19, 19}, {32, 1, 1}, {}}, {8, 32, 19, 19}, {}, threads});
  }
}

TEST(Elementwise, Broadcasts) {
  const char* kProgram = "sub x0 x1; mul t0 t0; logistic x1; add t1 t2 -> t3";
  const std::vector<std::pair<Shape, Shape>> kCases = {
      {{4, 5}, {}},           {{4, 5}, {1, 1}},        {{4, 5}, {5}},          {{4, 5}, {4, 1}},
      {{700, 3}, {3}},        {{700, 3}, {700, 1}},    {{3, 700}, {700}},      {{3, 700}, {3, 1}},
      {{9, 3000}, {3000}},    {{9, 3000}, {9, 1}},     {{2, 3, 4, 5}, {3, 1, 1}}, {{2, 3, 4, 5}, {2, 1, 4, 1}},
      {{2, 3, 4, 5}, {1, 3, 1, 5}}, {{2, 3, 20, 30}, {1, 3, 1, 1}}, {{50, 7, 11, 3}, {7, 1, 3}}, {{50, 7, 11, 3}, {50, 1, 11, 1}},
      {{1}, {1, 1}},          {{200, 40}, {40}},       {{3, 1, 400}, {1, 400}}, {{6, 512}, {512}}};
  for (const auto& [shape, small] : kCases) {
    const Shape result = *BroadcastShapes(shape, small);
    Check({kProgram, {shape, small}, result});
    Check({kProgram, {small, shape}, result});
  }
  // Neither operand has the result's shape.
  Check({kProgram, {{5, 1}, {1, 7}}, {5, 7}});
  Check({kProgram, {{300, 1}, {1, 700}}, {300, 700}});
  Check({kProgram, {{3}, {1}}, {2, 3}});
  // Computed once a row: what only rows' numbers go into.
  Check({"sub x0 x1; add x2 0.001; sqrt t1; div t0 t2 -> t3", {{6, 999}, {6, 1}, {1, 1}}, {6, 999}});
}

TEST(Elementwise, KeepsLayouts) {
  const std::string k = "max x0 0; mul t0 x1 -> t1";
  for (const char* layout : {"abcd", "acdb", "aBcd8b", "aBcd16b", "cdba", "ABcd16b16a"}) {
    for (int64_t channels : {32, 20, 3}) {
      const Shape shape = {5, channels, 6, 7};
      EXPECT_EQ(Check({k, {shape, shape}, shape, {layout, ""}}), layout);
      EXPECT_EQ(Check({k, {shape, shape}, shape, {layout, layout}}), layout);
    }
  }
  // The first that is decided; else what the reader of the result would like.
  EXPECT_EQ(Check({k, {{2, 16, 3, 3}, {2, 16, 3, 3}}, {2, 16, 3, 3}, {"any", "aBcd16b"}}), "aBcd16b");
  TestCall call("elementwise");
  call.Attr("program", "exp x0 -> t0").In(RandomTensor({2, 16, 3, 3}, 0), "any").Out({2, 16, 3, 3}, DType::kF32, "acdb");
  EXPECT_EQ(call.Query()->outputs[0].layout, "acdb");
  EXPECT_EQ(call.Query()->inputs[0].layout, "acdb");
}

TEST(Elementwise, PaddingStaysZero) {
  const Shape shape = {2, 20, 3, 3};
  EXPECT_EQ(Check({"exp x0; sub t0 1 -> t1", {shape}, shape, {"aBcd16b"}}), "aBcd16b");
  EXPECT_EQ(Check({"exp x0 -> t0", {shape}, shape, {"aBcd16b"}}), "abcd");
  EXPECT_EQ(Check({"exp x0 -> t0", {{2, 32, 3, 3}}, {2, 32, 3, 3}, {"aBcd16b"}}), "aBcd16b");
  EXPECT_EQ(Check({"mul x0 x1 -> t0", {shape, {20, 1, 1}}, shape, {"aBcd16b"}}), "abcd");
}

TEST(Elementwise, BroadcastsInOtherLayouts) {
  const std::string k = "mul x0 x1; add t0 x2 -> t1";
  for (const char* layout : {"acdb", "aBcd16b", "cdba", "aBcd8b"}) {
    const Shape shape = {3, 32, 17, 16};
    for (const Shape& small : {Shape{32, 1, 1}, Shape{}, Shape{1, 32, 1, 1}, Shape{16}, Shape{17, 1}, Shape{3, 1, 1, 1},
                               Shape{1, 32, 17, 16}, Shape{3, 1, 17, 16}, Shape{3, 32, 1, 1}}) {
      EXPECT_EQ(Check({k, {shape, small, {1}}, shape, {layout}}), layout) << ShapeToString(small);
    }
    EXPECT_EQ(Check({k, {shape, {1, 32, 17, 16}, {1}}, shape, {layout, "acdb"}}), layout);
    EXPECT_EQ(Check({k, {shape, {1, 32, 17, 16}, {1}}, shape, {layout, "aBcd16b"}}), layout);
  }
}

// Patterns that repeat along rows of many lengths, over several tiles and threads.
TEST(Elementwise, Periods) {
  const std::string k = "mul x0 x1 -> t0";
  for (int threads : {1, 3}) {
    for (int64_t n : {2, 67, 300, 5000}) {
      Check({k, {{n, 16}, {16}}, {n, 16}, {}, threads});
      Check({k, {{3, n, 7}, {3, 1, 7}}, {3, n, 7}, {}, threads});
      Check({k, {{2, n, 5, 3}, {2, 1, 5, 1}}, {2, n, 5, 3}, {}, threads});
    }
    EXPECT_EQ(Check({k, {{2, 64, 30, 30}, {64, 1, 1}}, {2, 64, 30, 30}, {"aBcd16b"}, threads}), "aBcd16b");
    Check({k, {{3, 9, 1500}, {9, 1500}}, {3, 9, 1500}, {}, threads});
    Check({k, {{9, 40, 49}, {40, 1}}, {9, 40, 49}, {}, threads});
    Check({k, {{3, 512, 49}, {512, 1}}, {3, 512, 49}, {}, threads});
  }
}

TEST(Elementwise, ElementTypes) {
  const Shape shape = {7, 45};
  auto given = [&](DType dtype, const Shape& s) { return CountingTensor(dtype, s); };
  for (DType in : {DType::kF32, DType::kS32, DType::kS64, DType::kU8, DType::kBool}) {
    for (const Shape& s : {shape, Shape{45}, Shape{7, 1}, Shape{}}) {
      const std::string program = "mul x0 1.5; sub t0 x1; gt t1 3; and t2 x0 -> t1, t3, x0, t2";
      std::vector<Tensor> inputs;
      inputs.push_back(given(in, s));
      inputs.push_back(RandomTensor(shape, 1));
      TestCall call("elementwise");
      call.Attr("program", AttrValue(program)).In(inputs[0].Clone()).In(inputs[1].Clone());
      call.Out(shape).Out(shape, DType::kBool).Out(shape, DType::kS64).Out(shape, DType::kU8);
      auto result = call.Run();
      ASSERT_TRUE(result.ok()) << result.status();
      const auto expected = Expected(program, inputs, shape);
      ExpectClose(result->outputs[0], expected[0]);
      for (size_t i = 0; i < expected[0].size(); ++i) {
        const int64_t k = static_cast<int64_t>(i);
        EXPECT_EQ(ElementOf(result->outputs[1], k), expected[1][i]);
        EXPECT_EQ(ElementOf(result->outputs[2], k), std::trunc(expected[2][i]));
        EXPECT_EQ(ElementOf(result->outputs[3], k), expected[3][i]);
      }
    }
  }
  // Only f32 has other layouts than row-major.
  TestCall call("elementwise");
  call.Attr("program", "gt x0 0 -> t0").In(RandomTensor({2, 16, 3, 3}, 0), "aBcd16b").Out({2, 16, 3, 3}, DType::kBool);
  EXPECT_TRUE(call.Query()->inputs[0].plain());
}

// Every pairing of two results with the memory of two operands, over more than one tile.
TEST(Elementwise, InPlace) {
  const Shape shape = {3, 1000};
  for (const char* program : {"add x0 x1; sub x0 x1 -> t0, t1", "exp x0; mul t0 x1; add t1 x0 -> t0, t2", "-> x1, x0",
                              "neg x0; neg x1 -> t1, t0", "neg x0 -> t0, t0", "mul x0 x1 -> t0, x0", "-> x0, 1",
                              "neg x0; add t0 x0; sub t1 x1 -> t2, t1"}) {
    for (int first = -1; first < 2; ++first) {
      for (int second = -1; second < 2; ++second) {
        if (first >= 0 && first == second) continue;
        std::vector<Tensor> inputs;
        TestCall call = Call({program, {shape, shape}, shape}, &inputs);
        if (first >= 0) call.InPlace(0, first);
        if (second >= 0) call.InPlace(1, second);
        auto result = call.Run();
        ASSERT_TRUE(result.ok()) << result.status();
        const auto expected = Expected(program, inputs, shape);
        for (int i : {0, 1}) ExpectClose(result->outputs[i], expected[i], 2e-6);
      }
    }
  }
  // Of integers: they are loaded before anything is stored.
  TestCall call("elementwise");
  Tensor x = CountingTensor(DType::kS32, {2000});
  call.Attr("program", "add x0 1; mul t0 x0 -> t1").In(x.Clone()).Out({2000}, DType::kS32).InPlace(0, 0);
  auto result = call.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  for (int64_t i = 0; i < 2000; ++i) {
    const int32_t v = x.as<int32_t>()[i];
    ASSERT_EQ(result->outputs[0].as<int32_t>()[i], v * (v + 1));
  }
}

TEST(Elementwise, NothingToDo) {
  for (const Shape& shape : {Shape{0}, Shape{3, 0}, Shape{0, 5, 5}}) {
    TestCall call("elementwise");
    call.Attr("program", "exp x0; add t0 x1 -> t1").In(RandomTensor(shape, 0)).In(RandomTensor({1}, 1)).Out(shape);
    auto result = call.Run();
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->outputs[0].num_elements(), 0);
  }
}

TEST(Elementwise, LongPrograms) {
  std::string program = "mul x0 0.9", sum = "";
  for (int i = 0; i < 90; ++i) program += "; mul_add t" + std::to_string(i) + " 0.5 x" + std::to_string(i % 16);
  std::vector<Shape> inputs(16, Shape{3, 500});
  Check({program + " -> t90, t80, t70, t60, t50, t40, t30, t20", inputs, {3, 500}});
  // As many numbers as there may be.
  program = "mul_add x0 0.5 0.25";
  for (int i = 0; i < 95; ++i) program += "; select t" + std::to_string(i) + " 0.5 0.25";
  Check({program + " -> 1, 2, 3, 4, 5, 6, 7, t95", {{40}}, {40}});
}

void ExpectPlanError(const TestCall& call, const std::string& text) {
  auto info = call.Query();
  ASSERT_FALSE(info.ok()) << text;
  EXPECT_EQ(ErrorClassOf(info.status()), "PLAN") << info.status();
  EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
}

TEST(Elementwise, DamagedCalls) {
  auto call = [](const char* program) {
    TestCall c("elementwise");
    c.Attr("program", program).In(RandomTensor({2, 3}, 0));
    return c;
  };
  ExpectPlanError(TestCall("elementwise").In(RandomTensor({2}, 0)).Out({2}), "attribute \"program\" is missing");
  ExpectPlanError(TestCall("elementwise").Attr("program", 3).In(RandomTensor({2}, 0)).Out({2}), "of the wrong type");
  ExpectPlanError(call("exp").Out({2, 3}), "no \"->\"");
  ExpectPlanError(call("exp x1 -> t0").Out({2, 3}), "reads x1, and there are 1");
  ExpectPlanError(call("exp x0 -> t0"), "1 inputs and 0 outputs, expected 1 and 1");
  ExpectPlanError(call("exp x0 -> t0").Out({2, 3}).Out({2, 3}), "1 inputs and 2 outputs, expected 1 and 1");
  ExpectPlanError(call("exp x0 -> t0, t0").Out({2, 3}).Out({3}), "differ in shape");
  ExpectPlanError(call("exp x0 -> t0").Out({3}), "does not broadcast to [3]");
  ExpectPlanError(call("exp x0 -> t0").Out({2, 4}), "does not broadcast to [2,4]");
  ExpectPlanError(call("exp x0 -> t0").Out({2, 3}, DType::kF64), "is of none of the types");
  ExpectPlanError(call("exp x0 -> t0").Out({2, 3}, DType::kUndefined), "is of none of the types");
  ExpectPlanError(call("exp x0 -> t0").Out({2, 3}).Fuse({"ReLU", {}, -1}), "takes no post-ops");
  ExpectPlanError(call("exp x0 -> t0").Out({int64_t{1} << 40, int64_t{1} << 40}), "elementwise");
  TestCall many("elementwise");
  many.Attr("program", "-> x0").Out({2});
  for (int i = 0; i < 17; ++i) many.In(RandomTensor({2}, i));
  ExpectPlanError(many, "17 operands, the limit is 16");

  const KernelDef* def = KernelRegistry::Get().Find("elementwise");
  CallSpec unsettled{.kernel = "elementwise", .name = "node", .attrs = {{"program", std::string("exp x0 -> t0")}},
                     .post_ops = {}, .inputs = {MemoryDesc{DType::kF32, {2, 3}, "ab"}},
                     .outputs = {MemoryDesc{DType::kF32, {2, 3}, "ba"}}};
  EXPECT_EQ(ErrorClassOf(def->create(unsettled).status()), "PLAN");
  EXPECT_TRUE(def->InPlace({}, 3, 2) ==
              (std::vector<std::pair<int, int>>{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}}));
}

}  // namespace
}  // namespace athanor
