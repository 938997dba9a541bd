// GradientContext and ExpandContext: both add nodes to a graph.
#include "absl/strings/str_cat.h"
#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

NameScope& ScopeOf(const Graph& graph, NameScope* shared, std::unique_ptr<NameScope>& own) {
  if (shared != nullptr) return *shared;
  if (own == nullptr) own = std::make_unique<NameScope>(graph);
  return *own;
}

// Adds a node `parent`/`label`, with values of its outputs, typed. Leaves the graph as it was on an error.
absl::StatusOr<std::vector<ValueId>> AddNode(Graph& graph, NameScope& names, const Node& parent,
                                             const std::string& label, const std::string& op,
                                             std::vector<ValueId> inputs, Attributes attrs, int num_outputs) {
  Node node{op, names.Unique(absl::StrCat(parent.name, "/", label)), std::move(inputs), {}, std::move(attrs), {},
            parent.where};
  std::vector<TensorType> types;
  for (ValueId v : node.inputs) types.push_back(v == kNoValue ? TensorType() : graph.type(v));
  for (int i = 0; i < num_outputs; ++i) node.outputs.push_back(static_cast<ValueId>(graph.values.size()) + i);

  auto infer = [&]() -> absl::StatusOr<std::vector<TensorType>> {
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
    return InferTypes(*def, node, types);
  };
  auto outputs = infer();
  if (!outputs.ok()) return AddContext(outputs.status(), absl::StrCat("made for ", DescribeNode(parent)));

  const OpDef* def = OpRegistry::Get().Find(op);
  for (int i = 0; i < num_outputs; ++i) {
    Value value;
    value.name = num_outputs == 1 ? node.name : names.Unique(absl::StrCat(node.name, ".", OutputPort(*def, i).name));
    value.type = std::move((*outputs)[i]);
    graph.AddValue(std::move(value));
  }
  graph.nodes.push_back(std::move(node));
  return graph.nodes.back().outputs;
}

ValueId AddConstant(Graph& graph, NameScope& names, const Node& parent, Tensor t) {
  Value value;
  value.name = names.Unique(absl::StrCat(parent.name, "/const"));
  value.type = TensorType::Of(t.dtype(), t.shape());
  value.kind = ValueKind::kConstant;
  value.data = std::make_shared<const Tensor>(std::move(t));
  return graph.AddValue(std::move(value));
}

bool IsOne(const Dim& d) { return !d.symbolic() && d.size == 1; }

}  // namespace

absl::StatusOr<std::vector<ValueId>> GradientContext::EmitMulti(const std::string& op, std::vector<ValueId> inputs,
                                                                Attributes attrs, int num_outputs) {
  return AddNode(*graph_, ScopeOf(*graph_, names_, own_names_), node(), absl::StrCat("grad.", op), op,
                 std::move(inputs), std::move(attrs), num_outputs);
}

absl::StatusOr<ValueId> GradientContext::Emit(const std::string& op, std::vector<ValueId> inputs, Attributes attrs) {
  ATH_ASSIGN_OR_RETURN(std::vector<ValueId> outputs, EmitMulti(op, std::move(inputs), std::move(attrs), 1));
  return outputs[0];
}

ValueId GradientContext::Constant(float v) { return Constant(Tensor::Scalar(v)); }

ValueId GradientContext::Constant(Tensor t) {
  return AddConstant(*graph_, ScopeOf(*graph_, names_, own_names_), node(), std::move(t));
}

absl::StatusOr<ValueId> GradientContext::ReduceTo(ValueId grad, TensorType to) {
  const TensorType from = TypeOf(grad);
  const int extra = from.rank() - to.rank();
  if (extra < 0) {
    return Error(ErrorClass::kShape, "a gradient of type %s cannot be summed to %s", from.ToString(), to.ToString());
  }
  Ints leading, inner;  // dimensions the operand lacks, and those in which it has 1
  for (int d = 0; d < from.rank(); ++d) {
    if (d < extra) {
      leading.push_back(d);
    } else if (IsOne(to.dims[d - extra]) && !IsOne(from.dims[d])) {
      inner.push_back(d);
    }
  }
  auto sum = [&](Ints axes, bool keepdims) {
    return Emit("ReduceSum", {grad}, {{"axes", std::move(axes)}, {"keepdims", keepdims}});
  };
  if (inner.empty()) return leading.empty() ? absl::StatusOr<ValueId>(grad) : sum(leading, false);
  if (leading.empty()) return sum(inner, true);
  leading.insert(leading.end(), inner.begin(), inner.end());
  if (to.concrete()) {
    ATH_ASSIGN_OR_RETURN(grad, sum(leading, true));
    return Emit("Reshape", {grad}, {{"shape", to.shape()}});  // one sum and a view, not two sums
  }
  leading.resize(extra);
  ATH_ASSIGN_OR_RETURN(grad, sum(inner, true));
  return sum(leading, false);
}

absl::StatusOr<std::vector<ValueId>> ExpandContext::EmitMulti(const std::string& op, std::vector<ValueId> inputs,
                                                              Attributes attrs, int num_outputs) {
  return AddNode(*graph_, ScopeOf(*graph_, names_, own_names_), node(), op, op, std::move(inputs), std::move(attrs),
                 num_outputs);
}

absl::StatusOr<ValueId> ExpandContext::Emit(const std::string& op, std::vector<ValueId> inputs, Attributes attrs) {
  ATH_ASSIGN_OR_RETURN(std::vector<ValueId> outputs, EmitMulti(op, std::move(inputs), std::move(attrs), 1));
  return outputs[0];
}

ValueId ExpandContext::Constant(float v) { return Constant(Tensor::Scalar(v)); }

ValueId ExpandContext::Constant(Tensor t) {
  return AddConstant(*graph_, ScopeOf(*graph_, names_, own_names_), node(), std::move(t));
}

}  // namespace athanor
