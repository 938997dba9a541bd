#include <algorithm>

#include "absl/strings/str_join.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {

absl::StatusOr<Graph> SelectEntry(Graph graph, const CompileOptions& options) {
  const std::string& wanted = OnlyRequest(options).name;
  const GraphEntry* found = graph.FindEntry(wanted);
  if (found == nullptr) {
    auto each = [](std::string* out, const GraphEntry& e) { absl::StrAppend(out, "\"", e.name, "\""); };
    return MakeError(ErrorClass::kGraph, "model \"%s\" has no entry \"%s\"; it has: %s", graph.name, wanted,
                     graph.entries.empty() ? "none" : absl::StrJoin(graph.entries, ", ", each));
  }
  GraphEntry entry = *found;
  graph.entries = {std::move(entry)};

  // Effects are not a reason to stay: a node that this entry does not need belongs to another one.
  std::vector<bool> needed = NeededValues(graph, /*keep_effects=*/false);
  for (Node& node : graph.nodes) {
    bool is_needed =
        std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) { return v != kNoValue && needed[v]; });
    if (!is_needed) Remove(node);
  }
  graph.Compact();
  return graph;
}

}  // namespace athanor
