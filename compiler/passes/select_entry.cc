#include <algorithm>

#include "absl/strings/str_join.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

// Keeps the outputs asked for, in the entry's order. The loss of an entry that is not trained goes with its output.
absl::Status SelectOutputs(const CompileOptions& options, GraphEntry& entry) {
  const std::vector<std::string>& wanted = OnlyRequest(options).outputs;
  if (wanted.empty()) return absl::OkStatus();
  auto is_wanted = [&](const std::string& name) { return std::find(wanted.begin(), wanted.end(), name) != wanted.end(); };
  for (const std::string& name : wanted) {
    auto has_name = [&](const NamedValue& output) { return output.name == name; };
    if (std::any_of(entry.outputs.begin(), entry.outputs.end(), has_name)) continue;
    auto each = [](std::string* out, const NamedValue& output) { absl::StrAppend(out, "\"", output.name, "\""); };
    return MakeError(ErrorClass::kReq, "entry \"%s\" has no output \"%s\" to keep; it has: %s", entry.name, name,
                     entry.outputs.empty() ? "none" : absl::StrJoin(entry.outputs, ", ", each));
  }
  auto is_unwanted = [&](const NamedValue& output) { return !is_wanted(output.name); };
  entry.outputs.erase(std::remove_if(entry.outputs.begin(), entry.outputs.end(), is_unwanted), entry.outputs.end());
  if (!is_wanted("loss") && !entry.training && !IsDifferentiated(entry, options)) entry.loss = kNoValue;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Graph> SelectEntry(Graph graph, const CompileOptions& options) {
  const std::string& wanted = OnlyRequest(options).name;
  const GraphEntry* found = graph.FindEntry(wanted);
  if (found == nullptr) {
    auto each = [](std::string* out, const GraphEntry& e) { absl::StrAppend(out, "\"", e.name, "\""); };
    return MakeError(ErrorClass::kGraph, "model \"%s\" has no entry \"%s\"; it has: %s", graph.name, wanted,
                     graph.entries.empty() ? "none" : absl::StrJoin(graph.entries, ", ", each));
  }
  GraphEntry entry = *found;
  ATH_RETURN_IF_ERROR(SelectOutputs(options, entry));
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
