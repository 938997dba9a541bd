#include "compiler/opdef/elementwise.h"

#include <cmath>
#include <functional>

#include "gtest/gtest.h"

namespace athanor {
namespace {

// The text of the program of a formula of three operands.
std::string Text(const std::function<std::vector<Elem>(Elem a, Elem b, Elem c)>& formula) {
  ElementwiseWriter writer;
  auto x = [&](int i) { return Elem(&writer, {MicroOperand::kInput, i, 0}); };
  std::vector<MicroOperand> results;
  for (const Elem& e : formula(x(0), x(1), x(2))) results.push_back(e.operand);
  ElementwiseProgram program = writer.Finish(results);
  EXPECT_TRUE(program.Check(3).ok());
  return program.ToString();
}

TEST(Elementwise, WritesFormulas) {
  EXPECT_EQ(Text([](Elem a, Elem, Elem) { return std::vector<Elem>{a * Logistic(a)}; }),
            "logistic x0; mul x0 t0 -> t1");
  EXPECT_EQ(Text([](Elem a, Elem b, Elem c) { return std::vector<Elem>{Select(Gt(a, 0), b, c), -a}; }),
            "gt x0 0; select t0 x1 x2; neg x0 -> t1, t2");
  EXPECT_EQ(Text([](Elem a, Elem b, Elem c) { return std::vector<Elem>{MulAdd(a, b, c)}; }),
            "mul_add x0 x1 x2 -> t0");
}

TEST(Elementwise, EqualInstructionsAreMadeOnce) {
  EXPECT_EQ(Text([](Elem a, Elem b, Elem) { return std::vector<Elem>{Exp(a - b) * Exp(a - b)}; }),
            "sub x0 x1; exp t0; mul t1 t1 -> t2");
  // 0 and -0 are two numbers.
  EXPECT_EQ(Text([](Elem a, Elem, Elem) { return std::vector<Elem>{Max(a, 0.0), Max(a, -0.0)}; }),
            "max x0 0; max x0 -0 -> t0, t1");
}

TEST(Elementwise, NumbersAreComputedAtOnce) {
  EXPECT_EQ(Text([](Elem a, Elem, Elem) { return std::vector<Elem>{a * (Elem(2) + Elem(3))}; }), "mul x0 5 -> t0");
  EXPECT_EQ(Text([](Elem, Elem, Elem) { return std::vector<Elem>{Exp(Elem(0))}; }), "-> 1");
}

TEST(Elementwise, WhatIsNotNeededIsLeftOut) {
  EXPECT_EQ(Text([](Elem a, Elem b, Elem) {
              Elem unused = Exp(Exp(b));
              (void)unused;
              return std::vector<Elem>{a};
            }),
            "-> x0");
  EXPECT_EQ(Text([](Elem a, Elem b, Elem) {
              Elem unused = Exp(b);
              (void)unused;
              return std::vector<Elem>{Exp(Exp(a)), b};
            }),
            "exp x0; exp t0 -> t1, x1");
}

TEST(Elementwise, CheaperForms) {
  EXPECT_EQ(Text([](Elem a, Elem b, Elem c) {
              return std::vector<Elem>{Pow(a, 0), Pow(a, 1), Pow(a, 2), Pow(a, 3), Pow(b, -1), Pow(b, c)};
            }),
            "mul x0 x0; mul t0 x0; reciprocal x1; pow x1 x2 -> 1, x0, t0, t1, t2, t3");
  EXPECT_EQ(Text([](Elem a, Elem b, Elem) { return std::vector<Elem>{a * 1, 1 * a, a / 1, a - 0, a + 0, b * 0}; }),
            "add x0 0; mul x1 0 -> x0, x0, x0, x0, t0, t1");
}

TEST(Elementwise, KnowsTruth) {
  ElementwiseWriter writer;
  const Elem x(&writer, {MicroOperand::kInput, 0, 0});
  for (const Elem& e : {Gt(x, 0), Not(x), Xor(x, x), Elem(1), Elem(0)}) EXPECT_TRUE(writer.IsTruth(e.operand));
  for (const Elem& e : {x, Exp(x), Elem(2)}) EXPECT_FALSE(writer.IsTruth(e.operand));
}

TEST(Elementwise, ProductsJoinSums) {
  EXPECT_EQ(Text([](Elem a, Elem b, Elem c) { return std::vector<Elem>{a * b + c}; }), "mul_add x0 x1 x2 -> t0");
  EXPECT_EQ(Text([](Elem a, Elem, Elem) { return std::vector<Elem>{Exp(1 + a * 0.5)}; }),
            "mul_add x0 0.5 1; exp t0 -> t1");
  // Not where the product is wanted itself, or the other term may come from it: a b - a b must be 0.
  EXPECT_EQ(Text([](Elem a, Elem b, Elem c) { return std::vector<Elem>{a * b + c, a * b}; }),
            "mul x0 x1; add t0 x2 -> t1, t0");
  EXPECT_EQ(Text([](Elem a, Elem b, Elem) {
              Elem product = a * b, negated = -(b * a);
              return std::vector<Elem>{product + negated};
            }),
            "mul x0 x1; mul x1 x0; neg t1; add t0 t2 -> t3");
}

}  // namespace
}  // namespace athanor
