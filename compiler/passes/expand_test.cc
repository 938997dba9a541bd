#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(ExpandTest, ANodeBecomesItsPartsInItsPlaceUnderItsName) {
  ExpectPass(Expand, R"(
    %x : input f32[2]
    %a = T.Relu(%x) @"a" : f32[2]
    %b = T.Twice(%a) @"b" : f32[2]
    %c = T.Relu(%b) @"c" : f32[2]
    entry "e" (x=%x) -> (b=%b, c=%c))",
             R"(
    %x : input f32[2]
    %a = T.Relu(%x) @"a" : f32[2]
    %b = T.Add(%a, %a) @"b/T.Add" : f32[2]
    %c = T.Relu(%b) @"c" : f32[2]
    entry "e" (x=%x) -> (b=%b, c=%c))");
}

TEST(ExpandTest, PartsExpandToo) {
  ExpectPass(Expand, R"(
    %x : input f32[2]
    %y = T.Four(%x) @"four" : f32[2]
    entry "e" (x=%x) -> (y=%y))",
             R"(
    %x : input f32[2]
    %four/T.Twice = T.Add(%x, %x) @"four/T.Twice/T.Add" : f32[2]
    %y = T.Add(%four/T.Twice, %four/T.Twice) @"four/T.Twice.1/T.Add" : f32[2]
    entry "e" (x=%x) -> (y=%y))");
}

TEST(ExpandTest, WhatGivesItsInputBackVanishes) {
  ExpectPass(Expand, R"(
    %x : input f32[2]
    %w : parameter f32[2] = zeros
    %a = T.Same(%x) @"a" : f32[2]
    %b = T.Same(%a) @"b" : f32[2]
    %c = T.Add(%b, %a) @"c" : f32[2]
    %d, %f = T.Swap(%c, %b) @"d" : f32[2], f32[2]
    entry "e" (x=%x) -> (b=%b, d=%d, f=%f) update (%w <- %b))",
             R"(
    %x : input f32[2]
    %w : parameter f32[2] = zeros
    %c = T.Add(%x, %x) @"c" : f32[2]
    entry "e" (x=%x) -> (b=%x, d=%x, f=%c) update (%w <- %x))");
}

TEST(ExpandTest, AnOperatorMayDecideToStay) {
  ExpectUnchanged(Expand, R"(
    %x : input f32[2]
    %y = T.Lazy(%x) @"y" : f32[2]
    entry "e" (x=%x) -> (y=%y))");
}

TEST(ExpandTest, ExpandingWithoutEndIsAnError) {
  EXPECT_EQ(ErrorOf(Expand, R"(
    %x : input f32[2]
    %y = T.Forever(%x) @"y" : f32[2]
    entry "e" (x=%x) -> (y=%y))"),
            "LIMIT: graph \"g\": operators still expand after 16 rounds");
}

TEST(ExpandTest, ExpandingToAnotherTypeIsAnError) {
  EXPECT_EQ(ErrorOf(Expand, R"(
    %x : input f32[2]
    %y = T.Odd(%x) @"odd" : f32[2]
    entry "e" (x=%x) -> (y=%y))"),
            "GRAPH: node \"odd\" (T.Odd): expands y f32[2] to f32[], a bug of the operator");
}

}  // namespace
}  // namespace athanor
