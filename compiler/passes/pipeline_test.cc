#include "compiler/passes/pipeline.h"

#include <map>

#include "compiler/graph/text.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr char kNet[] = R"(
  %x : input f32[N,2]
  %t : input f32[N,3]
  %w : parameter f32[3,2] = [1,2,3,4,5,6]
  %scale : parameter f32[3] = [1,2,3]
  %half : constant f32[] = [0.25]
  %two : constant f32[] = [2]
  %h = T.Linear(%x, %w) @"fc"
  %n = T.Norm(%h, %scale, %scale) @"bn"
  %a = T.Relu(%n) @"relu"
  %y = T.Same(%a) @"same"
  %k = T.Mul(%half, %two) @"k"
  %e = T.Add(%y, %t) @"add"
  %m = T.Mul(%e, %e) @"mul"
  %loss = T.Sum(%m) @"sum"
  %metric = T.Mul(%loss, %k) @"metric"
  entry "infer" (x=%x) -> (y=%y)
  entry "train" training (x=%x, t=%t) -> (loss=%loss, metric=%metric) loss %loss)";

CompileOptions For(const std::string& entry) {
  CompileOptions options;
  options.entries = {{entry, {{"N", 4}}}};
  return options;
}

TEST(PipelineTest, AnInferenceEntryWithConstantsIsOneFusedNode) {
  CompileOptions options = For("infer");
  options.freeze_parameters = true;
  auto graph = RunPipeline(GraphOf(kNet), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(ToText(*graph), ToText(GraphOf(R"(
    %x : input f32[4,2]
    %fc/folded.weight : constant f32[3,2] = [1,2,6,8,15,18]
    %fc/folded.bias : constant f32[3] = [1,2,3]
    %a = T.Linear(%x, %fc/folded.weight, %fc/folded.bias) post_ops [T.Relu] @"fc" : f32[4,3]
    entry "infer" (x=%x) -> (y=%a))")));
}

TEST(PipelineTest, ATrainingEntryIsDifferentiatedUpdatedAndFused) {
  CompileOptions options = For("train");
  options.gradients_as_outputs = true;
  options.optimizer = OptimizerSpec{"T.Momentum", {}};
  auto graph = RunPipeline(GraphOf(kNet), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  const Node* norm = nullptr;
  for (const Node& node : graph->nodes) {
    if (node.op == "T.Norm") norm = &node;
    EXPECT_NE(node.op, "T.Same");
  }
  ASSERT_NE(norm, nullptr);
  EXPECT_TRUE(norm->attrs.Bool("training") && norm->attrs.Bool("fuse_relu"));
  EXPECT_NE(graph->FindValue("w/t.momentum.m"), kNoValue);
  EXPECT_EQ(graph->entries[0].updates.size(), 4);  // w, scale and a slot of each
}

TEST(PipelineTest, EveryPassReportsItsTimeAndItsText) {
  CompileOptions options = For("infer");
  options.dump_after = {"all"};
  std::map<std::string, std::string> dumps;
  options.dump = [&](absl::string_view stage, absl::string_view text) {
    dumps[std::string(stage)] = std::string(text);
  };
  std::vector<PassTime> times;
  auto graph = RunPipeline(GraphOf(kNet), options, &times);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(dumps.size(), GraphPasses().size());  // so the names are unique
  ASSERT_EQ(times.size(), GraphPasses().size());
  EXPECT_EQ(times.front().pass, "select_entry");
  EXPECT_THAT(dumps["select_entry"], ::testing::HasSubstr("f32[N,2]"));
  EXPECT_THAT(dumps["fix_symbols"], ::testing::HasSubstr("f32[4,2]"));
  EXPECT_EQ(dumps["freeze_parameters"], "(unchanged)");
  EXPECT_THAT(dumps["fuse_post_ops"], ::testing::HasSubstr("post_ops [T.Relu]"));
  EXPECT_EQ(dumps["check_types"], "(unchanged)");
  auto parsed = ParseGraph(dumps["fuse_post_ops"]);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(ToText(*parsed), ToText(*graph));
}

TEST(PipelineTest, OnlyTheStagesAskedForAreDumped) {
  CompileOptions options = For("infer");
  options.dump_after = {"expand"};
  std::vector<std::string> stages;
  options.dump = [&](absl::string_view stage, absl::string_view) { stages.emplace_back(stage); };
  ASSERT_TRUE(RunPipeline(GraphOf(kNet), options).ok());
  EXPECT_THAT(stages, ::testing::ElementsAre("expand"));
}

TEST(PipelineTest, TheSecondRunOfAnInferencePipelineChangesNothing) {
  CompileOptions options = For("infer");
  auto once = RunPipeline(GraphOf(kNet), options);
  ASSERT_TRUE(once.ok()) << once.status();
  auto twice = RunPipeline(*once, options);
  ASSERT_TRUE(twice.ok()) << twice.status();
  EXPECT_EQ(ToText(*twice), ToText(*once));
}

TEST(PipelineTest, ErrorsOfPassesComeThrough) {
  CompileOptions options = For("infer");
  options.entries[0].symbols.clear();
  EXPECT_THAT(std::string(RunPipeline(GraphOf(kNet), options).status().message()),
              ::testing::StartsWith("REQ: entry \"infer\": dimension \"N\""));
}

}  // namespace
}  // namespace athanor
