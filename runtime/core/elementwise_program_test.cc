#include "runtime/core/elementwise_program.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(), kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> RunProgram(const std::string& text, std::vector<double> inputs) {
  auto program = ElementwiseProgram::Parse(text);
  EXPECT_TRUE(program.ok()) << program.status();
  std::vector<double> results(program->results.size());
  program->Evaluate(inputs, absl::MakeSpan(results));
  return results;
}

double Run1(const std::string& op, std::vector<double> inputs) {
  std::string text = op;
  for (size_t i = 0; i < inputs.size(); ++i) text += " x" + std::to_string(i);
  return RunProgram(text + " -> t0", inputs)[0];
}

TEST(ElementwiseProgram, TextParsesBack) {
  for (const char* text : {"sub x0 x1; exp t0; mul t1 0.5 -> t2", "-> x0", "-> x3, 1", "exp x0; mul t0 x1 -> t1, t0",
                           "add x0 1e-30; select t0 inf -inf -> t1", "mul_add x0 0.1 -0 -> t0", "max x0 nan -> t0",
                           "mul x15 3.4028235e+38; pow t0 0.33333334 -> t1"}) {
    auto program = ElementwiseProgram::Parse(text);
    ASSERT_TRUE(program.ok()) << program.status();
    EXPECT_EQ(program->ToString(), text);
  }
}

TEST(ElementwiseProgram, EveryOperationHasANameThatParses) {
  for (int i = 0; i <= static_cast<int>(MicroOp::kMulAdd); ++i) {
    ElementwiseProgram program;
    program.instructions.push_back({static_cast<MicroOp>(i), {}});
    for (int k = 0; k < MicroArity(static_cast<MicroOp>(i)); ++k) {
      program.instructions[0].args[k] = {MicroOperand::kInput, k, 0};
    }
    program.results = {{MicroOperand::kResult, 0, 0}};
    auto back = ElementwiseProgram::Parse(program.ToString());
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, program);
  }
}

TEST(ElementwiseProgram, BadTextsAreRefused) {
  const std::pair<const char*, const char*> kBad[] = {
      {"", "no \"->\""},
      {"exp x0", "no \"->\""},
      {"-> ", "is no operand"},
      {"-> x0,", "is no operand"},
      {"exp x0; -> t0", "is no instruction"},
      {"exq x0 -> t0", "no operation \"exq\""},
      {"exp -> 1", "has 0 operands, takes 1"},
      {"add x0 -> t0", "has 1 operands, takes 2"},
      {"add x0 x1 x2 -> t0", "has 3 operands, takes 2"},
      {"add x0 y1 -> t0", "\"y1\" is no operand"},
      {"add x0 x -> t0", "\"x\" is no operand"},
      {"add x0 x-1 -> t0", "\"x-1\" is no operand"},
      {"add x0 t99999999999 -> t0", "is no operand"},
      {"add x0 1.5.2 -> t0", "is no operand"},
      {"add x0 x16 -> t0", "instruction 0 reads x16, and there are 16"},
      {"exp t0 -> t0", "instruction 0 reads t0, and there are 0"},
      {"exp x0; exp t1 -> t0", "instruction 1 reads t1, and there are 1"},
      {"exp x0 -> t1", "result 0 reads t1, and there are 1"},
      {"-> 1,2,3,4,5,6,7,8,9", "9 results, the limit is 8"},
  };
  for (const auto& [text, message] : kBad) {
    auto program = ElementwiseProgram::Parse(text);
    ASSERT_FALSE(program.ok()) << text;
    EXPECT_EQ(ErrorClassOf(program.status()), "FORMAT");
    EXPECT_NE(program.status().message().find(message), std::string::npos) << program.status();
  }
  std::string text = "exp x0";
  for (int i = 0; i < 95; ++i) text += "; exp t" + std::to_string(i);
  EXPECT_TRUE(ElementwiseProgram::Parse(text + " -> t95").ok());
  EXPECT_FALSE(ElementwiseProgram::Parse(text + "; exp t95 -> t96").ok());
}

TEST(ElementwiseProgram, CheckKnowsTheInputs) {
  auto program = ElementwiseProgram::Parse("add x0 x2 -> t0");
  ASSERT_TRUE(program.ok());
  EXPECT_TRUE(program->Check(3).ok());
  EXPECT_FALSE(program->Check(2).ok());
  EXPECT_FALSE(program->Check(17).ok());
  program->instructions[0].op = static_cast<MicroOp>(200);
  EXPECT_FALSE(program->Check(3).ok());
  EXPECT_FALSE(ElementwiseProgram().Check(1).ok());
}

TEST(ElementwiseProgram, Evaluates) {
  EXPECT_DOUBLE_EQ(RunProgram("sub x0 x1; exp t0; mul t1 0.5 -> t2, t0", {3, 1})[0], std::exp(2.0) / 2);
  EXPECT_EQ(RunProgram("sub x0 x1; exp t0; mul t1 0.5 -> t2, t0", {3, 1})[1], 2);
  EXPECT_EQ(RunProgram("-> x0, 7", {3})[1], 7);
  EXPECT_EQ(Run1("mul_add", {2, 3, 4}), 10);
  EXPECT_EQ(Run1("select", {0, kNaN, 4}), 4);
  EXPECT_EQ(Run1("select", {kNaN, 3, kInf}), 3);
}

TEST(ElementwiseProgram, EndsOfTheRange) {
  EXPECT_EQ(Run1("logistic", {-1e4}), 0);
  EXPECT_EQ(Run1("logistic", {1e4}), 1);
  EXPECT_DOUBLE_EQ(Run1("logistic", {-80}), std::exp(-80.0));
  EXPECT_EQ(Run1("round", {2.5}), 2);
  EXPECT_EQ(Run1("round", {-1.5}), -2);
  EXPECT_EQ(Run1("round", {3.7}), 4);
  EXPECT_EQ(Run1("sign", {-0.1}), -1);
  EXPECT_TRUE(std::isnan(Run1("sign", {kNaN})));
  for (const char* op : {"min", "max"}) {
    EXPECT_TRUE(std::isnan(Run1(op, {kNaN, 1})));
    EXPECT_TRUE(std::isnan(Run1(op, {1, kNaN})));
  }
  for (const char* op : {"eq", "lt", "le", "gt", "ge"}) EXPECT_EQ(Run1(op, {kNaN, kNaN}), 0);
  EXPECT_EQ(Run1("ne", {kNaN, kNaN}), 1);
  EXPECT_EQ(Run1("and", {2, kNaN}), 1);
  EXPECT_EQ(Run1("xor", {2, 1}), 0);
  EXPECT_EQ(Run1("not", {0}), 1);
}

TEST(ElementwiseProgram, MapsZerosToZeros) {
  auto maps = [](const char* text) { return ElementwiseProgram::Parse(text)->MapsZerosToZeros(); };
  EXPECT_TRUE(maps("max x0 0 -> t0"));
  EXPECT_TRUE(maps("mul x0 x1; neg t0 -> t1"));
  EXPECT_TRUE(maps("exp x0; sub t0 1 -> t1"));
  EXPECT_FALSE(maps("exp x0 -> t0"));
  EXPECT_FALSE(maps("div x0 x1 -> t0"));
  EXPECT_FALSE(maps("neg x0; add x0 1 -> t0, t1"));
  // 2^-30 + 1 is 1 as a float only.
  EXPECT_TRUE(maps("add x0 9.31322575e-10; add t0 1; sub t1 1 -> t2"));
}

}  // namespace
}  // namespace athanor
