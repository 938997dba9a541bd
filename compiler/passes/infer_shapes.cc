#include "compiler/graph/verify.h"
#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

absl::Status Record(Graph& graph, const Node& node, const OpDef& def, int output, TensorType inferred) {
  Value& value = graph.values[node.outputs[output]];
  if (value.type.dtype == DType::kUndefined) {
    value.type = std::move(inferred);
    return absl::OkStatus();
  }
  if (value.type == inferred) return absl::OkStatus();
  ErrorClass error = value.type.dtype == inferred.dtype ? ErrorClass::kShape : ErrorClass::kDtype;
  return MakeError(error, "%s: output \"%s\" (%s) is recorded as %s, but its inputs make it %s", DescribeNode(node),
                   OutputPort(def, output).name, value.name, value.type.ToString(), inferred.ToString());
}

}  // namespace

absl::StatusOr<Graph> InferShapes(Graph graph, const CompileOptions&) {
  ATH_RETURN_IF_ERROR(VerifyGraph(graph));
  for (Node& node : graph.nodes) {
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
    ATH_ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTypes(*def, node, InputTypes(graph, node)));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      ATH_RETURN_IF_ERROR(Record(graph, node, *def, static_cast<int>(i), std::move(types[i])));
    }
  }
  return graph;
}

}  // namespace athanor
