#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(EliminateCommonTest, EqualNodesBecomeOne) {
  ExpectPass(EliminateCommon, R"(
    %x : input f32[2]
    %a = T.Relu(%x) @"a" : f32[2]
    %b = T.Relu(%x) @"b" : f32[2]
    %c = T.Neg(%a) @"c" : f32[2]
    %d = T.Neg(%b) @"d" : f32[2]
    %y = T.Sub(%c, %d) @"y" : f32[2]
    entry "e" (x=%x) -> (y=%y, b=%b))",
             R"(
    %x : input f32[2]
    %a = T.Relu(%x) @"a" : f32[2]
    %c = T.Neg(%a) @"c" : f32[2]
    %y = T.Sub(%c, %c) @"y" : f32[2]
    entry "e" (x=%x) -> (y=%y, b=%a))");
}

TEST(EliminateCommonTest, OperandsOfACommutativeOperatorMayChangePlaces) {
  ExpectPass(EliminateCommon, R"(
    %x : input f32[2]
    %z : input f32[2]
    %a = T.Add(%x, %z) @"a" : f32[2]
    %b = T.Add(%z, %x) @"b" : f32[2]
    %c = T.Sub(%x, %z) @"c" : f32[2]
    %d = T.Sub(%z, %x) @"d" : f32[2]
    entry "e" (x=%x, z=%z) -> (a=%a, b=%b, c=%c, d=%d))",
             R"(
    %x : input f32[2]
    %z : input f32[2]
    %a = T.Add(%x, %z) @"a" : f32[2]
    %c = T.Sub(%x, %z) @"c" : f32[2]
    %d = T.Sub(%z, %x) @"d" : f32[2]
    entry "e" (x=%x, z=%z) -> (a=%a, b=%a, c=%c, d=%d))");
}

TEST(EliminateCommonTest, EqualSmallConstantsAreOne) {
  ExpectPass(EliminateCommon, R"(
    %x : input f32[2]
    %one : constant f32[] = [1]
    %eins : constant f32[] = [1]
    %count : constant s32[] = [1]
    %a = T.Add(%x, %one) @"a" : f32[2]
    %b = T.Add(%x, %eins) @"b" : f32[2]
    entry "e" (x=%x) -> (a=%a, b=%b, count=%count))",
             R"(
    %x : input f32[2]
    %one : constant f32[] = [1]
    %count : constant s32[] = [1]
    %a = T.Add(%x, %one) @"a" : f32[2]
    entry "e" (x=%x) -> (a=%a, b=%a, count=%count))");
}

TEST(EliminateCommonTest, AnOutputThatOnlyTheSecondWantsMovesToTheFirst) {
  ExpectPass(EliminateCommon, R"(
    %x : input f32[2]
    %a = T.Pair(%x) @"a" : f32[2]
    %b, %z = T.Pair(%x) @"b" : f32[2], f32[2]
    entry "e" (x=%x) -> (a=%a, b=%b, z=%z))",
             R"(
    %x : input f32[2]
    %a, %z = T.Pair(%x) @"a" : f32[2], f32[2]
    entry "e" (x=%x) -> (a=%a, b=%a, z=%z))");
}

TEST(EliminateCommonTest, WhatDiffersStays) {
  ExpectUnchanged(EliminateCommon, R"(
    %x : input f32[2,2]
    %w : parameter f32[2,2] = zeros
    %a = T.Forgetful(%x) {by=1.0} @"a" : f32[2,2]
    %b = T.Forgetful(%x) {by=2.0} @"b" : f32[2,2]
    %c = T.Linear(%x, %w) @"c" : f32[2,2]
    %d = T.Linear(%x, %w) post_ops [T.Relu] @"d" : f32[2,2]
    entry "e" (x=%x) -> (a=%a, b=%b, c=%c, d=%d))");
}

TEST(EliminateCommonTest, EffectsAreNotMerged) {
  ExpectUnchanged(EliminateCommon, R"(
    %x : input f32[2]
    %a = T.Print(%x) @"a" : f32[2]
    %b = T.Print(%x) @"b" : f32[2]
    entry "e" (x=%x) -> (a=%a, b=%b))");
}

}  // namespace
}  // namespace athanor
