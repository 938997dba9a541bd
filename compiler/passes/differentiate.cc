#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "compiler/opdef/op_def.h"
#include "compiler/passes/layers.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

absl::StatusOr<const OpDef*> Adder() {
  for (const OpDef* def : OpRegistry::Get().All()) {
    if (def->traits.accumulates_gradients) return def;
  }
  return MakeError(ErrorClass::kVersion, "this build has no operator that adds up gradients");
}

class Differentiator {
 public:
  Differentiator(Graph* graph, const CompileOptions& options)
      : graph_(*graph),
        entry_(graph->entries[0]),
        options_(options),
        names_(*graph),
        depends_(graph->values.size(), false),
        grads_(graph->values.size(), kNoValue) {}

  absl::Status Run() {
    ATH_RETURN_IF_ERROR(CheckLoss());
    ATH_RETURN_IF_ERROR(FindTrained());
    MarkDependents();
    if (!depends_[entry_.loss]) {
      return MakeError(ErrorClass::kGraph, "entry \"%s\": no trained parameter has a path to the loss %s", entry_.name,
                       graph_.value(entry_.loss).name);
    }
    if (OnlyRequest(options_).diagnose) {
      ATH_ASSIGN_OR_RETURN(layers_, FindLayers(graph_, depends_));
    }
    grads_[entry_.loss] = One();
    for (size_t n = graph_.nodes.size(); n-- > 0;) {
      ATH_RETURN_IF_ERROR(Backward(n));
    }
    return AddOutputs();
  }

 private:
  absl::Status CheckLoss() const {
    if (entry_.loss == kNoValue) {
      return MakeError(ErrorClass::kGraph, "entry \"%s\" is to be trained, but has no loss", entry_.name);
    }
    const Value& loss = graph_.value(entry_.loss);
    if (loss.type.rank() != 0) {
      return MakeError(ErrorClass::kGraph, "entry \"%s\": the loss %s is %s, expected a scalar", entry_.name, loss.name,
                       loss.type.ToString());
    }
    if (!IsFloating(loss.type.dtype)) {
      return MakeError(ErrorClass::kDtype, "entry \"%s\": the loss %s is %s, expected a floating-point type",
                       entry_.name, loss.name, loss.type.ToString());
    }
    return absl::OkStatus();
  }

  // Marks the trained parameters in depends_.
  absl::Status FindTrained() {
    std::vector<bool> matched(options_.frozen.size(), false);
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      const Value& value = graph_.values[v];
      if (value.kind != ValueKind::kParameter) continue;
      bool frozen = false;
      for (size_t i = 0; i < options_.frozen.size(); ++i) {
        if (!MatchesPattern(options_.frozen[i], value.name)) continue;
        frozen = true;
        matched[i] = true;
      }
      if (frozen) continue;
      depends_[v] = true;
      trained_.push_back(static_cast<ValueId>(v));
    }
    for (size_t i = 0; i < matched.size(); ++i) {
      if (matched[i]) continue;
      return MakeError(ErrorClass::kReq, "entry \"%s\": \"%s\" is to be frozen, but no parameter has such a name",
                       entry_.name, options_.frozen[i]);
    }
    return absl::OkStatus();
  }

  void MarkDependents() {
    for (const Node& node : graph_.nodes) {
      bool depends =
          std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return v != kNoValue && depends_[v]; });
      if (!depends) continue;
      for (ValueId v : node.outputs) {
        if (v != kNoValue) depends_[v] = true;
      }
    }
  }

  ValueId One() {
    const Value& loss = graph_.value(entry_.loss);
    Value one;
    one.name = names_.Unique(absl::StrCat("grad:", loss.name));
    one.type = loss.type;
    one.kind = ValueKind::kConstant;
    one.data = std::make_shared<const Tensor>(DoubleTensor(Shape{}, 1).To(loss.type.dtype));
    return graph_.AddValue(std::move(one));
  }

  absl::Status Backward(size_t n) {
    Node node = graph_.nodes[n];  // a copy: the backward nodes are put into the same vector
    std::vector<ValueId> output_grads;
    for (ValueId v : node.outputs) output_grads.push_back(v == kNoValue ? kNoValue : grads_[v]);
    std::vector<bool> needs;
    // A bool chooses and carries no slope: comparing with a parameter is no error, unlike rounding it to integers.
    for (ValueId v : node.inputs) {
      needs.push_back(v != kNoValue && depends_[v] && graph_.type(v).dtype != DType::kBool);
    }
    auto is_value = [](ValueId v) { return v != kNoValue; };
    if (std::none_of(output_grads.begin(), output_grads.end(), is_value) ||
        std::find(needs.begin(), needs.end(), true) == needs.end()) {
      return absl::OkStatus();
    }
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
    if (def->gradient == nullptr || !node.post_ops.empty()) {
      return MakeError(ErrorClass::kGraph, "%s: lies between a trained parameter and the loss %s, but %s",
                       DescribeNode(node), graph_.value(entry_.loss).name,
                       def->gradient == nullptr ? "has no gradient" : "is fused, and cannot be differentiated so");
    }
    for (size_t i = 0; i < needs.size(); ++i) {
      if (needs[i] && !IsFloating(graph_.type(node.inputs[i]).dtype)) {
        return MakeError(ErrorClass::kDtype, "%s: the gradient of its input %s is needed, but that is %s",
                         DescribeNode(node), graph_.value(node.inputs[i]).name, graph_.type(node.inputs[i]).ToString());
      }
    }
    ATH_RETURN_IF_ERROR(AddGradientOutputs(*def, node));
    graph_.nodes[n] = node;
    output_grads.resize(node.outputs.size(), kNoValue);
    GradientContext context(&graph_, node, std::move(output_grads), needs, &names_);
    ATH_RETURN_IF_ERROR(def->gradient(context));
    for (size_t i = 0; i < needs.size(); ++i) {
      if (needs[i]) ATH_RETURN_IF_ERROR(Accumulate(context, node.inputs[i], context.input_grads()[i]));
    }
    return absl::OkStatus();
  }

  // See OpTraits::gradient_outputs.
  absl::Status AddGradientOutputs(const OpDef& def, Node& node) {
    std::vector<int> added;
    for (int i : def.traits.gradient_outputs) {
      if (static_cast<int>(node.outputs.size()) <= i) node.outputs.resize(i + 1, kNoValue);
      if (node.outputs[i] != kNoValue) continue;
      Value value;
      value.name = names_.Unique(absl::StrCat(node.name, ".", def.outputs[i].name));
      node.outputs[i] = graph_.AddValue(std::move(value));
      added.push_back(i);
    }
    if (added.empty()) return absl::OkStatus();
    ATH_ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTypes(def, node, InputTypes(graph_, node)));
    for (int i : added) graph_.values[node.outputs[i]].type = types[i];
    return absl::OkStatus();
  }

  absl::Status Accumulate(GradientContext& context, ValueId value, ValueId grad) {
    if (grad == kNoValue || !(graph_.type(grad) == graph_.type(value))) {
      return MakeError(ErrorClass::kGraph, "%s: its gradient of %s %s is %s, a bug of the operator",
                       DescribeNode(context.node()), graph_.value(value).name, graph_.type(value).ToString(),
                       grad == kNoValue ? "missing" : graph_.type(grad).ToString());
    }
    if (grads_[value] == kNoValue) {
      grads_[value] = grad;
      return absl::OkStatus();
    }
    if (adder_ == nullptr) {
      ATH_ASSIGN_OR_RETURN(adder_, Adder());
    }
    ATH_ASSIGN_OR_RETURN(grads_[value], context.Emit(adder_->name, {grads_[value], grad}));
    return absl::OkStatus();
  }

  absl::Status AddOutputs() {
    std::set<std::string> taken;
    for (const NamedValue& output : entry_.outputs) taken.insert(output.name);
    for (ValueId parameter : trained_) {
      if (grads_[parameter] == kNoValue) continue;  // not behind this loss
      std::string name = absl::StrCat("grad:", graph_.value(parameter).name);
      if (taken.count(name) > 0) {
        return MakeError(ErrorClass::kGraph, "entry \"%s\" already has an output \"%s\"", entry_.name, name);
      }
      entry_.outputs.push_back({std::move(name), grads_[parameter]});
    }
    for (const Layer& layer : layers_) {
      entry_.outputs.push_back({absl::StrCat(kActivationPrefix, layer.name), layer.output});
      if (grads_[layer.output] == kNoValue) continue;
      entry_.outputs.push_back({absl::StrCat(kActivationGradientPrefix, layer.name), grads_[layer.output]});
    }
    return absl::OkStatus();
  }

  Graph& graph_;
  GraphEntry& entry_;
  const CompileOptions& options_;
  NameScope names_;
  std::vector<bool> depends_;   // by value of the forward graph: on a trained parameter
  std::vector<ValueId> grads_;  // by value of the forward graph: what is known of its gradient so far
  std::vector<ValueId> trained_;
  std::vector<Layer> layers_;  // to be diagnosed
  const OpDef* adder_ = nullptr;
};

}  // namespace

absl::StatusOr<Graph> Differentiate(Graph graph, const CompileOptions& options) {
  ATH_ASSIGN_OR_RETURN(const GraphEntry* entry, OnlyEntry(graph));
  if (!IsDifferentiated(*entry, options)) return graph;
  ATH_RETURN_IF_ERROR(Differentiator(&graph, options).Run());
  return graph;
}

}  // namespace athanor
