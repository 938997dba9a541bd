#include <algorithm>

#include "absl/strings/str_cat.h"
#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

// weight[.., c, ..] * scale[c], c along `axis`.
void ScaleChannels(DoubleTensor& weight, int axis, const DoubleTensor& scale) {
  int64_t inner = 1;
  for (size_t d = axis + 1; d < weight.shape.size(); ++d) inner *= weight.shape[d];
  const int64_t channels = weight.shape[axis];
  for (int64_t i = 0; i < weight.size(); ++i) weight[i] *= scale[i / inner % channels];
}

class BatchNormFolder {
 public:
  explicit BatchNormFolder(Graph* graph)
      : graph_(*graph), names_(*graph), uses_(CountUses(*graph)), producers_(graph->Producers()) {}

  void Run() {
    bool changed = false;
    for (Node& node : graph_.nodes) changed |= TryFold(node);
    if (changed) graph_.Compact();
  }

 private:
  bool TryFold(Node& norm) {
    const OpDef* def = OpRegistry::Get().Find(norm.op);
    if (def == nullptr || def->channel_affine == nullptr || !norm.post_ops.empty()) return false;
    for (size_t i = 1; i < norm.outputs.size(); ++i) {
      if (norm.outputs[i] != kNoValue && uses_[norm.outputs[i]] > 0) return false;
    }
    ValueId between = norm.inputs[0];
    if (between == kNoValue || producers_[between] < 0 || uses_[between] != 1) return false;
    Node& linear = graph_.nodes[producers_[between]];
    if (!CanChangeWeights(linear, between)) return false;
    std::optional<ChannelAffine> affine = AffineOf(*def, norm);
    if (!affine || !FoldInto(linear, *affine)) return false;
    linear.outputs[0] = norm.outputs[0];
    producers_[norm.outputs[0]] = producers_[between];
    Remove(norm);
    return true;
  }

  bool CanChangeWeights(const Node& linear, ValueId output) const {
    const OpDef* def = OpRegistry::Get().Find(linear.op);
    if (def == nullptr || def->traits.weight_input < 0 || def->traits.bias_input < 0) return false;
    if (!linear.post_ops.empty() || linear.outputs[0] != output) return false;
    ValueId bias = InputOf(linear, def->traits.bias_input);
    return IsConstant(InputOf(linear, def->traits.weight_input)) && (bias == kNoValue || IsConstant(bias));
  }

  static ValueId InputOf(const Node& node, int i) {
    return i < static_cast<int>(node.inputs.size()) ? node.inputs[i] : kNoValue;
  }
  bool IsConstant(ValueId v) const { return v != kNoValue && graph_.value(v).kind == ValueKind::kConstant; }

  std::optional<ChannelAffine> AffineOf(const OpDef& def, const Node& norm) const {
    std::vector<DoubleTensor> values(norm.inputs.size());
    std::vector<const DoubleTensor*> inputs(norm.inputs.size(), nullptr);
    for (size_t i = 1; i < norm.inputs.size(); ++i) {
      if (!IsConstant(norm.inputs[i])) continue;
      values[i] = DoubleTensor::From(*graph_.value(norm.inputs[i]).data);
      inputs[i] = &values[i];
    }
    return def.channel_affine(norm, inputs);
  }

  bool FoldInto(Node& linear, const ChannelAffine& affine) {
    const OpTraits& traits = OpRegistry::Get().Find(linear.op)->traits;
    const Value& old_weight = graph_.value(linear.inputs[traits.weight_input]);
    const DType dtype = old_weight.type.dtype;
    DoubleTensor weight = DoubleTensor::From(*old_weight.data);
    const int64_t channels = weight.shape[traits.weight_channel_axis];
    if (affine.scale.size() != channels || affine.shift.size() != channels) return false;
    DoubleTensor bias({channels});
    ValueId old_bias = InputOf(linear, traits.bias_input);
    if (old_bias != kNoValue) bias = DoubleTensor::From(*graph_.value(old_bias).data);
    ScaleChannels(weight, traits.weight_channel_axis, affine.scale);
    for (int64_t c = 0; c < channels; ++c) bias[c] = bias[c] * affine.scale[c] + affine.shift[c];

    linear.inputs.resize(std::max<size_t>(linear.inputs.size(), traits.bias_input + 1), kNoValue);
    linear.inputs[traits.weight_input] = AddConstant(absl::StrCat(linear.name, "/folded.weight"), weight.To(dtype));
    linear.inputs[traits.bias_input] = AddConstant(absl::StrCat(linear.name, "/folded.bias"), bias.To(dtype));
    return true;
  }

  ValueId AddConstant(const std::string& name, Tensor data) {
    Value value;
    value.name = names_.Unique(name);
    value.type = TensorType::Of(data.dtype(), data.shape());
    value.kind = ValueKind::kConstant;
    value.data = std::make_shared<const Tensor>(std::move(data));
    return graph_.AddValue(std::move(value));
  }

  Graph& graph_;
  NameScope names_;
  std::vector<int> uses_;       // of the values there were at the start
  std::vector<int> producers_;  // likewise
};

}  // namespace

absl::StatusOr<Graph> FoldBatchNorm(Graph graph, const CompileOptions&) {
  bool any = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    const OpDef* def = OpRegistry::Get().Find(node.op);
    return def != nullptr && def->channel_affine != nullptr;
  });
  if (any) BatchNormFolder(&graph).Run();
  return graph;
}

}  // namespace athanor
