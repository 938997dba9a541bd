#include <algorithm>

#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

// Operators that expand into each other without end are a bug of theirs; this many levels are more than any needs.
constexpr int kMaxRounds = 16;

// One walk over the nodes: what a node expands to stands in its place.
class Expander {
 public:
  explicit Expander(Graph* graph) : graph_(*graph), names_(*graph), map_(*graph) {}

  // Whether anything changed.
  absl::StatusOr<bool> Run() {
    std::vector<Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    bool changed = false;
    for (Node& node : nodes) {
      map_.ApplyTo(node);
      ATH_ASSIGN_OR_RETURN(bool expanded, TryExpand(node));
      if (!expanded) graph_.nodes.push_back(std::move(node));
      changed |= expanded;
    }
    for (GraphEntry& entry : graph_.entries) map_.ApplyTo(entry);
    return changed;
  }

 private:
  absl::StatusOr<bool> TryExpand(const Node& node) {
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
    if (def->expand == nullptr || !node.post_ops.empty()) return false;
    const size_t first_node = graph_.nodes.size();
    const size_t first_value = graph_.values.size();
    ExpandContext context(&graph_, node, &names_);
    ATH_RETURN_IF_ERROR(def->expand(context));
    const std::vector<ValueId>& outputs = context.outputs();
    if (std::all_of(outputs.begin(), outputs.end(), [](ValueId v) { return v == kNoValue; })) {
      ATH_CHECK(graph_.nodes.size() == first_node);  // added nodes, but set no output
      return false;
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      ATH_RETURN_IF_ERROR(CheckSameType(node, node.outputs[i], outputs[i]));
      TakeOver(node.outputs[i], outputs[i], first_node, first_value);
    }
    return true;
  }

  absl::Status CheckSameType(const Node& node, ValueId from, ValueId to) const {
    if (to != kNoValue && graph_.type(from) == graph_.type(to)) return absl::OkStatus();
    return MakeError(ErrorClass::kGraph, "%s: expands %s %s to %s, a bug of the operator", DescribeNode(node),
                     graph_.value(from).name, graph_.type(from).ToString(),
                     to == kNoValue ? "nothing" : graph_.type(to).ToString());
  }

  // A value made by the expansion keeps the name and the number of the one it stands for; another one is read instead.
  void TakeOver(ValueId old_value, ValueId new_value, size_t first_node, size_t first_value) {
    if (new_value < static_cast<ValueId>(first_value) || graph_.value(new_value).kind != ValueKind::kNode ||
        map_(new_value) != new_value) {
      map_.Replace(old_value, map_(new_value));
      return;
    }
    for (size_t n = first_node; n < graph_.nodes.size(); ++n) {
      std::vector<ValueId>& inputs = graph_.nodes[n].inputs;
      std::vector<ValueId>& outputs = graph_.nodes[n].outputs;
      std::replace(inputs.begin(), inputs.end(), new_value, old_value);
      std::replace(outputs.begin(), outputs.end(), new_value, old_value);
    }
    map_.Replace(new_value, old_value);  // should another output be the same value
  }

  Graph& graph_;
  NameScope names_;
  ValueMap map_;
};

}  // namespace

absl::StatusOr<Graph> Expand(Graph graph, const CompileOptions&) {
  for (int round = 0; round < kMaxRounds; ++round) {
    ATH_ASSIGN_OR_RETURN(bool changed, Expander(&graph).Run());
    if (!changed) {
      if (round > 0) graph.Compact();
      return graph;
    }
  }
  return MakeError(ErrorClass::kLimit, "graph \"%s\": operators still expand after %d rounds", graph.name, kMaxRounds);
}

}  // namespace athanor
