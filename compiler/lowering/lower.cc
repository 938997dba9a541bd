#include "compiler/lowering/lower.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

class Lowering {
 public:
  Lowering(const Graph& graph, std::vector<Variable>* variables)
      : graph_(graph), source_(graph.entries[0]), variables_(variables), buffer_of_(graph.values.size(), kNoBuffer) {}

  absl::StatusOr<Entry> Run(const std::string& name, const std::map<std::string, int64_t>& symbols) {
    entry_.name = name;
    entry_.symbols = symbols;
    ATH_RETURN_IF_ERROR(MakeLeafBuffers());
    FindInPlaceUpdates();
    for (const Node& node : graph_.nodes) MakeOutputBuffers(node);
    for (const Node& node : graph_.nodes) ATH_RETURN_IF_ERROR(LowerNode(node));
    MakeEntryOutputs();  // before the copies: an output that is a variable shows what it was before the run
    CopyRemainingUpdates();
    return std::move(entry_);
  }

 private:
  BufferId AddBuffer(std::string name, BufferKind kind, MemoryDesc desc) {
    Buffer b;
    b.name = std::move(name);
    b.kind = kind;
    b.desc = std::move(desc);
    entry_.buffers.push_back(std::move(b));
    return static_cast<BufferId>(entry_.buffers.size() - 1);
  }

  absl::Status MakeLeafBuffers() {
    for (const NamedValue& input : source_.inputs) {
      const Value& v = graph_.value(input.value);
      buffer_of_[input.value] =
          AddBuffer(input.name, BufferKind::kInput, MemoryDesc::Plain(v.type.dtype, v.type.shape()));
      entry_.inputs.push_back({input.name, buffer_of_[input.value]});
    }
    for (size_t id = 0; id < graph_.values.size(); ++id) {
      const Value& v = graph_.values[id];
      if (IsVariable(v.kind) || v.kind == ValueKind::kConstant) {
        ATH_ASSIGN_OR_RETURN(int index, FindOrAddVariable(v));
        buffer_of_[id] = AddBuffer((*variables_)[index].name, BufferKind::kVariable, (*variables_)[index].desc);
        entry_.buffers.back().variable = index;
      } else if (v.kind == ValueKind::kInput && buffer_of_[id] == kNoBuffer) {
        return MakeError(ErrorClass::kGraph, "input \"%s\" is not among the inputs of entry \"%s\"", v.name,
                         source_.name);
      }
    }
    return absl::OkStatus();
  }

  static bool SameData(const Tensor* a, const Tensor* b) {
    if (a == nullptr || b == nullptr) return a == b;
    return a->dtype() == b->dtype() && a->shape() == b->shape() && std::memcmp(a->data(), b->data(), a->bytes()) == 0;
  }

  Variable* FindVariable(const std::string& name) {
    for (Variable& v : *variables_) {
      if (v.name == name) return &v;
    }
    return nullptr;
  }
  std::string UnusedName(const std::string& base) {
    std::string name = base;
    for (int i = 1; FindVariable(name) != nullptr; ++i) name = absl::StrCat(base, ".", i);
    return name;
  }

  // Parameters and states are one by name over all entries: they are found by it in checkpoints. Constants made by
  // passes may share a name between entries and hold different numbers, or have that of another entry's parameter: it
  // is the constant that gets another name.
  absl::StatusOr<int> FindOrAddVariable(const Value& v) {
    VariableKind kind = v.kind == ValueKind::kParameter ? VariableKind::kParameter
                        : v.kind == ValueKind::kState   ? VariableKind::kState
                                                        : VariableKind::kConstant;
    Variable* known = FindVariable(v.name);
    if (kind == VariableKind::kConstant) {
      if (known == nullptr) return AddVariable(v.name, kind, v);
      if (known->kind == kind && SameData(known->data.get(), v.data.get())) {
        return static_cast<int>(known - variables_->data());
      }
      return AddVariable(UnusedName(absl::StrCat(v.name, "@", entry_.name)), kind, v);
    }
    if (known != nullptr && known->kind == VariableKind::kConstant) {
      known->name = UnusedName(absl::StrCat(v.name, "@constant"));
      known = nullptr;
    }
    if (known == nullptr) return AddVariable(v.name, kind, v);
    if (known->kind == kind && known->desc.dtype == v.type.dtype && known->desc.dims == v.type.shape()) {
      return static_cast<int>(known - variables_->data());
    }
    auto describe = [](VariableKind k) { return k == VariableKind::kParameter ? "a parameter" : "a state"; };
    return MakeError(ErrorClass::kShape, "variable \"%s\" is %s of %s%s in one entry and %s of %s in entry \"%s\"",
                     v.name, describe(known->kind), DTypeName(known->desc.dtype), ShapeToString(known->desc.dims),
                     describe(kind), v.type.ToString(), entry_.name);
  }

  int AddVariable(std::string name, VariableKind kind, const Value& v) {
    Variable variable;
    variable.name = std::move(name);
    variable.kind = kind;
    // Scalars and the types that oneDNN does not block have one layout only.
    const bool plain_only = v.type.rank() == 0 || !IsFloating(v.type.dtype);
    variable.desc = plain_only ? MemoryDesc::Plain(v.type.dtype, v.type.shape())
                               : MemoryDesc{v.type.dtype, v.type.shape(), ""};
    variable.data = v.data;
    variables_->push_back(std::move(variable));
    return static_cast<int>(variables_->size() - 1);
  }

  // An update is done in place if its producer may do so and nothing else reads the variable's old content then or
  // later: no node, no output, no update of another variable.
  void FindInPlaceUpdates() {
    std::vector<int> producers = graph_.Producers();
    std::vector<int> last_reader(graph_.values.size(), -1);
    const int end = static_cast<int>(graph_.nodes.size());
    for (int n = 0; n < end; ++n) {
      for (ValueId v : graph_.nodes[n].inputs) {
        if (v != kNoValue) last_reader[v] = n;
      }
    }
    for (const NamedValue& out : source_.outputs) last_reader[out.value] = end;
    for (const auto& [variable, value] : source_.updates) last_reader[value] = end;
    for (const auto& [variable, value] : source_.updates) {
      int n = producers[value];
      if (n < 0 || last_reader[variable] > n || in_place_value_.contains(value)) continue;
      if (MayUpdateInPlace(graph_.nodes[n], variable, value)) in_place_value_[value] = variable;
    }
  }

  bool MayUpdateInPlace(const Node& node, ValueId variable, ValueId value) const {
    if (std::count(node.inputs.begin(), node.inputs.end(), variable) != 1) return false;
    if (graph_.type(variable) != graph_.type(value)) return false;
    const auto& in_place = OpRegistry::Get().Find(node.op)->traits.in_place;
    return std::any_of(in_place.begin(), in_place.end(), [&](auto pair) {
      auto [output, input] = pair;
      return output < static_cast<int>(node.outputs.size()) && input < static_cast<int>(node.inputs.size()) &&
             node.outputs[output] == value && node.inputs[input] == variable;
    });
  }

  void MakeOutputBuffers(const Node& node) {
    for (ValueId v : node.outputs) {
      if (v == kNoValue) continue;
      auto it = in_place_value_.find(v);
      if (it != in_place_value_.end()) {
        buffer_of_[v] = buffer_of_[it->second];
        continue;
      }
      const TensorType& t = graph_.type(v);
      buffer_of_[v] = AddBuffer(graph_.value(v).name, BufferKind::kTemporary, MemoryDesc{t.dtype, t.shape(), ""});
    }
  }

  absl::Status LowerNode(const Node& node) {
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
    if (!def->lower && !def->elementwise) {
      return MakeError(ErrorClass::kGraph, "%s: the operator has no lowering in this phase", DescribeNode(node));
    }
    auto buffers = [&](const std::vector<ValueId>& ids) {
      std::vector<BufferId> out;
      for (ValueId v : ids) out.push_back(v == kNoValue ? kNoBuffer : buffer_of_[v]);
      return out;
    };
    LowerContext context(graph_, node, &entry_, buffers(node.inputs), buffers(node.outputs));
    ATH_RETURN_IF_ERROR(def->lower ? def->lower(context) : LowerElementwise(*def, context));
    if (context.PostOpsTaken()) return absl::OkStatus();
    return MakeError(ErrorClass::kGraph, "%s: its lowering takes no post-ops, it has %d", DescribeNode(node),
                     node.post_ops.size());
  }

  void EmitCopy(BufferId from, BufferId to, const std::string& name) {
    KernelCall call;
    call.kernel = "reorder";
    call.name = name;
    call.inputs = {from};
    call.outputs = {to};
    entry_.calls.push_back(std::move(call));
  }

  // All updates take their values from before any of them: where one variable becomes another that is copied to as
  // well, its old content is put aside first.
  void CopyRemainingUpdates() {
    std::vector<std::pair<ValueId, BufferId>> copies;  // variable, source
    std::set<BufferId> overwritten;
    for (const auto& [variable, value] : source_.updates) {
      if (buffer_of_[value] == buffer_of_[variable]) continue;
      copies.emplace_back(variable, buffer_of_[value]);
      overwritten.insert(buffer_of_[variable]);
    }
    for (auto& [variable, source] : copies) {
      if (!overwritten.contains(source)) continue;
      const std::string name = entry_.buffers[source].name + "/old";
      BufferId old = AddBuffer(name, BufferKind::kTemporary, entry_.buffers[source].desc);
      EmitCopy(source, old, name);
      source = old;
    }
    for (const auto& [variable, source] : copies) {
      EmitCopy(source, buffer_of_[variable], graph_.value(variable).name + "/update");
    }
  }

  // The value's own buffer becomes the output unless it is an input, a variable or already another output.
  void MakeEntryOutputs() {
    for (const NamedValue& out : source_.outputs) {
      BufferId id = buffer_of_[out.value];
      if (entry_.buffers[id].kind != BufferKind::kTemporary) {
        const Buffer from = entry_.buffers[id];
        BufferId copy = AddBuffer(out.name, BufferKind::kOutput, MemoryDesc::Plain(from.desc.dtype, from.desc.dims));
        EmitCopy(id, copy, out.name + "/copy");
        id = copy;
      } else {
        Buffer& b = entry_.buffers[id];
        b.kind = BufferKind::kOutput;
        b.desc.layout = MemoryDesc::PlainLayout(b.desc.dims.size());
      }
      entry_.outputs.push_back({out.name, id});
    }
  }

  const Graph& graph_;
  const GraphEntry& source_;
  std::vector<Variable>* variables_;
  std::vector<BufferId> buffer_of_;
  std::map<ValueId, ValueId> in_place_value_;  // value -> the variable whose memory it takes over
  Entry entry_;
};

}  // namespace

absl::StatusOr<Entry> Lower(const Graph& graph, const std::string& entry_name,
                            const std::map<std::string, int64_t>& symbols, std::vector<Variable>* variables) {
  ATH_CHECK(graph.entries.size() == 1);
  return Lowering(graph, variables).Run(entry_name, symbols);
}

}  // namespace athanor
