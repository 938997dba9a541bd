// What the functions of an OpDef are given. Each context names the node in the errors it makes.
#ifndef ATHANOR_COMPILER_OPDEF_CONTEXTS_H_
#define ATHANOR_COMPILER_OPDEF_CONTEXTS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "compiler/graph/graph.h"
#include "compiler/opdef/name_scope.h"
#include "runtime/plan/plan.h"

namespace athanor {

// How many of the node's inputs are the operator's own; behind them come the operands of its post-ops.
int NumOwnInputs(const Node& node);

// Common to all: the node, its attributes (checked, defaults filled in) and its errors.
class OpContext {
 public:
  // The node must outlive the context.
  explicit OpContext(const Node& node) : node_(&node), num_inputs_(NumOwnInputs(node)) {}
  // For contexts that add nodes to the graph, which may move the nodes it holds: keeps a copy.
  explicit OpContext(std::shared_ptr<const Node> node) : OpContext(*node) { owned_ = std::move(node); }
  const Node& node() const { return *node_; }
  const Attributes& attrs() const { return node_->attrs; }
  // The operator's own: operands of post-ops are not counted, and HasInput is false for them.
  int num_inputs() const { return num_inputs_; }
  int num_outputs() const { return static_cast<int>(node_->outputs.size()); }
  bool HasInput(int i) const { return i < num_inputs() && node_->inputs[i] != kNoValue; }
  bool HasOutput(int i) const { return i < num_outputs() && node_->outputs[i] != kNoValue; }
  // "SHAPE: file.cc:41: node "conv1" (Conv2d): " + message
  template <typename... Args>
  absl::Status Error(ErrorClass c, const absl::FormatSpec<Args...>& format, const Args&... args) const {
    return AddContext(MakeErrorFromMessage(c, absl::StrFormat(format, args...)), DescribeNode(*node_));
  }

 private:
  std::shared_ptr<const Node> owned_;
  const Node* node_;
  int num_inputs_;
};

// Shape rule: input types and attributes -> output types. Dimensions may be symbolic; what must be known to decide is
// asked for with Known(). Post-op operands are not among the inputs here.
class InferContext : public OpContext {
 public:
  InferContext(const Node& node, absl::Span<const TensorType> inputs, std::vector<TensorType>* outputs)
      : OpContext(node), inputs_(inputs), outputs_(outputs) {}
  const TensorType& Input(int i) const { return inputs_[i]; }
  void SetOutput(int i, TensorType type) { (*outputs_)[i] = std::move(type); }
  // SHAPE error naming the input (by its PortDef-like `what`) unless the rank is in [min, max].
  absl::Status CheckRank(int i, absl::string_view what, int min, int max) const;
  // DTYPE error unless the input is floating (f32; f64 is for the reference).
  absl::Status CheckFloating(int i, absl::string_view what) const;
  // DTYPE error unless it is this type.
  absl::Status CheckDtype(int i, absl::string_view what, DType dtype) const;
  // The number of a dimension; SHAPE error when it is symbolic or negative.
  absl::StatusOr<int64_t> Known(int i, int dim, absl::string_view what) const;
  // An axis attribute in [-rank, rank) made non-negative; ATTR error otherwise.
  absl::StatusOr<int> Axis(int64_t axis, int rank) const;
  // NumPy broadcasting over dims; a symbol fits itself and 1. SHAPE error naming both.
  absl::StatusOr<std::vector<Dim>> Broadcast(const TensorType& a, const TensorType& b) const;

 private:
  absl::Span<const TensorType> inputs_;
  std::vector<TensorType>* outputs_;
};

// Backward rule: builds, with existing operators, the gradients of the inputs from those of the outputs.
class GradientContext : public OpContext {
 public:
  // A pass over many nodes makes one NameScope and gives it to every context; without it each makes its own, which
  // takes time linear in the graph.
  GradientContext(Graph* graph, const Node& node, std::vector<ValueId> output_grads, std::vector<bool> needs_grad,
                  NameScope* names = nullptr)
      : OpContext(std::make_shared<const Node>(node)), graph_(graph), names_(names),
        output_grads_(std::move(output_grads)), needs_grad_(std::move(needs_grad)),
        input_grads_(node.inputs.size(), kNoValue) {}
  ValueId Input(int i) const { return node().inputs[i]; }
  ValueId Output(int i = 0) const { return node().outputs[i]; }
  // kNoValue when nothing depends on that output.
  ValueId OutputGrad(int i = 0) const { return output_grads_[i]; }
  bool NeedsGrad(int i) const { return HasInput(i) && needs_grad_[i]; }
  TensorType TypeOf(ValueId v) const { return graph_->type(v); }  // a copy: Emit moves the graph's values
  void SetInputGrad(int i, ValueId v) { input_grads_[i] = v; }
  const std::vector<ValueId>& input_grads() const { return input_grads_; }

  // Adds a node at the end of the graph, infers its types, and gives its outputs. The node is named after this one
  // ("conv1/grad.Conv2dGradWeights"). A bad node here is our own bug, so it comes back as an error that says so.
  absl::StatusOr<std::vector<ValueId>> EmitMulti(const std::string& op, std::vector<ValueId> inputs, Attributes attrs,
                                                 int num_outputs);
  absl::StatusOr<ValueId> Emit(const std::string& op, std::vector<ValueId> inputs, Attributes attrs = {});
  // An f32 scalar constant, and a constant of any data.
  ValueId Constant(float v);
  ValueId Constant(Tensor t);
  // Sums `grad` over the dimensions along which an operand of type `to` was broadcast, and reshapes it to `to`.
  absl::StatusOr<ValueId> ReduceTo(ValueId grad, TensorType to);

 private:
  Graph* graph_;
  NameScope* names_;
  std::unique_ptr<NameScope> own_names_;
  std::vector<ValueId> output_grads_;
  std::vector<bool> needs_grad_;
  std::vector<ValueId> input_grads_;
};

// Rewriting a node into existing operators before lowering. SetOutput for every output that is used, or call nothing
// to leave the node as it is (it must then have a lower function).
class ExpandContext : public OpContext {
 public:
  // `names`: see GradientContext.
  ExpandContext(Graph* graph, const Node& node, NameScope* names = nullptr)
      : OpContext(std::make_shared<const Node>(node)), graph_(graph), names_(names),
        outputs_(node.outputs.size(), kNoValue) {}
  ValueId Input(int i) const { return node().inputs[i]; }
  TensorType TypeOf(ValueId v) const { return graph_->type(v); }  // a copy: Emit moves the graph's values
  // As in GradientContext; the node is named "softmax/Exp".
  absl::StatusOr<std::vector<ValueId>> EmitMulti(const std::string& op, std::vector<ValueId> inputs, Attributes attrs,
                                                 int num_outputs);
  absl::StatusOr<ValueId> Emit(const std::string& op, std::vector<ValueId> inputs, Attributes attrs = {});
  ValueId Constant(float v);
  ValueId Constant(Tensor t);
  void SetOutput(int i, ValueId v) { outputs_[i] = v; }
  const std::vector<ValueId>& outputs() const { return outputs_; }

 private:
  Graph* graph_;
  NameScope* names_;
  std::unique_ptr<NameScope> own_names_;
  std::vector<ValueId> outputs_;
};

// Lowering: a node with concrete types -> kernel calls over buffers. Layouts stay undecided here (propagate_layouts).
class LowerContext : public OpContext {
 public:
  LowerContext(const Graph& graph, const Node& node, Entry* entry, std::vector<BufferId> inputs,
               std::vector<BufferId> outputs)
      : OpContext(node), graph_(&graph), entry_(entry), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}
  BufferId Input(int i) const { return HasInput(i) ? inputs_[i] : kNoBuffer; }       // kNoBuffer when absent
  BufferId Output(int i = 0) const { return HasOutput(i) ? outputs_[i] : kNoBuffer; }  // kNoBuffer when not wanted
  Shape InputShape(int i) const { return graph_->type(node().inputs[i]).shape(); }
  Shape OutputShape(int i = 0) const { return graph_->type(node().outputs[i]).shape(); }
  DType InputDtype(int i) const { return graph_->type(node().inputs[i]).dtype; }
  // A buffer between two calls of this node.
  BufferId Temporary(const std::string& suffix, DType dtype, Shape dims);
  // The call takes the node's post-ops if `with_post_ops` (at most one call of a node does); their operands are
  // appended to the inputs and renumbered. Absent inputs and outputs (kNoBuffer) are left out; say so in attrs.
  void Emit(const std::string& kernel, std::vector<BufferId> inputs, std::vector<BufferId> outputs, Attributes attrs,
            bool with_post_ops = false);
  // False: the node has post-ops that no call took yet.
  bool PostOpsTaken() const { return post_ops_taken_ || node().post_ops.empty(); }
  // `output` is the bytes of `input` under another shape: a view where both are row-major, else a copy. A call of
  // kernel "reshape", inputs (input), outputs (output).
  void View(BufferId input, BufferId output);
  // `buffer` would like the layout of `like` (a gradient that of its parameter).
  void PreferLayoutOf(BufferId buffer, BufferId like);

 private:
  const Graph* graph_;
  Entry* entry_;
  std::vector<BufferId> inputs_, outputs_;
  bool post_ops_taken_ = false;
};

// A dense row-major array of doubles: integers and bools are held as doubles too.
struct DoubleTensor {
  Shape shape;
  std::vector<double> data;
  DoubleTensor() = default;
  explicit DoubleTensor(Shape s, double fill = 0);
  int64_t size() const { return static_cast<int64_t>(data.size()); }
  double& operator[](int64_t i) { return data[i]; }
  double operator[](int64_t i) const { return data[i]; }
  static DoubleTensor From(const Tensor& t);
  Tensor To(DType dtype) const;
};

// The oracle: plain loops in double. INDEX errors for bad values in the data.
class ReferenceContext : public OpContext {
 public:
  ReferenceContext(const Node& node, std::vector<const DoubleTensor*> inputs, std::vector<TensorType> output_types)
      : OpContext(node), inputs_(std::move(inputs)), output_types_(std::move(output_types)) {
    for (const TensorType& t : output_types_) outputs_.emplace_back(t.shape());
  }
  // Of an optional input or output only after HasInput or HasOutput said that it is there.
  const DoubleTensor& Input(int i) const {
    ATH_CHECK(HasInput(i));
    return *inputs_[i];
  }
  // Zero-filled, of the inferred shape.
  DoubleTensor& Output(int i = 0) {
    ATH_CHECK(HasOutput(i));
    return outputs_[i];
  }
  DType OutputDtype(int i = 0) const { return output_types_[i].dtype; }
  std::vector<DoubleTensor>& outputs() { return outputs_; }

 private:
  std::vector<const DoubleTensor*> inputs_;
  std::vector<TensorType> output_types_;
  std::vector<DoubleTensor> outputs_;
};

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPDEF_CONTEXTS_H_
