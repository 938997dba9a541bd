// apply_optimizer with an optimizer that does without a slot and a scalar.
#include "compiler/opdef/op_def.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpDef ThriftyDef() {
  OpDef def;
  def.name = "T.Thrifty";
  def.inputs = {{"param", ""}, {"grad", ""}, {"m", "", true}, {"v", ""}, {"lr", ""}, {"step", "", true}};
  def.outputs = {{"param", ""}, {"m", "", true}, {"v", "", true}};
  def.attributes = {{.name = "full", .type = AttrType::kBool, .default_value = false}};
  def.infer = [](InferContext& c) {
    for (int i : {0, 1, 2}) c.SetOutput(i, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext&) { return absl::OkStatus(); };
  def.traits.optimizer = true;
  def.traits.optimizer_slots = {"m", "v"};
  def.traits.optimizer_scalars = {"lr", "step"};
  def.optimizer_uses = [](const Attributes& attrs, absl::string_view name) {
    return attrs.Bool("full") || name == "v" || name == "lr";
  };
  return def;
}
ATH_REGISTER_OP(ThriftyDef());

constexpr char kGradient[] = R"(
  %w : parameter f32[2] = [1,2]
  %loss = T.Sum(%w) @"sum" : f32[]
  entry "e" training () -> ("grad:w"=%w) loss %loss)";

CompileOptions With(Attributes attrs) {
  CompileOptions options = TestOptions();
  options.optimizer = OptimizerSpec{"T.Thrifty", std::move(attrs)};
  return options;
}

TEST(OptionalSlotsTest, AnOptimizerDoesWithoutWhatItDoesNotUse) {
  ExpectPass(ApplyOptimizer, kGradient, R"(
    %w : parameter f32[2] = [1,2]
    %lr : input f32[]
    %w/t.thrifty.v : state f32[2] = zeros
    %loss = T.Sum(%w) @"sum" : f32[]
    %w.next, _, %w/t.thrifty.v.next = T.Thrifty(%w, %w, _, %w/t.thrifty.v, %lr) {full=false} @"w/t.thrifty" : f32[2], _, f32[2]
    entry "e" training (lr=%lr) -> () loss %loss update (%w <- %w.next, %w/t.thrifty.v <- %w/t.thrifty.v.next))",
             With({}));
}

TEST(OptionalSlotsTest, AndHasAllWhereItsAttributesAskForThem) {
  auto graph = ApplyOptimizer(GraphOf(kGradient), With({{"full", true}}));
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->entries[0].updates.size(), 3u);
  EXPECT_EQ(graph->entries[0].inputs.size(), 2u);
}

}  // namespace
}  // namespace athanor
