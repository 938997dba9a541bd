#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

std::map<std::string, ValueId> Parameters(const Graph& graph) {
  std::map<std::string, ValueId> parameters;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (graph.values[v].kind == ValueKind::kParameter) parameters[graph.values[v].name] = static_cast<ValueId>(v);
  }
  return parameters;
}

}  // namespace

absl::StatusOr<Graph> AccumulateGradients(Graph graph, const CompileOptions& options) {
  ATH_ASSIGN_OR_RETURN(GraphEntry * entry, OnlyEntry(graph));
  if (!options.accumulate_gradients || !options.optimizer || !entry->training) return graph;
  ATH_ASSIGN_OR_RETURN(const OpDef* def, OpWith(&OpTraits::accumulates_parts, "accumulates gradients"));
  constexpr absl::string_view kPrefix = "grad:";
  const bool is_last = OnlyRequest(options).gradients == GradientUse::kUpdate;
  NameScope names(graph);
  ValueId share = kNoValue;
  std::vector<NamedValue> outputs;
  const std::map<std::string, ValueId> parameters = Parameters(graph);
  for (const NamedValue& output : entry->outputs) {
    auto found = parameters.end();
    if (absl::StartsWith(output.name, kPrefix)) found = parameters.find(output.name.substr(kPrefix.size()));
    if (found == parameters.end()) {
      outputs.push_back(output);
      continue;
    }
    const ValueId parameter = found->second;
    if (share == kNoValue) {
      ATH_ASSIGN_OR_RETURN(share, ScalarInput(graph, names, "batch_share", DType::kF32));
    }
    const std::string name = absl::StrCat(graph.value(parameter).name, "/accumulated");
    ATH_ASSIGN_OR_RETURN(ValueId sum, AddStateLike(graph, names, parameter, name));
    Node node;
    node.op = def->name;
    node.name = absl::StrCat(graph.value(parameter).name, "/accumulate");
    node.inputs = {sum, output.value, share, parameter};
    std::vector<std::string> results = {absl::StrCat(name, ".next")};
    if (is_last) results.push_back(absl::StrCat(name, ".total"));
    ATH_ASSIGN_OR_RETURN(std::vector<ValueId> made, AddNode(graph, names, std::move(node), results));
    entry->updates.emplace_back(sum, made[0]);
    if (is_last) {
      outputs.push_back({output.name, made[1]});
    } else if (options.gradients_as_outputs) {
      outputs.push_back(output);
    }
  }
  entry->outputs = std::move(outputs);
  return graph;
}

}  // namespace athanor
