#include "models/flops.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace athanor {
namespace {

double Size(const Dim& d) { return d.symbolic() ? 1 : static_cast<double>(d.size); }

// Of dimensions [first, end), counted from the back where negative.
double Elements(const TensorType& type, int first = 0) {
  double n = 1;
  for (int d = first; d < type.rank(); ++d) n *= Size(type.dims[d]);
  return n;
}

// The dimension at `from_back` (1: the last).
double Back(const TensorType& type, int from_back) {
  return type.rank() < from_back ? 1 : Size(type.dims[type.rank() - from_back]);
}

double NodeFlops(const Graph& g, const Node& n) {
  auto in = [&](size_t i) { return i < n.inputs.size() && n.inputs[i] != kNoValue ? g.type(n.inputs[i]) : TensorType(); };
  const TensorType y = n.outputs.empty() || n.outputs[0] == kNoValue ? TensorType() : g.type(n.outputs[0]);
  if (absl::StartsWith(n.op, "ConvTranspose")) return 2 * Elements(in(0)) * Elements(in(1), 1);
  if (n.op == "Conv1d" || n.op == "Conv2d" || n.op == "Conv3d") return 2 * Elements(y) * Elements(in(1), 1);
  if (n.op == "FullyConnected") return 2 * Elements(y) * Elements(in(1), 1);
  if (n.op == "MatMul") {
    const AttrValue* transposed = n.attrs.Find("transpose_a");
    const bool* a = transposed == nullptr ? nullptr : std::get_if<bool>(transposed);
    return 2 * Elements(y) * Back(in(0), a != nullptr && *a ? 2 : 1);
  }
  if (n.op == "RNN" || n.op == "LSTM" || n.op == "GRU") {  // x [T,N,C]
    return 2 * Size(in(0).dims[0]) * Size(in(0).dims[1]) * (Elements(in(1)) + Elements(in(2)));
  }
  if (n.op == "ScaledDotProductAttention") {  // q [..,T,E] or [..,T,H,E], k and v alike
    const AttrValue* value = n.attrs.Find("layout");
    const std::string* layout = value == nullptr ? nullptr : std::get_if<std::string>(value);
    const double keys = Back(in(1), layout != nullptr && *layout == "bthe" ? 3 : 2), queries = Elements(in(0)) / Back(in(0), 1);
    return 2 * queries * keys * (Back(in(0), 1) + Back(in(2), 1));
  }
  if (n.op == "AdditiveAttention") {  // query [..,T,H], keys [..,S,H], v, values [..,S,V]
    const double queries = Elements(in(0)) / Back(in(0), 1);
    return 2 * queries * Back(in(1), 2) * (Back(in(0), 1) + Back(in(3), 1));
  }
  return 0;
}

}  // namespace

std::map<std::string, double> FlopsByNode(const Graph& graph, const std::string& entry_name) {
  std::map<std::string, double> flops;
  const GraphEntry* entry = graph.FindEntry(entry_name);
  if (entry == nullptr) return flops;
  std::vector<char> needed(graph.values.size(), 0);
  for (const NamedValue& out : entry->outputs) needed[out.value] = 1;
  if (entry->loss != kNoValue) needed[entry->loss] = 1;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool used = std::any_of(node->outputs.begin(), node->outputs.end(),
                                  [&](ValueId v) { return v != kNoValue && needed[v] != 0; });
    if (!used) continue;
    for (ValueId v : node->inputs) {
      if (v != kNoValue) needed[v] = 1;
    }
    if (const double n = NodeFlops(graph, *node); n > 0) flops[node->name] = n;
  }
  return flops;
}

double TotalFlops(const Graph& graph, const std::string& entry) {
  double total = 0;
  for (const auto& [name, flops] : FlopsByNode(graph, entry)) total += flops;
  return total;
}

}  // namespace athanor
