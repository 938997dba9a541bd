#include "compiler/interpreter/interpreter.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// y = relu(x * w), z = y + 1; the train entry also keeps y's sum in the variable "s": s <- s + y.
class InterpreterTest : public ::testing::Test {
 protected:
  InterpreterTest() {
    x_ = Add("x", ValueKind::kInput);
    w_ = Add("w", ValueKind::kParameter, Tensor::Of<float>({2}, {2.0f, -1.0f}));
    s_ = Add("s", ValueKind::kState, Tensor::Of<float>({2}, {0.0f, 10.0f}));
    one_ = Add("one", ValueKind::kConstant, Tensor::Of<float>({2}, {1.0f, 1.0f}));
    product_ = Node("Mul", {x_, w_}, "product");
    y_ = Node("ReLU", {product_}, "y");
    z_ = Node("Add", {y_, one_}, "z");
    sum_ = Node("Add", {s_, y_}, "sum");
    graph_.entries = {{"infer", false, {{"x", x_}}, {{"z", z_}}, kNoValue, {}},
                      {"train", true, {{"x", x_}}, {{"y", y_}}, kNoValue, {{s_, sum_}}}};
  }
  ValueId Add(const std::string& name, ValueKind kind, Tensor data = {}) {
    athanor::Value v;
    v.name = name;
    v.type = {DType::kF32, {2}};
    v.kind = kind;
    if (!data.empty()) v.data = std::make_shared<const Tensor>(std::move(data));
    return graph_.AddValue(std::move(v));
  }
  ValueId Node(const std::string& op, std::vector<ValueId> inputs, const std::string& name) {
    ValueId out = Add(name, ValueKind::kNode);
    graph_.nodes.push_back({op, name, std::move(inputs), {out}, {}, {}, ""});
    return out;
  }
  static DoubleTensor Two(double a, double b) {
    DoubleTensor t({2});
    t.data = {a, b};
    return t;
  }
  Graph graph_;
  ValueId x_, w_, s_, one_, product_, y_, z_, sum_;
};

TEST_F(InterpreterTest, RunsTheNodesOfAnEntryInDouble) {
  auto interpreter = Interpreter::Create(graph_, "infer");
  ASSERT_TRUE(interpreter.ok()) << interpreter.status();
  auto out = interpreter->Run(Interpreter::Tensors{{"x", Two(0.1, 3)}});
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_THAT((*out)["z"].data, ElementsAre(1.2, 1));
  EXPECT_THAT(interpreter->Value("product")->data, ElementsAre(0.2, -3)) << "any intermediate can be seen";
  EXPECT_EQ(interpreter->Value("sum"), nullptr) << "not part of this entry";
  EXPECT_EQ(interpreter->Value("nothing"), nullptr);
}

TEST_F(InterpreterTest, UpdatesVariablesAtTheEndOfARun) {
  auto interpreter = Interpreter::Create(graph_, "train");
  ASSERT_TRUE(interpreter.ok()) << interpreter.status();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(interpreter->Run(Interpreter::Tensors{{"x", Two(0.5, -1)}}).ok());
  EXPECT_THAT(interpreter->variables().at("s").data, ElementsAre(3, 13));
  EXPECT_THAT(interpreter->Value("s")->data, ElementsAre(2, 12)) << "as the last run read it";
  ASSERT_TRUE(interpreter->SetVariable("s", Two(0, 0)).ok());
  ASSERT_FALSE(interpreter->Run(Interpreter::Tensors{}).ok());
  EXPECT_THAT(interpreter->variables().at("s").data, ElementsAre(0, 0)) << "a failed run changes nothing";
}

TEST_F(InterpreterTest, AppliesPostOpsInOrder) {
  graph_.nodes = {{"Mul", "fused", {x_, w_, one_}, {z_}, {}, {{"Add", {}, 2}, {"ReLU", {}, -1}}, ""}};
  graph_.entries.resize(1);
  auto interpreter = Interpreter::Create(graph_, "infer");
  ASSERT_TRUE(interpreter.ok()) << interpreter.status();
  EXPECT_THAT(interpreter->Run(Interpreter::Tensors{{"x", Two(2, 3)}})->at("z").data, ElementsAre(5, 0));
}

TEST_F(InterpreterTest, RefusesBadRequests) {
  auto error = [&](const Interpreter::Tensors& inputs) {
    return std::string(Interpreter::Create(graph_, "infer")->Run(inputs).status().message());
  };
  EXPECT_THAT(error({}), HasSubstr("REQ: input \"x\" of entry \"infer\" is missing"));
  EXPECT_THAT(error({{"x", Two(1, 2)}, {"q", Two(1, 2)}}), HasSubstr("entry \"infer\" has no input \"q\""));
  EXPECT_THAT(error({{"x", DoubleTensor({3})}}), HasSubstr("input \"x\" is [3] of 3 elements, expected f32[2]"));
  auto interpreter = Interpreter::Create(graph_, "infer");
  std::map<std::string, Tensor> ints;
  ints["x"] = Tensor::Of<int32_t>({2}, {1, 2});
  EXPECT_EQ(ErrorClassOf(interpreter->Run(ints).status()), "DTYPE");
  EXPECT_EQ(ErrorClassOf(interpreter->SetVariable("x", Two(1, 2))), "REQ");
  EXPECT_EQ(ErrorClassOf(interpreter->SetVariable("w", DoubleTensor({3}))), "REQ");
}

TEST_F(InterpreterTest, RefusesGraphsItCannotRun) {
  auto error = [&](absl::string_view entry) {
    return std::string(Interpreter::Create(graph_, entry).status().message());
  };
  EXPECT_THAT(error("deploy"), HasSubstr("GRAPH: graph \"\" has no entry \"deploy\""));
  graph_.values[x_].type.dims = {"N"};
  EXPECT_THAT(error("infer"), HasSubstr("SHAPE: x is f32[N]: fix the symbolic dimensions"));
  graph_.values[x_].type.dims = {2};
  graph_.entries[0].inputs.clear();
  EXPECT_THAT(error("infer"), HasSubstr("reads x, which entry \"infer\" does not give or compute before"));
  graph_.values[w_].data = nullptr;
  auto interpreter = Interpreter::Create(graph_, "train");
  EXPECT_THAT(std::string(interpreter->Run(Interpreter::Tensors{{"x", Two(1, 1)}}).status().message()),
              HasSubstr("variable \"w\" has no value yet"));
  graph_.nodes.erase(graph_.nodes.begin());
  EXPECT_THAT(error("train"), HasSubstr("reads product, which entry \"train\" does not give or compute before"));
}

TEST(EvaluateNode, RefusesWhatTheReferenceCannotHold) {
  Node node{"ReLU", "big", {0}, {1}, {}, {}, ""};
  DoubleTensor x({1});
  auto result = EvaluateNode(**FindOp(node), node, {TensorType(DType::kF32, {1 << 20, 1 << 20})}, {&x});
  EXPECT_EQ(ErrorClassOf(result.status()), "LIMIT");
}

}  // namespace
}  // namespace athanor
