#include "compiler/opdef/op_def.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpDef NoiseDef() {
  OpDef def;
  def.name = "T.Noise";
  def.inputs = {{"x", ""}, {"other", "", true}, {"seed", "", true}, {"step", "", true}};
  def.outputs = {{"y", ""}};
  def.attributes = {{.name = "stream", .type = AttrType::kInt, .default_value = int64_t{-1}, .min = 0}};
  def.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext&) { return absl::OkStatus(); };
  def.traits.rng_inputs = {"seed", "step"};
  def.traits.rng_stream_attr = "stream";
  return def;
}
ATH_REGISTER_OP(NoiseDef());

TEST(AddRngInputsTest, EveryDrawSharesSeedAndStepAndHasAStreamOfItsOwn) {
  ExpectPass(AddRngInputs, R"(
    %x : input f32[2]
    %a = T.Noise(%x) @"a" : f32[2]
    %b = T.Noise(%a, %x) {stream=-1} @"b" : f32[2]
    %y = T.Neg(%b) @"y" : f32[2]
    entry "e" training (x=%x) -> (y=%y))",
             R"(
    %x : input f32[2]
    %seed : input s64[]
    %step : input s64[]
    %a = T.Noise(%x, _, %seed, %step) {stream=0} @"a" : f32[2]
    %b = T.Noise(%a, %x, %seed, %step) {stream=1} @"b" : f32[2]
    %y = T.Neg(%b) @"y" : f32[2]
    entry "e" training (x=%x, seed=%seed, step=%step) -> (y=%y))");
}

TEST(AddRngInputsTest, WhatIsGivenStays) {
  ExpectPass(AddRngInputs, R"(
    %x : input f32[2]
    %step : input s64[]
    %seed : input f32[2]
    %a = T.Noise(%x, _, %step) @"a" : f32[2]
    %b = T.Noise(%a) {stream=0} @"b" : f32[2]
    %c = T.Noise(%b) @"c" : f32[2]
    entry "e" training (x=%x, step=%step, s=%seed) -> (y=%c))",
             R"(
    %x : input f32[2]
    %step : input s64[]
    %seed : input f32[2]
    %seed.1 : input s64[]
    %a = T.Noise(%x, _, %step, %step) {stream=1} @"a" : f32[2]
    %b = T.Noise(%a, _, %seed.1, %step) {stream=0} @"b" : f32[2]
    %c = T.Noise(%b, _, %seed.1, %step) {stream=2} @"c" : f32[2]
    entry "e" training (x=%x, step=%step, s=%seed, seed=%seed.1) -> (y=%c))");
}

TEST(AddRngInputsTest, NothingIsDrawnOutsideOfTraining) {
  ExpectUnchanged(AddRngInputs, R"(
    %x : input f32[2]
    %a = T.Noise(%x) @"a" : f32[2]
    entry "e" (x=%x) -> (y=%a))");
}

TEST(AddRngInputsTest, AnInputOfAnotherTypeIsInTheWay) {
  EXPECT_EQ(ErrorOf(AddRngInputs, R"(
    %x : input f32[2]
    %a = T.Noise(%x) @"a" : f32[2]
    entry "e" training (seed=%x) -> (y=%a))"),
            "GRAPH: entry \"e\": input \"seed\" is f32[2], but operators that draw numbers want s64[]");
}

}  // namespace
}  // namespace athanor
