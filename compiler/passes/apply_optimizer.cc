#include <algorithm>
#include <cmath>
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

// The attributes of each parameter's optimizer: those of the first group that names it go before the optimizer's own.
absl::StatusOr<std::vector<Attributes>> AttributesOf(const Graph& graph, const OptimizerSpec& spec,
                                                     const std::vector<Gradient>& gradients) {
  std::set<std::string> unused;
  for (const ParameterGroup& group : spec.groups) unused.insert(group.patterns.begin(), group.patterns.end());
  std::vector<Attributes> all;
  for (const Gradient& gradient : gradients) {
    all.push_back(spec.attrs);
    bool found = false;
    for (const ParameterGroup& group : spec.groups) {
      bool matches = false;
      for (const std::string& pattern : group.patterns) {
        if (!MatchesPattern(pattern, graph.value(gradient.parameter).name)) continue;
        unused.erase(pattern);
        matches = true;
      }
      if (!matches || found) continue;
      found = true;
      for (const auto& [name, value] : group.attrs.items()) all.back().Set(name, value);
    }
  }
  if (unused.empty()) return all;
  return MakeError(ErrorClass::kReq, "the optimizer has a group for \"%s\", but no trained parameter has such a name",
                   *unused.begin());
}

// Adds the nodes of one optimizer to the graph's only entry.
class OptimizerAdder {
 public:
  OptimizerAdder(Graph* graph, const OpDef& def) : graph_(*graph), entry_(graph->entries[0]), def_(def), names_(*graph) {
    ATH_CHECK(def.outputs.size() == 1 + def.traits.optimizer_slots.size());
  }

  // Those that any of the parameters uses, as inputs of the entry.
  absl::Status AddScalars(const std::vector<Attributes>& attrs) {
    for (const std::string& name : def_.traits.optimizer_scalars) {
      if (std::none_of(attrs.begin(), attrs.end(), [&](const Attributes& a) { return Uses(a, name); })) continue;
      TensorType type(name == "step" ? DType::kS64 : DType::kF32, {});
      auto given = std::find_if(entry_.inputs.begin(), entry_.inputs.end(),
                                [&](const NamedValue& input) { return input.name == name; });
      if (given == entry_.inputs.end()) {
        scalars_[name] = AddValue(names_.Unique(name), type, ValueKind::kInput);
        entry_.inputs.push_back({name, scalars_[name]});
        continue;
      }
      if (!(graph_.type(given->value) == type)) {
        return MakeError(ErrorClass::kGraph, "entry \"%s\": input \"%s\" is %s, but the optimizer %s wants %s",
                         entry_.name, name, graph_.type(given->value).ToString(), def_.name, type.ToString());
      }
      scalars_[name] = given->value;
    }
    return absl::OkStatus();
  }

  // The norm of all gradients, and with a limit the scale that the updates take.
  absl::Status AddNorm(const std::vector<Gradient>& gradients, const OptimizerSpec& spec) {
    if (!(spec.clip_norm >= 0) || std::isinf(spec.clip_norm)) {
      return MakeError(ErrorClass::kReq, "clip_norm = %g is no finite number >= 0 (0: no clipping)", spec.clip_norm);
    }
    if (spec.clip_norm == 0 && !spec.grad_norm_output) return absl::OkStatus();
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindNorm());
    Node node;
    node.op = def->name;
    node.name = names_.Unique("gradients/norm");
    for (const Gradient& gradient : gradients) node.inputs.push_back(gradient.value);
    node.outputs = {AddValue(names_.Unique("grad_norm"), {}, ValueKind::kNode)};
    if (spec.clip_norm > 0) {
      if (InputNamed("grad_scale") == -1) {
        return MakeError(ErrorClass::kReq, "the optimizer %s takes no clip_norm", def_.name);
      }
      node.attrs.Set("max_norm", spec.clip_norm);
      node.outputs.push_back(AddValue(names_.Unique("grad_scale"), {}, ValueKind::kNode));
      scalars_["grad_scale"] = node.outputs[1];
    }
    ATH_ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTypes(*def, node, InputTypes(graph_, node)));
    for (size_t i = 0; i < node.outputs.size(); ++i) graph_.values[node.outputs[i]].type = types[i];
    if (spec.grad_norm_output) ATH_RETURN_IF_ERROR(AddOutput("grad_norm", node.outputs[0]));
    graph_.nodes.push_back(std::move(node));
    return absl::OkStatus();
  }

  absl::Status Update(const Gradient& gradient, const Attributes& attrs) {
    const TensorType type = graph_.type(gradient.parameter);
    Node node;
    node.op = def_.name;
    node.name =
        names_.Unique(absl::StrCat(graph_.value(gradient.parameter).name, "/", absl::AsciiStrToLower(def_.name)));
    node.attrs = attrs;
    node.inputs.assign(def_.inputs.size(), kNoValue);
    node.inputs[0] = gradient.parameter;
    node.inputs[1] = gradient.value;
    for (const auto& [name, value] : scalars_) {
      if (Uses(attrs, name)) node.inputs[InputNamed(name)] = value;
    }
    std::vector<ValueId> variables(def_.outputs.size(), kNoValue);
    variables[0] = gradient.parameter;
    for (const std::string& slot : def_.traits.optimizer_slots) {
      if (!Uses(attrs, slot)) continue;
      ATH_ASSIGN_OR_RETURN(ValueId state, AddSlot(absl::StrCat(node.name, ".", slot), type));
      node.inputs[InputNamed(slot)] = variables[OutputNamed(slot)] = state;
    }
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
  bool Uses(const Attributes& attrs, const std::string& slot_or_scalar) const {
    return !def_.optimizer_uses || def_.optimizer_uses(attrs, slot_or_scalar);
  }

  static int IndexOf(const std::vector<PortDef>& ports, const std::string& name) {
    auto at = std::find_if(ports.begin(), ports.end(), [&](const PortDef& port) { return port.name == name; });
    return at == ports.end() ? -1 : static_cast<int>(at - ports.begin());
  }
  int InputNamed(const std::string& name) const { return IndexOf(def_.inputs, name); }
  int OutputNamed(const std::string& name) const { return IndexOf(def_.outputs, name); }

  static absl::StatusOr<const OpDef*> FindNorm() {
    for (const OpDef* def : OpRegistry::Get().All()) {
      if (def->traits.norm_of_gradients) return def;
    }
    return MakeError(ErrorClass::kVersion, "this build has no operator for the norm of gradients");
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

  absl::Status AddOutput(const std::string& name, ValueId value) {
    for (const NamedValue& output : entry_.outputs) {
      if (output.name != name) continue;
      return MakeError(ErrorClass::kGraph, "entry \"%s\" already has an output \"%s\"", entry_.name, name);
    }
    entry_.outputs.push_back({name, value});
    return absl::OkStatus();
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
  NameScope names_;
  std::map<std::string, ValueId> scalars_;  // by the name of the input that takes them
};

}  // namespace

absl::StatusOr<Graph> ApplyOptimizer(Graph graph, const CompileOptions& options) {
  ATH_ASSIGN_OR_RETURN(GraphEntry * entry, OnlyEntry(graph));
  if (!options.optimizer || !entry->training) return graph;
  if (OnlyRequest(options).gradients == GradientUse::kAccumulate) return graph;
  ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOptimizer(options.optimizer->op));
  std::vector<Gradient> gradients = TakeGradients(graph, *entry, options.gradients_as_outputs);
  if (gradients.empty()) return graph;
  ATH_RETURN_IF_ERROR(CheckNotUpdated(graph, *entry, gradients));

  ATH_ASSIGN_OR_RETURN(std::vector<Attributes> attrs, AttributesOf(graph, *options.optimizer, gradients));
  OptimizerAdder adder(&graph, *def);
  ATH_RETURN_IF_ERROR(adder.AddScalars(attrs));
  ATH_RETURN_IF_ERROR(adder.AddNorm(gradients, *options.optimizer));
  for (size_t i = 0; i < gradients.size(); ++i) ATH_RETURN_IF_ERROR(adder.Update(gradients[i], attrs[i]));
  return graph;
}

}  // namespace athanor
