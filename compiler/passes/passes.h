// The passes over graphs, in the order in which pipeline.h runs them. Each is a pure function that takes time linear in
// the graph (times a logarithm at most), keeps every value and node that it has no reason to change, and never names an
// operator: it asks the OpDef. From fix_symbols on a graph has one entry, the one that options.entries holds.
//
// "Not needed" means: no entry output, loss or update depends on it.
#ifndef ATHANOR_COMPILER_PASSES_PASSES_H_
#define ATHANOR_COMPILER_PASSES_PASSES_H_

#include "absl/status/statusor.h"
#include "compiler/graph/graph.h"
#include "compiler/options.h"

namespace athanor {

// Keeps the entry options.entries[0].name, of its outputs those asked for, and what they need; drops all else. GRAPH error
// that lists the entries, REQ error that lists the outputs.
absl::StatusOr<Graph> SelectEntry(Graph graph, const CompileOptions& options);

// Gives every symbolic dimension its number from options.entries[0].symbols. REQ error naming a symbol that has none,
// or whose number is not in [1, 2^31].
absl::StatusOr<Graph> FixSymbols(Graph graph, const CompileOptions& options);

// Verifies the graph, checks every node's attributes (defaults are filled in) and computes all types by the shape
// rules. SHAPE or DTYPE error naming both types where a recorded one (dtype not undefined) differs.
absl::StatusOr<Graph> InferShapes(Graph graph, const CompileOptions& options);

// Sets each operator's phase attribute (OpTraits::phase_attr) to GraphEntry::training.
absl::StatusOr<Graph> SelectPhase(Graph graph, const CompileOptions& options);

// For a request with use_ema: the entry reads the state "<parameter>/ema", which starts as the parameter does, in the place
// of every parameter that is not frozen. REQ error for a training entry, and without options.ema_decay.
absl::StatusOr<Graph> UseAverages(Graph graph, const CompileOptions& options);

// In a training entry: gives every operator that draws random numbers (OpTraits::rng_inputs) the inputs it lacks, as
// s64 [] inputs of the entry ("seed", "step") that all share, and a stream of its own. GRAPH error where the entry has
// an input of that name and another type.
absl::StatusOr<Graph> AddRngInputs(Graph graph, const CompileOptions& options);

// With options.freeze_parameters, for an entry that neither updates variables nor will be differentiated: variables
// with data become constants.
absl::StatusOr<Graph> FreezeParameters(Graph graph, const CompileOptions& options);

// Rewrites nodes by OpDef::expand until none changes. An operator that expands to its own input vanishes.
absl::StatusOr<Graph> Expand(Graph graph, const CompileOptions& options);

// For a training entry with options.optimizer, and for any entry with a loss and options.gradients_as_outputs: adds the
// backward operators in reverse order, and the gradient of every trained parameter as the entry output
// "grad:<parameter>". Only what lies between a trained parameter and the loss is differentiated. Errors: GRAPH (no
// loss, a loss that is no scalar, no trained parameter behind it, an operator without gradient on the way), DTYPE (an
// integer on the way), REQ (a frozen pattern that matches no parameter). For a request with diagnose also the entry outputs
// "activation:<layer>" and "activation_gradient:<layer>": see layers.h.
absl::StatusOr<Graph> Differentiate(Graph graph, const CompileOptions& options);

// With options.optimizer and accumulate_gradients, in a training entry: every output "grad:<parameter>" is added to a new
// state "<parameter>/accumulated", by the entry input "batch_share". GradientUse::kUpdate: the output becomes the sum, and
// the state zeros. kAccumulate: the output goes away unless options.gradients_as_outputs.
absl::StatusOr<Graph> AccumulateGradients(Graph graph, const CompileOptions& options);

// With options.optimizer: one node of its operator for each output "grad:<parameter>", with the attributes of the
// parameter's group, with new state variables "<parameter>/<op in lower case>.<slot>" that start as zeros, and updates of
// both; without the slots and scalars that the operator does not use with these attributes. Scalars ("lr", "step") become
// entry inputs shared by all. With a clip_norm, or an output "grad_norm", a node that makes the norm of all gradients
// comes before them. The gradient outputs go away unless options.gradients_as_outputs. REQ error for a group that
// matches no trained parameter.
absl::StatusOr<Graph> ApplyOptimizer(Graph graph, const CompileOptions& options);

// With options.ema_decay, for every parameter that the entry updates: a node that makes its average, and the update of the
// new state "<parameter>/ema", which starts as the parameter does. They share the entry input "step".
absl::StatusOr<Graph> AverageParameters(Graph graph, const CompileOptions& options);

// For a request with diagnose: the statistics of what differentiate left as outputs for it, in their place, and of every
// trained parameter, its gradient and its update, as outputs. REQ error for an entry that updates no parameter.
absl::StatusOr<Graph> Diagnose(Graph graph, const CompileOptions& options);

// Computes pure nodes whose inputs are all constant, by the reference in double. Leaves a result alone that is larger
// than 64 MiB, or both larger than 1 MiB and than 16 times its inputs.
absl::StatusOr<Graph> FoldConstants(Graph graph, const CompileOptions& options);

// Merges pure nodes that compute the same: operator, attributes, post-ops and inputs are equal. Small equal constants
// are merged first.
absl::StatusOr<Graph> EliminateCommon(Graph graph, const CompileOptions& options);

// Drops pure nodes that are not needed, optional outputs that nobody reads, and values nobody names.
absl::StatusOr<Graph> EliminateDead(Graph graph, const CompileOptions& options);

// Folds an operator that scales and shifts channels by constants (OpDef::channel_affine) into the constant weight and
// bias of the operator before it.
absl::StatusOr<Graph> FoldBatchNorm(Graph graph, const CompileOptions& options);

// Training: a normalisation, the ReLU behind it and the backward operators of both become the two normalisation
// operators with the attribute fuse_relu, joined by a workspace. Before fuse_post_ops, which would take the ReLU away.
absl::StatusOr<Graph> FuseNormRelu(Graph graph, const CompileOptions& options);

// Moves element-wise operators into the end of the operator before them, where its result has no other reader: an
// addition of a vector per channel as bias, unary ones and binary ones as post-ops. The other operand has the result's
// shape, or one element a channel, or one element.
absl::StatusOr<Graph> FusePostOps(Graph graph, const CompileOptions& options);

// Makes one node of connected operators that have a formula (OpDef::elementwise) and results of one shape: what lies
// between them is never stored. Numbers that are constant become part of the program. After fuse_post_ops, which costs
// nothing at all. A group stands where its last operator stood, and takes in another one
//   - that reads one of its results, f32 or bool, before any operator outside does;
//   - while the program stays within the limits of ElementwiseProgram;
//   - and, where other work lies between the two, if that keeps no more bytes alive meanwhile: what the group reads and
//     nobody later does must not be more than what it hands on. So a backward operator gets the stored result of a
//     forward one, unless computing it again costs no memory.
absl::StatusOr<Graph> FuseElementwise(Graph graph, const CompileOptions& options);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PASSES_PASSES_H_
