#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

CompileOptions Gradients() {
  CompileOptions options = TestOptions();
  options.gradients_as_outputs = true;
  return options;
}

std::string ErrorOfLines(const std::string& lines, const CompileOptions& options = Gradients()) {
  return ErrorOf(Differentiate, lines, options);
}

TEST(DifferentiateTest, AddsTheBackwardOperatorsInReverse) {
  ExpectPass(Differentiate, R"(
    %x : input f32[4,3]
    %w : parameter f32[2,3] = zeros
    %h = T.Linear(%x, %w) @"fc" : f32[4,2]
    %y = T.Relu(%h) @"relu" : f32[4,2]
    %loss = T.Sum(%y) @"sum" : f32[]
    entry "e" training (x=%x) -> (loss=%loss) loss %loss)",
             R"(
    %x : input f32[4,3]
    %w : parameter f32[2,3] = zeros
    %"grad:loss" : constant f32[] = [1]
    %h = T.Linear(%x, %w) @"fc" : f32[4,2]
    %y = T.Relu(%h) @"relu" : f32[4,2]
    %loss = T.Sum(%y) @"sum" : f32[]
    %sum/grad.T.Fill = T.Fill(%"grad:loss", %y) @"sum/grad.T.Fill" : f32[4,2]
    %relu/grad.T.ReluGrad = T.ReluGrad(%sum/grad.T.Fill, %y) @"relu/grad.T.ReluGrad" : f32[4,2]
    %fc/grad.T.Times = T.Times(%relu/grad.T.ReluGrad, %x) {ta=true} @"fc/grad.T.Times" : f32[2,3]
    entry "e" training (x=%x) -> (loss=%loss, "grad:w"=%fc/grad.T.Times) loss %loss)",
             Gradients(),
             /*idempotent=*/false);
}

TEST(DifferentiateTest, NothingIsDoneForEntriesThatAreNotTrained) {
  const char* lines = R"(
    %w : parameter f32[2] = zeros
    %loss = T.Sum(%w) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)";
  ExpectUnchanged(Differentiate, lines);
  CompileOptions options = TestOptions();
  options.optimizer = OptimizerSpec{"T.Sgd", {}};
  ExpectUnchanged(Differentiate, lines, options);
}

TEST(DifferentiateTest, GradientsOfAValueThatIsReadTwiceAreAddedUp) {
  ExpectPass(Differentiate, R"(
    %w : parameter f32[2] = zeros
    %s = T.Mul(%w, %w) @"mul" : f32[2]
    %loss = T.Sum(%s) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)",
             R"(
    %w : parameter f32[2] = zeros
    %"grad:loss" : constant f32[] = [1]
    %s = T.Mul(%w, %w) @"mul" : f32[2]
    %loss = T.Sum(%s) @"sum" : f32[]
    %sum/grad.T.Fill = T.Fill(%"grad:loss", %s) @"sum/grad.T.Fill" : f32[2]
    %mul/grad.T.Mul = T.Mul(%sum/grad.T.Fill, %w) @"mul/grad.T.Mul" : f32[2]
    %mul/grad.T.Mul.1 = T.Mul(%sum/grad.T.Fill, %w) @"mul/grad.T.Mul.1" : f32[2]
    %mul/grad.T.Add = T.Add(%mul/grad.T.Mul, %mul/grad.T.Mul.1) @"mul/grad.T.Add" : f32[2]
    entry "e" () -> (loss=%loss, "grad:w"=%mul/grad.T.Add) loss %loss)",
             Gradients(), /*idempotent=*/false);
}

TEST(DifferentiateTest, OutputsThatTheGradientReadsAreAdded) {
  ExpectPass(Differentiate, R"(
    %w : parameter f32[4,2] = zeros
    %one : constant f32[2] = [1,1]
    %y = T.Norm(%w, %one, %one) {training=true} @"bn" : f32[4,2]
    %loss = T.Sum(%y) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)",
             R"(
    %w : parameter f32[4,2] = zeros
    %one : constant f32[2] = [1,1]
    %"grad:loss" : constant f32[] = [1]
    %y, %bn.stats = T.Norm(%w, %one, %one) {fuse_relu=false, training=true} @"bn" : f32[4,2], f32[2]
    %loss = T.Sum(%y) @"sum" : f32[]
    %sum/grad.T.Fill = T.Fill(%"grad:loss", %y) @"sum/grad.T.Fill" : f32[4,2]
    %bn/grad.T.NormGrad.dx, %bn/grad.T.NormGrad.dscale, %bn/grad.T.NormGrad.dshift =
        T.NormGrad(%w, %sum/grad.T.Fill, %bn.stats) {fuse_relu=false} @"bn/grad.T.NormGrad" : f32[4,2], f32[2], f32[2]
    entry "e" () -> (loss=%loss, "grad:w"=%bn/grad.T.NormGrad.dx) loss %loss)",
             Gradients(), /*idempotent=*/false);
}

TEST(DifferentiateTest, OnlyWhatLiesBetweenAParameterAndTheLossNeedsAGradient) {
  // T.Square has none: before the parameter, and beside the loss, that does not matter.
  auto graph = Differentiate(GraphOf(R"(
    %x : input f32[2]
    %w : parameter f32[2] = zeros
    %a = T.Square(%x) @"a" : f32[2]
    %b = T.Mul(%a, %w) @"b" : f32[2]
    %c = T.Square(%b) @"c" : f32[2]
    %loss = T.Sum(%b) @"sum" : f32[]
    entry "e" (x=%x) -> (loss=%loss, c=%c) loss %loss)"),
                             Gradients());
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->nodes.size(), 4 + 2);  // one T.Fill, one T.Mul: nothing towards x
  EXPECT_EQ(graph->entries[0].outputs.back().name, "grad:w");
}

TEST(DifferentiateTest, AParameterThatTheLossDoesNotReadHasNoGradient) {
  auto graph = Differentiate(GraphOf(R"(
    %w : parameter f32[2] = zeros
    %other : parameter f32[2] = zeros
    %loss = T.Sum(%w) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)"),
                             Gradients());
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_EQ(graph->entries[0].outputs.size(), 2);
  EXPECT_EQ(graph->entries[0].outputs[1].name, "grad:w");
}

TEST(DifferentiateTest, FrozenParametersAreLeftOut) {
  const char* lines = R"(
    %body.1.w : parameter f32[2] = zeros
    %body.2.w : parameter f32[2] = zeros
    %head.w : parameter f32[2] = zeros
    %a = T.Mul(%body.1.w, %body.2.w) @"a" : f32[2]
    %b = T.Mul(%a, %head.w) @"b" : f32[2]
    %loss = T.Sum(%b) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)";
  auto outputs = [&](std::vector<std::string> frozen) {
    CompileOptions options = Gradients();
    options.frozen = std::move(frozen);
    auto graph = Differentiate(GraphOf(lines), options);
    EXPECT_TRUE(graph.ok()) << graph.status();
    std::string names;
    for (const NamedValue& output : graph->entries[0].outputs) absl::StrAppend(&names, output.name, " ");
    return names;
  };
  EXPECT_EQ(outputs({}), "loss grad:body.1.w grad:body.2.w grad:head.w ");
  EXPECT_EQ(outputs({"body.*"}), "loss grad:head.w ");
  EXPECT_EQ(outputs({"body.?.w"}), "loss grad:head.w ");
  EXPECT_EQ(outputs({"*.2.*", "head.w"}), "loss grad:body.1.w ");
  EXPECT_EQ(outputs({"*y.1*"}), "loss grad:body.2.w grad:head.w ");

  CompileOptions options = Gradients();
  options.frozen = {"*"};
  EXPECT_EQ(ErrorOfLines(lines, options), "GRAPH: entry \"e\": no trained parameter has a path to the loss loss");
  options.frozen = {"head.*", "haed.*"};
  EXPECT_EQ(ErrorOfLines(lines, options),
            "REQ: entry \"e\": \"haed.*\" is to be frozen, but no parameter has such a name");
}

TEST(DifferentiateTest, TheLossMustBeAScalarBehindAParameter) {
  EXPECT_EQ(ErrorOfLines("%w : parameter f32[2] = zeros \n entry \"e\" () -> (y=%w) loss %w"),
            "GRAPH: entry \"e\": the loss w is f32[2], expected a scalar");
  EXPECT_EQ(ErrorOfLines("%n : constant s32[] = [1] \n entry \"e\" () -> (y=%n) loss %n"),
            "DTYPE: entry \"e\": the loss n is s32[], expected a floating-point type");
  EXPECT_EQ(ErrorOfLines("%x : input f32[2] \n %y = T.Sum(%x) @\"s\" : f32[] \n entry \"e\" (x=%x) -> (y=%y) loss %y"),
            "GRAPH: entry \"e\": no trained parameter has a path to the loss y");
  CompileOptions options = TestOptions();
  options.optimizer = OptimizerSpec{"T.Sgd", {}};
  EXPECT_EQ(ErrorOfLines("%x : input f32[2] \n entry \"e\" training (x=%x) -> (x=%x)", options),
            "GRAPH: entry \"e\" is to be trained, but has no loss");
}

TEST(DifferentiateTest, AnOperatorWithoutGradientOnTheWayIsNamed) {
  EXPECT_EQ(ErrorOfLines(R"(
    %w : parameter f32[2] = zeros
    %a = T.Square(%w) @"square" : f32[2] ; net.cc:3
    %loss = T.Sum(%a) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)"),
            "GRAPH: net.cc:3: node \"square\" (T.Square): lies between a trained parameter and the loss loss, but has "
            "no gradient");
  EXPECT_THAT(ErrorOfLines(R"(
    %w : parameter f32[2,2] = zeros
    %a = T.Linear(%w, %w) post_ops [T.Relu] @"fc" : f32[2,2]
    %loss = T.Sum(%a) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)"),
              ::testing::HasSubstr("node \"fc\" (T.Linear): lies between a trained parameter and the loss loss, but is "
                                   "fused"));
}

TEST(DifferentiateTest, IntegersOnTheWayAreAnError) {
  EXPECT_EQ(ErrorOfLines(R"(
    %w : parameter f32[2] = zeros
    %a = T.Round(%w) @"round" : s32[2]
    %b = T.ToFloat(%a) @"back" : f32[2]
    %loss = T.Sum(%b) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)"),
            "DTYPE: node \"back\" (T.ToFloat): the gradient of its input a is needed, but that is s32[2]");
}

TEST(DifferentiateTest, AGradientThatAnOperatorForgetsIsFound) {
  EXPECT_EQ(ErrorOfLines(R"(
    %w : parameter f32[2] = zeros
    %a = T.Forgetful(%w) @"oops" : f32[2]
    %loss = T.Sum(%a) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)"),
            "GRAPH: node \"oops\" (T.Forgetful): its gradient of w f32[2] is missing, a bug of the operator");
}

TEST(DifferentiateTest, AnOutputOfTheSameNameIsAnError) {
  EXPECT_EQ(ErrorOfLines(R"(
    %w : parameter f32[2] = zeros
    %loss = T.Sum(%w) @"sum" : f32[]
    entry "e" () -> ("grad:w"=%w, loss=%loss) loss %loss)"),
            "GRAPH: entry \"e\" already has an output \"grad:w\"");
}

// loss = sum(relu(relu(x u') v' + x)), x with a second path around the layers.
TEST(DifferentiateTest, GradientsAreThoseOfFiniteDifferences) {
  auto graph = Differentiate(GraphOf(R"(
    %x : parameter f32[2,2] = [0.3,-0.2,0.5,0.9]
    %u : parameter f32[3,2] = [0.1,0.7,-0.4,0.2,0.6,0.5]
    %v : parameter f32[2,3] = [0.2,-0.3,0.8,0.4,0.1,-0.6]
    %a = T.Linear(%x, %u) @"a" : f32[2,3]
    %b = T.Relu(%a) @"b" : f32[2,3]
    %c = T.Linear(%b, %v) @"c" : f32[2,2]
    %d = T.Add(%c, %x) @"d" : f32[2,2]
    %f = T.Mul(%d, %d) @"f" : f32[2,2]
    %loss = T.Sum(%f) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)"),
                             Gradients());
  ASSERT_TRUE(graph.ok()) << graph.status();
  auto interpreter = Interpreter::Create(*graph, "e");
  ASSERT_TRUE(interpreter.ok()) << interpreter.status();
  auto run = [&] { return interpreter->Run(Interpreter::Tensors()).value(); };
  const Interpreter::Tensors exact = run();
  const Interpreter::Tensors parameters = interpreter->variables();
  ASSERT_EQ(parameters.size(), 3);
  const double h = 1e-6;
  for (const auto& [name, value] : parameters) {
    for (int64_t i = 0; i < value.size(); ++i) {
      double loss[2];
      for (int side : {0, 1}) {
        DoubleTensor moved = value;
        moved[i] += side == 0 ? -h : h;
        ASSERT_TRUE(interpreter->SetVariable(name, moved).ok());
        loss[side] = run().at("loss")[0];
      }
      ASSERT_TRUE(interpreter->SetVariable(name, value).ok());
      EXPECT_NEAR(exact.at("grad:" + name)[i], (loss[1] - loss[0]) / (2 * h), 1e-8) << name << " " << i;
    }
  }
}

}  // namespace
}  // namespace athanor
