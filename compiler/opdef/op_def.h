// What every operator owes. An operator (or a family) is one file in compiler/ops and its test; it registers its
// OpDefs there and nothing else in the compiler names it: passes ask these fields.
#ifndef ATHANOR_COMPILER_OPDEF_OP_DEF_H_
#define ATHANOR_COMPILER_OPDEF_OP_DEF_H_

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "compiler/graph/graph.h"
#include "compiler/opdef/contexts.h"

namespace athanor {

struct PortDef {
  std::string name = "";
  std::string doc = "";
  bool optional = false;
  bool variadic = false;  // the last input or output only: one or more
};

// The schema of one attribute. CheckAttributes fills in the default, and rejects unknown names, a missing one that has
// no default, a wrong type, a value out of range and a text that is not among `choices`.
struct AttrDef {
  std::string name = "";  // initialised, as are all: no warning where a designated initialiser leaves it out
  AttrType type = AttrType::kInt;
  std::string doc = "";
  std::optional<AttrValue> default_value = {};  // none: required. May lie outside the range: a mark for "not given"
  double min = -std::numeric_limits<double>::infinity();  // of a number, or of each number of a list; NaN never passes
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices = {};  // of a string
  bool min_exclusive = false, max_exclusive = false;
};

// What passes may know of an operator.
struct OpTraits {
  bool pure = true;          // no effect but its outputs: may be removed, merged with an equal node, folded
  bool elementwise = false;  // output element i depends on element i of inputs of the same shape only (broadcast apart)
  bool optimizer = false;    // updates a parameter: see OptimizerTraits below
  // May be fused as a post-op: unary eltwise, or binary with the fused result as left operand.
  bool post_op_unary = false, post_op_binary = false;
  bool commutative = false;  // the two inputs of a binary operator may change places
  // The kernel it lowers to takes post-ops of these kinds.
  bool accepts_unary_post_ops = false, accepts_binary_post_ops = false;
  // Name of a bool attribute that select_phase sets to GraphEntry::training ("training"); empty: none.
  std::string phase_attr;
  // Outputs that may take over the memory of an input: {output, input}. A variable's update needs it.
  std::vector<std::pair<int, int>> in_place;
  // ReLU fused into this operator for training by oneDNN's fuse_norm_relu: bool attribute to set, and the output (of
  // the forward operator) or input (of the backward one) that carries the workspace. -1: not able.
  int fused_relu_workspace_output = -1, fused_relu_workspace_input = -1;
  // max(x, 0) and nothing else, whatever its attributes: fuse_norm_relu looks for it. And its backward operator: the
  // index of the input that is the output's gradient; the other input must be ReLU's output. -1: it is not that.
  bool is_relu = false;
  int relu_backward_grad_input = -1;
  // Optional outputs that the gradient reads (saved statistics, a workspace): differentiate adds those that the forward
  // node leaves out, so that models need not ask for them.
  std::vector<int> gradient_outputs;
  // Adds two inputs of the same type. Of exactly one operator ("Add"): differentiate adds up gradients with it.
  bool accumulates_gradients = false;
  // Computes the program in its attribute "program" (strings "dtypes": of the outputs; ints "shape": theirs). Of exactly
  // one operator ("Elementwise"): fuse_elementwise makes its nodes.
  bool computes_program = false;
  // Output 0 is linear in the weight and the bias is added to it, one element an output channel (dimension 1 of the
  // output): convolutions and fully connected layers. fold_batch_norm changes weight and bias; fuse_post_ops makes a
  // bias of an addition. `bias_input` must be the index of an optional input. -1: not able.
  int weight_input = -1, bias_input = -1;
  int weight_channel_axis = 0;  // of the output channels, in the weight's shape
  // Trained optimizer operators: inputs 0 and 1 are the parameter and its gradient, output 0 the parameter; slots and
  // scalars are the inputs, and slots the outputs, of the names given here, in place. An input "grad_scale", f32 [] and
  // optional, multiplies the gradient.
  std::vector<std::string> optimizer_slots;    // {"m", "v"}
  // {"lr", "step"}: scalar inputs of the train entry, shared by all parameters. "step" is s64 [] (1 in the first step),
  // every other f32 [].
  std::vector<std::string> optimizer_scalars;
  // Of exactly one operator ("GlobalNorm"): (tensors...) -> (norm[, scale]); with the float attribute "max_norm", scale is
  // what multiplies them to a norm of that at most.
  bool norm_of_gradients = false;
  // Of exactly one operator ("AccumulateGradient"): (sum, grad, share, param) -> (sum[, total]) for a batch in parts.
  bool accumulates_parts = false;
  // Of exactly one operator ("AverageParameter"): (average, param, step) -> (average), attributes "decay" and "warmup".
  bool averages_parameters = false;
  // Of exactly one operator ("TensorStatistics"): (x[, minus]) -> (statistics), attributes "axis" and "bounds".
  bool gives_statistics = false;
  // Of an activation: {low, high}, between which its output lies and towards which its slope vanishes. Empty: there are no
  // such numbers.
  std::vector<double> saturates;
  // Optional s64 [] inputs that add_rng_inputs gives a node in a training entry, as inputs of the entry of the same names
  // ({"seed", "step"}), and the int attribute (negative: not given) to which it gives a number of the node's own.
  std::vector<std::string> rng_inputs;
  std::string rng_stream_attr;
};

// What a channel-wise operator with these inputs does to dimension 1 of input 0: output 0 = x * scale[c] + shift[c].
struct ChannelAffine {
  DoubleTensor scale, shift;  // [C]
};
// `inputs` holds the value of every constant input; null for the others (always for input 0) and the absent. nullopt
// when the node is no such function: in training, or because an input that must be is not constant.
using ChannelAffineFn =
    std::function<std::optional<ChannelAffine>(const Node& node, absl::Span<const DoubleTensor* const> inputs)>;
// Whether this node takes this post-op, where the kinds in OpTraits do not say enough (a phase, a mode). The post-op's
// operand type is null for a unary one.
using AcceptsPostOpFn = std::function<bool(const Node& node, const PostOp& post_op, const TensorType* operand)>;
// Whether an optimizer with these attributes (its own, unchecked, defaults left out) uses this slot or scalar. Those it
// does not are left out: absent inputs and outputs, in the same places.
using OptimizerUsesFn = std::function<bool(const Attributes& attrs, absl::string_view slot_or_scalar)>;
using InferFn = std::function<absl::Status(InferContext&)>;
using GradientFn = std::function<absl::Status(GradientContext&)>;
using LowerFn = std::function<absl::Status(LowerContext&)>;
using ExpandFn = std::function<absl::Status(ExpandContext&)>;
using ReferenceFn = std::function<absl::Status(ReferenceContext&)>;
// The formula of an elementwise operator: one value an output from one value an input (compiler/opdef/elementwise.h).
// Absent inputs are the number 0. Operators that have it may leave `lower` null.
struct Elem;
using ElementwiseFn = std::function<std::vector<Elem>(const Node& node, absl::Span<const Elem> inputs)>;

struct OpDef {
  std::string name;
  std::string doc;  // one or two sentences: the formula and its source
  std::string kernels;  // those that `lower` emits, "softmax"; several: with ", " between
  std::vector<PortDef> inputs, outputs;
  std::vector<AttrDef> attributes;
  InferFn infer;          // required
  GradientFn gradient;    // null: not differentiable
  LowerFn lower;          // null: must have expand, or only exist while compiling
  ExpandFn expand;        // rewrite into other operators, before lowering; may decide not to
  ReferenceFn reference;  // required: plain loops in double
  OpTraits traits;
  ChannelAffineFn channel_affine;   // batch norm in inference: folded into the weights before it. Null: not able
  ElementwiseFn elementwise;        // fused with its like around it; alone lowered by it too where `lower` is null
  OptimizerUsesFn optimizer_uses;   // null: all of them
  AcceptsPostOpFn accepts_post_op;  // null: as OpTraits says, in every node
};

// The ports of input and output i: behind the last stand the others of a variadic one.
inline const PortDef& InputPort(const OpDef& def, size_t i) { return def.inputs[std::min(i, def.inputs.size() - 1)]; }
inline const PortDef& OutputPort(const OpDef& def, size_t i) {
  return def.outputs[std::min(i, def.outputs.size() - 1)];
}

class OpRegistry {
 public:
  static OpRegistry& Get();
  void Register(OpDef def);
  const OpDef* Find(absl::string_view name) const;  // nullptr when there is none
  std::vector<const OpDef*> All() const;            // by name

 private:
  std::vector<std::unique_ptr<OpDef>> defs_;
};

struct OpRegistration {
  explicit OpRegistration(OpDef def) { OpRegistry::Get().Register(std::move(def)); }
};
// ATH_REGISTER_OP(ReluDef()); at namespace scope of the operator's file.
#define ATH_REGISTER_OP(def) static const ::athanor::OpRegistration ATH_CONCAT(ath_op_, __LINE__)(def)

// VERSION error naming the node when there is no such operator.
absl::StatusOr<const OpDef*> FindOp(const Node& node);

// Checks the counts of inputs and outputs, the attributes and the post-ops against the OpDefs, fills in defaults. An
// int where a float is asked for becomes one. GRAPH, ATTR and VERSION errors naming the node.
absl::Status CheckNode(const OpDef& def, Node& node);

// CheckNode, then infer: one type an output of the node. `inputs` holds one type an input of the node, operands of
// post-ops included, of undefined dtype where it is absent. Post-ops must leave the type of output 0 as it is. SHAPE
// and LIMIT errors for outputs that no tensor can have.
absl::StatusOr<std::vector<TensorType>> InferTypes(const OpDef& def, Node& node, absl::Span<const TensorType> inputs);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPDEF_OP_DEF_H_
