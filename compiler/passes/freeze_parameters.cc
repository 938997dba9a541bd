#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {

absl::StatusOr<Graph> FreezeParameters(Graph graph, const CompileOptions& options) {
  ATH_ASSIGN_OR_RETURN(const GraphEntry* entry, OnlyEntry(graph));
  if (!options.freeze_parameters || !entry->updates.empty() || IsDifferentiated(*entry, options)) return graph;
  for (Value& value : graph.values) {
    if (!IsVariable(value.kind) || value.data == nullptr) continue;
    value.kind = ValueKind::kConstant;
    value.init = Initializer();
  }
  return graph;
}

}  // namespace athanor
