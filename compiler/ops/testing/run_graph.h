// A graph in text form, compiled and run beside the interpreter: for what one operator alone cannot show.
#ifndef ATHANOR_COMPILER_OPS_TESTING_RUN_GRAPH_H_
#define ATHANOR_COMPILER_OPS_TESTING_RUN_GRAPH_H_

#include <string>

#include "compiler/graph/graph.h"
#include "compiler/interpreter/interpreter.h"
#include "runtime/plan/plan.h"

namespace athanor {

struct GraphRun {
  Plan plan;
  Interpreter::Tensors got;   // by the compiled plan, its arena poisoned
  Interpreter::Tensors want;  // by the interpreter, in double
};

// Of the first entry. The graph's parameters hold what its initialisers say.
absl::StatusOr<GraphRun> RunGraph(const Graph& graph, const Interpreter::Tensors& inputs, int threads = 2);
// `lines` stand between `graph "g" {` and `}`.
absl::StatusOr<GraphRun> RunGraphText(const std::string& lines, const Interpreter::Tensors& inputs, int threads = 2);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_TESTING_RUN_GRAPH_H_
