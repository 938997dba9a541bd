#include "compiler/passes/layers.h"

#include <algorithm>
#include <set>

#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

bool KeepsUnits(const OpDef& def) { return def.elementwise != nullptr || def.channel_affine != nullptr; }

// Where the layer that begins at `v` ends.
absl::StatusOr<ValueId> EndOfLayer(const Graph& graph, const std::vector<std::vector<int>>& users, ValueId v) {
  while (users[v].size() == 1) {
    const Node& reader = graph.nodes[users[v][0]];
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(reader));
    if (!KeepsUnits(*def) || reader.outputs[0] == kNoValue || !(graph.type(reader.outputs[0]) == graph.type(v))) break;
    v = reader.outputs[0];
  }
  return v;
}

std::vector<Layer> Thinned(std::vector<Layer> layers) {
  if (layers.size() <= kMaxLayers) return layers;
  std::vector<Layer> some;
  for (size_t i = 0; i < kMaxLayers; ++i) some.push_back(layers[i * (layers.size() - 1) / (kMaxLayers - 1)]);
  return some;
}

}  // namespace

absl::StatusOr<std::vector<Layer>> FindLayers(const Graph& graph, const std::vector<bool>& depends) {
  auto is_trained = [&](ValueId v) {
    return v != kNoValue && depends[v] && graph.value(v).kind == ValueKind::kParameter;
  };
  const std::vector<std::vector<int>> users = graph.Users();
  std::set<ValueId> seen;
  std::vector<Layer> layers;
  for (const Node& node : graph.nodes) {
    if (std::none_of(node.inputs.begin(), node.inputs.end(), is_trained)) continue;
    const ValueId first = node.outputs.empty() ? kNoValue : node.outputs[0];
    if (first == kNoValue || graph.type(first).rank() < 2 || !IsFloating(graph.type(first).dtype)) continue;
    ATH_ASSIGN_OR_RETURN(ValueId end, EndOfLayer(graph, users, first));
    if (seen.insert(end).second) layers.push_back({node.name, end});
  }
  return Thinned(std::move(layers));
}

int UnitAxis(const Graph& graph, const std::vector<int>& producers, ValueId output) {
  const int rank = graph.type(output).rank();
  if (rank != 3) return rank < 2 ? -1 : 1;
  // [N,C,length] behind a convolution, [N,T,units] behind all else.
  for (int n = producers[output]; n >= 0;) {
    const Node& node = graph.nodes[n];
    const OpDef* def = OpRegistry::Get().Find(node.op);
    if (def == nullptr || !KeepsUnits(*def)) return def != nullptr && def->traits.weight_input >= 0 ? 1 : 2;
    if (node.inputs.empty() || node.inputs[0] == kNoValue) return 2;
    n = producers[node.inputs[0]];
  }
  return 2;
}

}  // namespace athanor
