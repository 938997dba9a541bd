#include <algorithm>

#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

void DropUnread(Node& node, const OpDef& def, const std::vector<bool>& needed) {
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    ValueId& v = node.outputs[i];
    if (v != kNoValue && !needed[v] && OutputPort(def, i).optional) v = kNoValue;
  }
}

}  // namespace

absl::StatusOr<Graph> EliminateDead(Graph graph, const CompileOptions&) {
  const std::vector<bool> needed = NeededValues(graph, /*keep_effects=*/true);
  for (Node& node : graph.nodes) {
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
    bool is_needed =
        std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) { return v != kNoValue && needed[v]; });
    if (is_needed || !def->traits.pure) {
      DropUnread(node, *def, needed);
    } else {
      Remove(node);
    }
  }
  graph.Compact();
  return graph;
}

}  // namespace athanor
