// Checks that a graph is well-formed: what every pass may rely on, and what is checked of every graph that comes from
// outside. It knows no operators: whether a node's attributes and types fit its operator is CheckNode's and
// infer_shapes' work.
#ifndef ATHANOR_COMPILER_GRAPH_VERIFY_H_
#define ATHANOR_COMPILER_GRAPH_VERIFY_H_

#include "compiler/graph/graph.h"

namespace athanor {

// Names of values, nodes and entries are unique, not empty, and no longer than this many bytes of printable UTF-8.
inline constexpr size_t kMaxNameBytes = 4096;

// Checked, in linear time and without recursion:
// - names, as above; the names of an entry's inputs, and of its outputs, are unique;
// - ids are in range; a value has at most one producer, and only values of the kind kNode have one;
// - what a node, an entry or an update reads is a variable, constant, input, or made by an earlier node;
// - types have a dtype, a rank of at most kMaxRank, no negative dimension; a node's output may still be untyped
//   (kUndefined); variables and constants are concrete;
// - constants have data; data is of its value's type, and only variables and constants have it;
// - operands of post-ops are inputs of their node;
// - entry inputs are of the kind kInput; a loss is a floating scalar; updates write each variable at most once, with a
//   value of its type.
// Values that nothing reads or makes are allowed: passes leave them to Compact().
// Errors: GRAPH, SHAPE or DTYPE, naming the node, value or entry.
absl::Status VerifyGraph(const Graph& graph);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_GRAPH_VERIFY_H_
