#include "compiler/builder/builder.h"

#include "compiler/graph/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string TextOf(GraphBuilder& b) {
  auto graph = b.Build();
  EXPECT_TRUE(graph.ok()) << graph.status();
  TextOptions options;
  options.where = false;
  return graph.ok() ? ToText(*graph, options) : "";
}

TEST(GraphBuilder, WritesWhatOneWouldWriteByHand) {
  GraphBuilder b("tiny");
  Var x = b.Input("x", DType::kF32, {"N", 3});
  Var gain = b.Parameter("gain", {3}, {"constant", {{"value", 1.0}}});
  Var h = b.Relu(b.Mul(x, gain));
  h = b.Relu(b.Add(h, b.Constant(0.5f)), "act");
  b.Metadata("classes", Strings{"a", "b", "c"});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"scores", h}}});
  EXPECT_EQ(TextOf(b), R"(graph "tiny" {
  metadata {classes=["a","b","c"]}
  %x : input f32[N,3]
  %gain : parameter f32[3] = constant{value=1.0}
  %const : constant f32[] = [0.5]
  %mul = Mul(%x, %gain) @"mul" : f32[N,3]
  %relu = ReLU(%mul) @"relu" : f32[N,3]
  %add = Add(%relu, %const) @"add" : f32[N,3]
  %act = ReLU(%add) @"act" : f32[N,3]
  entry "infer" (x=%x) -> (scores=%act)
}
)");
}

TEST(GraphBuilder, TheLossIsTheFirstOutput) {
  GraphBuilder b("g");
  Var x = b.Input("x", DType::kF32, {});
  b.Entry("train", {.training = true, .inputs = {x}, .outputs = {{"y", x}}, .loss = b.Tanh(x)});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  const GraphEntry& entry = graph->entries[0];
  EXPECT_TRUE(entry.training);
  EXPECT_EQ(entry.outputs[0].name, "loss");
  EXPECT_EQ(entry.outputs[0].value, entry.loss);
  EXPECT_EQ(entry.outputs[1].name, "y");
}

TEST(GraphBuilder, NamesAreUniqueAndSaidOnce) {
  GraphBuilder b("g");
  Var x = b.Input("x", DType::kF32, {2});
  for (int i = 0; i < 3; ++i) x = b.Relu(x);
  EXPECT_EQ(b.status(), absl::OkStatus());
  b.Sigmoid(x, "relu.1");
  EXPECT_THAT(std::string(b.Build().status().message()),
              HasSubstr("node \"relu.1\" (Sigmoid): the name \"relu.1\" is taken"));
  b.Input("x", DType::kF32, {2});
  b.Parameter("x", {2}, {"zeros", {}});
  EXPECT_THAT(std::string(b.Build().status().message()), HasSubstr("parameter \"x\": the name is taken"));
}

TEST(GraphBuilder, TheFirstErrorIsKeptWithTheCallersLine) {
  GraphBuilder b("g");
  Var x = b.Input("x", DType::kF32, {"N", 3});
  Var y = b.Input("y", DType::kF32, {4});
  int line = __LINE__ + 1;
  Var bad = b.Add(x, y, "sum");
  EXPECT_EQ(bad.id, kNoValue);
  b.Entry("infer", {.inputs = {x}, .outputs = {{"z", b.Relu(bad)}}});  // does nothing any more
  std::string message(b.Build().status().message());
  EXPECT_THAT(message, StartsWith("SHAPE: builder_test.cc:" + std::to_string(line) + ": node \"sum\" (Add): "));
  EXPECT_THAT(message, HasSubstr("f32[N,3] and f32[4] do not broadcast"));
}

TEST(GraphBuilder, RefusesForeignAndMissingValues) {
  auto error = [](auto&& build) {
    GraphBuilder b("g");
    Var x = b.Input("x", DType::kF32, {1, 4, 6, 6});
    build(b, x);
    return std::string(b.Build().status().message());
  };
  EXPECT_THAT(error([](auto& b, Var) { b.Relu(Var{}); }), HasSubstr("input 0 (\"x\") is required"));
  EXPECT_THAT(error([](auto& b, Var) { b.Relu(Var{77}); }), HasSubstr("value 77 is not of this builder"));
  EXPECT_THAT(error([](auto& b, Var) { b.Op("Wormhole", {}); }), HasSubstr("VERSION: builder_test.cc:"));
  EXPECT_THAT(error([](auto& b, Var x) { b.Entry("e", {.inputs = {x}, .outputs = {{"y", Var{}}}}); }),
              HasSubstr("entry \"e\": output \"y\" is not a value of this builder"));
  EXPECT_THAT(error([](auto& b, Var x) { b.Update(x, x); }), HasSubstr("update of value 0, which is no variable"));
  EXPECT_THAT(error([](auto& b, Var x) { b.Update(b.State("s", {2}, {"zeros", {}}), x); }),
              HasSubstr("update of \"s\" f32[2] with f32[1,4,6,6]"));
}

TEST(GraphBuilder, LayersRefuseSizesTheyCannotHave) {
  auto error = [](std::vector<Dim> dims, auto&& build) {
    GraphBuilder b("g");
    build(b, b.Input("x", DType::kF32, std::move(dims)));
    return std::string(b.Build().status().message());
  };
  auto conv = [](Conv2dOptions o) { return [o](auto& b, Var x) { b.Conv2d(x, o); }; };
  EXPECT_THAT(error({1, 4}, conv({.out_channels = 2, .kernel = {3, 3}})),
              HasSubstr("input \"x\" is f32[1,4] of rank 2, expected rank 4"));
  EXPECT_THAT(error({1, "C", 6, 6}, conv({.out_channels = 2, .kernel = {3, 3}})),
              HasSubstr("dimension 1 must be a number"));
  EXPECT_THAT(error({1, 4, 6, 6}, conv({.kernel = {3, 3}})), HasSubstr("out_channels = 0"));
  EXPECT_THAT(error({1, 4, 6, 6}, conv({.out_channels = 6, .kernel = {3, 3}, .groups = 4})),
              HasSubstr("groups = 4 must divide the 4 input channels and out_channels = 6"));
  EXPECT_THAT(error({1, 4, 6, 6}, conv({.out_channels = 2, .kernel = {3}})), HasSubstr("kernel = [3] is not"));
  EXPECT_THAT(error({5, 4}, [](auto& b, Var x) { b.FullyConnected(x, {}); }), HasSubstr("units = 0 is not at least 1"));
  EXPECT_THAT(error({5, 4}, [](auto& b, Var x) { b.FullyConnected(Var{x.id + 9}, {.units = 1}); }),
              HasSubstr("is not of this builder"));
  EXPECT_THAT(error({5}, [](auto& b, Var x) { b.BatchNorm(x); }), HasSubstr("expected [N, channels, ...]"));
}

TEST(GraphBuilder, TrainingEntriesGetTheUpdatesTheyCompute) {
  GraphBuilder b("g");
  Var x = b.Input("x", DType::kF32, {2});
  Var counted = b.State("counted", {2}, {"zeros", {}});
  Var other = b.State("other", {2}, {"zeros", {}});
  Var sum = b.Add(counted, x), product = b.Mul(other, x);
  b.Update(counted, sum);
  b.Update(other, product);
  b.Entry("train", {.training = true, .inputs = {x}, .outputs = {{"y", b.Relu(sum)}}});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", sum}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_EQ(graph->entries[0].updates.size(), 1u);
  EXPECT_EQ(graph->entries[0].updates[0], std::make_pair(counted.id, sum.id));
  EXPECT_TRUE(graph->entries[1].updates.empty());
}

TEST(GraphBuilder, BuildVerifiesTheGraph) {
  GraphBuilder b("g");
  Var x = b.Input("x", DType::kF32, {2});
  b.Entry("infer", {.inputs = {x, x}, .outputs = {{"y", x}}});
  EXPECT_EQ(std::string(b.Build().status().message()).substr(0, 17), "GRAPH: model \"g\":");
}

}  // namespace
}  // namespace athanor
