#include "absl/strings/str_cat.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

std::string AverageName(absl::string_view parameter) { return absl::StrCat(parameter, "/ema"); }

}  // namespace

absl::StatusOr<Graph> AverageParameters(Graph graph, const CompileOptions& options) {
  ATH_ASSIGN_OR_RETURN(GraphEntry * entry, OnlyEntry(graph));
  if (options.ema_decay == 0 || !entry->training) return graph;
  ATH_ASSIGN_OR_RETURN(const OpDef* def, OpWith(&OpTraits::averages_parameters, "averages parameters"));
  NameScope names(graph);
  const auto updates = entry->updates;  // a copy: averages are updates too
  for (const auto& [parameter, next] : updates) {
    if (graph.value(parameter).kind != ValueKind::kParameter) continue;
    ATH_ASSIGN_OR_RETURN(ValueId step, ScalarInput(graph, names, "step", DType::kS64));
    const std::string name = AverageName(graph.value(parameter).name);
    ATH_ASSIGN_OR_RETURN(ValueId average, AddStateLike(graph, names, parameter, name));
    graph.values[average].init = graph.value(parameter).init;
    graph.values[average].data = graph.value(parameter).data;
    Node node;
    node.op = def->name;
    node.name = absl::StrCat(graph.value(parameter).name, "/average");
    node.inputs = {average, next, step};
    node.attrs = {{"decay", options.ema_decay}, {"warmup", options.ema_warmup}};
    ATH_ASSIGN_OR_RETURN(std::vector<ValueId> made,
                         AddNode(graph, names, std::move(node), {absl::StrCat(name, ".next")}));
    entry->updates.emplace_back(average, made[0]);
  }
  return graph;
}

absl::StatusOr<Graph> UseAverages(Graph graph, const CompileOptions& options) {
  ATH_ASSIGN_OR_RETURN(const GraphEntry* entry, OnlyEntry(graph));
  if (!OnlyRequest(options).use_ema) return graph;
  if (entry->training) {
    return MakeError(ErrorClass::kReq, "entry \"%s\" trains the parameters: it cannot read their averages", entry->name);
  }
  if (options.ema_decay == 0) {
    return MakeError(ErrorClass::kReq, "entry \"%s\" is to read averages, but ema_decay is 0: there are none",
                     entry->name);
  }
  NameScope names(graph);
  for (Value& value : graph.values) {
    if (value.kind != ValueKind::kParameter || IsFrozen(options, value.name)) continue;
    const std::string name = AverageName(value.name);
    if (names.Unique(name) != name) {
      return MakeError(ErrorClass::kGraph, "entry \"%s\": the average of a parameter needs the name \"%s\", which is taken",
                       entry->name, name);
    }
    value.name = name;
    value.kind = ValueKind::kState;
  }
  return graph;
}

}  // namespace athanor
