#include "compiler/passes/rewrite.h"

#include <algorithm>

#include "compiler/opdef/op_def.h"

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
