// Unique names for what is added to a graph, in constant time each.
#ifndef ATHANOR_COMPILER_OPDEF_NAME_SCOPE_H_
#define ATHANOR_COMPILER_OPDEF_NAME_SCOPE_H_

#include <string>
#include <unordered_map>

#include "compiler/graph/graph.h"

namespace athanor {

// Knows the names of all nodes and values at its making, and those it gave out since: a name it gives is neither a
// node's nor a value's. Whoever adds to the graph under another name while the scope is in use calls Add.
class NameScope {
 public:
  NameScope() = default;
  explicit NameScope(const Graph& graph);
  void Add(const std::string& name) { next_.emplace(name, 1); }
  // `base`, or base.1, base.2, ...: the first that is free, which is then taken.
  std::string Unique(const std::string& base);

 private:
  std::unordered_map<std::string, int> next_;  // names in use -> the suffix to try next
};

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPDEF_NAME_SCOPE_H_
