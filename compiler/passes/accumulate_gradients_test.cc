#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr char kGradients[] = R"(
  %x : input f32[2]
  %w : parameter f32[2] = [1,2]
  %v : parameter f32[3] = zeros
  %g : constant f32[3] = [1,1,1]
  %loss = T.Sum(%x) @"sum" : f32[]
  %dw = T.Neg(%x) @"dw" : f32[2]
  entry "e" training (x=%x) -> (loss=%loss, "grad:w"=%dw, "grad:v"=%g) loss %loss)";

CompileOptions Parts(GradientUse use) {
  CompileOptions options = TestOptions();
  options.optimizer = OptimizerSpec{"T.Sgd", {}};
  options.accumulate_gradients = true;
  options.entries[0].gradients = use;
  return options;
}

TEST(AccumulateGradientsTest, APartAddsItsGradientsToTheSums) {
  const std::string sums = R"(
    %x : input f32[2]
    %w : parameter f32[2] = [1,2]
    %v : parameter f32[3] = zeros
    %g : constant f32[3] = [1,1,1]
    %batch_share : input f32[]
    %w/accumulated : state f32[2] = zeros
    %v/accumulated : state f32[3] = zeros
    %loss = T.Sum(%x) @"sum" : f32[]
    %dw = T.Neg(%x) @"dw" : f32[2]
    %w/accumulated.next = T.Accumulate(%w/accumulated, %dw, %batch_share, %w) @"w/accumulate" : f32[2]
    %v/accumulated.next = T.Accumulate(%v/accumulated, %g, %batch_share, %v) @"v/accumulate" : f32[3]
    entry "e" training (x=%x, batch_share=%batch_share) -> (loss=%loss) loss %loss
      update (%w/accumulated <- %w/accumulated.next, %v/accumulated <- %v/accumulated.next))";
  const CompileOptions options = Parts(GradientUse::kAccumulate);
  ExpectPass(AccumulateGradients, kGradients, sums, options);
  ExpectUnchanged(ApplyOptimizer, sums, options);
}

TEST(AccumulateGradientsTest, TheLastPartMakesTheSumsItsGradients) {
  ExpectPass(AccumulateGradients, kGradients, R"(
    %x : input f32[2]
    %w : parameter f32[2] = [1,2]
    %v : parameter f32[3] = zeros
    %g : constant f32[3] = [1,1,1]
    %batch_share : input f32[]
    %w/accumulated : state f32[2] = zeros
    %v/accumulated : state f32[3] = zeros
    %loss = T.Sum(%x) @"sum" : f32[]
    %dw = T.Neg(%x) @"dw" : f32[2]
    %w/accumulated.next, %w/accumulated.total = T.Accumulate(%w/accumulated, %dw, %batch_share, %w) @"w/accumulate" : f32[2], f32[2]
    %v/accumulated.next, %v/accumulated.total = T.Accumulate(%v/accumulated, %g, %batch_share, %v) @"v/accumulate" : f32[3], f32[3]
    entry "e" training (x=%x, batch_share=%batch_share) -> (loss=%loss, "grad:w"=%w/accumulated.total, "grad:v"=%v/accumulated.total) loss %loss
      update (%w/accumulated <- %w/accumulated.next, %v/accumulated <- %v/accumulated.next))",
             Parts(GradientUse::kUpdate), /*idempotent=*/false);
}

TEST(AccumulateGradientsTest, GradientsOfAPartStayOutputsWhenAskedFor) {
  CompileOptions options = Parts(GradientUse::kAccumulate);
  options.gradients_as_outputs = true;
  auto graph = AccumulateGradients(GraphOf(kGradients), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->entries[0].outputs.size(), 3u);
  EXPECT_EQ(graph->entries[0].updates.size(), 2u);
}

TEST(AccumulateGradientsTest, WholeBatchesHaveNoSums) {
  CompileOptions options = Parts(GradientUse::kUpdate);
  options.accumulate_gradients = false;
  ExpectUnchanged(AccumulateGradients, kGradients, options);
  options = Parts(GradientUse::kUpdate);
  options.optimizer.reset();
  ExpectUnchanged(AccumulateGradients, kGradients, options);
}

TEST(AccumulateGradientsTest, ErrorsNameWhatIsWrong) {
  EXPECT_EQ(ErrorOf(AccumulateGradients, R"(
    %batch_share : input f32[1]
    %w : parameter f32[2] = zeros
    entry "e" training (batch_share=%batch_share) -> ("grad:w"=%w))",
                    Parts(GradientUse::kUpdate)),
            "GRAPH: entry \"e\": input \"batch_share\" is f32[1], but its update wants f32[]");
  EXPECT_EQ(ErrorOf(AccumulateGradients, R"(
    %w : parameter f32[2] = zeros
    %w/accumulated : state f32[2] = zeros
    entry "e" training () -> ("grad:w"=%w))",
                    Parts(GradientUse::kUpdate)),
            "GRAPH: entry \"e\": the state \"w/accumulated\" of its updates has a name that is taken");
}

}  // namespace
}  // namespace athanor
