#include "compiler/passes/layers.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

CompileOptions Diagnosed() {
  CompileOptions options = TestOptions();
  options.optimizer = OptimizerSpec{"T.Sgd", {}};
  options.entries[0].diagnose = true;
  return options;
}

constexpr char kStep[] = R"(
  %x : input f32[4,2]
  %lr : input f32[]
  %w : parameter f32[3,2] = zeros
  %h = T.Linear(%x, %w) @"fc" : f32[4,3]
  %y = T.Relu(%h) @"relu" : f32[4,3]
  %loss = T.Sum(%y) @"sum" : f32[]
  %dy = T.Fill(%loss, %y) @"fill" : f32[4,3]
  %dw = T.Times(%dy, %x) {ta=true} @"times" : f32[3,2]
  %w.next = T.Sgd(%w, %dw, %lr) @"sgd" : f32[3,2]
  entry "e" training (x=%x, lr=%lr) -> (loss=%loss, "activation:fc"=%y, "activation_gradient:fc"=%dy) loss %loss
    update (%w <- %w.next))";

TEST(DiagnoseTest, EveryTensorGetsItsStatisticsAsSoonAsItIsThere) {
  ExpectPass(Diagnose, kStep, R"(
    %x : input f32[4,2]
    %lr : input f32[]
    %w : parameter f32[3,2] = zeros
    %"weight:w" = T.Statistics(%w) {axis=-1,bounds=floats[]} @"weight:w/statistics" : f32[9]
    %h = T.Linear(%x, %w) @"fc" : f32[4,3]
    %y = T.Relu(%h) @"relu" : f32[4,3]
    %"activation:fc" = T.Statistics(%y) {axis=1,bounds=floats[]} @"activation:fc/statistics" : f32[9]
    %loss = T.Sum(%y) @"sum" : f32[]
    %dy = T.Fill(%loss, %y) @"fill" : f32[4,3]
    %"activation_gradient:fc" = T.Statistics(%dy) {axis=-1,bounds=floats[]} @"activation_gradient:fc/statistics" : f32[9]
    %dw = T.Times(%dy, %x) {ta=true} @"times" : f32[3,2]
    %"gradient:w" = T.Statistics(%dw) {axis=-1,bounds=floats[]} @"gradient:w/statistics" : f32[9]
    %w.next = T.Sgd(%w, %dw, %lr) @"sgd" : f32[3,2]
    %"update:w" = T.Statistics(%w.next, %w) {axis=-1,bounds=floats[]} @"update:w/statistics" : f32[9]
    entry "e" training (x=%x, lr=%lr) -> (loss=%loss, "activation:fc"=%"activation:fc",
        "activation_gradient:fc"=%"activation_gradient:fc", "weight:w"=%"weight:w", "gradient:w"=%"gradient:w",
        "update:w"=%"update:w") loss %loss
      update (%w <- %w.next))",
             Diagnosed(), /*idempotent=*/false);
  ExpectUnchanged(Diagnose, kStep);
}

TEST(DiagnoseTest, AnEntryThatUpdatesNothingIsRefused) {
  EXPECT_EQ(ErrorOf(Diagnose, R"(
    %x : input f32[2]
    entry "e" (x=%x) -> (x=%x))",
                    Diagnosed()),
            "REQ: entry \"e\" is to be diagnosed, but it updates no parameter");
}

TEST(DiagnoseTest, DifferentiateGivesTheLayersAndTheirGradients) {
  auto graph = Differentiate(GraphOf(R"(
    %x : input f32[4,2]
    %w : parameter f32[2,2] = zeros
    %v : parameter f32[2,2] = zeros
    %h = T.Linear(%x, %w) @"fc1" : f32[4,2]
    %y = T.Relu(%h) @"relu" : f32[4,2]
    %n = T.Relu(%y) @"relu2" : f32[4,2]
    %z = T.Linear(%n, %v) @"fc2" : f32[4,2]
    %s = T.Add(%z, %n) @"add" : f32[4,2]
    %loss = T.Sum(%s) @"sum" : f32[]
    entry "e" training (x=%x) -> (loss=%loss) loss %loss)"),
                             Diagnosed());
  ASSERT_TRUE(graph.ok()) << graph.status();
  std::vector<std::string> outputs;
  for (const NamedValue& output : graph->entries[0].outputs) outputs.push_back(output.name);
  EXPECT_THAT(outputs, testing::ElementsAre("loss", "grad:w", "grad:v", "activation:fc1", "activation_gradient:fc1",
                                            "activation:fc2", "activation_gradient:fc2"));
  auto value_of = [&](size_t output) { return graph->value(graph->entries[0].outputs[output].value).name; };
  EXPECT_EQ(value_of(3), "n");  // behind its activation; it has two readers
  EXPECT_EQ(value_of(5), "s");
}

TEST(LayersTest, ManyAreThinnedOutEvenly) {
  std::string lines = "%w : parameter f32[2,2] = zeros\n%x0 : input f32[4,2]\n";
  for (int i = 1; i <= 200; ++i) {
    const std::string n = std::to_string(i);
    lines += "%x" + n + " = T.Linear(%x" + std::to_string(i - 1) + ", %w) @\"fc" + n + "\" : f32[4,2]\n";
  }
  const Graph graph = GraphOf(lines + "entry \"e\" (x=%x0) -> (y=%x200)");
  auto layers = FindLayers(graph, std::vector<bool>(graph.values.size(), true));
  ASSERT_TRUE(layers.ok()) << layers.status();
  ASSERT_EQ(layers->size(), static_cast<size_t>(kMaxLayers));
  EXPECT_EQ(layers->front().name, "fc1");
  EXPECT_EQ(layers->back().name, "fc200");
}

TEST(LayersTest, UnitsAreChannelsOrTheLastDimensionOfASequence) {
  const Graph graph = GraphOf(R"(
    %a : input f32[4,2]
    %b : input f32[4,2,3]
    %c : input f32[4,2,3,3]
    %n = T.Neg(%b) @"neg" : f32[4,2,3]
    entry "e" (a=%a, b=%b, c=%c) -> (n=%n))");
  auto axis = [&](const char* name) { return UnitAxis(graph, graph.Producers(), graph.FindValue(name)); };
  EXPECT_EQ(axis("a"), 1);
  EXPECT_EQ(axis("c"), 1);
  EXPECT_EQ(axis("n"), 2);
}

}  // namespace
}  // namespace athanor
