#include "compiler/builder/recurrent.h"

#include <algorithm>
#include <cmath>
#include <map>

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

TEST(RecurrentLayers, ParametersAreNamedAndLaidOutAsInPyTorch) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {7, "N", 5});
  RecurrentVars lstm = Lstm(b, x, {.hidden = 3, .layers = 2, .bidirectional = true, .name = "lstm"});
  EXPECT_EQ(b.TypeOf(lstm.y).ToString(), "f32[7,N,6]") << b.status();
  EXPECT_EQ(b.TypeOf(lstm.h_n).ToString(), "f32[4,N,3]");
  EXPECT_EQ(b.TypeOf(lstm.c_n).ToString(), "f32[4,N,3]");
  RecurrentVars gru = Gru(b, lstm.y, {.hidden = 2, .bias = false});
  EXPECT_EQ(b.TypeOf(gru.y).ToString(), "f32[7,N,2]") << b.status();
  EXPECT_EQ(b.TypeOf(gru.h_n).ToString(), "f32[1,N,2]");
  EXPECT_EQ(gru.c_n.id, kNoValue);
  RecurrentVars rnn = Rnn(b, gru.y, {.hidden = 4, .nonlinearity = "relu"});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", rnn.y}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(Variables(*graph),
              ElementsAre("lstm.weight_ih_l0 f32[12,5]", "lstm.weight_ih_l0_reverse f32[12,5]",
                          "lstm.weight_hh_l0 f32[12,3]", "lstm.weight_hh_l0_reverse f32[12,3]",
                          "lstm.bias_ih_l0 f32[12]", "lstm.bias_ih_l0_reverse f32[12]", "lstm.bias_hh_l0 f32[12]",
                          "lstm.bias_hh_l0_reverse f32[12]", "lstm.weight_ih_l1 f32[12,6]",
                          "lstm.weight_ih_l1_reverse f32[12,6]", "lstm.weight_hh_l1 f32[12,3]",
                          "lstm.weight_hh_l1_reverse f32[12,3]", "lstm.bias_ih_l1 f32[12]",
                          "lstm.bias_ih_l1_reverse f32[12]", "lstm.bias_hh_l1 f32[12]",
                          "lstm.bias_hh_l1_reverse f32[12]", "gru.weight_ih_l0 f32[6,6]", "gru.weight_hh_l0 f32[6,2]",
                          "rnn.weight_ih_l0 f32[4,2]", "rnn.weight_hh_l0 f32[4,4]", "rnn.bias_ih_l0 f32[4]",
                          "rnn.bias_hh_l0 f32[4]"));
}

TEST(RecurrentLayers, ParametersStartAsInPyTorch) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {2, 3, 5});
  Var y = Gru(b, x, {.hidden = 25, .name = "gru"}).y;
  y = Rnn(b, y, {.hidden = 2, .name = "ones", .init = {"ones", {}}}).y;
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", y}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_TRUE(InitializeVariables(&*graph, 1).ok());
  for (const Value& v : graph->values) {
    if (!IsVariable(v.kind)) continue;
    auto data = v.data->as<float>();
    const float least = *std::min_element(data.begin(), data.end()), most = *std::max_element(data.begin(), data.end());
    if (v.name.starts_with("ones")) {
      EXPECT_EQ(std::make_pair(least, most), std::make_pair(1.0f, 1.0f)) << v.name;
      continue;
    }
    EXPECT_GE(least, -0.2f) << v.name;  // 1 / sqrt(25)
    EXPECT_LE(most, 0.2f) << v.name;
    EXPECT_LT(least, -0.18f) << v.name;
    EXPECT_GT(most, 0.18f) << v.name;
  }
}

TEST(RecurrentLayers, BatchFirstStatesLengthsAndDropout) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", 7, 5}), lengths = b.Input("lengths", DType::kS32, {"N"});
  Var h0 = b.Input("h0", DType::kF32, {3, "N", 4}), c0 = b.Input("c0", DType::kF32, {3, "N", 4});
  RecurrentVars r = Lstm(b, x, {.hidden = 4, .layers = 3, .batch_first = true, .dropout = 0.25, .lengths = lengths,
                                .h0 = h0, .c0 = c0});
  EXPECT_EQ(b.TypeOf(r.y).ToString(), "f32[N,7,4]") << b.status();
  EXPECT_EQ(b.TypeOf(r.h_n).ToString(), "f32[3,N,4]");
  b.Entry("infer", {.inputs = {x, lengths, h0, c0}, .outputs = {{"y", r.y}, {"h_n", r.h_n}, {"c_n", r.c_n}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  std::map<std::string, int> ops;
  for (const Node& node : graph->nodes) ++ops[node.op];
  EXPECT_EQ(ops["LSTM"], 3);
  EXPECT_EQ(ops["Dropout"], 2);
  EXPECT_EQ(ops["Transpose"], 2);
}

TEST(RecurrentLayers, TwoLayersMayShareTheirParameters) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {7, "N", 5}), step = b.Input("step", DType::kF32, {1, "N", 5});
  RecurrentVars all = Lstm(b, x, {.hidden = 3, .layers = 2, .bias = false, .name = "lstm"});
  RecurrentVars one = Lstm(b, step, {.hidden = 3, .layers = 2, .name = "again", .parameters = all.parameters});
  EXPECT_EQ(b.TypeOf(one.y).ToString(), "f32[1,N,3]") << b.status();
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", all.y}}});
  b.Entry("step", {.inputs = {step}, .outputs = {{"y", one.y}}});
  Gru(b, x, {.hidden = 3, .name = "more", .parameters = all.parameters});
  EXPECT_THAT(std::string(b.status().message()), HasSubstr("node \"more\" (GRU): is given 8 parameters, but 1 layers"));

  GraphBuilder good("net");
  x = good.Input("x", DType::kF32, {7, "N", 5});
  all = Gru(good, x, {.hidden = 3, .name = "gru"});
  one = Gru(good, x, {.hidden = 3, .name = "again", .parameters = all.parameters});
  good.Entry("infer", {.inputs = {x}, .outputs = {{"y", all.y}, {"z", one.y}}});
  auto graph = good.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(Variables(*graph).size(), 4u);
}

TEST(RecurrentLayers, ErrorsNameTheLayerAndTheNumbers) {
  auto expect = [](Shape shape, const RecurrentOptions& options, const char* error, const std::string& text,
                   Shape state = {}) {
    GraphBuilder b("net");
    Var x = b.Input("x", DType::kF32, std::vector<Dim>(shape.begin(), shape.end()));
    RecurrentOptions o = options;
    if (!state.empty()) o.h0 = b.Input("h0", DType::kF32, std::vector<Dim>(state.begin(), state.end()));
    EXPECT_EQ(Gru(b, x, o).y.id, kNoValue);
    EXPECT_EQ(ErrorClassOf(b.status()), error) << b.status();
    EXPECT_THAT(std::string(b.status().message()), HasSubstr(text));
    EXPECT_THAT(std::string(b.status().message()), HasSubstr("recurrent_test.cc"));
  };
  expect({7, 2, 5}, {.hidden = 0, .name = "r"}, "ATTR", "node \"r\" (GRU): hidden = 0 and layers = 1 must each be");
  expect({7, 2, 5}, {.hidden = -3}, "ATTR", "hidden = -3");
  expect({7, 2, 5}, {.hidden = 3, .layers = 0}, "ATTR", "layers = 0");
  expect({7, 5}, {.hidden = 3}, "SHAPE", "input \"x\" is f32[7,5], expected rank 3");
  expect({7, 2, 0}, {.hidden = 3}, "SHAPE", "input \"x\" is f32[7,2,0]");
  expect({7, 2, 5}, {.hidden = 3, .layers = 2, .bidirectional = true}, "SHAPE",
         "input \"h0\" is f32[2,2,3], expected [4,N,3]: 2 layers of 2 directions", {2, 2, 3});
  expect({7, 2, 5}, {.hidden = 3}, "SHAPE", "input \"h0\" is f32[1,2,4]", {1, 2, 4});
  expect({7, 2, 5}, {.hidden = 3, .layers = 2, .dropout = 1.5}, "ATTR", "1.5");
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {7, 2, 5});
  Gru(b, x, {.hidden = 3, .c0 = x});
  EXPECT_THAT(std::string(b.status().message()), HasSubstr("has no input \"c0\""));
  EXPECT_EQ(Lstm(b, x, {.hidden = 3}).y.id, kNoValue);  // after an error nothing is built
}

}  // namespace
}  // namespace athanor
