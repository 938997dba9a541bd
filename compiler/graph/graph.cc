#include "compiler/graph/graph.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace athanor {

bool TensorType::concrete() const {
  return std::none_of(dims.begin(), dims.end(), [](const Dim& d) { return d.symbolic(); });
}

Shape TensorType::shape() const {
  ATH_CHECK(concrete());
  Shape s;
  for (const Dim& d : dims) s.push_back(d.size);
  return s;
}

std::string TensorType::ToString() const {
  auto each = [](std::string* out, const Dim& d) { out->append(d.ToString()); };
  return absl::StrCat(DTypeName(dtype), "[", absl::StrJoin(dims, ",", each), "]");
}

ValueId Graph::FindValue(absl::string_view value_name) const {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].name == value_name) return static_cast<ValueId>(i);
  }
  return kNoValue;
}

const GraphEntry* Graph::FindEntry(absl::string_view entry_name) const {
  for (const GraphEntry& e : entries) {
    if (e.name == entry_name) return &e;
  }
  return nullptr;
}

std::string Graph::UniqueValueName(const std::string& name) const {
  std::string unique = name;
  for (int i = 1; FindValue(unique) != kNoValue; ++i) unique = absl::StrCat(name, ".", i);
  return unique;
}

ValueId Graph::AddValue(Value v) {
  values.push_back(std::move(v));
  return static_cast<ValueId>(values.size() - 1);
}

std::vector<int> Graph::Producers() const {
  std::vector<int> producer(values.size(), -1);
  for (size_t n = 0; n < nodes.size(); ++n) {
    for (ValueId v : nodes[n].outputs) {
      if (v != kNoValue) producer[v] = static_cast<int>(n);
    }
  }
  return producer;
}

std::vector<std::vector<int>> Graph::Users() const {
  std::vector<std::vector<int>> users(values.size());
  for (size_t n = 0; n < nodes.size(); ++n) {
    for (ValueId v : nodes[n].inputs) {
      if (v == kNoValue) continue;
      if (users[v].empty() || users[v].back() != static_cast<int>(n)) users[v].push_back(static_cast<int>(n));
    }
  }
  return users;
}

void Graph::ReplaceUses(ValueId from, ValueId to) {
  for (Node& node : nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  for (GraphEntry& e : entries) {
    for (NamedValue& out : e.outputs) {
      if (out.value == from) out.value = to;
    }
    if (e.loss == from) e.loss = to;
    for (auto& [variable, value] : e.updates) {
      if (value == from) value = to;
    }
  }
}

void Graph::Compact() {
  std::erase_if(nodes, [](const Node& n) { return n.op.empty(); });
  std::vector<ValueId> remap(values.size(), kNoValue);
  std::vector<char> used(values.size(), 0);
  auto mark = [&](ValueId v) {
    if (v != kNoValue) used[v] = 1;
  };
  for (const Node& n : nodes) {
    std::for_each(n.inputs.begin(), n.inputs.end(), mark);
    std::for_each(n.outputs.begin(), n.outputs.end(), mark);
  }
  for (const GraphEntry& e : entries) {
    for (const NamedValue& v : e.inputs) mark(v.value);
    for (const NamedValue& v : e.outputs) mark(v.value);
    mark(e.loss);
    for (const auto& [variable, value] : e.updates) mark(variable), mark(value);
  }
  std::vector<Value> kept;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!used[i]) continue;
    remap[i] = static_cast<ValueId>(kept.size());
    kept.push_back(std::move(values[i]));
  }
  values = std::move(kept);
  auto renumber = [&](ValueId& v) {
    if (v != kNoValue) v = remap[v];
  };
  for (Node& n : nodes) {
    std::for_each(n.inputs.begin(), n.inputs.end(), renumber);
    std::for_each(n.outputs.begin(), n.outputs.end(), renumber);
  }
  for (GraphEntry& e : entries) {
    for (NamedValue& v : e.inputs) renumber(v.value);
    for (NamedValue& v : e.outputs) renumber(v.value);
    renumber(e.loss);
    for (auto& [variable, value] : e.updates) renumber(variable), renumber(value);
  }
}

std::string DescribeNode(const Node& node) {
  return absl::StrCat(node.where.empty() ? "" : node.where + ": ", "node \"", node.name, "\" (", node.op, ")");
}

}  // namespace athanor
