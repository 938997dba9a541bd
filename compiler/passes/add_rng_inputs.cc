#include <algorithm>
#include <set>

#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

class RngInputAdder {
 public:
  explicit RngInputAdder(Graph* graph) : graph_(*graph), entry_(graph->entries[0]), names_(*graph) {}

  absl::Status Run() {
    std::vector<std::pair<size_t, const OpDef*>> nodes;  // those that draw numbers
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(graph_.nodes[n]));
      if (!def->traits.rng_inputs.empty()) nodes.emplace_back(n, def);
    }
    for (auto [n, def] : nodes) streams_.insert(graph_.nodes[n].attrs.Int(def->traits.rng_stream_attr, -1));
    for (auto [n, def] : nodes) {
      ATH_RETURN_IF_ERROR(FillInputs(*def, n));
      FillStream(*def, graph_.nodes[n]);
    }
    return absl::OkStatus();
  }

 private:
  absl::Status FillInputs(const OpDef& def, size_t n) {
    for (const std::string& name : def.traits.rng_inputs) {
      auto port = std::find_if(def.inputs.begin(), def.inputs.end(), [&](const PortDef& p) { return p.name == name; });
      ATH_CHECK(port != def.inputs.end() && port->optional);
      const size_t i = port - def.inputs.begin();
      std::vector<ValueId>& inputs = graph_.nodes[n].inputs;
      if (inputs.size() <= i) inputs.resize(i + 1, kNoValue);
      if (inputs[i] != kNoValue) continue;
      ATH_ASSIGN_OR_RETURN(ValueId value, EntryInput(name));
      graph_.nodes[n].inputs[i] = value;
    }
    return absl::OkStatus();
  }

  // Numbers in the order of the nodes, but those that nodes have already.
  void FillStream(const OpDef& def, Node& node) {
    const std::string& attr = def.traits.rng_stream_attr;
    if (node.attrs.Int(attr, -1) >= 0) return;
    while (streams_.contains(next_stream_)) ++next_stream_;
    node.attrs.Set(attr, next_stream_++);
  }

  absl::StatusOr<ValueId> EntryInput(const std::string& name) {
    const TensorType type(DType::kS64, {});
    for (const NamedValue& input : entry_.inputs) {
      if (input.name != name) continue;
      if (graph_.type(input.value) == type) return input.value;
      return MakeError(ErrorClass::kGraph, "entry \"%s\": input \"%s\" is %s, but operators that draw numbers want %s",
                       entry_.name, name, graph_.type(input.value).ToString(), type.ToString());
    }
    Value value;
    value.name = names_.Unique(name);
    value.type = type;
    value.kind = ValueKind::kInput;
    entry_.inputs.push_back({name, graph_.AddValue(std::move(value))});
    return entry_.inputs.back().value;
  }

  Graph& graph_;
  GraphEntry& entry_;
  NameScope names_;
  std::set<int64_t> streams_;  // in use
  int64_t next_stream_ = 0;
};

}  // namespace

absl::StatusOr<Graph> AddRngInputs(Graph graph, const CompileOptions&) {
  ATH_ASSIGN_OR_RETURN(const GraphEntry* entry, OnlyEntry(graph));
  if (!entry->training) return graph;
  ATH_RETURN_IF_ERROR(RngInputAdder(&graph).Run());
  return graph;
}

}  // namespace athanor
