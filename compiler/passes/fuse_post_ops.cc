#include <algorithm>

#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

// oneDNN takes 32; kernels may need some for themselves.
constexpr size_t kMaxPostOps = 16;

bool IsOne(const Dim& d) { return !d.symbolic() && d.size == 1; }

// The operand, aligned to the result's last dimension as NumPy does, has the result's shape, or only its channels
// (dimension 1), or one element.
bool OperandFits(const TensorType& operand, const TensorType& result) {
  if (operand.dtype != result.dtype || operand.rank() > result.rank()) return false;
  if (operand == result) return true;
  const int lead = result.rank() - operand.rank();
  for (int d = 0; d < operand.rank(); ++d) {
    bool is_channel = d + lead == 1 && operand.dims[d] == result.dims[1];
    if (!IsOne(operand.dims[d]) && !is_channel) return false;
  }
  return true;
}

bool IsBiasOf(const TensorType& operand, const TensorType& result) {
  return result.rank() == 2 && operand.rank() == 1 && operand.dtype == result.dtype &&
         operand.dims[0] == result.dims[1];
}

// Visits each element-wise node ("last") in order and tries to make it the end of the node ("first") before it.
class PostOpFuser {
 public:
  explicit PostOpFuser(Graph* graph) : graph_(*graph), uses_(CountUses(*graph)), producers_(graph->Producers()) {}

  void Run() {
    bool changed = false;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) changed |= Visit(static_cast<int>(n));
    if (changed) graph_.Compact();
  }

 private:
  bool Visit(int last) {
    const Node& node = graph_.nodes[last];
    const OpTraits& traits = OpRegistry::Get().Find(node.op)->traits;
    if (!node.post_ops.empty() || node.outputs.size() != 1 || node.inputs.empty() || node.inputs[0] == kNoValue)
      return false;
    if (traits.post_op_unary && node.inputs.size() == 1) return Fuse(last, node.inputs[0], kNoValue);
    if (!traits.post_op_binary || node.inputs.size() != 2 || node.inputs[1] == kNoValue) return false;
    ValueId left = node.inputs[0], right = node.inputs[1];
    // Of two producers the later one is taken: then the other operand is there already, and no node has to move.
    if (traits.commutative && producers_[right] > producers_[left]) {
      return Fuse(last, right, left) || Fuse(last, left, right);
    }
    return Fuse(last, left, right) || (traits.commutative && Fuse(last, right, left));
  }

  bool Fuse(int last, ValueId result, ValueId operand) {
    const int first = producers_[result];
    if (first < 0 || uses_[result] != 1 || graph_.nodes[first].outputs[0] != result) return false;
    const int place = PlaceFor(first, last, operand);
    if (place < 0) return false;
    const Node& node = graph_.nodes[last];
    if (!(graph_.type(node.outputs[0]) == graph_.type(result))) return false;
    if (!AddBias(first, node, operand) && !AddPostOp(first, node, operand)) return false;

    ValueId output = node.outputs[0];
    graph_.nodes[first].outputs[0] = output;
    if (place == first) {
      Remove(graph_.nodes[last]);
    } else {
      graph_.nodes[last] = std::move(graph_.nodes[first]);
      Remove(graph_.nodes[first]);
    }
    producers_[output] = place;
    return true;
  }

  // Where the fused node may stand: where the first one is, if the operand is computed before; else where the last one
  // is, if nothing reads other outputs in between. -1: nowhere.
  int PlaceFor(int first, int last, ValueId operand) const {
    if (operand == kNoValue || producers_[operand] < first) return first;
    const std::vector<ValueId>& outputs = graph_.nodes[first].outputs;
    bool has_others = std::any_of(outputs.begin() + 1, outputs.end(), [](ValueId v) { return v != kNoValue; });
    return has_others ? -1 : last;
  }

  bool AddBias(int first, const Node& last, ValueId operand) {
    Node& node = graph_.nodes[first];
    const OpTraits& traits = OpRegistry::Get().Find(node.op)->traits;
    const size_t bias = traits.bias_input < 0 ? 0 : traits.bias_input;
    bool is_addition = operand != kNoValue && OpRegistry::Get().Find(last.op)->traits.accumulates_gradients;
    bool has_bias = bias < node.inputs.size() && node.inputs[bias] != kNoValue;
    if (!is_addition || traits.bias_input < 0 || has_bias || !node.post_ops.empty()) return false;
    if (!IsBiasOf(graph_.type(operand), graph_.type(node.outputs[0]))) return false;
    if (node.inputs.size() <= bias) node.inputs.resize(bias + 1, kNoValue);
    node.inputs[bias] = operand;
    return true;
  }

  bool AddPostOp(int first, const Node& last, ValueId operand) {
    Node& node = graph_.nodes[first];
    const OpDef& def = *OpRegistry::Get().Find(node.op);
    const bool binary = operand != kNoValue;
    if (!(binary ? def.traits.accepts_binary_post_ops : def.traits.accepts_unary_post_ops)) return false;
    if (node.post_ops.size() >= kMaxPostOps) return false;
    if (binary && !OperandFits(graph_.type(operand), graph_.type(node.outputs[0]))) return false;
    PostOp post_op{last.op, last.attrs, binary ? static_cast<int>(node.inputs.size()) : -1};
    if (def.accepts_post_op != nullptr &&
        !def.accepts_post_op(node, post_op, binary ? &graph_.type(operand) : nullptr)) {
      return false;
    }
    if (binary) node.inputs.push_back(operand);
    node.post_ops.push_back(std::move(post_op));
    return true;
  }

  Graph& graph_;
  std::vector<int> uses_;
  std::vector<int> producers_;  // of every value, as nodes move
};

}  // namespace

absl::StatusOr<Graph> FusePostOps(Graph graph, const CompileOptions&) {
  for (const Node& node : graph.nodes) ATH_RETURN_IF_ERROR(FindOp(node).status());
  PostOpFuser(&graph).Run();
  return graph;
}

}  // namespace athanor
