// The pipeline with the real operators, which the passes know only by their OpDefs: what is fused, and that it computes
// the same.
#include <algorithm>
#include <cmath>

#include "compiler/graph/text.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/pipeline.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;

constexpr char kNet[] = R"(graph "net" {
  %x : input f32[N,3]
  %labels : input s32[N]
  %w1 : parameter f32[4,3] = [0.1,0.2,-0.3,0.4,-0.5,0.6,0.7,0.8,-0.9,1,0.3,0.2]
  %scale : parameter f32[4] = [1,1.5,0.5,2]
  %shift : parameter f32[4] = [0.1,-0.2,0.3,0]
  %mean : state f32[4] = [0.1,0.2,0.3,0.4]
  %var : state f32[4] = [1,2,1,0.5]
  %w2 : parameter f32[2,4] = [0.1,0.2,-0.3,0.4,-0.5,0.6,0.7,0.8]
  %b2 : parameter f32[2] = [0.3,-0.1]
  %h = FullyConnected(%x, %w1) @"fc1"
  %n, %mean.next, %var.next = BatchNorm(%h, %scale, %shift, %mean, %var) @"bn"
  %a = ReLU(%n) @"relu"
  %d = Dropout(%a) {ratio=0.25} @"dropout"
  %y = FullyConnected(%d, %w2) @"fc2"
  %logits = Add(%y, %b2) @"bias"
  %loss = SoftmaxCrossEntropy(%logits, %labels) @"loss"
  entry "infer" (x=%x) -> (logits=%logits)
  entry "train" training (x=%x, labels=%labels) -> (loss=%loss) loss %loss
    update (%mean <- %mean.next, %var <- %var.next)
})";

Graph Net() {
  auto graph = ParseGraph(kNet);
  ATH_CHECK_OK(graph.status());
  return *std::move(graph);
}

CompileOptions For(const std::string& entry) {
  CompileOptions options;
  options.entries = {{entry, {{"N", 4}}}};
  return options;
}

// What the model says, without any rewriting but that of differentiate.
Graph Plain(const CompileOptions& options) {
  Graph graph = Net();
  for (auto pass : {SelectEntry, FixSymbols, InferShapes, SelectPhase, AddRngInputs, Differentiate}) {
    auto next = pass(std::move(graph), options);
    ATH_CHECK_OK(next.status());
    graph = *std::move(next);
  }
  return graph;
}

// Outputs and, as "var:<name>", the variables after one run.
Interpreter::Tensors RunOnce(const Graph& graph) {
  const GraphEntry& entry = graph.entries[0];
  auto interpreter = Interpreter::Create(graph, entry.name);
  ATH_CHECK_OK(interpreter.status());
  for (const Value& value : graph.values) {
    if (!IsVariable(value.kind) || value.data != nullptr) continue;
    ATH_CHECK_OK(interpreter->SetVariable(value.name, DoubleTensor(value.type.shape())));
  }
  Interpreter::Tensors inputs;
  for (const NamedValue& input : entry.inputs) {
    DoubleTensor& data = inputs[input.name] = DoubleTensor(graph.type(input.value).shape(), 1);
    for (int64_t i = 0; input.name == "x" && i < data.size(); ++i) data[i] = std::sin(1.7 * i);
    for (int64_t i = 0; input.name == "labels" && i < data.size(); ++i) data[i] = i % 2;
  }
  auto results = interpreter->Run(inputs);
  ATH_CHECK_OK(results.status());
  for (const auto& [name, value] : interpreter->variables()) (*results)["var:" + name] = value;
  return *std::move(results);
}

void ExpectNear(const DoubleTensor& actual, const DoubleTensor& expected, const std::string& name) {
  ASSERT_EQ(actual.shape, expected.shape) << name;
  // Folded weights are rounded to f32.
  for (int64_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-6) << name << " " << i;
}

std::vector<std::string> NodesOf(const Graph& graph) {
  std::vector<std::string> nodes;
  for (const Node& node : graph.nodes) {
    nodes.push_back(node.op);
    for (const PostOp& post : node.post_ops) nodes.back() += "+" + post.op;
  }
  return nodes;
}

TEST(RealOperatorsTest, InferenceFoldsTheNormalisationAndFusesTheRest) {
  CompileOptions options = For("infer");
  options.freeze_parameters = true;
  auto graph = RunPipeline(Net(), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(NodesOf(*graph), ElementsAre("FullyConnected+ReLU", "FullyConnected")) << ToText(*graph);
  ExpectNear(RunOnce(*graph).at("logits"), RunOnce(Plain(options)).at("logits"), "logits");
}

TEST(RealOperatorsTest, InferenceOverVariablesKeepsTheNormalisation) {
  CompileOptions options = For("infer");
  auto graph = RunPipeline(Net(), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(NodesOf(*graph), ElementsAre("FullyConnected", "BatchNorm+ReLU", "FullyConnected")) << ToText(*graph);
  ExpectNear(RunOnce(*graph).at("logits"), RunOnce(Plain(options)).at("logits"), "logits");
}

TEST(RealOperatorsTest, TrainingFusesForwardAndBackward) {
  CompileOptions options = For("train");
  options.gradients_as_outputs = true;
  options.optimizer = OptimizerSpec{"SGD", {}};
  auto graph = RunPipeline(Net(), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  int relus = 0, fused = 0;
  for (const Node& node : graph->nodes) {
    const OpTraits& traits = OpRegistry::Get().Find(node.op)->traits;
    relus += traits.is_relu || traits.relu_backward_grad_input >= 0;
    fused += node.attrs.Bool("fuse_relu");
  }
  EXPECT_EQ(relus, 0) << ToText(*graph);
  EXPECT_EQ(fused, 2) << ToText(*graph);

  const Interpreter::Tensors expected = RunOnce(Plain(options)), actual = RunOnce(*graph);
  for (const char* name :
       {"loss", "grad:w1", "grad:scale", "grad:shift", "grad:w2", "grad:b2", "var:mean", "var:var"}) {
    ExpectNear(actual.at(name), expected.at(name), name);
  }
  // One step with a learning rate of 1.
  DoubleTensor w2 = expected.at("var:w2");
  for (int64_t i = 0; i < w2.size(); ++i) w2[i] -= expected.at("grad:w2")[i];
  ExpectNear(actual.at("var:w2"), w2, "w2");
}

// A gated layer between two matrix products: what lies between is one node forward and few backward.
TEST(RealOperatorsTest, ElementwiseChainsBecomeOneNode) {
  auto net = ParseGraph(R"(graph "gates" {
    %x : input f32[N,3]
    %w : parameter f32[3,3] = [0.1,0.2,-0.3,0.4,-0.5,0.6,0.7,0.8,-0.9]
    %gain : parameter f32[3] = [0.5,1.5,-1]
    %half : constant f32[] = [0.5]
    %h = FullyConnected(%x, %w) @"fc"
    %g = Mul(%h, %gain) @"gain"
    %s = Sigmoid(%g) @"gate"
    %t = Tanh(%h) @"candidate"
    %p = Mul(%s, %t) @"product"
    %q = Mul(%p, %half) @"half"
    %y = FullyConnected(%q, %w) @"fc2"
    %loss = MeanSquaredError(%y, %x) @"loss"
    entry "train" training (x=%x) -> (loss=%loss) loss %loss
  })");
  ASSERT_TRUE(net.ok()) << net.status();
  CompileOptions options = For("train");
  options.gradients_as_outputs = true;
  auto graph = RunPipeline(*net, options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  const std::vector<std::string> nodes = NodesOf(*graph);
  const auto programs = std::count(nodes.begin(), nodes.end(), "Elementwise");
  EXPECT_GE(programs, 2) << ToText(*graph);
  EXPECT_LE(programs, 3) << ToText(*graph);
  for (const char* op : {"Mul", "Sigmoid", "Tanh", "SigmoidGrad", "TanhGrad"}) {
    EXPECT_EQ(std::count(nodes.begin(), nodes.end(), op), 0) << ToText(*graph);
  }
  Graph plain = *net;
  for (auto pass : {SelectEntry, FixSymbols, InferShapes, SelectPhase, Differentiate}) {
    auto next = pass(std::move(plain), options);
    ASSERT_TRUE(next.ok()) << next.status();
    plain = *std::move(next);
  }
  const Interpreter::Tensors expected = RunOnce(plain), actual = RunOnce(*graph);
  for (const char* name : {"loss", "grad:w", "grad:gain"}) ExpectNear(actual.at(name), expected.at(name), name);
}

}  // namespace
}  // namespace athanor
