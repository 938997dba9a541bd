#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

absl::StatusOr<const OpDef*> FindOptimizer(const std::string& op) {
  const OpDef* def = OpRegistry::Get().Find(op);
  if (def != nullptr && def->traits.optimizer) return def;
  std::vector<std::string> known;
  for (const OpDef* other : OpRegistry::Get().All()) {
    if (other->traits.optimizer) known.push_back(other->name);
  }
  return MakeError(ErrorClass::kReq, "there is no optimizer \"%s\"; there are: %s", op,
                   known.empty() ? "none" : absl::StrJoin(known, ", "));
}

struct Gradient {
  ValueId parameter, value;
};

// Takes the outputs "grad:<parameter>" that differentiate made; `keep` them as outputs or not.
std::vector<Gradient> TakeGradients(const Graph& graph, GraphEntry& entry, bool keep) {
  constexpr absl::string_view kPrefix = "grad:";
  std::map<std::string, ValueId, std::less<>> parameters;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (graph.values[v].kind == ValueKind::kParameter) parameters[graph.values[v].name] = static_cast<ValueId>(v);
  }
  std::vector<Gradient> gradients;
  auto take = [&](const NamedValue& output) {
    if (!absl::StartsWith(output.name, kPrefix)) return false;
    auto parameter = parameters.find(output.name.substr(kPrefix.size()));
    if (parameter == parameters.end()) return false;
    gradients.push_back({parameter->second, output.value});
    return !keep;
  };
  entry.outputs.erase(std::remove_if(entry.outputs.begin(), entry.outputs.end(), take), entry.outputs.end());
  return gradients;
}

absl::Status CheckNotUpdated(const Graph& graph, const GraphEntry& entry, const std::vector<Gradient>& gradients) {
  std::set<ValueId> updated;
  for (const auto& [variable, value] : entry.updates) updated.insert(variable);
  for (const Gradient& gradient : gradients) {
    if (updated.count(gradient.parameter) == 0) continue;
    return MakeError(ErrorClass::kGraph, "entry \"%s\" already updates the parameter %s", entry.name,
                     graph.value(gradient.parameter).name);
  }
  return absl::OkStatus();
}

// Adds the nodes of one optimizer to the graph's only entry.
class OptimizerAdder {
 public:
  OptimizerAdder(Graph* graph, const OpDef& def, const Attributes& attrs)
      : graph_(*graph), entry_(graph->entries[0]), def_(def), attrs_(attrs), names_(*graph) {
    ATH_CHECK(def.outputs.size() == 1 + def.traits.optimizer_slots.size());
  }

  absl::Status AddScalars() {
    for (const std::string& name : def_.traits.optimizer_scalars) {
      if (!Uses(name)) {
        scalars_.push_back(kNoValue);
        continue;
      }
      TensorType type(name == "step" ? DType::kS64 : DType::kF32, {});
      auto given = std::find_if(entry_.inputs.begin(), entry_.inputs.end(),
                                [&](const NamedValue& input) { return input.name == name; });
      if (given == entry_.inputs.end()) {
        scalars_.push_back(AddValue(names_.Unique(name), type, ValueKind::kInput));
        entry_.inputs.push_back({name, scalars_.back()});
        continue;
      }
      if (!(graph_.type(given->value) == type)) {
        return MakeError(ErrorClass::kGraph, "entry \"%s\": input \"%s\" is %s, but the optimizer %s wants %s",
                         entry_.name, name, graph_.type(given->value).ToString(), def_.name, type.ToString());
      }
      scalars_.push_back(given->value);
    }
    return absl::OkStatus();
  }

  absl::Status Update(const Gradient& gradient) {
    const TensorType type = graph_.type(gradient.parameter);
    Node node;
    node.op = def_.name;
    node.name =
        names_.Unique(absl::StrCat(graph_.value(gradient.parameter).name, "/", absl::AsciiStrToLower(def_.name)));
    node.attrs = attrs_;
    node.inputs = {gradient.parameter, gradient.value};
    std::vector<ValueId> variables = {gradient.parameter};
    for (const std::string& slot : def_.traits.optimizer_slots) {
      ValueId state = kNoValue;
      if (Uses(slot)) {
        ATH_ASSIGN_OR_RETURN(state, AddSlot(absl::StrCat(node.name, ".", slot), type));
      }
      node.inputs.push_back(state);
      variables.push_back(state);
    }
    node.inputs.insert(node.inputs.end(), scalars_.begin(), scalars_.end());
    DropAbsentEnd(node.inputs);
    DropAbsentEnd(variables);
    for (ValueId variable : variables) {
      if (variable == kNoValue) {
        node.outputs.push_back(kNoValue);
        continue;
      }
      node.outputs.push_back(
          AddValue(names_.Unique(absl::StrCat(graph_.value(variable).name, ".next")), type, ValueKind::kNode));
      entry_.updates.emplace_back(variable, node.outputs.back());
    }
    ATH_RETURN_IF_ERROR(CheckTypes(node, type));
    graph_.nodes.push_back(std::move(node));
    return absl::OkStatus();
  }

 private:
  bool Uses(const std::string& slot_or_scalar) const {
    return !def_.optimizer_uses || def_.optimizer_uses(attrs_, slot_or_scalar);
  }

  static void DropAbsentEnd(std::vector<ValueId>& values) {
    while (!values.empty() && values.back() == kNoValue) values.pop_back();
  }

  ValueId AddValue(std::string name, TensorType type, ValueKind kind) {
    Value value;
    value.name = std::move(name);
    value.type = std::move(type);
    value.kind = kind;
    return graph_.AddValue(std::move(value));
  }

  absl::StatusOr<ValueId> AddSlot(const std::string& name, const TensorType& type) {
    if (names_.Unique(name) != name) {
      return MakeError(ErrorClass::kGraph, "entry \"%s\": the optimizer's state needs the name \"%s\", which is taken",
                       entry_.name, name);
    }
    ValueId state = AddValue(name, type, ValueKind::kState);
    graph_.values[state].init.kind = "zeros";
    return state;
  }

  // Attributes, too.
  absl::Status CheckTypes(Node& node, const TensorType& expected) const {
    ATH_ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTypes(def_, node, InputTypes(graph_, node)));
    for (size_t i = 0; i < types.size(); ++i) {
      if (node.outputs[i] == kNoValue || types[i] == expected) continue;
      return MakeError(ErrorClass::kGraph, "%s: output \"%s\" is %s, but updates a variable of type %s",
                       DescribeNode(node), def_.outputs[i].name, types[i].ToString(), expected.ToString());
    }
    return absl::OkStatus();
  }

  Graph& graph_;
  GraphEntry& entry_;
  const OpDef& def_;
  const Attributes& attrs_;
  NameScope names_;
  std::vector<ValueId> scalars_;
};

}  // namespace

absl::StatusOr<Graph> ApplyOptimizer(Graph graph, const CompileOptions& options) {
  ATH_ASSIGN_OR_RETURN(GraphEntry * entry, OnlyEntry(graph));
  if (!options.optimizer || !entry->training) return graph;
  ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOptimizer(options.optimizer->op));
  std::vector<Gradient> gradients = TakeGradients(graph, *entry, options.gradients_as_outputs);
  if (gradients.empty()) return graph;
  ATH_RETURN_IF_ERROR(CheckNotUpdated(graph, *entry, gradients));

  OptimizerAdder adder(&graph, *def, options.optimizer->attrs);
  ATH_RETURN_IF_ERROR(adder.AddScalars());
  for (const Gradient& gradient : gradients) ATH_RETURN_IF_ERROR(adder.Update(gradient));
  return graph;
}

}  // namespace athanor
