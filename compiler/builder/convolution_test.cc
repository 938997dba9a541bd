#include "compiler/builder/convolution.h"

#include <algorithm>
#include <cmath>

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

TEST(Convolutions, ParametersAreNamedAndLaidOutAsInPyTorch) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", 4, 20});
  Var h = Conv1d(b, x, {.out_channels = 6, .kernel = {3}, .pads = {2, 0}, .groups = 2, .name = "causal"});
  EXPECT_EQ(b.TypeOf(h).ToString(), "f32[N,6,20]") << b.status();
  h = ConvTranspose1d(b, h, {.out_channels = 8, .kernel = {4}, .strides = {2}, .pads = {1, 1}, .groups = 2, .name = "up"});
  EXPECT_EQ(b.TypeOf(h).ToString(), "f32[N,8,40]") << b.status();
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", h}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(Variables(*graph), ElementsAre("causal.weight f32[6,2,3]", "causal.bias f32[6]", "up.weight f32[6,4,4]",
                                             "up.bias f32[8]"));
}

TEST(Convolutions, EveryLayerInfersItsType) {
  GraphBuilder b("net");
  Var line = b.Input("line", DType::kF32, {"N", 3, 9}), image = b.Input("image", DType::kF32, {"N", 3, 9, 8});
  Var volume = b.Input("volume", DType::kF32, {"N", 3, 5, 6, 7});
  auto type = [&](Var v) { return b.TypeOf(v).ToString() + std::string(b.status().message()); };
  EXPECT_EQ(type(Conv1d(b, line, {.out_channels = 2, .kernel = {3}, .bias = false})), "f32[N,2,7]");
  EXPECT_EQ(type(Conv2d(b, image, {.out_channels = 2, .kernel = {3, 3}, .strides = {2, 2}, .auto_pad = "same_upper"})),
            "f32[N,2,5,4]");
  EXPECT_EQ(type(Conv3d(b, volume, {.out_channels = 2, .kernel = {3, 1, 2}, .dilations = {2, 1, 3}})),
            "f32[N,2,1,6,4]");
  EXPECT_EQ(type(ConvTranspose1d(b, line, {.out_channels = 2, .kernel = {3}})), "f32[N,2,11]");
  EXPECT_EQ(type(ConvTranspose2d(b, image, {.out_channels = 2, .kernel = {3, 3}, .strides = {2, 2},
                                            .pads = {1, 1, 1, 1}, .output_padding = {1, 1}})),
            "f32[N,2,18,16]");
  EXPECT_EQ(type(ConvTranspose3d(b, volume, {.out_channels = 2, .kernel = {2, 2, 2}, .strides = {2, 2, 2}})),
            "f32[N,2,10,12,14]");
  EXPECT_EQ(type(Conv1d(b, line, {.out_channels = 2, .kernel = {1}})), "f32[N,2,9]") << "a second one without a name";
}

TEST(Convolutions, ParametersStartAsInPyTorch) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", 8, 4, 4, 4});
  Var y = Conv3d(b, x, {.out_channels = 64, .kernel = {3, 2, 1}, .groups = 2, .name = "conv"});
  y = ConvTranspose3d(b, y, {.out_channels = 96, .kernel = {2, 2, 1}, .groups = 2, .name = "up"});
  y = ConvTranspose3d(b, y, {.out_channels = 1, .kernel = {1, 1, 1}, .name = "given", .weight_init = {"ones", {}},
                             .bias_init = {"zeros", {}}});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", y}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_TRUE(InitializeVariables(&*graph, 1).ok());
  auto range = [&](const char* name) {
    auto data = graph->value(graph->FindValue(name)).data->as<float>();
    return std::make_pair(*std::min_element(data.begin(), data.end()), *std::max_element(data.begin(), data.end()));
  };
  // fan in: (8 / groups) * 3 * 2; of the transposed one, by the weight's dimension 1 as there, (96 / groups) * 2 * 2.
  const std::pair<const char*, float> bounds[] = {{"conv.weight", 1 / std::sqrt(24.0f)},
                                                  {"conv.bias", 1 / std::sqrt(24.0f)},
                                                  {"up.weight", 1 / std::sqrt(192.0f)},
                                                  {"up.bias", 1 / std::sqrt(192.0f)}};
  for (const auto& [name, bound] : bounds) {
    EXPECT_GE(range(name).first, -bound * 1.000001f) << name;
    EXPECT_LE(range(name).second, bound * 1.000001f) << name;
    EXPECT_LT(range(name).first, -0.8f * bound) << name;
    EXPECT_GT(range(name).second, 0.8f * bound) << name;
  }
  EXPECT_EQ(range("given.weight"), std::make_pair(1.0f, 1.0f));
  EXPECT_EQ(range("given.bias"), std::make_pair(0.0f, 0.0f));
}

TEST(Convolutions, BadOptionsAreErrorsThatNameTheLayer) {
  auto error = [](ConvOptions options, std::vector<Dim> dims = {"N", 4, 9}) {
    GraphBuilder b("net");
    options.name = "conv";
    Conv1d(b, b.Input("x", DType::kF32, std::move(dims)), options);
    return std::string(b.status().message());
  };
  EXPECT_EQ(error({.out_channels = 4, .kernel = {3}}), "");
  const std::pair<std::string, const char*> errors[] = {
      {error({.out_channels = 0, .kernel = {3}}), "it is empty"},
      {error({.out_channels = -1, .kernel = {3}}), "negative"},
      {error({.out_channels = 4, .kernel = {}}), "\"weight\" is f32[4,4] of rank 2"},
      {error({.out_channels = 4, .kernel = {3, 3}}), "of rank 4, expected rank 3"},
      {error({.out_channels = 4, .kernel = {0}}), "it is empty"},
      {error({.out_channels = 4, .kernel = {10}}), "a length of 10"},
      {error({.out_channels = 4, .kernel = {3}, .strides = {0}}), "\"strides\" = [0]"},
      {error({.out_channels = 4, .kernel = {3}, .pads = {1}}), "must have 2 numbers"},
      {error({.out_channels = 4, .kernel = {3}, .output_padding = {1}}), "no attribute \"output_padding\""},
      {error({.out_channels = 4, .kernel = {3}, .groups = 0}), "\"groups\" = 0"},
      {error({.out_channels = 6, .kernel = {3}, .groups = 3}), "groups = 3 does not divide the 4 input channels"},
      {error({.out_channels = 4, .kernel = {3}, .auto_pad = "same"}), "is not one of"},
      {error({.out_channels = 4, .kernel = {3}}, {"N", 4}), "of rank 2, expected rank 3"},
      {error({.out_channels = 4, .kernel = {3}}, {"N", "C", 9}), "must be a number here"},
  };
  for (const auto& [message, text] : errors) {
    EXPECT_THAT(message, HasSubstr(text));
    EXPECT_THAT(message, HasSubstr("convolution_test.cc:"));
    EXPECT_THAT(message, HasSubstr("\"conv\" (Conv1d)"));
  }
}

}  // namespace
}  // namespace athanor
