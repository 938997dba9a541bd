// Every operator that PyTorch has, against what PyTorch computed in double: outputs and gradients of the compiled plan,
// whose arena is poisoned. fixtures/operators/generate.py made the cases.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "compiler/compile.h"
#include "compiler/opdef/op_def.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "runtime/session/session.h"

namespace athanor {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kTolerance = 1e-5;   // relative to the largest magnitude of the tensor
constexpr double kLeastScale = 1e-3;  // below it absolutely
constexpr const char* kFamilies[] = {"elementwise", "structure", "windows",  "normalization",
                                     "losses",      "recurrent", "attention"};

Json ReadFamily(const std::string& name) {
  const std::string path = absl::StrCat("tests/fixtures/operators/", name, ".json");
  std::ifstream file(path);
  ATH_CHECK(file.good());
  return Json::parse(file);
}

Tensor ReadTensor(const Json& json) {
  auto dtype = ParseDType(json.at("dtype").get<std::string>());
  auto tensor = Tensor::Create(dtype.value(), json.at("shape").get<Shape>());
  ATH_CHECK_OK(tensor);
  std::string bytes;
  ATH_CHECK(absl::Base64Unescape(json.at("data").get<std::string>(), &bytes) && static_cast<int64_t>(bytes.size()) == tensor->bytes());
  std::memcpy(tensor->data(), bytes.data(), bytes.size());
  return *std::move(tensor);
}

AttrValue ReadAttr(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  ATH_CHECK(json.is_array());
  if (!json.empty() && json[0].is_number_float()) return json.get<Floats>();
  if (!json.empty() && json[0].is_string()) return json.get<Strings>();
  return json.get<Ints>();
}

// The one-node graph. Inputs that have a gradient are parameters, so that it can be asked for, the others states. The loss is the sum of
// the outputs, each weighted by its cotangent.
class CaseGraph {
 public:
  explicit CaseGraph(const Json& json) : json_(json) {}

  absl::StatusOr<Graph> Build() {
    entry_.name = "run";
    Node node;
    node.op = json_.at("op");
    node.name = "node";
    for (const auto& [name, value] : json_.at("attrs").items()) node.attrs.Set(name, ReadAttr(value));
    for (const Json& input : json_.at("inputs")) {
      const size_t i = node.inputs.size();
      node.inputs.push_back(input.is_null() ? kNoValue : AddLeaf(absl::StrCat("x", i), input));
      const bool trained = json_.contains("gradients") && !json_.at("gradients")[i].is_null();
      if (!input.is_null()) graph_.values[node.inputs[i]].kind = trained ? ValueKind::kParameter : ValueKind::kState;
    }
    ATH_RETURN_IF_ERROR(AddNode(std::move(node), json_.at("num_outputs")));
    const std::vector<ValueId> outputs = graph_.nodes[0].outputs;
    for (size_t i = 0; i < json_.at("outputs").size(); ++i) {
      if (!json_.at("outputs")[i].is_null()) entry_.outputs.push_back({absl::StrCat("y", i), outputs[i]});
    }
    if (json_.contains("cotangents")) ATH_RETURN_IF_ERROR(AddLoss(outputs));
    if (json_.contains("training")) entry_.training = true;
    graph_.entries = {entry_};
    return std::move(graph_);
  }

 private:
  ValueId AddLeaf(const std::string& name, const Json& json) {
    Tensor data = ReadTensor(json);
    Value value;
    value.name = name;
    value.type = TensorType::Of(data.dtype(), data.shape());
    value.kind = ValueKind::kConstant;
    value.data = std::make_shared<const Tensor>(std::move(data));
    return graph_.AddValue(std::move(value));
  }

  absl::Status AddNode(Node node, int outputs) {
    const OpDef* def = OpRegistry::Get().Find(node.op);
    if (def == nullptr) return MakeError(ErrorClass::kVersion, "there is no operator %s", node.op);
    std::vector<TensorType> types;
    for (ValueId v : node.inputs) types.push_back(v == kNoValue ? TensorType() : graph_.type(v));
    node.outputs.assign(outputs, 0);
    ATH_ASSIGN_OR_RETURN(types, InferTypes(*def, node, types));
    for (int i = 0; i < outputs; ++i) {
      Value value;
      value.name = absl::StrCat(node.name, ".", i);
      value.type = types[i];
      node.outputs[i] = graph_.AddValue(std::move(value));
    }
    graph_.nodes.push_back(std::move(node));
    return absl::OkStatus();
  }

  absl::StatusOr<ValueId> Emit(const std::string& op, std::vector<ValueId> inputs) {
    Node node;
    node.op = op;
    node.name = absl::StrCat("loss", graph_.nodes.size());
    node.inputs = std::move(inputs);
    ATH_RETURN_IF_ERROR(AddNode(std::move(node), 1));
    return graph_.nodes.back().outputs[0];
  }

  absl::Status AddLoss(const std::vector<ValueId>& outputs) {
    ValueId loss = kNoValue;
    const Json& cotangents = json_.at("cotangents");
    for (size_t i = 0; i < cotangents.size(); ++i) {
      if (cotangents[i].is_null()) continue;
      const ValueId weights = AddLeaf(absl::StrCat("cotangent", i), cotangents[i]);
      ATH_ASSIGN_OR_RETURN(const ValueId product, Emit("Mul", {outputs[i], weights}));
      ATH_ASSIGN_OR_RETURN(const ValueId sum, Emit("ReduceSum", {product}));
      if (loss == kNoValue) {
        loss = sum;
      } else {
        ATH_ASSIGN_OR_RETURN(loss, Emit("Add", {loss, sum}));
      }
    }
    entry_.outputs.insert(entry_.outputs.begin(), {"loss", loss});
    entry_.loss = loss;
    return absl::OkStatus();
  }

  const Json& json_;
  Graph graph_;
  GraphEntry entry_;
};

void ExpectClose(Session& session, const std::string& output, const Tensor& want) {
  auto view = session.Output(0, output);
  ASSERT_TRUE(view.ok()) << view.status();
  ASSERT_EQ(DTypeName(view->dtype), DTypeName(want.dtype())) << output;
  ASSERT_EQ(view->shape, want.shape()) << output;
  Tensor copy = want.Clone();
  std::memcpy(copy.data(), view->data, view->bytes);
  const DoubleTensor got = DoubleTensor::From(copy), expected = DoubleTensor::From(want);
  double scale = kLeastScale, worst = 0;
  for (double v : expected.data) {
    if (std::isfinite(v)) scale = std::max(scale, std::abs(v));
  }
  for (int64_t i = 0; i < got.size(); ++i) {
    if (got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i]))) continue;
    const double difference = std::abs(got[i] - expected[i]);
    if (!(difference <= worst)) worst = difference;
  }
  EXPECT_LE(worst, kTolerance * scale) << output << ", of magnitude " << scale;
}

void CheckCase(const Json& json) {
  SCOPED_TRACE(absl::StrCat(json.at("op").get<std::string>(), " ", json.at("name").get<std::string>(), " ",
                            json.at("attrs").dump()));
  auto graph = CaseGraph(json).Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  CompileOptions options;
  options.entries = {{"run", {}}};
  options.threads = 2;
  options.gradients_as_outputs = true;
  auto plan = Compile(*graph, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  SessionOptions poisoned;
  poisoned.poison = true;
  auto session = Session::Create(std::make_shared<const Plan>(*std::move(plan)), poisoned);
  ASSERT_TRUE(session.ok()) << session.status();
  const absl::Status run = (*session)->Run(0);
  ASSERT_TRUE(run.ok()) << run;
  for (size_t i = 0; i < json.at("outputs").size(); ++i) {
    const Json& output = json.at("outputs")[i];
    if (!output.is_null()) ExpectClose(**session, absl::StrCat("y", i), ReadTensor(output));
  }
  if (!json.contains("gradients")) return;
  for (size_t i = 0; i < json.at("gradients").size(); ++i) {
    const Json& gradient = json.at("gradients")[i];
    if (!gradient.is_null()) ExpectClose(**session, absl::StrCat("grad:x", i), ReadTensor(gradient));
  }
}

class OperatorFixtures : public testing::TestWithParam<const char*> {};

TEST_P(OperatorFixtures, AgreesWithPyTorch) {
  const Json family = ReadFamily(GetParam());
  ASSERT_FALSE(family.at("cases").empty());
  for (const Json& json : family.at("cases")) CheckCase(json);
}

INSTANTIATE_TEST_SUITE_P(Families, OperatorFixtures, testing::ValuesIn(kFamilies),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace athanor
