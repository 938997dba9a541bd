#include "compiler/opdef/name_scope.h"

#include "absl/strings/str_cat.h"

namespace athanor {

NameScope::NameScope(const Graph& graph) {
  next_.reserve(graph.values.size() + graph.nodes.size());
  for (const Value& value : graph.values) Add(value.name);
  for (const Node& node : graph.nodes) Add(node.name);
}

std::string NameScope::Unique(const std::string& base) {
  auto [it, is_new] = next_.try_emplace(base, 1);
  if (is_new) return base;
  int& next = it->second;  // stays valid when the map grows, unlike `it`
  while (true) {
    std::string name = absl::StrCat(base, ".", next++);
    if (next_.try_emplace(name, 1).second) return name;
  }
}

}  // namespace athanor
