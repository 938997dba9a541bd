#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "compiler/passes/layers.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

// Within this share of its range from either end, an activation that saturates counts as saturated.
constexpr double kSaturatedShare = 0.01;

class Diagnosis {
 public:
  Diagnosis(Graph* graph, const OpDef& def)
      : graph_(*graph), entry_(graph->entries[0]), def_(def), names_(*graph), producers_(graph->Producers()),
        behind_(graph->nodes.size() + 1) {}

  absl::Status Run() {
    for (NamedValue& output : entry_.outputs) {
      const bool is_activation = absl::StartsWith(output.name, kActivationPrefix);
      if (!is_activation && !absl::StartsWith(output.name, kActivationGradientPrefix)) continue;
      ATH_ASSIGN_OR_RETURN(output.value, Statistics(output.name, {output.value},
                                                    is_activation ? OfActivation(output.value) : Attributes()));
    }
    const size_t nodes = graph_.nodes.size();
    bool updates = false;
    for (size_t n = 0; n < nodes; ++n) {
      const Node node = graph_.nodes[n];
      ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
      if (!def->traits.optimizer) continue;
      updates = true;
      const std::string parameter = graph_.value(node.inputs[0]).name;
      ATH_RETURN_IF_ERROR(AddOutput(absl::StrCat("weight:", parameter), {node.inputs[0]}));
      ATH_RETURN_IF_ERROR(AddOutput(absl::StrCat("gradient:", parameter), {node.inputs[1]}));
      ATH_RETURN_IF_ERROR(AddOutput(absl::StrCat("update:", parameter), {node.outputs[0], node.inputs[0]}));
    }
    if (!updates) {
      return MakeError(ErrorClass::kReq, "entry \"%s\" is to be diagnosed, but it updates no parameter", entry_.name);
    }
    PlaceNodes();
    return absl::OkStatus();
  }

 private:
  Attributes OfActivation(ValueId value) const {
    Attributes attrs = {{"axis", int64_t{UnitAxis(graph_, producers_, value)}}};
    const OpDef* def = producers_[value] < 0 ? nullptr : OpRegistry::Get().Find(graph_.nodes[producers_[value]].op);
    if (def == nullptr || def->traits.saturates.empty()) return attrs;
    const double low = def->traits.saturates[0], high = def->traits.saturates[1], edge = kSaturatedShare * (high - low);
    attrs.Set("bounds", AttrValue(Floats{low + edge, high - edge}));
    return attrs;
  }

  // A node behind the producer of the last of its inputs, so that none is kept for it.
  absl::StatusOr<ValueId> Statistics(const std::string& name, std::vector<ValueId> inputs, Attributes attrs) {
    int last = -1;
    for (ValueId v : inputs) last = std::max(last, producers_[v]);
    Node node;
    node.op = def_.name;
    node.name = absl::StrCat(name, "/statistics");
    node.inputs = std::move(inputs);
    node.attrs = std::move(attrs);
    ATH_ASSIGN_OR_RETURN(std::vector<ValueId> made, AddNode(graph_, names_, std::move(node), {name}));
    behind_[last + 1].push_back(std::move(graph_.nodes.back()));
    graph_.nodes.pop_back();
    return made[0];
  }

  absl::Status AddOutput(const std::string& name, std::vector<ValueId> inputs) {
    ATH_ASSIGN_OR_RETURN(ValueId value, Statistics(name, std::move(inputs), {}));
    entry_.outputs.push_back({name, value});
    return absl::OkStatus();
  }

  void PlaceNodes() {
    std::vector<Node> nodes = std::move(behind_[0]);
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      nodes.push_back(std::move(graph_.nodes[n]));
      std::move(behind_[n + 1].begin(), behind_[n + 1].end(), std::back_inserter(nodes));
    }
    graph_.nodes = std::move(nodes);
  }

  Graph& graph_;
  GraphEntry& entry_;
  const OpDef& def_;
  NameScope names_;
  const std::vector<int> producers_;       // of the graph as it was
  std::vector<std::vector<Node>> behind_;  // [0]: before all nodes; [n + 1]: what goes behind node n
};

}  // namespace

absl::StatusOr<Graph> Diagnose(Graph graph, const CompileOptions& options) {
  ATH_RETURN_IF_ERROR(OnlyEntry(graph).status());
  if (!OnlyRequest(options).diagnose) return graph;
  ATH_ASSIGN_OR_RETURN(const OpDef* def, OpWith(&OpTraits::gives_statistics, "gives statistics"));
  ATH_RETURN_IF_ERROR(Diagnosis(&graph, *def).Run());
  return graph;
}

}  // namespace athanor
