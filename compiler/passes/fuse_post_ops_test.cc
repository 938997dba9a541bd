#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr char kInputs[] = R"(
  %x : input f32[4,2]
  %r : input f32[4,3]
  %w : parameter f32[3,2] = zeros
  %b : parameter f32[3] = zeros
)";
constexpr char kEntry[] = "\nentry \"e\" (x=%x, r=%r) -> (y=%y, b=%b)";

void ExpectFused(const std::string& before, const std::string& after) {
  ExpectPass(FusePostOps, kInputs + before + kEntry, kInputs + after + kEntry);
}
void ExpectNotFused(const std::string& lines) { ExpectUnchanged(FusePostOps, kInputs + lines + kEntry); }

TEST(FusePostOpsTest, AChainOfElementwiseOperatorsIsTakenIn) {
  ExpectFused(R"(
    %h = T.Linear(%x, %w, %b) @"fc" : f32[4,3]
    %i = T.Add(%h, %r) @"add" : f32[4,3]
    %j = T.Relu(%i) @"relu" : f32[4,3]
    %y = T.Neg(%j) @"neg" : f32[4,3])",
              R"(
    %y = T.Linear(%x, %w, %b) post_ops [T.Add(%r), T.Relu, T.Neg] @"fc" : f32[4,3])");
}

TEST(FusePostOpsTest, AnAbsentBiasDoesNotBecomeAnOperand) {
  ExpectFused(R"(
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %y = T.Sub(%h, %r) @"sub" : f32[4,3])",
              R"(
    %y = T.Linear(%x, %w) post_ops [T.Sub(%r)] @"fc" : f32[4,3])");
}

TEST(FusePostOpsTest, AnAddedVectorIsTheBias) {
  ExpectFused(R"(
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %i = T.Add(%h, %b) @"bias" : f32[4,3]
    %y = T.Relu(%i) @"relu" : f32[4,3])",
              R"(
    %y = T.Linear(%x, %w, %b) post_ops [T.Relu] @"fc" : f32[4,3])");
}

TEST(FusePostOpsTest, ASecondVectorIsAnOperand) {
  ExpectFused(R"(
    %h = T.Linear(%x, %w, %b) @"fc" : f32[4,3]
    %y = T.Add(%h, %b) @"bias" : f32[4,3])",
              R"(
    %y = T.Linear(%x, %w, %b) post_ops [T.Add(%b)] @"fc" : f32[4,3])");
}

TEST(FusePostOpsTest, EitherSideOfACommutativeOperator) {
  ExpectFused(R"(
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %y = T.Add(%r, %h) @"add" : f32[4,3])",
              R"(
    %y = T.Linear(%x, %w) post_ops [T.Add(%r)] @"fc" : f32[4,3])");
  ExpectNotFused(R"(
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %y = T.Sub(%r, %h) @"sub" : f32[4,3])");
}

TEST(FusePostOpsTest, OfTwoProducersTheLaterTakesTheSum) {
  ExpectFused(R"(
    %h = T.Linear(%x, %w) @"fc1" : f32[4,3]
    %i = T.Linear(%x, %w) @"fc2" : f32[4,3]
    %j = T.Add(%h, %i) @"add" : f32[4,3]
    %y = T.Relu(%j) @"relu" : f32[4,3])",
              R"(
    %h = T.Linear(%x, %w) @"fc1" : f32[4,3]
    %y = T.Linear(%x, %w) post_ops [T.Add(%h), T.Relu] @"fc2" : f32[4,3])");
}

TEST(FusePostOpsTest, ANodeWaitsForAnOperandThatIsComputedLater) {
  ExpectFused(R"(
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %s = T.Square(%r) @"square" : f32[4,3]
    %y = T.Sub(%h, %s) @"sub" : f32[4,3])",
              R"(
    %s = T.Square(%r) @"square" : f32[4,3]
    %y = T.Linear(%x, %w) post_ops [T.Sub(%s)] @"fc" : f32[4,3])");
}

TEST(FusePostOpsTest, ANodeWithOtherOutputsDoesNotMove) {
  ExpectNotFused(R"(
    %h, %extra = T.Linear(%x, %w) @"fc" : f32[4,3], f32[]
    %n = T.Neg(%extra) @"neg" : f32[]
    %s = T.Fill(%n, %r) @"fill" : f32[4,3]
    %y = T.Sub(%h, %s) @"sub" : f32[4,3])");
  ExpectNotFused(R"(
    %h, %extra = T.Linear(%x, %w) @"fc" : f32[4,3], f32[]
    %y = T.Sub(%h, %extra) @"sub" : f32[4,3])");
}

TEST(FusePostOpsTest, NotWhenTheResultBetweenIsReadElsewhere) {
  ExpectNotFused(R"(
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %i = T.Relu(%h) @"relu" : f32[4,3]
    %y = T.Mul(%i, %h) @"mul" : f32[4,3])");
  ExpectNotFused(R"(
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %y = T.Add(%h, %h) @"add" : f32[4,3])");
  ExpectUnchanged(FusePostOps, std::string(kInputs) + R"(
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %y = T.Relu(%h) @"relu" : f32[4,3]
    entry "e" (x=%x, r=%r) -> (y=%y, h=%h))");
}

TEST(FusePostOpsTest, NotWhenTheOperatorDoesNotTakeIt) {
  ExpectNotFused("%h = T.Square(%r) @\"square\" : f32[4,3] \n %y = T.Relu(%h) @\"relu\" : f32[4,3]");
  ExpectNotFused("%h = T.Linear(%x, %w) @\"fc\" : f32[4,3] \n %y = T.Square(%h) @\"square\" : f32[4,3]");
  // T.Add takes unary post-ops only; the node named "proud" none.
  ExpectNotFused("%h = T.Add(%r, %r) @\"add\" : f32[4,3] \n %y = T.Sub(%h, %r) @\"sub\" : f32[4,3]");
  ExpectNotFused("%h = T.Linear(%x, %w) @\"proud\" : f32[4,3] \n %y = T.Relu(%h) @\"relu\" : f32[4,3]");
}

TEST(FusePostOpsTest, TheOperandIsLikeTheResultOrOneAChannelOrOne) {
  auto lines = [](const std::string& operand, const std::string& type, const std::string& result) {
    return "%x : input f32[2,2] \n %w : parameter f32[3,2] = zeros \n %o : input " + operand +
           "\n %h = T.Linear(%x, %w) @\"fc\" : f32[2,3] \n %y = T.Sub(%h, %o) @\"sub\" : " + type +
           "\n entry \"e\" (x=%x, o=%o) -> (y=%y)" + result;
  };
  auto fused = [&](const std::string& operand) {
    auto graph = FusePostOps(GraphOf(lines(operand, "f32[2,3]", "")), TestOptions());
    EXPECT_TRUE(graph.ok()) << graph.status();
    return graph->nodes.size() == 1;
  };
  EXPECT_TRUE(fused("f32[2,3]"));
  EXPECT_TRUE(fused("f32[1,3]"));
  EXPECT_TRUE(fused("f32[3]"));
  EXPECT_TRUE(fused("f32[1,1]"));
  EXPECT_TRUE(fused("f32[]"));
  EXPECT_FALSE(fused("f32[2,1]"));
  ExpectUnchanged(FusePostOps, lines("f32[4,2,3]", "f32[4,2,3]", ""));  // the result would grow
}

TEST(FusePostOpsTest, ThereIsALimitToPostOps) {
  std::string chain = "%h0 = T.Linear(%x, %w) @\"fc\" : f32[4,3]\n";
  for (int i = 1; i <= 20; ++i) {
    std::string name = i == 20 ? "y" : "h" + std::to_string(i);
    chain += "%" + name + " = T.Neg(%h" + std::to_string(i - 1) + ") @\"neg" + std::to_string(i) + "\" : f32[4,3]\n";
  }
  auto graph = FusePostOps(GraphOf(kInputs + chain + kEntry), TestOptions());
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->nodes.size(), 1 + 4);
  EXPECT_EQ(graph->nodes[0].post_ops.size(), 16);
}

}  // namespace
}  // namespace athanor
