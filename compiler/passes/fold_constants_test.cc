#include "absl/strings/str_cat.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(FoldConstantsTest, ComputesWhatDoesNotDependOnInputs) {
  ExpectPass(FoldConstants, R"(
    %x : input f32[2]
    %a : constant f32[2] = [1,-2]
    %b : constant f32[2] = [10,20]
    %c = T.Add(%a, %b) @"c" : f32[2]
    %d = T.Neg(%c) @"d" : f32[2]
    %y = T.Add(%x, %d) @"y" : f32[2]
    entry "e" (x=%x) -> (y=%y, c=%c))",
             R"(
    %x : input f32[2]
    %c : constant f32[2] = [11,18]
    %d : constant f32[2] = [-11,-18]
    %y = T.Add(%x, %d) @"y" : f32[2]
    entry "e" (x=%x) -> (y=%y, c=%c))");
}

TEST(FoldConstantsTest, PostOpsAreComputedToo) {
  ExpectPass(FoldConstants, R"(
    %a : constant f32[1,2] = [1,2]
    %w : constant f32[1,2] = [3,4]
    %r : constant f32[1,1] = [-20]
    %y = T.Linear(%a, %w) post_ops [T.Add(%r), T.Relu] @"y" : f32[1,1]
    %z = T.Linear(%a, %w) post_ops [T.Add(%r), T.Neg] @"z" : f32[1,1]
    entry "e" () -> (y=%y, z=%z))",
             R"(
    %y : constant f32[1,1] = [0]
    %z : constant f32[1,1] = [9]
    entry "e" () -> (y=%y, z=%z))");
}

TEST(FoldConstantsTest, ResultsAreRoundedToTheirType) {
  ExpectPass(FoldConstants, R"(
    %a : constant f32[] = [16777216]
    %b : constant f32[] = [1]
    %c = T.Add(%a, %b) @"c" : f32[]
    %d = T.Add(%c, %b) @"d" : f32[]
    %e = T.Round(%d) @"e" : s32[]
    entry "e" () -> (e=%e))",
             R"(
    %e : constant s32[] = [16777216]
    entry "e" () -> (e=%e))");
}

TEST(FoldConstantsTest, OnlyTheWantedOutputsBecomeConstants) {
  ExpectPass(FoldConstants, R"(
    %a : constant f32[1] = [1]
    %y, _ = T.Pair(%a) @"y" : f32[1], _
    entry "e" () -> (y=%y))",
             R"(
    %y : constant f32[1] = [1]
    entry "e" () -> (y=%y))");
}

TEST(FoldConstantsTest, VariablesAndEffectsStay) {
  ExpectUnchanged(FoldConstants, R"(
    %a : constant f32[1] = [1]
    %w : parameter f32[1] = [2]
    %b = T.Add(%a, %w) @"b" : f32[1]
    %c = T.Print(%a) @"c" : f32[1]
    entry "e" () -> (b=%b, c=%c))");
}

TEST(FoldConstantsTest, WhatIsCheapToComputeFromLittleDoesNotBecomeMuch) {
  auto iota = [](int64_t n) {
    return absl::StrCat("%y = T.Iota() {n=", n, "} @\"y\" : s64[", n, "]\n entry \"e\" () -> (y=%y)");
  };
  auto folded = FoldConstants(GraphOf(iota(1 << 17)), TestOptions());  // 1 MiB
  ASSERT_TRUE(folded.ok()) << folded.status();
  EXPECT_TRUE(folded->nodes.empty());
  EXPECT_EQ(folded->values[0].data->as<int64_t>()[1000], 1000);
  ExpectUnchanged(FoldConstants, iota((1 << 17) + 1));
  ExpectUnchanged(FoldConstants, iota(int64_t{1} << 40));
}

TEST(FoldConstantsTest, IntegersThatDoublesCannotHoldStay) {
  ExpectUnchanged(FoldConstants, R"(
    %a : constant s64[] = [9007199254740993]
    %b : constant s64[] = [0]
    %y = T.Add(%a, %b) @"y" : s64[]
    entry "e" () -> (y=%y))");
  ExpectUnchanged(FoldConstants, R"(
    %a : constant s64[] = [9007199254740990]
    %b : constant s64[] = [3]
    %y = T.Add(%a, %b) @"y" : s64[]
    entry "e" () -> (y=%y))");
}

}  // namespace
}  // namespace athanor
