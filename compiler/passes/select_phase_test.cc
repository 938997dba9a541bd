#include "compiler/passes/testing/pass_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

std::string Net(const std::string& training, const std::string& attrs) {
  return R"(
    %x : input f32[4,2]
    %w : parameter f32[2] = zeros
    %h = T.Norm(%x, %w, %w) )" +
         attrs + R"( @"bn" : f32[4,2]
    %y = T.Relu(%h) @"relu" : f32[4,2]
    entry "e" )" +
         training + R"( (x=%x) -> (y=%y))";
}

TEST(SelectPhaseTest, OperatorsWithAPhaseGetThatOfTheEntry) {
  ExpectPass(SelectPhase, Net("training", ""), Net("training", "{training=true}"));
  ExpectPass(SelectPhase, Net("training", "{training=false}"), Net("training", "{training=true}"));
  ExpectPass(SelectPhase, Net("", "{training=true}"), Net("", "{training=false}"));
}

TEST(SelectPhaseTest, NeedsOneEntry) {
  EXPECT_THAT(ErrorOf(SelectPhase, R"(
    %x : input f32[4]
    entry "a" (x=%x) -> (y=%x)
    entry "b" (x=%x) -> (y=%x))"),
              ::testing::StartsWith("GRAPH: graph \"g\" has 2 entries where one is expected"));
}

}  // namespace
}  // namespace athanor
