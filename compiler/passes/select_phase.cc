#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {

absl::StatusOr<Graph> SelectPhase(Graph graph, const CompileOptions&) {
  ATH_ASSIGN_OR_RETURN(const GraphEntry* entry, OnlyEntry(graph));
  for (Node& node : graph.nodes) {
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
    const std::string& phase = def->traits.phase_attr;
    if (!phase.empty()) node.attrs.Set(phase, AttrValue(entry->training));
  }
  return graph;
}

}  // namespace athanor
