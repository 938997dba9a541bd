#include <algorithm>
#include <cmath>

#include "compiler/builder/builder.h"
#include "compiler/graph/initializers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Variables(const Graph& graph) {
  std::vector<std::string> all;
  for (const Value& v : graph.values) {
    if (IsVariable(v.kind)) all.push_back(v.name + " " + v.type.ToString());
  }
  return all;
}

TEST(Layers, ParametersAreNamedAndLaidOutAsInPyTorch) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", 4, 9, 8});
  Var h = b.Conv2d(x, {.out_channels = 6, .kernel = {3, 2}, .groups = 2, .name = "conv"});
  h = b.BatchNorm(h, {.name = "bn"});
  h = b.Flatten(b.MaxPool(h, {.kernel = {7, 7}}));
  h = b.FullyConnected(h, {.units = 5, .name = "fc"});
  h = b.FullyConnected(h, {.units = 2, .bias = false});
  EXPECT_EQ(b.TypeOf(h).ToString(), "f32[N,2]") << b.status();
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", h}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(Variables(*graph),
              ElementsAre("conv.weight f32[6,2,3,2]", "conv.bias f32[6]", "bn.weight f32[6]", "bn.bias f32[6]",
                          "bn.running_mean f32[6]", "bn.running_var f32[6]", "fc.weight f32[5,6]", "fc.bias f32[5]",
                          "fully_connected.weight f32[2,5]"));
}

TEST(Layers, ParametersStartAsInPyTorch) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", 4, 9, 8});
  Var h = b.Conv2d(x, {.out_channels = 64, .kernel = {3, 2}, .groups = 2, .name = "conv"});
  h = b.Flatten(b.BatchNorm(h, {.name = "bn"}));
  h = b.FullyConnected(h, {.units = 5, .name = "fc", .weight_init = {"zeros", {}}, .bias_init = {"ones", {}}});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", h}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_TRUE(InitializeVariables(&*graph, 1).ok());
  auto range = [&](const char* name) {
    auto data = graph->value(graph->FindValue(name)).data->as<float>();
    return std::make_pair(*std::min_element(data.begin(), data.end()), *std::max_element(data.begin(), data.end()));
  };
  const float bound = 1 / std::sqrt(2.0f * 3 * 2);  // of fan_in = (4 / groups) * 3 * 2, for the bias too
  for (const char* name : {"conv.weight", "conv.bias"}) {
    EXPECT_LE(std::abs(range(name).first), bound * 1.000001f) << name;
    EXPECT_LE(std::abs(range(name).second), bound * 1.000001f) << name;
    EXPECT_LT(range(name).first, -0.8f * bound) << name;
    EXPECT_GT(range(name).second, 0.8f * bound) << name;
  }
  EXPECT_EQ(range("bn.weight"), std::make_pair(1.0f, 1.0f));
  EXPECT_EQ(range("bn.bias"), std::make_pair(0.0f, 0.0f));
  EXPECT_EQ(range("bn.running_mean"), std::make_pair(0.0f, 0.0f));
  EXPECT_EQ(range("bn.running_var"), std::make_pair(1.0f, 1.0f));
  EXPECT_EQ(range("fc.weight"), std::make_pair(0.0f, 0.0f));
  EXPECT_EQ(range("fc.bias"), std::make_pair(1.0f, 1.0f));
}

TEST(Layers, EveryLayerInfersItsType) {
  GraphBuilder b("net");
  Var image = b.Input("image", DType::kF32, {"N", 4, 8, 8}), rows = b.Input("rows", DType::kF32, {"N", 6});
  Var matrix = b.Input("matrix", DType::kF32, {6, 3}), labels = b.Input("labels", DType::kS32, {"N"});
  auto type = [&](Var v) { return b.status().ok() ? b.TypeOf(v).ToString() : b.status().ToString(); };
  EXPECT_EQ(type(b.Conv2d(image, {.out_channels = 5, .kernel = {3, 3}, .strides = {2, 1}, .pads = {1, 1, 1, 1}})),
            "f32[N,5,4,8]");
  EXPECT_EQ(type(b.MaxPool(image, {.kernel = {2, 2}})), "f32[N,4,4,4]");
  EXPECT_EQ(type(b.AvgPool(image, {.kernel = {3, 3}, .strides = {1, 1}, .pads = {1, 1, 1, 1}})), "f32[N,4,8,8]");
  EXPECT_EQ(type(b.GlobalAvgPool(image)), "f32[N,4,1,1]");
  EXPECT_EQ(type(b.BatchNorm(image)), "f32[N,4,8,8]");
  for (Var v : {b.Relu(rows), b.Sigmoid(rows), b.Tanh(rows), b.Identity(rows), b.Dropout(rows, 0.5), b.Softmax(rows),
                b.Add(rows, rows), b.Sub(rows, rows), b.Mul(rows, rows), b.Div(rows, rows)}) {
    EXPECT_EQ(type(v), "f32[N,6]");
  }
  EXPECT_EQ(type(b.MatMul(rows, matrix)), "f32[N,3]");
  EXPECT_EQ(type(b.Reshape(matrix, {2, 9})), "f32[2,9]");
  EXPECT_EQ(type(b.Flatten(image)), "f32[N,256]");
  EXPECT_EQ(type(b.Transpose(image, {0, 2, 3, 1})), "f32[N,8,8,4]");
  EXPECT_EQ(type(b.Concat({rows, rows, rows}, 1)), "f32[N,18]");
  EXPECT_EQ(type(b.Slice(image, {.starts = {1}, .ends = {3}, .axes = {1}})), "f32[N,2,8,8]");
  EXPECT_EQ(type(b.Slice(matrix, {.starts = {0, 0}, .ends = {6, 3}, .steps = {2, 1}})), "f32[3,3]");
  EXPECT_EQ(type(b.ReduceSum(rows)), "f32[]");
  EXPECT_EQ(type(b.ReduceMean(rows, {.axes = {1}})), "f32[N]");
  EXPECT_EQ(type(b.ReduceMax(rows, {.axes = {0}, .keepdims = true})), "f32[1,6]");
  EXPECT_EQ(type(b.SoftmaxCrossEntropy(rows, labels)), "f32[]");
  EXPECT_EQ(type(b.MeanSquaredError(rows, rows)), "f32[]");
}

TEST(Layers, BatchNormUpdatesItsStatisticsInTrainingEntries) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", 4});
  Var y = b.BatchNorm(x, {.name = "bn"});
  b.Entry("train", {.training = true, .inputs = {x}, .loss = b.ReduceSum(y)});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", y}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  std::vector<std::string> updated;
  for (const auto& [variable, value] : graph->entries[0].updates) {
    updated.push_back(graph->value(variable).name + " <- " + graph->value(value).name);
  }
  EXPECT_THAT(updated, ElementsAre("bn.running_mean <- bn.next_mean", "bn.running_var <- bn.next_var"));
  EXPECT_TRUE(graph->entries[1].updates.empty());
}

}  // namespace
}  // namespace athanor
