#include "compiler/graph/verify.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/core/utf8.h"

namespace athanor {
namespace {

constexpr size_t kMaxNodesOfACycle = 8;  // shown in an error

using NameSet = std::unordered_set<std::string_view>;

std::string ValueText(const Value& v) { return absl::StrCat("value %", absl::CHexEscape(v.name)); }
std::string NodeText(const Node& n) {
  return absl::StrCat(n.where.empty() ? "" : absl::CHexEscape(n.where) + ": ", "node \"", absl::CHexEscape(n.name),
                      "\" (", absl::CHexEscape(n.op), ")");
}
std::string EntryText(const GraphEntry& e) { return absl::StrCat("entry \"", absl::CHexEscape(e.name), "\""); }

absl::Status GraphError(absl::string_view who, absl::string_view what) {
  return MakeError(ErrorClass::kGraph, "%s: %s", who, what);
}

absl::Status CheckName(absl::string_view name, absl::string_view of) {
  if (name.empty()) return MakeError(ErrorClass::kGraph, "%s without a name", of);
  if (name.size() > kMaxNameBytes) {
    return MakeError(ErrorClass::kGraph, "%s: the name \"%s...\" of %d bytes is above the limit of %d", of,
                     absl::CHexEscape(name.substr(0, 32)), name.size(), kMaxNameBytes);
  }
  if (!IsPrintableUtf8(name)) {
    return MakeError(ErrorClass::kGraph, "%s: the name \"%s\" is no printable UTF-8", of, absl::CHexEscape(name));
  }
  return absl::OkStatus();
}

class Verifier {
 public:
  explicit Verifier(const Graph& graph)
      : graph_(graph), producer_(graph.values.size(), -1), ready_(graph.values.size(), 0) {}

  absl::Status Verify() {
    ATH_RETURN_IF_ERROR(Values());
    ATH_RETURN_IF_ERROR(NodeNames());
    for (size_t i = 0; i < graph_.nodes.size(); ++i) ATH_RETURN_IF_ERROR(Producers(static_cast<int>(i)));
    for (const Node& node : graph_.nodes) ATH_RETURN_IF_ERROR(Reads(node));
    NameSet names;
    for (const GraphEntry& entry : graph_.entries) {
      ATH_RETURN_IF_ERROR(CheckName(entry.name, "an entry"));
      if (!names.insert(entry.name).second) return GraphError(EntryText(entry), "the name is used twice");
      ATH_RETURN_IF_ERROR(AddContext(EntryValues(entry), EntryText(entry)));
    }
    return absl::OkStatus();
  }

 private:
  bool Exists(ValueId id) const { return id >= 0 && id < static_cast<ValueId>(graph_.values.size()); }

  absl::Status Values() {
    NameSet names;
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const Value& v = graph_.values[i];
      ATH_RETURN_IF_ERROR(CheckName(v.name, "a value"));
      if (!names.insert(v.name).second) return GraphError(ValueText(v), "the name is used twice");
      if (v.kind > ValueKind::kConstant) return GraphError(ValueText(v), "unknown kind");
      ATH_RETURN_IF_ERROR(Type(v));
      ATH_RETURN_IF_ERROR(Data(v));
      ready_[i] = v.kind != ValueKind::kNode;
    }
    return absl::OkStatus();
  }

  static absl::Status Type(const Value& v) {
    const TensorType& t = v.type;
    if (DTypeSize(t.dtype) == 0) {
      if (t.dtype == DType::kUndefined && v.kind == ValueKind::kNode && t.dims.empty()) return absl::OkStatus();
      return MakeError(ErrorClass::kDtype, "%s: the element type is undefined", ValueText(v));
    }
    if (t.rank() > kMaxRank) {
      return MakeError(ErrorClass::kShape, "%s: rank %d is above the limit of %d", ValueText(v), t.rank(), kMaxRank);
    }
    Shape known;
    for (const Dim& d : t.dims) {
      if (d.symbolic()) {
        ATH_RETURN_IF_ERROR(AddContext(CheckName(d.symbol, "a dimension"), ValueText(v)));
      } else {
        known.push_back(d.size);
      }
    }
    ATH_RETURN_IF_ERROR(AddContext(NumBytes(t.dtype, known).status(), ValueText(v)));
    if ((IsVariable(v.kind) || v.kind == ValueKind::kConstant) && !t.concrete()) {
      return MakeError(ErrorClass::kShape, "%s: a variable or constant cannot have the symbolic type %s", ValueText(v),
                       t.ToString());
    }
    return absl::OkStatus();
  }

  static absl::Status Data(const Value& v) {
    if (v.data == nullptr) {
      if (v.kind == ValueKind::kConstant) return GraphError(ValueText(v), "a constant without data");
      return absl::OkStatus();
    }
    if (!IsVariable(v.kind) && v.kind != ValueKind::kConstant) {
      return GraphError(ValueText(v), "has data, but is neither variable nor constant");
    }
    if (TensorType::Of(v.data->dtype(), v.data->shape()) != v.type) {
      return MakeError(v.data->dtype() != v.type.dtype ? ErrorClass::kDtype : ErrorClass::kShape,
                       "%s: the data is %s%s, but the type %s", ValueText(v), DTypeName(v.data->dtype()),
                       ShapeToString(v.data->shape()), v.type.ToString());
    }
    return absl::OkStatus();
  }

  absl::Status NodeNames() {
    NameSet names;
    for (const Node& node : graph_.nodes) {
      ATH_RETURN_IF_ERROR(CheckName(node.op, "an operator"));
      ATH_RETURN_IF_ERROR(CheckName(node.name, absl::StrCat("a node (", absl::CHexEscape(node.op), ")")));
      if (!names.insert(node.name).second) return GraphError(NodeText(node), "the name is used twice");
    }
    return absl::OkStatus();
  }

  absl::Status Producers(int index) {
    const Node& node = graph_.nodes[index];
    for (ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      if (!Exists(id)) return GraphError(NodeText(node), absl::StrCat("output ", id, " is no value"));
      const Value& v = graph_.values[id];
      if (v.kind != ValueKind::kNode) {
        return GraphError(NodeText(node), absl::StrCat("writes ", ValueText(v),
                                                       ", which is an input, a variable or a "
                                                       "constant"));
      }
      if (producer_[id] >= 0) {
        return GraphError(NodeText(node), absl::StrCat("writes ", ValueText(v), ", which ",
                                                       NodeText(graph_.nodes[producer_[id]]), " writes too"));
      }
      producer_[id] = index;
    }
    return absl::OkStatus();
  }

  // In the nodes' order: marks the outputs as ready.
  absl::Status Reads(const Node& node) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      ValueId id = node.inputs[i];
      if (id == kNoValue) continue;
      if (!Exists(id)) return GraphError(NodeText(node), absl::StrCat("input ", i, ": ", id, " is no value"));
      if (!ready_[id]) return NotReady(node, id);
    }
    for (const PostOp& p : node.post_ops) {
      if (p.op.empty()) return GraphError(NodeText(node), "a post-op without a name");
      if (p.operand < -1 || p.operand >= static_cast<int>(node.inputs.size())) {
        return GraphError(NodeText(node), absl::StrCat("post-op ", absl::CHexEscape(p.op), ": operand ", p.operand,
                                                       " is not among the ", node.inputs.size(), " inputs"));
      }
      if (p.operand >= 0 && node.inputs[p.operand] == kNoValue) {
        return GraphError(NodeText(node), absl::StrCat("post-op ", absl::CHexEscape(p.op), ": the operand is absent"));
      }
    }
    for (ValueId id : node.outputs) {
      if (id != kNoValue) ready_[id] = 1;
    }
    return absl::OkStatus();
  }

  absl::Status NotReady(const Node& node, ValueId id) const {
    std::string value = ValueText(graph_.values[id]);
    if (producer_[id] < 0) return GraphError(NodeText(node), absl::StrCat("reads ", value, ", which nothing produces"));
    std::vector<int> cycle = Cycle(static_cast<int>(&node - graph_.nodes.data()), producer_[id]);
    if (cycle.empty()) {
      return GraphError(NodeText(node), absl::StrCat("reads ", value, " before ", NodeText(graph_.nodes[producer_[id]]),
                                                     " produces it"));
    }
    size_t shown = std::min(cycle.size(), kMaxNodesOfACycle);
    std::string names = absl::StrJoin(cycle.begin(), cycle.begin() + shown, " <- ", [&](std::string* out, int n) {
      absl::StrAppend(out, "\"", absl::CHexEscape(graph_.nodes[n].name), "\"");
    });
    return GraphError(NodeText(node), absl::StrCat("reads ", value, ", which depends on this node; the cycle of ",
                                                   cycle.size(), ": ", names, shown < cycle.size() ? " <- ..." : ""));
  }

  // The nodes on a way from `from` back to `to` along inputs: from, ..., to; empty when there is none. Depth first with
  // a stack of our own.
  std::vector<int> Cycle(int to, int from) const {
    struct Step {
      int node;
      size_t next_input;
    };
    std::vector<char> seen(graph_.nodes.size(), 0);
    std::vector<Step> path = {{from, 0}};
    seen[from] = 1;
    while (!path.empty() && path.back().node != to) {
      Step& step = path.back();
      const Node& node = graph_.nodes[step.node];
      if (step.next_input == node.inputs.size()) {
        path.pop_back();
        continue;
      }
      ValueId id = node.inputs[step.next_input++];
      int producer = Exists(id) ? producer_[id] : -1;
      if (producer < 0 || seen[producer]) continue;
      seen[producer] = 1;
      path.push_back({producer, 0});
    }
    std::vector<int> nodes;
    for (const Step& step : path) nodes.push_back(step.node);
    return nodes;
  }

  absl::Status Readable(ValueId id, absl::string_view what) const {
    if (!Exists(id)) return MakeError(ErrorClass::kGraph, "%s: %d is no value", what, id);
    if (!ready_[id]) {
      return MakeError(ErrorClass::kGraph, "%s: nothing produces %s", what, ValueText(graph_.values[id]));
    }
    return absl::OkStatus();
  }

  absl::Status EntryValues(const GraphEntry& e) const {
    NameSet names;
    std::unordered_set<ValueId> values;
    for (const NamedValue& in : e.inputs) {
      ATH_RETURN_IF_ERROR(CheckName(in.name, "an input"));
      std::string what = absl::StrCat("input \"", absl::CHexEscape(in.name), "\"");
      if (!names.insert(in.name).second) return GraphError(what, "the name is used twice");
      ATH_RETURN_IF_ERROR(Readable(in.value, what));
      if (graph_.values[in.value].kind != ValueKind::kInput) {
        return GraphError(what, absl::StrCat(ValueText(graph_.values[in.value]), " is no input"));
      }
      if (!values.insert(in.value).second) {
        return GraphError(what, absl::StrCat(ValueText(graph_.values[in.value]), " is an input twice"));
      }
    }
    names.clear();
    for (const NamedValue& out : e.outputs) {
      ATH_RETURN_IF_ERROR(CheckName(out.name, "an output"));
      std::string what = absl::StrCat("output \"", absl::CHexEscape(out.name), "\"");
      if (!names.insert(out.name).second) return GraphError(what, "the name is used twice");
      ATH_RETURN_IF_ERROR(Readable(out.value, what));
    }
    if (e.loss != kNoValue) ATH_RETURN_IF_ERROR(Loss(e.loss));
    return Updates(e);
  }

  absl::Status Loss(ValueId id) const {
    ATH_RETURN_IF_ERROR(Readable(id, "loss"));
    const TensorType& type = graph_.type(id);
    if (type.dtype == DType::kUndefined) return absl::OkStatus();  // not inferred yet
    if (type.rank() != 0) {
      return MakeError(ErrorClass::kShape, "loss: %s is %s, not a scalar", ValueText(graph_.values[id]),
                       type.ToString());
    }
    if (!IsFloating(type.dtype)) {
      return MakeError(ErrorClass::kDtype, "loss: %s is %s, not floating", ValueText(graph_.values[id]),
                       type.ToString());
    }
    return absl::OkStatus();
  }

  absl::Status Updates(const GraphEntry& e) const {
    std::unordered_set<ValueId> updated;
    for (const auto& [variable, value] : e.updates) {
      ATH_RETURN_IF_ERROR(Readable(variable, "update"));
      const Value& target = graph_.values[variable];
      std::string what = absl::StrCat("update of %", absl::CHexEscape(target.name));
      if (!IsVariable(target.kind)) return GraphError(what, "it is no variable");
      if (!updated.insert(variable).second) return GraphError(what, "it is updated twice");
      ATH_RETURN_IF_ERROR(Readable(value, what));
      const TensorType& type = graph_.type(value);
      if (type.dtype != DType::kUndefined && type != target.type) {
        return MakeError(type.dtype != target.type.dtype ? ErrorClass::kDtype : ErrorClass::kShape,
                         "%s: it is %s, but %s is %s", what, target.type.ToString(), ValueText(graph_.values[value]),
                         type.ToString());
      }
    }
    return absl::OkStatus();
  }

  const Graph& graph_;
  std::vector<int> producer_;  // node, by value
  std::vector<char> ready_;    // by value
};

}  // namespace

absl::Status VerifyGraph(const Graph& graph) { return Verifier(graph).Verify(); }

}  // namespace athanor
