#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(EliminateDeadTest, DropsWhatNobodyReads) {
  ExpectPass(EliminateDead, R"(
    %x : input f32[2]
    %unused : input f32[2]
    %w : parameter f32[2] = zeros
    %a = T.Relu(%x) @"a" : f32[2]
    %b = T.Add(%a, %w) @"b" : f32[2]
    %c = T.Neg(%b) @"c" : f32[2]
    entry "e" (x=%x, unused=%unused) -> (a=%a))",
             R"(
    %x : input f32[2]
    %unused : input f32[2]
    %a = T.Relu(%x) @"a" : f32[2]
    entry "e" (x=%x, unused=%unused) -> (a=%a))");
}

TEST(EliminateDeadTest, KeepsEffectsAndWhatTheyRead) {
  ExpectUnchanged(EliminateDead, R"(
    %x : input f32[2]
    %a = T.Relu(%x) @"a" : f32[2]
    %b = T.Print(%a) @"b" : f32[2]
    entry "e" (x=%x) -> (x=%x))");
}

TEST(EliminateDeadTest, AnOptionalOutputThatNobodyReadsIsNotWanted) {
  ExpectPass(EliminateDead, R"(
    %x : input f32[2]
    %a, %z = T.Pair(%x) @"a" : f32[2], f32[2]
    %b, %u = T.Pair(%x) @"b" : f32[2], f32[2]
    entry "e" (x=%x) -> (a=%a, u=%u))",
             R"(
    %x : input f32[2]
    %a, _ = T.Pair(%x) @"a" : f32[2], _
    %b, %u = T.Pair(%x) @"b" : f32[2], f32[2]
    entry "e" (x=%x) -> (a=%a, u=%u))");
}

TEST(EliminateDeadTest, KeepsTheLossAndTheUpdates) {
  ExpectUnchanged(EliminateDead, R"(
    %x : input f32[2]
    %mean : state f32[2] = zeros
    %a = T.Relu(%x) @"a" : f32[2]
    %loss = T.Sum(%x) @"loss" : f32[]
    entry "e" training (x=%x) -> () loss %loss update (%mean <- %a))");
}

}  // namespace
}  // namespace athanor
