// Runs a graph by the operators' references, in double: the oracle that the compiled plan is checked against.
#ifndef ATHANOR_COMPILER_INTERPRETER_INTERPRETER_H_
#define ATHANOR_COMPILER_INTERPRETER_INTERPRETER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "compiler/opdef/op_def.h"

namespace athanor {

// The outputs of one node, post-ops included. `output_types` (concrete) are those of InferTypes; `inputs` has one
// element an input of the node, operands of post-ops included, null where it is absent. The attributes must have been
// checked. INDEX errors of the operator; LIMIT error for an output of more than 2^28 elements.
absl::StatusOr<std::vector<DoubleTensor>> EvaluateNode(const OpDef& def, const Node& node,
                                                       absl::Span<const TensorType> output_types,
                                                       const std::vector<const DoubleTensor*>& inputs);

// One entry of a graph with concrete types, and the state of its variables. Not thread-safe.
class Interpreter {
 public:
  using Tensors = std::map<std::string, DoubleTensor>;

  // Of a graph that VerifyGraph accepts. Keeps what the entry needs of it and infers its types. The phase of operators
  // that have one is the entry's. GRAPH error for an unknown entry; SHAPE error naming a dimension that is still
  // symbolic; errors of InferTypes.
  static absl::StatusOr<Interpreter> Create(const Graph& graph, absl::string_view entry);

  // The entry's outputs by name. Variables are updated at the end; an error leaves them as they were. REQ error for an
  // input that is missing, unknown or of a wrong shape, GRAPH error for a variable without a value.
  absl::StatusOr<Tensors> Run(const Tensors& inputs);
  // DTYPE error too.
  absl::StatusOr<Tensors> Run(const std::map<std::string, Tensor>& inputs);

  // Any value of the last good run by its name in the graph (a variable: as the run read it); nullptr when the entry
  // does not compute it.
  const DoubleTensor* Value(absl::string_view name) const;

  // Variables by name, at first what the graph holds. REQ error for an unknown name or a wrong shape.
  absl::Status SetVariable(absl::string_view name, DoubleTensor value);
  const Tensors& variables() const { return variables_; }

 private:
  explicit Interpreter(Graph graph) : graph_(std::move(graph)) {}
  const GraphEntry& entry() const { return graph_.entries[0]; }
  absl::Status KeepNeededNodes();
  absl::Status InferAll();
  absl::Status CheckConcrete(ValueId id) const;
  void LoadVariables();
  absl::Status SetInputs(const Tensors& inputs);
  absl::Status ReadVariables();
  absl::Status RunNode(const Node& node);
  void ApplyUpdates();

  Graph graph_;  // of one entry; nodes it does not need are gone, values keep their ids
  std::vector<DoubleTensor> values_;
  std::vector<bool> computed_;
  Tensors variables_;
};

}  // namespace athanor

#endif  // ATHANOR_COMPILER_INTERPRETER_INTERPRETER_H_
