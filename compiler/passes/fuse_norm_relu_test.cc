#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

// As differentiate makes it, with the lines that a test changes.
std::string Training(const std::string& relu_backward, const std::string& outputs) {
  return R"(
    %x : input f32[4,2]
    %dy : input f32[4,2]
    %w : parameter f32[2] = zeros
    %h, %stats = T.Norm(%x, %w, %w) {fuse_relu=false, training=true} @"bn" : f32[4,2], f32[2]
    %y = T.Relu(%h) @"relu" : f32[4,2]
    )" + relu_backward +
         R"(
    %dx = T.NormGrad(%x, %dh, %stats) {fuse_relu=false} @"bn/grad" : f32[4,2]
    entry "e" training (x=%x, dy=%dy) -> ()" +
         outputs + ")";
}

TEST(FuseNormReluTest, ThePairOfOperatorsIsJoinedByAWorkspace) {
  ExpectPass(FuseNormRelu, Training("%dh = T.ReluGrad(%dy, %y) @\"relu/grad\" : f32[4,2]", "y=%y, dx=%dx"), R"(
    %x : input f32[4,2]
    %dy : input f32[4,2]
    %w : parameter f32[2] = zeros
    %y, %stats, %bn.workspace = T.Norm(%x, %w, %w) {fuse_relu=true, training=true} @"bn" : f32[4,2], f32[2], u8[4,2]
    %dx = T.NormGrad(%x, %dy, %stats, %bn.workspace) {fuse_relu=true} @"bn/grad" : f32[4,2]
    entry "e" training (x=%x, dy=%dy) -> (y=%y, dx=%dx))");
}

TEST(FuseNormReluTest, NotWhenTheNormalisedValueIsReadElsewhere) {
  ExpectUnchanged(FuseNormRelu, Training("%dh = T.ReluGrad(%dy, %y) @\"relu/grad\" : f32[4,2]", "y=%y, dx=%dx, h=%h"));
}

TEST(FuseNormReluTest, NotWhenTheGradientBetweenThemIsReadElsewhere) {
  ExpectUnchanged(FuseNormRelu,
                  Training("%dh = T.ReluGrad(%dy, %y) @\"relu/grad\" : f32[4,2]", "y=%y, dx=%dx, dh=%dh"));
}

TEST(FuseNormReluTest, NotWhenAnotherReluIsGoneBackThrough) {
  ExpectUnchanged(FuseNormRelu, Training("%dh = T.ReluGrad(%dy, %x) @\"relu/grad\" : f32[4,2]", "y=%y, dx=%dx"));
}

TEST(FuseNormReluTest, NotWithoutABackwardOperator) {
  ExpectUnchanged(FuseNormRelu, R"(
    %x : input f32[4,2]
    %w : parameter f32[2] = zeros
    %h, %stats = T.Norm(%x, %w, %w) {training=true} @"bn" : f32[4,2], f32[2]
    %y = T.Relu(%h) @"relu" : f32[4,2]
    entry "e" training (x=%x) -> (y=%y))");
}

TEST(FuseNormReluTest, SeveralInARow) {
  auto graph = FuseNormRelu(GraphOf(R"(
    %x : input f32[4,2]
    %dy : input f32[4,2]
    %w : parameter f32[2] = zeros
    %h1, %s1 = T.Norm(%x, %w, %w) {training=true} @"bn1" : f32[4,2], f32[2]
    %y1 = T.Relu(%h1) @"relu1" : f32[4,2]
    %h2, %s2 = T.Norm(%y1, %w, %w) {training=true} @"bn2" : f32[4,2], f32[2]
    %y2 = T.Relu(%h2) @"relu2" : f32[4,2]
    %dh2 = T.ReluGrad(%dy, %y2) @"relu2/grad" : f32[4,2]
    %dy1 = T.NormGrad(%y1, %dh2, %s2) @"bn2/grad" : f32[4,2]
    %dh1 = T.ReluGrad(%dy1, %y1) @"relu1/grad" : f32[4,2]
    %dx = T.NormGrad(%x, %dh1, %s1) @"bn1/grad" : f32[4,2]
    entry "e" training (x=%x, dy=%dy) -> (y=%y2, dx=%dx))"),
                            TestOptions());
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_EQ(graph->nodes.size(), 4);
  for (const Node& node : graph->nodes) EXPECT_TRUE(node.attrs.Bool("fuse_relu")) << node.name;
}

}  // namespace
}  // namespace athanor
