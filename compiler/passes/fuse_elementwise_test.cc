#include "absl/strings/str_cat.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr char kInputs[] = R"(
  %x : input f32[4,3]
  %r : input f32[4,3]
  %row : input f32[3]
  %half : constant f32[] = [0.5]
  %w : parameter f32[3,3] = zeros
)";
// Inputs that a test does not read stay.
constexpr char kEntry[] = "\nentry \"e\" (x=%x, r=%r, row=%row) -> (y=%y, half=%half, w=%w)";

void ExpectFused(const std::string& before, const std::string& after) {
  ExpectPass(FuseElementwise, kInputs + before + kEntry, kInputs + after + kEntry);
}
void ExpectNotFused(const std::string& lines) { ExpectUnchanged(FuseElementwise, kInputs + lines + kEntry); }

// "T.Program(inputs) {dtypes=["f32"], program="...", shape=[4,3]}"
std::string Program(const std::string& inputs, const std::string& program, const std::string& dtypes = "\"f32\"") {
  return absl::StrCat("T.Program(", inputs, ") {dtypes=[", dtypes, "], program=\"", program, "\", shape=[4,3]}");
}

TEST(FuseElementwiseTest, AChainBecomesOneNodeInThePlaceOfItsLast) {
  ExpectFused(R"(
    %a = T.Add(%x, %row) @"add" : f32[4,3]
    %b = T.Relu(%a) @"relu" : f32[4,3]
    %c = T.Mul(%b, %r) @"mul" : f32[4,3]
    %y = T.Sub(%c, %a) @"sub" : f32[4,3])",
              "%y = " + Program("%x, %row, %r", "add x0 x1; max t0 0; mul t1 x2; sub t2 t0 -> t3") +
                  " @\"sub\" : f32[4,3]");
}

TEST(FuseElementwiseTest, ANodeAloneStaysUnlessItTakesInANumber) {
  ExpectNotFused(R"(
    %y = T.Add(%x, %row) @"add" : f32[4,3])");
  ExpectFused(R"(
    %y = T.Mul(%x, %half) @"mul" : f32[4,3])",
              "%y = " + Program("%x", "mul x0 0.5 -> t0") + " @\"mul\" : f32[4,3]");
}

TEST(FuseElementwiseTest, WhatIsReadOutsideIsAResult) {
  ExpectFused(R"(
    %a = T.Add(%x, %r) @"add" : f32[4,3]
    %b = T.Relu(%a) @"relu" : f32[4,3]
    %c = T.Neg(%b) @"neg" : f32[4,3]
    %d = T.Linear(%b, %w) @"fc" : f32[4,3]
    %y = T.Linear(%d, %c) @"fc2" : f32[4,4])",
              "%b, %c = " + Program("%x, %r", "add x0 x1; max t0 0; neg t1 -> t1, t2", "\"f32\",\"f32\"") +
                  R"( @"neg" : f32[4,3], f32[4,3]
    %d = T.Linear(%b, %w) @"fc" : f32[4,3]
    %y = T.Linear(%d, %c) @"fc2" : f32[4,4])");
}

// What is read before the last node of a group can stand is no part of it: there would be a cycle, or a value too late.
TEST(FuseElementwiseTest, AReaderOutsideEndsTheGroup) {
  ExpectNotFused(R"(
    %a = T.Relu(%x) @"relu" : f32[4,3]
    %b = T.Linear(%a, %w) @"fc" : f32[4,3]
    %y = T.Add(%a, %b) @"add" : f32[4,3])");
  ExpectFused(R"(
    %a = T.Relu(%x) @"relu" : f32[4,3]
    %b = T.Neg(%a) @"neg" : f32[4,3]
    %c = T.Linear(%b, %w) @"fc" : f32[4,3]
    %d = T.Add(%a, %c) @"add" : f32[4,3]
    %y = T.Relu(%d) @"relu2" : f32[4,3])",
              "%a, %b = " + Program("%x", "max x0 0; neg t0 -> t0, t1", "\"f32\",\"f32\"") +
                  " @\"neg\" : f32[4,3], f32[4,3]\n%c = T.Linear(%b, %w) @\"fc\" : f32[4,3]\n%y = " +
                  Program("%a, %c", "add x0 x1; max t0 0 -> t1") + " @\"relu2\" : f32[4,3]");
}

TEST(FuseElementwiseTest, BranchesMeet) {
  ExpectFused(R"(
    %a = T.Relu(%x) @"relu" : f32[4,3]
    %b = T.Neg(%r) @"neg" : f32[4,3]
    %y = T.Mul(%a, %b) @"mul" : f32[4,3])",
              "%y = " + Program("%x, %r", "max x0 0; neg x1; mul t0 t1 -> t2") + " @\"mul\" : f32[4,3]");
}

TEST(FuseElementwiseTest, OtherShapesAreOtherGroups) {
  ExpectFused(R"(
    %a = T.Neg(%row) @"neg" : f32[3]
    %b = T.Add(%x, %a) @"add" : f32[4,3]
    %y = T.Relu(%b) @"relu" : f32[4,3])",
              "%a = T.Neg(%row) @\"neg\" : f32[3]\n%y = " + Program("%x, %a", "add x0 x1; max t0 0 -> t1") +
                  " @\"relu\" : f32[4,3]");
}

// Integers are stored and loaded: an f32 does not hold them all. A bool inside is 1 or 0.
TEST(FuseElementwiseTest, TypesInside) {
  ExpectNotFused(R"(
    %a = T.Round(%x) @"round" : s32[4,3]
    %y = T.ToFloat(%a) @"float" : f32[4,3])");
  ExpectFused(R"(
    %a = T.Truth(%x) @"truth" : bool[4,3]
    %y = T.ToFloat(%a) @"float" : f32[4,3])",
              "%y = " + Program("%x", "ne x0 0 -> t0") + " @\"float\" : f32[4,3]");
  ExpectFused(R"(
    %a = T.Neg(%x) @"neg" : f32[4,3]
    %y = T.Round(%a) @"round" : s32[4,3])",
              "%y = " + Program("%x", "neg x0; round t0 -> t1", "\"s32\"") + " @\"round\" : s32[4,3]");
}

TEST(FuseElementwiseTest, PostOpsAreLeftAlone) {
  ExpectNotFused(R"(
    %a = T.Add(%x, %r) post_ops [T.Relu] @"add" : f32[4,3]
    %y = T.Neg(%a) @"neg" : f32[4,3])");
}

// Over other work a group is only carried if that keeps no more alive: x and r for the sum, or one value for one.
TEST(FuseElementwiseTest, LifetimesDoNotGrow) {
  const std::string linear = R"(
    %l = T.Linear(%x, %w) @"fc" : f32[4,3]
    %m = T.Linear(%r, %w) @"fc2" : f32[4,3])";
  ExpectNotFused(linear + R"(
    %a = T.Add(%l, %m) @"add" : f32[4,3]
    %b = T.Linear(%r, %w) @"fc3" : f32[4,3]
    %y = T.Mul(%a, %b) @"mul" : f32[4,3])");
  ExpectFused(linear + R"(
    %a = T.Add(%l, %row) @"add" : f32[4,3]
    %b = T.Linear(%m, %w) @"fc3" : f32[4,3]
    %y = T.Mul(%a, %b) @"mul" : f32[4,3])",
              linear + "\n%b = T.Linear(%m, %w) @\"fc3\" : f32[4,3]\n%y = " +
                  Program("%l, %row, %b", "add x0 x1; mul t0 x2 -> t1") + " @\"mul\" : f32[4,3]");
  // Not two that something reads later anyway.
  ExpectFused(linear + R"(
    %a = T.Add(%l, %m) @"add" : f32[4,3]
    %b = T.Linear(%r, %w) @"fc3" : f32[4,3]
    %c = T.Mul(%a, %b) @"mul" : f32[4,3]
    %d = T.Linear(%l, %m) @"fc4" : f32[4,4]
    %y = T.Linear(%d, %c) @"fc5" : f32[4,3])",
              linear + "\n%b = T.Linear(%r, %w) @\"fc3\" : f32[4,3]\n%c = " +
                  Program("%l, %m, %b", "add x0 x1; mul t0 x2 -> t1") + R"( @"mul" : f32[4,3]
    %d = T.Linear(%l, %m) @"fc4" : f32[4,4]
    %y = T.Linear(%d, %c) @"fc5" : f32[4,3])");
}

TEST(FuseElementwiseTest, LimitsHold) {
  // 200 instructions of one operand each.
  std::string chain = "%a0 = T.Relu(%x) @\"n0\" : f32[4,3]\n";
  for (int i = 1; i < 200; ++i) {
    absl::StrAppend(&chain, i == 199 ? "%y" : absl::StrCat("%a", i), " = ", i % 2 ? "T.Neg" : "T.Relu", "(%a", i - 1,
                    ") @\"n", i, "\" : f32[4,3]\n");
  }
  auto fused = FuseElementwise(GraphOf(kInputs + chain + kEntry), TestOptions());
  ASSERT_TRUE(fused.ok()) << fused.status();
  EXPECT_EQ(fused->nodes.size(), 3u);
  // 40 inputs.
  std::string inputs, sum = "%s0 = T.Neg(%x) @\"s0\" : f32[4,3]\n", entry = "entry \"e\" (x=%x";
  for (int i = 1; i < 40; ++i) {
    absl::StrAppend(&inputs, "%i", i, " : input f32[4,3]\n");
    absl::StrAppend(&entry, ", i", i, "=%i", i);
    absl::StrAppend(&sum, "%s", i, " = T.Add(%s", i - 1, ", %i", i, ") @\"s", i, "\" : f32[4,3]\n");
  }
  fused = FuseElementwise(GraphOf("%x : input f32[4,3]\n" + inputs + sum + entry + ") -> (y=%s39)"), TestOptions());
  ASSERT_TRUE(fused.ok()) << fused.status();
  EXPECT_EQ(fused->nodes.size(), 3u);
  for (const Node& node : fused->nodes) EXPECT_LE(node.inputs.size(), 16u);
}

// A parameter's reader does not move past other work: the update may stand there.
TEST(FuseElementwiseTest, ReadersOfUpdatedVariablesStay) {
  ExpectUnchanged(FuseElementwise, R"(
    %x : input f32[3,3]
    %w : parameter f32[3,3] = zeros
    %a = T.Neg(%w) @"neg" : f32[3,3]
    %b = T.Linear(%x, %x) @"fc" : f32[3,3]
    %y = T.Mul(%a, %b) @"mul" : f32[3,3]
    entry "e" (x=%x) -> (y=%y) update (%w <- %b))");
}

}  // namespace
}  // namespace athanor
