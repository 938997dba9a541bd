#include <cmath>

#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

CompileOptions With(const std::string& op, Attributes attrs = {}) {
  CompileOptions options = TestOptions();
  options.optimizer = OptimizerSpec{op, std::move(attrs)};
  return options;
}

constexpr char kGradients[] = R"(
  %x : input f32[2]
  %w : parameter f32[2] = [1,2]
  %v : parameter f32[3] = zeros
  %g : constant f32[3] = [1,1,1]
  %loss = T.Sum(%x) @"sum" : f32[]
  %dw = T.Neg(%x) @"dw" : f32[2]
  entry "e" training (x=%x) -> (loss=%loss, "grad:w"=%dw, "grad:v"=%g) loss %loss)";

TEST(ApplyOptimizerTest, EveryGradientUpdatesItsParameterAndItsSlots) {
  ExpectPass(ApplyOptimizer, kGradients, R"(
    %x : input f32[2]
    %w : parameter f32[2] = [1,2]
    %v : parameter f32[3] = zeros
    %g : constant f32[3] = [1,1,1]
    %lr : input f32[]
    %step : input s64[]
    %w/t.momentum.m : state f32[2] = zeros
    %v/t.momentum.m : state f32[3] = zeros
    %loss = T.Sum(%x) @"sum" : f32[]
    %dw = T.Neg(%x) @"dw" : f32[2]
    %w.next, %w/t.momentum.m.next = T.Momentum(%w, %dw, %w/t.momentum.m, %lr, %step) {decay=0.9} @"w/t.momentum" : f32[2], f32[2]
    %v.next, %v/t.momentum.m.next = T.Momentum(%v, %g, %v/t.momentum.m, %lr, %step) {decay=0.9} @"v/t.momentum" : f32[3], f32[3]
    entry "e" training (x=%x, lr=%lr, step=%step) -> (loss=%loss) loss %loss
      update (%w <- %w.next, %w/t.momentum.m <- %w/t.momentum.m.next, %v <- %v.next,
              %v/t.momentum.m <- %v/t.momentum.m.next))",
             With("T.Momentum", {{"decay", 0.9}}));
}

TEST(ApplyOptimizerTest, GradientsStayOutputsWhenAskedFor) {
  CompileOptions options = With("T.Sgd");
  options.gradients_as_outputs = true;
  auto graph = ApplyOptimizer(GraphOf(kGradients), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->entries[0].outputs.size(), 3);
  EXPECT_EQ(graph->entries[0].updates.size(), 2);
}

TEST(ApplyOptimizerTest, GroupsHaveOtherAttributes) {
  CompileOptions options = With("T.Momentum", {{"decay", 0.9}});
  options.optimizer->groups = {{{"x", "v*"}, {{"decay", 0.25}}}, {{"*"}, {{"decay", 0.75}}}};
  EXPECT_EQ(ErrorOf(ApplyOptimizer, kGradients, options),
            "REQ: the optimizer has a group for \"x\", but no trained parameter has such a name");
  options.optimizer->groups[0].patterns = {"v*"};
  auto decays = [&] {
    auto graph = ApplyOptimizer(GraphOf(kGradients), options);
    EXPECT_TRUE(graph.ok()) << graph.status();
    std::vector<double> found;
    for (const Node& node : graph->nodes) {
      if (node.op == "T.Momentum") found.push_back(node.attrs.Float("decay"));
    }
    return found;
  };
  EXPECT_EQ(decays(), (std::vector<double>{0.75, 0.25}));  // w, v: the first group that names it
  options.optimizer->groups.pop_back();
  EXPECT_EQ(decays(), (std::vector<double>{0.9, 0.25}));
}

TEST(ApplyOptimizerTest, ClippingByNormScalesEveryGradient) {
  CompileOptions options = With("T.Momentum");
  options.optimizer->clip_norm = 2;
  options.optimizer->grad_norm_output = true;
  ExpectPass(ApplyOptimizer, kGradients, R"(
    %x : input f32[2]
    %w : parameter f32[2] = [1,2]
    %v : parameter f32[3] = zeros
    %g : constant f32[3] = [1,1,1]
    %lr : input f32[]
    %step : input s64[]
    %w/t.momentum.m : state f32[2] = zeros
    %v/t.momentum.m : state f32[3] = zeros
    %loss = T.Sum(%x) @"sum" : f32[]
    %dw = T.Neg(%x) @"dw" : f32[2]
    %grad_norm, %grad_scale = T.GlobalNorm(%dw, %g) {max_norm=2.0} @"gradients/norm" : f32[], f32[]
    %w.next, %w/t.momentum.m.next = T.Momentum(%w, %dw, %w/t.momentum.m, %lr, %step, %grad_scale) {decay=0.5} @"w/t.momentum" : f32[2], f32[2]
    %v.next, %v/t.momentum.m.next = T.Momentum(%v, %g, %v/t.momentum.m, %lr, %step, %grad_scale) {decay=0.5} @"v/t.momentum" : f32[3], f32[3]
    entry "e" training (x=%x, lr=%lr, step=%step) -> (loss=%loss, grad_norm=%grad_norm) loss %loss
      update (%w <- %w.next, %w/t.momentum.m <- %w/t.momentum.m.next, %v <- %v.next,
              %v/t.momentum.m <- %v/t.momentum.m.next))",
             options);
  options.optimizer->clip_norm = 0;
  auto graph = ApplyOptimizer(GraphOf(kGradients), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  for (const Node& node : graph->nodes) {
    if (node.op == "T.GlobalNorm") {
      EXPECT_EQ(node.outputs.size(), 1);
    }
    if (node.op == "T.Momentum") {
      EXPECT_EQ(node.inputs.size(), 5);
    }
  }
  for (double bad : {-1.0, std::nan(""), HUGE_VAL}) {
    options.optimizer->clip_norm = bad;
    EXPECT_THAT(ErrorOf(ApplyOptimizer, kGradients, options), testing::HasSubstr("is no finite number >= 0"));
  }
  options = With("T.Sgd");
  options.optimizer->clip_norm = 1;
  EXPECT_EQ(ErrorOf(ApplyOptimizer, kGradients, options), "REQ: the optimizer T.Sgd takes no clip_norm");
}

TEST(ApplyOptimizerTest, NothingIsDoneWithoutAnOptimizerOrInAnEntryThatDoesNotTrain) {
  ExpectUnchanged(ApplyOptimizer, kGradients);
  ExpectUnchanged(ApplyOptimizer, R"(
    %w : parameter f32[2] = zeros
    entry "e" () -> ("grad:w"=%w))",
                  With("T.Sgd"));
}

TEST(ApplyOptimizerTest, AnInputOfTheEntryIsSharedWhenItFits) {
  const std::string before = R"(
    %lr : input f32[]
    %w : parameter f32[2] = zeros
    %loss = T.Sum(%w) @"sum" : f32[]
    entry "e" training (lr=%lr) -> ("grad:w"=%w) loss %loss)";
  ExpectPass(ApplyOptimizer, before, R"(
    %lr : input f32[]
    %w : parameter f32[2] = zeros
    %loss = T.Sum(%w) @"sum" : f32[]
    %w.next = T.Sgd(%w, %w, %lr) @"w/t.sgd" : f32[2]
    entry "e" training (lr=%lr) -> () loss %loss update (%w <- %w.next))",
             With("T.Sgd"));
  EXPECT_EQ(ErrorOf(ApplyOptimizer, R"(
    %lr : input f32[2]
    %w : parameter f32[2] = zeros
    entry "e" training (lr=%lr) -> ("grad:w"=%w))",
                    With("T.Sgd")),
            "GRAPH: entry \"e\": input \"lr\" is f32[2], but the optimizer T.Sgd wants f32[]");
}

TEST(ApplyOptimizerTest, ErrorsNameWhatIsWrong) {
  EXPECT_EQ(ErrorOf(ApplyOptimizer, kGradients, With("Adagrad")),
            "REQ: there is no optimizer \"Adagrad\"; there are: T.Momentum, T.Sgd");
  EXPECT_EQ(ErrorOf(ApplyOptimizer, kGradients, With("T.Relu")),
            "REQ: there is no optimizer \"T.Relu\"; there are: T.Momentum, T.Sgd");
  EXPECT_EQ(ErrorOf(ApplyOptimizer, kGradients, With("T.Momentum", {{"decay", 1.5}})),
            "ATTR: node \"w/t.momentum\" (T.Momentum): attribute \"decay\" = 1.5 is not in [0, 1]");
  EXPECT_EQ(ErrorOf(ApplyOptimizer, R"(
    %w : parameter f32[2] = zeros
    entry "e" training () -> ("grad:w"=%w) update (%w <- %w))",
                    With("T.Sgd")),
            "GRAPH: entry \"e\" already updates the parameter w");
  EXPECT_EQ(ErrorOf(ApplyOptimizer, R"(
    %w : parameter f32[2] = zeros
    %w/t.momentum.m : parameter f32[2] = zeros
    entry "e" training () -> ("grad:w"=%w))",
                    With("T.Momentum")),
            "GRAPH: entry \"e\": the optimizer's state needs the name \"w/t.momentum.m\", which is taken");
}

TEST(ApplyOptimizerTest, ATrainedGraphTrains) {
  CompileOptions options = With("T.Momentum");
  auto graph = Differentiate(GraphOf(R"(
    %w : parameter f32[2] = [1,-3]
    %s = T.Mul(%w, %w) @"mul" : f32[2]
    %loss = T.Sum(%s) @"sum" : f32[]
    entry "e" training () -> (loss=%loss) loss %loss)"),
                             options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  graph = ApplyOptimizer(*std::move(graph), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  auto interpreter = Interpreter::Create(*graph, "e");
  ASSERT_TRUE(interpreter.ok()) << interpreter.status();
  ASSERT_TRUE(interpreter->SetVariable("w/t.momentum.m", DoubleTensor({2})).ok());
  DoubleTensor lr(Shape{}, 0.1), step(Shape{}, 1);
  // m = 0.5 m + 2 w; w = w - 0.1 m: by hand.
  const double expected[] = {1, 0.8, 0.54};
  for (double w : expected) {
    EXPECT_NEAR(interpreter->variables().at("w")[0], w, 1e-12);
    EXPECT_NEAR(interpreter->variables().at("w")[1], -3 * w, 1e-12);
    auto outputs = interpreter->Run({{"lr", lr}, {"step", step}});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_NEAR(outputs->at("loss")[0], 10 * w * w, 1e-12);
  }
}

}  // namespace
}  // namespace athanor
