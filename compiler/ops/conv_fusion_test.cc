// Convolutions of every kind in compiled networks: batch norm folded into their weights, what follows fused into them,
// and training as the interpreter does it.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "compiler/compile.h"
#include "compiler/graph/text.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/pipeline.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;

// A convolution of 5 to 6 channels, batch norm, ReLU, and a residual added.
struct Net {
  std::string op, attrs;
  Shape x, weight, y;
};

std::string Dims(const Shape& shape) { return ShapeToString(shape); }

Graph Parse(const Net& net, const char* entry) {
  auto graph = ParseGraph(absl::StrReplaceAll(
      R"(graph "net" {
  %x : input f32$x
  %r : input f32$y
  %w : parameter f32$w = zeros
  %scale : parameter f32[6] = ones
  %shift : parameter f32[6] = zeros
  %mean : state f32[6] = zeros
  %var : state f32[6] = ones
  %h = $op(%x, %w) {$attrs} @"conv"
  %n, %mean.next, %var.next = BatchNorm(%h, %scale, %shift, %mean, %var) @"bn"
  %a = ReLU(%n) @"relu"
  %y = Add(%a, %r) @"residual"
  %s = Mul(%y, %y) @"square"
  %loss = ReduceSum(%s) @"sum"
  $entry
})",
      {{"$x", Dims(net.x)}, {"$y", Dims(net.y)}, {"$w", Dims(net.weight)}, {"$op", net.op}, {"$attrs", net.attrs},
       {"$entry", entry}}));
  ATH_CHECK_OK(graph.status());
  for (Value& v : graph->values) {
    if (!IsVariable(v.kind)) continue;
    DoubleTensor data(v.type.shape());
    for (int64_t i = 0; i < data.size(); ++i) {
      data[i] = Philox(5, static_cast<uint64_t>(v.name[0])).Uniform(i) + (v.name == "var" ? 0.5 : -0.4);
    }
    v.data = std::make_shared<const Tensor>(data.To(DType::kF32));
  }
  return *std::move(graph);
}

const std::vector<Net>& Nets() {
  static const auto* nets = new std::vector<Net>{
      {"Conv1d", "pads=[1,0]", {2, 5, 9}, {6, 5, 3}, {2, 6, 8}},
      {"Conv1d", "auto_pad=\"same_upper\", dilations=[2]", {2, 5, 9}, {6, 5, 3}, {2, 6, 9}},
      {"Conv2d", "strides=[2,1]", {2, 5, 7, 6}, {6, 5, 3, 2}, {2, 6, 3, 5}},
      {"Conv3d", "", {2, 5, 4, 3, 5}, {6, 5, 2, 2, 3}, {2, 6, 3, 2, 3}},
      {"ConvTranspose1d", "strides=[2]", {2, 5, 4}, {5, 6, 3}, {2, 6, 9}},
      {"ConvTranspose2d", "strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]", {2, 5, 3, 4}, {5, 6, 3, 3},
       {2, 6, 6, 8}},
      {"ConvTranspose3d", "", {1, 5, 2, 3, 2}, {5, 6, 2, 1, 2}, {1, 6, 3, 3, 3}},
  };
  return *nets;
}

Interpreter::Tensors Inputs(const Net& net, const GraphEntry& entry) {
  Interpreter::Tensors inputs;
  for (const NamedValue& in : entry.inputs) {
    DoubleTensor data(in.name == "x" ? net.x : in.name == "r" ? net.y : Shape{}, 0.01);
    for (int64_t i = 0; in.name != "lr" && i < data.size(); ++i) data[i] = static_cast<float>(std::sin(1.7 * i + 1));
    inputs[in.name] = std::move(data);
  }
  return inputs;
}

std::vector<std::string> NodesOf(const Graph& graph) {
  std::vector<std::string> nodes;
  for (const Node& node : graph.nodes) {
    nodes.push_back(node.op);
    for (const PostOp& post : node.post_ops) nodes.back() += "+" + post.op;
  }
  return nodes;
}

// Every output of the compiled entry, in two runs, is what the interpreter makes of `graph`.
void ExpectComputes(const Net& net, Graph model, const CompileOptions& options, const Graph& graph) {
  auto plan = Compile(std::move(model), options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  SessionOptions session_options;
  session_options.poison = true;
  auto session = Session::Create(std::make_shared<const Plan>(*std::move(plan)), session_options);
  ASSERT_TRUE(session.ok()) << session.status();
  auto interpreter = Interpreter::Create(graph, graph.entries[0].name);
  ASSERT_TRUE(interpreter.ok()) << interpreter.status();
  const Interpreter::Tensors inputs = Inputs(net, graph.entries[0]);
  for (int run = 0; run < 2; ++run) {
    auto want = interpreter->Run(inputs);
    ASSERT_TRUE(want.ok()) << want.status();
    for (const auto& [name, value] : inputs) {
      auto view = (*session)->Input(0, name);
      ASSERT_TRUE(view.ok()) << view.status();
      Tensor data = value.To(view->dtype);
      std::memcpy(view->data, data.data(), data.bytes());
    }
    ASSERT_TRUE((*session)->Run(0).ok());
    for (const auto& [name, value] : *want) {
      auto got = (*session)->Output(0, name);
      ASSERT_TRUE(got.ok()) << got.status();
      double scale = 1;
      for (double v : value.data) scale = std::max(scale, std::abs(v));
      for (int64_t i = 0; i < value.size(); ++i) {
        ASSERT_NEAR(got->as<float>()[i], value[i], 2e-5 * scale) << name << " " << i << ", run " << run;
      }
    }
  }
}

TEST(ConvolutionNets, InferenceFoldsBatchNormAndFusesWhatFollows) {
  for (const Net& net : Nets()) {
    SCOPED_TRACE(net.op + " " + net.attrs);
    const char* entry = "entry \"infer\" (x=%x, r=%r) -> (y=%y)";
    CompileOptions options;
    options.entries = {{"infer", {}}};
    options.threads = 2;
    auto unfolded = RunPipeline(Parse(net, entry), options);
    ASSERT_TRUE(unfolded.ok()) << unfolded.status();
    options.freeze_parameters = true;
    auto graph = RunPipeline(Parse(net, entry), options);
    ASSERT_TRUE(graph.ok()) << graph.status();
    if (absl::StrContains(net.op, "Transpose")) {
      ASSERT_FALSE(graph->nodes.empty());
      EXPECT_EQ(graph->nodes[0].op, net.op);
      EXPECT_EQ(graph->nodes[0].inputs.size(), 3u) << "the norm's shift is its bias";
      for (const std::string& node : NodesOf(*graph)) EXPECT_FALSE(absl::StrContains(node, "BatchNorm")) << node;
    } else {
      EXPECT_THAT(NodesOf(*graph), ElementsAre(net.op + "+ReLU+Add")) << ToText(*graph);
    }
    ExpectComputes(net, Parse(net, entry), options, *unfolded);
  }
}

TEST(ConvolutionNets, TrainingIsThatOfTheInterpreter) {
  for (const Net& net : Nets()) {
    SCOPED_TRACE(net.op + " " + net.attrs);
    const char* entry =
        "entry \"train\" training (x=%x, r=%r) -> (loss=%loss) loss %loss\n"
        "    update (%mean <- %mean.next, %var <- %var.next)";
    CompileOptions options;
    options.entries = {{"train", {}}};
    options.threads = 2;
    options.gradients_as_outputs = true;
    options.optimizer = OptimizerSpec{"SGD", {}};
    auto graph = RunPipeline(Parse(net, entry), options);
    ASSERT_TRUE(graph.ok()) << graph.status();
    ExpectComputes(net, Parse(net, entry), options, *graph);
  }
}

}  // namespace
}  // namespace athanor
