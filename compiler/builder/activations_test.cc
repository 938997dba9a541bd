#include "compiler/builder/activations.h"

#include <algorithm>

#include "compiler/graph/initializers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

// "weight f32[3] -> slope f32[3,1,1]".
std::string SlopeOf(std::vector<Dim> x, int64_t num_parameters) {
  GraphBuilder b("net");
  Var in = b.Input("x", DType::kF32, std::move(x));
  Var y = PRelu(b, in, {.num_parameters = num_parameters});
  EXPECT_EQ(b.TypeOf(y).ToString(), b.TypeOf(in).ToString());
  b.Entry("infer", {.inputs = {in}, .outputs = {{"y", y}}});
  auto graph = b.Build();
  if (!graph.ok()) return std::string(graph.status().message());
  const Node& node = graph->nodes.back();
  EXPECT_EQ(node.op, "PReLU");
  EXPECT_EQ(node.name, "prelu.y");
  const ValueId weight = graph->FindValue("prelu.weight");
  return graph->type(weight).ToString() + " -> " + graph->type(node.inputs[1]).ToString();
}

TEST(PRelu, ItsWeightIsNamedAndShapedAsInPyTorch) {
  EXPECT_EQ(SlopeOf({"N", 3, 5, 5}, 1), "f32[1] -> f32[1]");
  EXPECT_EQ(SlopeOf({"N", 3, 5, 5}, 3), "f32[3] -> f32[3,1,1]");
  EXPECT_EQ(SlopeOf({"N", 3, 7}, 3), "f32[3] -> f32[3,1]");
  EXPECT_EQ(SlopeOf({"N", 3}, 3), "f32[3] -> f32[3]");
  EXPECT_EQ(SlopeOf({"N"}, 1), "f32[1] -> f32[1]");
}

TEST(PRelu, StartsAsInPyTorch) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", 3, 5, 5});
  Var y = PRelu(b, x, {.num_parameters = 3, .name = "first"});
  y = PRelu(b, y, {.init = 0.1, .name = "second"});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", y}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_TRUE(InitializeVariables(&*graph, 1).ok());
  auto starts_at = [&](const char* name, float value) {
    auto data = graph->value(graph->FindValue(name)).data->as<float>();
    return std::all_of(data.begin(), data.end(), [&](float v) { return v == value; });
  };
  EXPECT_TRUE(starts_at("first.weight", 0.25f));
  EXPECT_TRUE(starts_at("second.weight", 0.1f));
}

TEST(PRelu, RefusesWhatDoesNotFit) {
  auto error = [](std::vector<Dim> x, int64_t num_parameters, const std::string& name = "") {
    GraphBuilder b("net");
    Var v = b.Input("x", DType::kF32, std::move(x));
    v = PRelu(b, v, {.num_parameters = num_parameters, .name = name});
    return std::string(b.status().message());
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(error({"N", 3, 5, 5}, 4), HasSubstr("node \"prelu\" (PReLU): num_parameters = 4 is neither 1 nor"));
  for (int64_t count : {2, 0, -1}) EXPECT_THAT(error({"N", 3}, count), HasSubstr("dimension 1 of f32[N,3]"));
  EXPECT_THAT(error({3}, 3), HasSubstr("dimension 1 of f32[3]"));
  EXPECT_THAT(error({"N", "C"}, 3), HasSubstr("dimension 1 of f32[N,C]"));
  EXPECT_THAT(error({"N", 3}, 3, "x"), HasSubstr("the name \"x\" is taken"));
}

}  // namespace
}  // namespace athanor
