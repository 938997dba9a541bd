#include "compiler/passes/testing/pass_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

TEST(InferShapesTest, FillsInTypesAndDefaults) {
  Graph graph = GraphOf(R"(
    %x : input f32[4,3]
    %w : parameter f32[5,3] = zeros
    %h = T.Linear(%x, %w) @"fc"
    %y = T.Forgetful(%h) @"scale"
    entry "e" (x=%x) -> (y=%y))");
  auto typed = InferShapes(graph, TestOptions());
  ASSERT_TRUE(typed.ok()) << typed.status();
  EXPECT_EQ(typed->type(typed->FindValue("h")).ToString(), "f32[4,5]");
  EXPECT_EQ(typed->type(typed->FindValue("y")).ToString(), "f32[4,5]");
  EXPECT_EQ(typed->nodes[1].attrs.Float("by"), 2.0);
}

TEST(InferShapesTest, TypesThatAreRightStay) {
  ExpectUnchanged(InferShapes, R"(
    %x : input f32[N,3]
    %y, %z = T.Pair(%x) @"pair" : f32[N,3], f32[N,3]
    %u, _ = T.Pair(%y) @"half" : f32[N,3], _
    entry "e" (x=%x) -> (u=%u))");
}

TEST(InferShapesTest, ARecordedTypeThatDiffersIsAnErrorNamingBoth) {
  EXPECT_EQ(ErrorOf(InferShapes, R"(
    %x : input f32[4,3]
    %y = T.Relu(%x) @"relu" : f32[4,2] ; net.cc:7
    entry "e" (x=%x) -> (y=%y))"),
            "SHAPE: net.cc:7: node \"relu\" (T.Relu): output \"y\" (y) is recorded as f32[4,2], but its inputs make it "
            "f32[4,3]");
  EXPECT_EQ(ErrorOf(InferShapes, R"(
    %x : input f32[4]
    %y = T.Round(%x) @"round" : f32[4]
    entry "e" (x=%x) -> (y=%y))"),
            "DTYPE: node \"round\" (T.Round): output \"y\" (y) is recorded as f32[4], but its inputs make it s32[4]");
}

TEST(InferShapesTest, ErrorsOfTheOperatorsNameTheNode) {
  EXPECT_EQ(ErrorOf(InferShapes, R"(
    %x : input f32[4,3]
    %w : parameter f32[5,2] = zeros
    %y = T.Linear(%x, %w) @"fc1"
    entry "e" (x=%x) -> (y=%y))"),
            "SHAPE: node \"fc1\" (T.Linear): x f32[4,3] and w f32[5,2] differ in their second dimension");
  EXPECT_THAT(ErrorOf(InferShapes, R"(
    %x : input f32[4]
    %y = T.Forgetful(%x) {by=11.0} @"scale"
    entry "e" (x=%x) -> (y=%y))"),
              HasSubstr("ATTR: node \"scale\" (T.Forgetful): attribute \"by\" = 11"));
  EXPECT_THAT(ErrorOf(InferShapes, R"(
    %x : input f32[4]
    %y = NoSuchThing(%x) @"n"
    entry "e" (x=%x) -> (y=%y))"),
              HasSubstr("VERSION: node \"n\" (NoSuchThing)"));
}

TEST(InferShapesTest, AGraphThatIsNotWellFormedIsRefusedFirst) {
  EXPECT_THAT(ErrorOf(InferShapes, R"(
    %x : input f32[4]
    %ghost : value f32[4]
    %y = T.Relu(%ghost) @"n"
    entry "e" (x=%x) -> (y=%y))"),
              HasSubstr("GRAPH: "));
}

}  // namespace
}  // namespace athanor
