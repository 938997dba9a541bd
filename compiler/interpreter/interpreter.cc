#include "compiler/interpreter/interpreter.h"

#include <algorithm>

namespace athanor {
namespace {

std::vector<TensorType> TypesOf(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<TensorType> types;
  for (ValueId v : ids) types.push_back(v == kNoValue ? TensorType() : graph.type(v));
  return types;
}

absl::Status CheckShape(absl::string_view what, absl::string_view name, const DoubleTensor& value,
                        const TensorType& type) {
  if (value.shape == type.shape() && *NumElements(value.shape) == value.size()) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "%s \"%s\" is %s of %d elements, expected %s", what, name,
                   ShapeToString(value.shape), value.size(), type.ToString());
}

}  // namespace

absl::StatusOr<Interpreter> Interpreter::Create(const Graph& graph, absl::string_view entry) {
  const GraphEntry* found = graph.FindEntry(entry);
  if (found == nullptr) {
    return MakeError(ErrorClass::kGraph, "graph \"%s\" has no entry \"%s\"", graph.name, entry);
  }
  Graph own = graph;
  own.entries = {*found};
  Interpreter interpreter(std::move(own));
  ATH_RETURN_IF_ERROR(interpreter.KeepNeededNodes());
  ATH_RETURN_IF_ERROR(interpreter.InferAll());
  interpreter.LoadVariables();
  return interpreter;
}

absl::Status Interpreter::KeepNeededNodes() {
  std::vector<bool> needed(graph_.values.size(), false);
  auto need = [&](ValueId v) {
    if (v != kNoValue) needed[v] = true;
  };
  for (const NamedValue& out : entry().outputs) need(out.value);
  need(entry().loss);
  for (const auto& [variable, value] : entry().updates) need(variable), need(value);
  for (size_t n = graph_.nodes.size(); n-- > 0;) {
    Node& node = graph_.nodes[n];
    bool used = std::any_of(node.outputs.begin(), node.outputs.end(),
                            [&](ValueId v) { return v != kNoValue && needed[v]; });
    if (used) std::for_each(node.inputs.begin(), node.inputs.end(), need);
    else node.op.clear();
  }
  std::erase_if(graph_.nodes, [](const Node& node) { return node.op.empty(); });
  // What stays must be computed, given or held before it is read.
  std::vector<bool> ready(graph_.values.size(), false);
  for (const NamedValue& in : entry().inputs) ready[in.value] = true;
  for (size_t id = 0; id < graph_.values.size(); ++id) {
    const athanor::Value& v = graph_.values[id];
    if (IsVariable(v.kind) || (v.kind == ValueKind::kConstant && v.data != nullptr)) ready[id] = true;
  }
  for (const Node& node : graph_.nodes) {
    for (ValueId v : node.inputs) {
      if (v != kNoValue && !ready[v]) {
        return MakeError(ErrorClass::kGraph, "%s reads %s, which entry \"%s\" does not give or compute before",
                         DescribeNode(node), graph_.value(v).name, entry().name);
      }
    }
    for (ValueId v : node.outputs) {
      if (v != kNoValue) ready[v] = true;
    }
  }
  for (size_t id = 0; id < needed.size(); ++id) {
    if (needed[id] && !ready[id]) {
      return MakeError(ErrorClass::kGraph, "entry \"%s\" needs %s, which nothing computes", entry().name,
                       graph_.values[id].name);
    }
  }
  return absl::OkStatus();
}

absl::Status Interpreter::CheckConcrete(ValueId id) const {
  const athanor::Value& v = graph_.value(id);
  if (v.type.concrete()) return absl::OkStatus();
  return MakeError(ErrorClass::kShape, "%s is %s: fix the symbolic dimensions before interpreting", v.name,
                   v.type.ToString());
}

absl::Status Interpreter::InferAll() {
  for (const NamedValue& in : entry().inputs) ATH_RETURN_IF_ERROR(CheckConcrete(in.value));
  for (Node& node : graph_.nodes) {
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
    if (!def->traits.phase_attr.empty()) node.attrs.Set(def->traits.phase_attr, entry().training);
    for (ValueId v : node.inputs) {
      if (v != kNoValue) ATH_RETURN_IF_ERROR(CheckConcrete(v));
    }
    ATH_ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTypes(*def, node, TypesOf(graph_, node.inputs)));
    for (size_t i = 0; i < types.size(); ++i) {
      if (node.outputs[i] != kNoValue) graph_.values[node.outputs[i]].type = std::move(types[i]);
    }
  }
  return absl::OkStatus();
}

void Interpreter::LoadVariables() {
  values_.resize(graph_.values.size());
  computed_.assign(graph_.values.size(), false);
  for (size_t id = 0; id < graph_.values.size(); ++id) {
    const athanor::Value& v = graph_.values[id];
    if (v.data == nullptr) continue;
    if (IsVariable(v.kind)) variables_[v.name] = DoubleTensor::From(*v.data);
    if (v.kind == ValueKind::kConstant) {
      values_[id] = DoubleTensor::From(*v.data);
      computed_[id] = true;
    }
  }
}

absl::Status Interpreter::SetVariable(absl::string_view name, DoubleTensor value) {
  ValueId id = graph_.FindValue(name);
  if (id == kNoValue || !IsVariable(graph_.value(id).kind)) {
    return MakeError(ErrorClass::kReq, "graph \"%s\" has no variable \"%s\"", graph_.name, name);
  }
  ATH_RETURN_IF_ERROR(CheckConcrete(id));
  ATH_RETURN_IF_ERROR(CheckShape("variable", name, value, graph_.type(id)));
  variables_[std::string(name)] = std::move(value);
  return absl::OkStatus();
}

absl::Status Interpreter::SetInputs(const Tensors& inputs) {
  for (const auto& [name, value] : inputs) {
    auto has_name = [&name = name](const NamedValue& in) { return in.name == name; };
    if (std::none_of(entry().inputs.begin(), entry().inputs.end(), has_name)) {
      return MakeError(ErrorClass::kReq, "entry \"%s\" has no input \"%s\"", entry().name, name);
    }
  }
  for (const NamedValue& in : entry().inputs) {
    auto given = inputs.find(in.name);
    if (given == inputs.end()) {
      return MakeError(ErrorClass::kReq, "input \"%s\" of entry \"%s\" is missing", in.name, entry().name);
    }
    ATH_RETURN_IF_ERROR(CheckShape("input", in.name, given->second, graph_.type(in.value)));
    values_[in.value] = given->second;
    computed_[in.value] = true;
  }
  return absl::OkStatus();
}

absl::Status Interpreter::ReadVariables() {
  std::vector<bool> read(graph_.values.size(), false);
  for (const Node& node : graph_.nodes) {
    for (ValueId v : node.inputs) {
      if (v != kNoValue) read[v] = true;
    }
  }
  for (const NamedValue& out : entry().outputs) read[out.value] = true;
  for (const auto& [variable, value] : entry().updates) read[value] = true;
  for (size_t id = 0; id < read.size(); ++id) {
    const athanor::Value& v = graph_.values[id];
    if (!read[id] || !IsVariable(v.kind)) continue;
    auto held = variables_.find(v.name);
    if (held == variables_.end()) {
      return MakeError(ErrorClass::kGraph, "variable \"%s\" has no value yet", v.name);
    }
    values_[id] = held->second;
    computed_[id] = true;
  }
  return absl::OkStatus();
}

absl::Status Interpreter::RunNode(const Node& node) {
  std::vector<const DoubleTensor*> inputs;
  for (ValueId v : node.inputs) inputs.push_back(v == kNoValue ? nullptr : &values_[v]);
  const OpDef* def = OpRegistry::Get().Find(node.op);
  ATH_ASSIGN_OR_RETURN(auto outputs, EvaluateNode(*def, node, TypesOf(graph_, node.outputs), inputs));
  for (size_t i = 0; i < outputs.size(); ++i) {
    ValueId v = node.outputs[i];
    if (v == kNoValue) continue;
    // A reference that leaves the inferred shape is a bug of the operator.
    ATH_CHECK(outputs[i].shape == graph_.type(v).shape() && outputs[i].size() == *NumElements(outputs[i].shape));
    values_[v] = std::move(outputs[i]);
    computed_[v] = true;
  }
  return absl::OkStatus();
}

void Interpreter::ApplyUpdates() {
  Tensors updated;  // all read the values from before
  for (const auto& [variable, value] : entry().updates) updated[graph_.value(variable).name] = values_[value];
  for (auto& [name, value] : updated) variables_[name] = std::move(value);
}

absl::StatusOr<Interpreter::Tensors> Interpreter::Run(const Tensors& inputs) {
  ATH_RETURN_IF_ERROR(SetInputs(inputs));
  ATH_RETURN_IF_ERROR(ReadVariables());
  for (const Node& node : graph_.nodes) ATH_RETURN_IF_ERROR(RunNode(node));
  Tensors outputs;
  for (const NamedValue& out : entry().outputs) outputs[out.name] = values_[out.value];
  ApplyUpdates();
  return outputs;
}

absl::StatusOr<Interpreter::Tensors> Interpreter::Run(const std::map<std::string, Tensor>& inputs) {
  Tensors doubles;
  for (const auto& [name, tensor] : inputs) doubles[name] = DoubleTensor::From(tensor);
  for (const NamedValue& in : entry().inputs) {
    auto given = inputs.find(in.name);
    if (given != inputs.end() && given->second.dtype() != graph_.type(in.value).dtype) {
      return MakeError(ErrorClass::kDtype, "input \"%s\" of entry \"%s\" is %s%s, expected %s", in.name, entry().name,
                       DTypeName(given->second.dtype()), ShapeToString(given->second.shape()),
                       graph_.type(in.value).ToString());
    }
  }
  return Run(doubles);
}

const DoubleTensor* Interpreter::Value(absl::string_view name) const {
  ValueId id = graph_.FindValue(name);
  return id != kNoValue && computed_[id] ? &values_[id] : nullptr;
}

}  // namespace athanor
