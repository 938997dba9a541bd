#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr char kConstants[] = R"(
  %x : input f32[4,2]
  %w : constant f32[3,2] = [1,2,3,4,5,6]
  %b : constant f32[3] = [1,1,1]
  %scale : constant f32[3] = [2,-1,0.5]
  %shift : constant f32[3] = [10,20,30]
)";

TEST(FoldBatchNormTest, ScaleAndShiftGoIntoTheWeights) {
  ExpectPass(FoldBatchNorm, std::string(kConstants) + R"(
    %h = T.Linear(%x, %w, %b) @"fc" : f32[4,3]
    %y = T.Norm(%h, %scale, %shift) {training=false, fuse_relu=false} @"bn" : f32[4,3]
    %z = T.Relu(%y) @"relu" : f32[4,3]
    entry "e" (x=%x) -> (z=%z))",
             R"(
    %x : input f32[4,2]
    %fc/folded.weight : constant f32[3,2] = [2,4,-3,-4,2.5,3]
    %fc/folded.bias : constant f32[3] = [12,19,30.5]
    %y = T.Linear(%x, %fc/folded.weight, %fc/folded.bias) @"fc" : f32[4,3]
    %z = T.Relu(%y) @"relu" : f32[4,3]
    entry "e" (x=%x) -> (z=%z))");
}

TEST(FoldBatchNormTest, WithoutABiasOneIsMade) {
  ExpectPass(FoldBatchNorm, std::string(kConstants) + R"(
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %y, _ = T.Norm(%h, %scale, %shift) {training=false} @"bn" : f32[4,3], _
    entry "e" (x=%x) -> (y=%y))",
             R"(
    %x : input f32[4,2]
    %fc/folded.weight : constant f32[3,2] = [2,4,-3,-4,2.5,3]
    %fc/folded.bias : constant f32[3] = [10,20,30]
    %y = T.Linear(%x, %fc/folded.weight, %fc/folded.bias) @"fc" : f32[4,3]
    entry "e" (x=%x) -> (y=%y))");
}

TEST(FoldBatchNormTest, TwoInARowFoldBoth) {
  ExpectPass(FoldBatchNorm, std::string(kConstants) + R"(
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %i = T.Norm(%h, %scale, %shift) {training=false} @"bn1" : f32[4,3]
    %y = T.Norm(%i, %scale, %shift) {training=false} @"bn2" : f32[4,3]
    entry "e" (x=%x) -> (y=%y))",
             R"(
    %x : input f32[4,2]
    %fc/folded.weight.1 : constant f32[3,2] = [4,8,3,4,1.25,1.5]
    %fc/folded.bias.1 : constant f32[3] = [30,0,45]
    %y = T.Linear(%x, %fc/folded.weight.1, %fc/folded.bias.1) @"fc" : f32[4,3]
    entry "e" (x=%x) -> (y=%y))");
}

TEST(FoldBatchNormTest, ASharedWeightIsFoldedOnceForEach) {
  auto graph = FoldBatchNorm(GraphOf(std::string(kConstants) + R"(
    %h = T.Linear(%x, %w) @"fc1" : f32[4,3]
    %y = T.Norm(%h, %scale, %shift) {training=false} @"bn" : f32[4,3]
    %z = T.Linear(%x, %w) @"fc2" : f32[4,3]
    entry "e" (x=%x) -> (y=%y, z=%z))"),
                             TestOptions());
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->nodes.size(), 2);
  EXPECT_EQ(graph->value(graph->nodes[1].inputs[1]).name, "w");
}

TEST(FoldBatchNormTest, WhatCannotBeFoldedStays) {
  const std::string constants = kConstants;
  // Training; a result that is read elsewhere; a weight that is not constant; a scale that is not constant.
  ExpectUnchanged(FoldBatchNorm, constants + R"(
    %h = T.Linear(%x, %w, %b) @"fc" : f32[4,3]
    %y = T.Norm(%h, %scale, %shift) {training=true} @"bn" : f32[4,3]
    entry "e" (x=%x) -> (y=%y))");
  ExpectUnchanged(FoldBatchNorm, constants + R"(
    %h = T.Linear(%x, %w, %b) @"fc" : f32[4,3]
    %y = T.Norm(%h, %scale, %shift) {training=false} @"bn" : f32[4,3]
    entry "e" (x=%x) -> (y=%y, h=%h))");
  ExpectUnchanged(FoldBatchNorm, constants + R"(
    %v : parameter f32[3,2] = zeros
    %h = T.Linear(%x, %v) @"fc" : f32[4,3]
    %y = T.Norm(%h, %scale, %shift) {training=false} @"bn" : f32[4,3]
    entry "e" (x=%x) -> (y=%y))");
  ExpectUnchanged(FoldBatchNorm, constants + R"(
    %s : parameter f32[3] = zeros
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %y = T.Norm(%h, %s, %shift) {training=false} @"bn" : f32[4,3]
    entry "e" (x=%x) -> (y=%y))");
  ExpectUnchanged(FoldBatchNorm, constants + R"(
    %h = T.Linear(%x, %w) post_ops [T.Relu] @"fc" : f32[4,3]
    %y = T.Norm(%h, %scale, %shift) {training=false} @"bn" : f32[4,3]
    entry "e" (x=%x) -> (y=%y))");
}

}  // namespace
}  // namespace athanor
