// The gradient rule against central finite differences.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

constexpr double kStep = 1e-5;
constexpr double kTolerance = 1e-6;
constexpr double kLeastScale = 1e-3;  // gradients below it are compared absolutely
constexpr int64_t kMaxProbes = 128;   // elements of one input; a larger input is sampled

std::vector<int64_t> Probes(int64_t size, uint64_t stream) {
  std::vector<int64_t> probes;
  for (int64_t i = 0; i < std::min(size, kMaxProbes); ++i) {
    double u = Philox(7, stream).Uniform(i);
    probes.push_back(size <= kMaxProbes ? i : static_cast<int64_t>(u * static_cast<double>(size)));
  }
  return probes;
}

// As differentiate does: see OpTraits::gradient_outputs.
absl::Status AddGradientOutputs(const OpDef& def, Graph& graph, Node& node) {
  for (int i : def.traits.gradient_outputs) {
    if (static_cast<int>(node.outputs.size()) <= i) node.outputs.resize(i + 1, kNoValue);
    if (node.outputs[i] != kNoValue) continue;
    Value value;
    value.name = absl::StrCat("saved", i);
    node.outputs[i] = graph.AddValue(std::move(value));
  }
  std::vector<TensorType> inputs;
  for (ValueId v : node.inputs) inputs.push_back(v == kNoValue ? TensorType() : graph.type(v));
  ATH_ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTypes(def, node, inputs));
  for (size_t i = 0; i < types.size(); ++i) {
    if (node.outputs[i] != kNoValue) graph.values[node.outputs[i]].type = types[i];
  }
  return absl::OkStatus();
}

}  // namespace

bool OpSpec::HasGradient(int input) const {
  return !ins_[input].absent && IsFloating(ins_[input].dtype) && !no_gradient_.contains(input);
}

// The node, its gradient by cotangents that are inputs of the entry "grad", whose outputs are the input gradients.
absl::StatusOr<Graph> OpSpec::GradientGraph(std::vector<bool> needs) const {
  Graph graph = graph_;
  GraphEntry entry = graph.entries[0];
  entry.name = "grad";
  entry.outputs.clear();
  Node node = node_;
  ATH_RETURN_IF_ERROR(AddGradientOutputs(*def_, graph, node));
  graph.nodes = {node};
  std::vector<ValueId> cotangents(node.outputs.size(), kNoValue);
  for (size_t i = 0; i < node_.outputs.size(); ++i) {
    if (node_.outputs[i] == kNoValue || no_gradient_from_.contains(static_cast<int>(i)) ||
        !IsFloating(inferred_[i].dtype)) {
      continue;
    }
    Value value;
    value.name = absl::StrCat("cot", i);
    value.type = inferred_[i];
    value.kind = ValueKind::kInput;
    cotangents[i] = graph.AddValue(std::move(value));
    entry.inputs.push_back({absl::StrCat("cot", i), cotangents[i]});
  }
  GradientContext context(&graph, node, std::move(cotangents), needs);
  ATH_RETURN_IF_ERROR(def_->gradient(context));
  for (size_t i = 0; i < needs.size(); ++i) {
    if (!needs[i]) continue;
    ValueId grad = context.input_grads()[i];
    if (grad == kNoValue) return MakeError(ErrorClass::kGraph, "no gradient was set for input %d", i);
    if (!(graph.type(grad) == graph.type(node_.inputs[i]))) {
      return MakeError(ErrorClass::kShape, "the gradient of input %d is %s, the input %s", i,
                       graph.type(grad).ToString(), graph.type(node_.inputs[i]).ToString());
    }
    entry.outputs.push_back({absl::StrCat("grad", i), grad});
  }
  graph.entries = {std::move(entry)};
  return graph;
}

// d(sum of cotangent * output) / d(element of the input).
double OpSpec::NumericGradient(int input, int64_t element, const std::vector<DoubleTensor>& cotangents) const {
  std::map<ValueId, DoubleTensor> data = data_;
  double& x = data.at(node_.inputs[input])[element];
  const double middle = x;
  const double above = middle + kStep, below = middle - kStep;
  x = above;
  auto up = Evaluate(data);
  x = below;
  auto down = Evaluate(data);
  EXPECT_TRUE(up.ok() && down.ok()) << up.status() << down.status();
  if (!up.ok() || !down.ok()) return std::nan("");
  double sum = 0;
  for (size_t o = 0; o < cotangents.size(); ++o) {
    for (int64_t k = 0; k < cotangents[o].size(); ++k) sum += cotangents[o][k] * ((*up)[o][k] - (*down)[o][k]);
  }
  return sum / (above - below);
}

void OpSpec::CheckGradient() const {
  if (not_differentiable_) {
    EXPECT_EQ(def_->gradient, nullptr) << "is said not to be differentiable, but has a gradient";
    return;
  }
  ASSERT_NE(def_->gradient, nullptr) << "has no gradient; say NotDifferentiable()";
  auto floating = [](const In& in) { return !in.absent && IsFloating(in.dtype); };
  if (std::none_of(ins_.begin(), ins_.end(), floating)) return;  // a case with integers of an operator for any type
  std::vector<bool> needs;
  for (size_t i = 0; i < ins_.size(); ++i) needs.push_back(HasGradient(static_cast<int>(i)));
  ASSERT_TRUE(std::count(needs.begin(), needs.end(), true) > 0) << "no input has a gradient; say NotDifferentiable()";
  auto graph = GradientGraph(needs);
  ASSERT_TRUE(graph.ok()) << graph.status();

  // Cotangents by name for the interpreter, and by output (empty: none) for the differences.
  Interpreter::Tensors inputs = InputsOf(*graph);
  std::vector<DoubleTensor> cotangents(outs_.size());
  for (const NamedValue& in : graph->entries[0].inputs) {
    if (inputs.contains(in.name)) continue;
    int output = std::stoi(in.name.substr(3));
    DoubleTensor cotangent(graph->type(in.value).shape());
    cotangent.data = internal::RandomFloats(node_.op + "/" + name_, 1000 + output, cotangent.size(), -1, 1);
    inputs[in.name] = cotangents[output] = cotangent;
  }
  auto interpreter = Interpreter::Create(*graph, "grad");
  ASSERT_TRUE(interpreter.ok()) << interpreter.status();
  auto grads = interpreter->Run(inputs);
  ASSERT_TRUE(grads.ok()) << grads.status();
  CheckCompiled(*graph, inputs, *grads);

  for (size_t i = 0; i < needs.size(); ++i) {
    if (!needs[i]) continue;
    const DoubleTensor& all = grads->at(absl::StrCat("grad", i));
    std::vector<int64_t> probes = Probes(all.size(), i);
    DoubleTensor analytic(Shape{static_cast<int64_t>(probes.size())}), numeric = analytic;
    for (size_t p = 0; p < probes.size(); ++p) {
      analytic[p] = all[probes[p]];
      numeric[p] = NumericGradient(static_cast<int>(i), probes[p], cotangents);
    }
    EXPECT_LE(internal::RelativeError(analytic, numeric, kLeastScale), kTolerance)
        << "gradient of input " << i << ": " << ::testing::PrintToString(analytic.data) << ", finite differences give "
        << ::testing::PrintToString(numeric.data);
    // Asked for alone it must be the same.
    std::vector<bool> only(needs.size(), false);
    only[i] = true;
    auto alone_graph = GradientGraph(only);
    ASSERT_TRUE(alone_graph.ok()) << "gradient of input " << i << " alone: " << alone_graph.status();
    auto alone = Interpreter::Create(*alone_graph, "grad");
    ASSERT_TRUE(alone.ok()) << alone.status();
    auto alone_grads = alone->Run(inputs);
    ASSERT_TRUE(alone_grads.ok()) << alone_grads.status();
    EXPECT_EQ(alone_grads->at(absl::StrCat("grad", i)).data, all.data) << "gradient of input " << i << " alone";
  }
}

}  // namespace athanor
