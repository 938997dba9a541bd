#include "compiler/graph/verify.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "compiler/graph/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

constexpr char kGood[] = R"(graph "g" {
  %x : input f32[N,4]
  %labels : input s64[N]
  %w : parameter f32[3,4] = zeros
  %m : state f32[3,4] = zeros
  %one : constant f32[] = [1.0]
  %h = FullyConnected(%x, %w, _) post_ops [Add(%one)] @"fc" : f32[N,3] ; net.cc:7
  %loss = CrossEntropy(%h, %labels) @"loss" : f32[]
  %w2, %m2 = Step(%w, %m) @"step" : f32[3,4], f32[3,4]
  entry "infer" (x=%x) -> (y=%h)
  entry "train" training (x=%x, labels=%labels) -> (loss=%loss) loss %loss update (%w <- %w2, %m <- %m2)
}
)";

Value NewValue(std::string name, ValueKind kind, TensorType type) {
  Value v;
  v.name = std::move(name);
  v.kind = kind;
  v.type = std::move(type);
  return v;
}

Node NewNode(std::string op, std::string name, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
  Node n;
  n.op = std::move(op);
  n.name = std::move(name);
  n.inputs = std::move(inputs);
  n.outputs = std::move(outputs);
  return n;
}

class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() : graph_(*ParseGraph(kGood)) {}

  Value& ValueOf(const char* name) { return graph_.values[graph_.FindValue(name)]; }
  Node& NodeOf(int i) { return graph_.nodes[i]; }
  ValueId Id(const char* name) { return graph_.FindValue(name); }
  void ExpectError(const std::string& message) {
    absl::Status status = VerifyGraph(graph_);
    ASSERT_FALSE(status.ok()) << "expected: " << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    graph_ = *ParseGraph(kGood);
  }

  Graph graph_;
};

TEST_F(VerifyTest, AcceptsAGoodGraph) {
  EXPECT_TRUE(VerifyGraph(graph_).ok()) << VerifyGraph(graph_);
  EXPECT_TRUE(VerifyGraph(Graph()).ok());
  // What passes leave behind, or have not filled in yet.
  NodeOf(0).outputs = {graph_.AddValue(NewValue("new", ValueKind::kNode, {}))};
  NodeOf(1).inputs[0] = graph_.FindValue("new");
  graph_.entries[0].outputs[0].value = graph_.FindValue("new");
  EXPECT_TRUE(VerifyGraph(graph_).ok()) << VerifyGraph(graph_);
}

TEST_F(VerifyTest, NamesAreUniqueAndPrintable) {
  ValueOf("m").name = "w";
  ExpectError("GRAPH: value %w: the name is used twice");
  ValueOf("m").name = "";
  ExpectError("a value without a name");
  ValueOf("m").name = "a\nGRAPH: forged";
  ExpectError("a value: the name \"a\\nGRAPH: forged\" is no printable UTF-8");
  ValueOf("m").name = std::string(5000, 'x');
  ExpectError("of 5000 bytes is above the limit of 4096");
  NodeOf(1).name = "fc";
  ExpectError("node \"fc\" (CrossEntropy): the name is used twice");
  NodeOf(1).name = "";
  ExpectError("a node (CrossEntropy) without a name");
  NodeOf(1).op = "";
  ExpectError("an operator without a name");
  graph_.entries[1].name = "infer";
  ExpectError("entry \"infer\": the name is used twice");
  graph_.entries[1].inputs[1].name = "x";
  ExpectError("entry \"train\": input \"x\": the name is used twice");
  graph_.entries[0].outputs.push_back({"y", Id("loss")});
  ExpectError("entry \"infer\": output \"y\": the name is used twice");
}

TEST_F(VerifyTest, IdsAreInRange) {
  for (ValueId bad : {-2, 1000, INT32_MAX, INT32_MIN}) {
    std::string text = absl::StrCat(bad, " is no value");
    NodeOf(0).inputs[0] = bad;
    ExpectError("net.cc:7: node \"fc\" (FullyConnected): input 0: " + text);
    NodeOf(0).outputs[0] = bad;
    ExpectError("(FullyConnected): output " + text);
    graph_.entries[0].inputs[0].value = bad;
    ExpectError("entry \"infer\": input \"x\": " + text);
    graph_.entries[0].outputs[0].value = bad;
    ExpectError("entry \"infer\": output \"y\": " + text);
    graph_.entries[1].loss = bad;
    ExpectError("entry \"train\": loss: " + text);
    graph_.entries[1].updates[0].first = bad;
    ExpectError("update: " + text);
    graph_.entries[1].updates[0].second = bad;
    ExpectError("update of %w: " + text);
  }
  graph_.entries[0].outputs[0].value = kNoValue;
  ExpectError("output \"y\": -1 is no value");
  NodeOf(0).post_ops[0].operand = 4;
  ExpectError("post-op Add: operand 4 is not among the 4 inputs");
  NodeOf(0).post_ops[0].operand = -2;
  ExpectError("operand -2");
  NodeOf(0).post_ops[0].operand = 2;
  ExpectError("post-op Add: the operand is absent");
}

TEST_F(VerifyTest, AValueHasOneProducer) {
  NodeOf(1).outputs[0] = Id("h");
  ExpectError("node \"loss\" (CrossEntropy): writes value %h, which net.cc:7: node \"fc\" (FullyConnected) writes too");
  NodeOf(2).outputs[1] = Id("w2");
  ExpectError("writes value %w2, which node \"step\" (Step) writes too");
  for (const char* name : {"x", "w", "m", "one"}) {
    NodeOf(1).outputs[0] = Id(name);
    ExpectError(absl::StrCat("writes value %", name, ", which is an input, a variable or a constant"));
  }
}

TEST_F(VerifyTest, ValuesAreMadeBeforeTheyAreRead) {
  std::swap(NodeOf(0), NodeOf(1));
  ExpectError("node \"loss\" (CrossEntropy): reads value %h before net.cc:7: node \"fc\" (FullyConnected) produces it");
  NodeOf(1).outputs[0] = kNoValue;
  ExpectError("entry \"train\": output \"loss\": nothing produces value %loss");
  NodeOf(0).outputs[0] = kNoValue;
  ExpectError("reads value %h, which nothing produces");
}

TEST_F(VerifyTest, CyclesAreNamed) {
  NodeOf(0).inputs[0] = Id("h");
  ExpectError("reads value %h, which depends on this node; the cycle of 1: \"fc\"");
  NodeOf(0).inputs[0] = Id("loss");
  ExpectError("reads value %loss, which depends on this node; the cycle of 2: \"loss\" <- \"fc\"");
}

TEST_F(VerifyTest, TypesMakeSense) {
  ValueOf("x").type.dtype = DType::kUndefined;
  ExpectError("DTYPE: value %x: the element type is undefined");
  ValueOf("h").type.dtype = static_cast<DType>(99);
  ExpectError("DTYPE: value %h");
  ValueOf("x").type.dims = {-1};
  ExpectError("SHAPE: value %x: shape [-1]");
  ValueOf("x").type.dims = std::vector<Dim>(9, 1);
  ExpectError("SHAPE: value %x: rank 9 is above the limit of 8");
  ValueOf("x").type.dims = {"N", int64_t{1} << 62, 2};
  ExpectError("LIMIT: value %x: the element count");
  ValueOf("x").type.dims = {int64_t{1} << 61};
  ExpectError("LIMIT: value %x: the byte count");
  ValueOf("w").type.dims = {"N", 4};
  ExpectError("SHAPE: value %w: a variable or constant cannot have the symbolic type f32[N,4]");
  ValueOf("x").type.dims = {"a\nb"};
  ExpectError("value %x: a dimension: the name \"a\\nb\"");
  ValueOf("x").kind = static_cast<ValueKind>(9);
  ExpectError("value %x: unknown kind");
}

TEST_F(VerifyTest, DataFitsItsValue) {
  auto scalar = std::make_shared<const Tensor>(Tensor::Scalar(1.0f));
  ValueOf("one").data = nullptr;
  ExpectError("value %one: a constant without data");
  ValueOf("w").data = scalar;
  ExpectError("SHAPE: value %w: the data is f32[], but the type f32[3,4]");
  ValueOf("one").data = std::make_shared<const Tensor>(Tensor::Scalar(int32_t{1}));
  ExpectError("DTYPE: value %one: the data is s32[], but the type f32[]");
  ValueOf("x").data = scalar;
  ExpectError("value %x: has data, but is neither variable nor constant");
}

TEST_F(VerifyTest, EntriesMakeSense) {
  graph_.entries[0].inputs[0].value = Id("w");
  ExpectError("entry \"infer\": input \"x\": value %w is no input");
  graph_.entries[0].inputs.push_back({"x2", Id("x")});
  ExpectError("input \"x2\": value %x is an input twice");
  graph_.entries[1].loss = Id("h");
  ExpectError("SHAPE: entry \"train\": loss: value %h is f32[N,3], not a scalar");
  ValueOf("loss").type.dtype = DType::kS64;
  ExpectError("DTYPE: entry \"train\": loss: value %loss is s64[], not floating");
  graph_.entries[1].updates[0].first = Id("x");
  ExpectError("update of %x: it is no variable");
  graph_.entries[1].updates[1].first = Id("w");
  ExpectError("update of %w: it is updated twice");
  graph_.entries[1].updates[0].second = Id("loss");
  ExpectError("SHAPE: entry \"train\": update of %w: it is f32[3,4], but value %loss is f32[]");
}

TEST(VerifySizeTest, DeepAndWideGraphsTakeLinearTime) {
  Graph g;
  const TensorType type(DType::kF32, {2});
  g.values.push_back(NewValue("v0", ValueKind::kInput, type));
  std::vector<ValueId> all = {0};
  for (int i = 1; i <= 100000; ++i) {
    g.values.push_back(NewValue(absl::StrCat("v", i), ValueKind::kNode, type));
    g.nodes.push_back(NewNode("ReLU", absl::StrCat("n", i), {i - 1}, {i}));
    all.push_back(i);
  }
  std::reverse(all.begin(), all.end());
  g.values.push_back(NewValue("sum", ValueKind::kNode, type));
  g.nodes.push_back(NewNode("Sum", "sum", all, {100001}));
  auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(VerifyGraph(g).ok());
  g.nodes[0].inputs[0] = 100001;  // the longest cycle
  EXPECT_THAT(std::string(VerifyGraph(g).message()), HasSubstr("the cycle of 100001: \"sum\" <- \"n100000\" <- "));
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 10.0);  // far less on an idle machine: this is for quadratic time
}

}  // namespace
}  // namespace athanor
