#include "compiler/passes/rewrite.h"

#include <algorithm>

namespace athanor {

absl::StatusOr<GraphEntry*> OnlyEntry(Graph& graph) {
  if (graph.entries.size() == 1) return &graph.entries[0];
  return MakeError(ErrorClass::kGraph, "graph \"%s\" has %d entries where one is expected: select one first",
                   graph.name, graph.entries.size());
}

const EntryRequest& OnlyRequest(const CompileOptions& options) {
  ATH_CHECK(options.entries.size() == 1);
  return options.entries[0];
}

bool IsDifferentiated(const GraphEntry& entry, const CompileOptions& options) {
  if (options.optimizer && entry.training) return true;
  return options.gradients_as_outputs && entry.loss != kNoValue;
}

bool MatchesPattern(absl::string_view pattern, absl::string_view text) {
  size_t p = 0, t = 0;
  size_t star = absl::string_view::npos, resume = 0;  // the last '*', and where the text behind it starts
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (star != absl::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == absl::string_view::npos;
}

absl::StatusOr<const OpDef*> OpWith(bool OpTraits::*trait, absl::string_view what) {
  for (const OpDef* def : OpRegistry::Get().All()) {
    if (def->traits.*trait) return def;
  }
  return MakeError(ErrorClass::kVersion, "this build has no operator that %s", what);
}

absl::StatusOr<ValueId> ScalarInput(Graph& graph, NameScope& names, const std::string& name, DType dtype) {
  GraphEntry& entry = graph.entries[0];
  const TensorType type(dtype, {});
  for (const NamedValue& input : entry.inputs) {
    if (input.name != name) continue;
    if (graph.type(input.value) == type) return input.value;
    return MakeError(ErrorClass::kGraph, "entry \"%s\": input \"%s\" is %s, but its update wants %s", entry.name, name,
                     graph.type(input.value).ToString(), type.ToString());
  }
  Value value;
  value.name = names.Unique(name);
  value.type = type;
  value.kind = ValueKind::kInput;
  const ValueId id = graph.AddValue(std::move(value));
  entry.inputs.push_back({name, id});
  return id;
}

absl::StatusOr<ValueId> AddStateLike(Graph& graph, NameScope& names, ValueId parameter, const std::string& name) {
  if (names.Unique(name) != name) {
    return MakeError(ErrorClass::kGraph, "entry \"%s\": the state \"%s\" of its updates has a name that is taken",
                     graph.entries[0].name, name);
  }
  Value state;
  state.name = name;
  state.type = graph.type(parameter);
  state.kind = ValueKind::kState;
  state.init.kind = "zeros";
  return graph.AddValue(std::move(state));
}

absl::StatusOr<std::vector<ValueId>> AddNode(Graph& graph, NameScope& names, Node node,
                                             const std::vector<std::string>& outputs) {
  node.name = names.Unique(node.name);
  for (const std::string& name : outputs) {
    Value value;
    value.name = names.Unique(name);
    node.outputs.push_back(graph.AddValue(std::move(value)));
  }
  ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
  ATH_ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTypes(*def, node, InputTypes(graph, node)));
  for (size_t i = 0; i < node.outputs.size(); ++i) graph.values[node.outputs[i]].type = types[i];
  graph.nodes.push_back(node);
  return std::move(node.outputs);
}

bool IsFrozen(const CompileOptions& options, absl::string_view parameter) {
  return std::any_of(options.frozen.begin(), options.frozen.end(),
                     [&](const std::string& pattern) { return MatchesPattern(pattern, parameter); });
}

std::vector<TensorType> InputTypes(const Graph& graph, const Node& node) {
  std::vector<TensorType> types;
  types.reserve(node.inputs.size());
  for (ValueId v : node.inputs) types.push_back(v == kNoValue ? TensorType() : graph.type(v));
  return types;
}

std::vector<int> CountUses(const Graph& graph) {
  std::vector<int> uses(graph.values.size(), 0);
  auto use = [&](ValueId v) {
    if (v != kNoValue) ++uses[v];
  };
  for (const Node& node : graph.nodes) std::for_each(node.inputs.begin(), node.inputs.end(), use);
  for (const GraphEntry& entry : graph.entries) {
    for (const NamedValue& output : entry.outputs) use(output.value);
    use(entry.loss);
    for (const auto& [variable, value] : entry.updates) use(value);
  }
  return uses;
}

std::vector<bool> NeededValues(const Graph& graph, bool keep_effects) {
  std::vector<bool> needed(graph.values.size(), false);
  auto need = [&](ValueId v) {
    if (v != kNoValue) needed[v] = true;
  };
  for (const GraphEntry& entry : graph.entries) {
    for (const NamedValue& output : entry.outputs) need(output.value);
    need(entry.loss);
    for (const auto& [variable, value] : entry.updates) need(value);
  }
  auto has_effect = [](const Node& node) {
    const OpDef* def = OpRegistry::Get().Find(node.op);
    return def != nullptr && !def->traits.pure;
  };
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    bool is_needed =
        std::any_of(node->outputs.begin(), node->outputs.end(), [&](ValueId v) { return v != kNoValue && needed[v]; });
    if (is_needed || (keep_effects && has_effect(*node))) std::for_each(node->inputs.begin(), node->inputs.end(), need);
  }
  return needed;
}

void ValueMap::Replace(ValueId from, ValueId to) {
  if (from >= static_cast<ValueId>(to_.size())) to_.resize(from + 1, kNoValue);
  to_[from] = to;
}

ValueId ValueMap::operator()(ValueId v) const {
  if (v == kNoValue || v >= static_cast<ValueId>(to_.size()) || to_[v] == kNoValue) return v;
  return to_[v];
}

void ValueMap::ApplyTo(Node& node) const {
  for (ValueId& v : node.inputs) v = (*this)(v);
}

void ValueMap::ApplyTo(GraphEntry& entry) const {
  for (NamedValue& output : entry.outputs) output.value = (*this)(output.value);
  entry.loss = (*this)(entry.loss);
  for (auto& [variable, value] : entry.updates) value = (*this)(value);
}

}  // namespace athanor
