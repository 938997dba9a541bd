#include <algorithm>
#include <cmath>

#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

// A constant is stored in the plan and read at each run: what is cheap to compute from little must not become much.
constexpr int64_t kMaxBytes = int64_t{64} << 20;
constexpr int64_t kSmallBytes = int64_t{1} << 20;
constexpr int64_t kMaxGrowth = 16;

// Doubles hold integers exactly up to here.
constexpr double kMaxExact = 9007199254740992.0;  // 2^53

bool IsExact(const DoubleTensor& t, DType dtype) {
  if (dtype != DType::kS64) return true;
  return std::all_of(t.data.begin(), t.data.end(), [](double v) { return std::abs(v) < kMaxExact; });
}

class Folder {
 public:
  explicit Folder(Graph* graph) : graph_(*graph) {}

  absl::Status Run() {
    bool changed = false;
    for (Node& node : graph_.nodes) {
      ATH_ASSIGN_OR_RETURN(bool folded, TryFold(node));
      if (folded) Remove(node);
      changed |= folded;
    }
    if (changed) graph_.Compact();
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<bool> TryFold(Node& node) {
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
    auto is_constant = [&](ValueId v) { return v == kNoValue || graph_.value(v).kind == ValueKind::kConstant; };
    if (!def->traits.pure || !std::all_of(node.inputs.begin(), node.inputs.end(), is_constant)) return false;
    ATH_ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTypes(*def, node, InputTypes(graph_, node)));
    ATH_ASSIGN_OR_RETURN(bool small, IsSmallEnough(node, types));
    if (!small) return false;

    std::vector<DoubleTensor> values(node.inputs.size());
    std::vector<const DoubleTensor*> inputs(node.inputs.size(), nullptr);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) continue;
      const Value& input = graph_.value(node.inputs[i]);
      values[i] = DoubleTensor::From(*input.data);
      if (!IsExact(values[i], input.type.dtype)) return false;
      inputs[i] = &values[i];
    }
    ATH_ASSIGN_OR_RETURN(std::vector<DoubleTensor> results, EvaluateNode(*def, node, types, inputs));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue && !IsExact(results[i], types[i].dtype)) return false;
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue) MakeConstant(node.outputs[i], types[i].dtype, results[i]);
    }
    return true;
  }

  absl::StatusOr<bool> IsSmallEnough(const Node& node, const std::vector<TensorType>& types) const {
    int64_t inputs = 0, outputs = 0;
    for (ValueId v : node.inputs) {
      if (v != kNoValue) inputs += graph_.value(v).data->bytes();
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      if (!types[i].concrete()) return false;
      ATH_ASSIGN_OR_RETURN(int64_t bytes, NumBytes(types[i].dtype, types[i].shape()));
      if (bytes > kMaxBytes) return false;
      outputs += bytes;
    }
    return outputs <= kMaxBytes && (outputs <= kSmallBytes || outputs <= kMaxGrowth * inputs);
  }

  void MakeConstant(ValueId v, DType dtype, const DoubleTensor& result) {
    Value& value = graph_.values[v];
    value.kind = ValueKind::kConstant;
    value.data = std::make_shared<const Tensor>(result.To(dtype));
    value.type = TensorType::Of(dtype, result.shape);
  }

  Graph& graph_;
};

}  // namespace

absl::StatusOr<Graph> FoldConstants(Graph graph, const CompileOptions&) {
  ATH_RETURN_IF_ERROR(Folder(&graph).Run());
  return graph;
}

}  // namespace athanor
