#include "compiler/builder/normalization.h"

#include <algorithm>

#include "compiler/graph/initializers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Variables(const Graph& graph) {
  std::vector<std::string> all;
  for (const Value& v : graph.values) {
    if (IsVariable(v.kind)) all.push_back(v.name + " " + v.type.ToString());
  }
  return all;
}

TEST(NormalizationLayers, ParametersAreNamedLaidOutAndStartedAsInPyTorch) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", 6, 4, 5});
  Var h = LayerNorm(b, x, {.axis = -2, .name = "ln"});
  h = LayerNorm(b, h, {.bias = false});
  h = LayerNorm(b, h, {.affine = false});
  h = RMSNorm(b, h, {.axis = 1, .name = "rms"});
  h = GroupNorm(b, h, {.num_groups = 3, .name = "gn"});
  h = GroupNorm(b, h, {.num_groups = 2});
  h = InstanceNorm(b, h);
  h = InstanceNorm(b, h, {.affine = true, .name = "in"});
  h = LocalResponseNorm(b, h, {.size = 3, .k = 2, .name = "lrn"});
  h = BatchNorm1d(b, b.Reshape(h, {-1, 6, 20}), {.name = "bn"});
  EXPECT_EQ(b.TypeOf(h).ToString(), "f32[N,6,20]") << b.status();
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", h}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(Variables(*graph),
              ElementsAre("ln.weight f32[4,5]", "ln.bias f32[4,5]", "layer_norm.weight f32[5]", "rms.weight f32[6,4,5]",
                          "gn.weight f32[6]", "gn.bias f32[6]", "group_norm.weight f32[6]", "group_norm.bias f32[6]",
                          "in.weight f32[6]", "in.bias f32[6]", "bn.weight f32[6]", "bn.bias f32[6]",
                          "bn.running_mean f32[6]", "bn.running_var f32[6]"));
  ASSERT_TRUE(InitializeVariables(&*graph, 1).ok());
  for (const Value& v : graph->values) {
    if (v.kind != ValueKind::kParameter) continue;
    const float want = v.name.ends_with(".weight") ? 1 : 0;
    EXPECT_TRUE(std::ranges::all_of(v.data->as<float>(), [&](float f) { return f == want; })) << v.name;
  }
}

TEST(NormalizationLayers, Errors) {
  auto expect = [](const std::vector<Dim>& dims, auto&& layer, const char* error, const std::string& text) {
    GraphBuilder b("net");
    Var x = b.Input("x", DType::kF32, dims);
    layer(b, x);
    EXPECT_EQ(ErrorClassOf(b.status()), error) << b.status();
    EXPECT_THAT(std::string(b.status().message()), HasSubstr(text));
    EXPECT_THAT(std::string(b.status().message()), HasSubstr("normalization_test.cc:"));
    EXPECT_EQ(layer(b, x).id, kNoValue);  // does nothing behind an error
  };
  using B = GraphBuilder;
  expect({"N", 6}, [](B& b, Var x) { return LayerNorm(b, x, {.axis = 2}); }, "ATTR", "axis 2 is not in [-2, 1]");
  expect({"N", 6}, [](B& b, Var x) { return LayerNorm(b, x, {.axis = 0}); }, "SHAPE", "parameters must be known");
  expect({"N", 6}, [](B& b, Var x) { return RMSNorm(b, x, {.epsilon = 0}); }, "ATTR", "\"epsilon\"");
  expect({"N", 6, 4}, [](B& b, Var x) { return GroupNorm(b, x, {.num_groups = 4}); }, "ATTR", "num_groups = 4");
  expect({"N", "C"}, [](B& b, Var x) { return GroupNorm(b, x, {.num_groups = 4}); }, "SHAPE", "must be known");
  expect({6}, [](B& b, Var x) { return GroupNorm(b, x, {.num_groups = 2}); }, "SHAPE", "of rank 1");
  expect({"N", 6}, [](B& b, Var x) { return InstanceNorm(b, x); }, "SHAPE", "of rank 2");
  expect({"N", 6}, [](B& b, Var x) { return LocalResponseNorm(b, x, {.size = 0}); }, "ATTR", "\"size\"");
  expect({"N", 6, 4, 4}, [](B& b, Var x) { return BatchNorm1d(b, x); }, "SHAPE", "of rank 4, expected rank 2 or 3");
}

}  // namespace
}  // namespace athanor
