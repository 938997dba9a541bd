#include "compiler/interpreter/interpreter.h"

namespace athanor {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 28;  // 2 GiB as doubles

absl::StatusOr<std::vector<DoubleTensor>> RunReference(const OpDef& def, const Node& node,
                                                       std::vector<const DoubleTensor*> inputs,
                                                       std::vector<TensorType> output_types) {
  ReferenceContext context(node, std::move(inputs), std::move(output_types));
  ATH_RETURN_IF_ERROR(def.reference(context));
  return std::move(context.outputs());
}

absl::Status CheckSizes(const Node& node, absl::Span<const TensorType> types) {
  for (const TensorType& t : types) {
    if (t.dtype == DType::kUndefined) continue;  // not wanted
    ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(t.shape()));
    if (elements > kMaxElements) {
      return MakeError(ErrorClass::kLimit, "%s: its output %s has %d elements, the reference takes %d",
                       DescribeNode(node), t.ToString(), elements, kMaxElements);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<DoubleTensor>> EvaluateNode(const OpDef& def, const Node& node,
                                                       absl::Span<const TensorType> output_types,
                                                       const std::vector<const DoubleTensor*>& inputs) {
  ATH_CHECK(inputs.size() == node.inputs.size() && output_types.size() == node.outputs.size());
  ATH_RETURN_IF_ERROR(CheckSizes(node, output_types));
  std::vector<const DoubleTensor*> own(inputs.begin(), inputs.begin() + NumOwnInputs(node));
  std::vector<TensorType> types(output_types.begin(), output_types.end());
  ATH_ASSIGN_OR_RETURN(auto outputs, RunReference(def, node, std::move(own), std::move(types)));
  for (const PostOp& post : node.post_ops) {
    const OpDef* post_def = OpRegistry::Get().Find(post.op);
    ATH_CHECK(post_def != nullptr);  // CheckNode looked
    Node as_node{post.op, node.name, {0}, {0}, post.attrs, {}, node.where};
    std::vector<const DoubleTensor*> operands = {&outputs[0]};
    if (post.operand >= 0) {
      as_node.inputs.push_back(1);
      operands.push_back(inputs[post.operand]);
    }
    ATH_ASSIGN_OR_RETURN(auto result, RunReference(*post_def, as_node, std::move(operands), {output_types[0]}));
    outputs[0] = std::move(result[0]);
  }
  return outputs;
}

}  // namespace athanor
