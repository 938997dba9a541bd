// READ FIRST: the compiler from model to plan. Each stage is a pure function with a textual form; compile.cc is their
// table of contents.
//
//   model graph --(passes, per entry)--> graph of one entry --(lower)--> program --(layouts, schedule, memory)--> plan
#ifndef ATHANOR_COMPILER_COMPILE_H_
#define ATHANOR_COMPILER_COMPILE_H_

#include "compiler/graph/graph.h"
#include "compiler/options.h"
#include "runtime/plan/plan.h"

namespace athanor {

// Compiles the requested entries of a model into one plan over one weight arena. The plan is for this machine's ISA,
// this oneDNN and options.threads. Errors name the node, the values and the rule; LIMIT when the peak is above
// options.memory_limit.
absl::StatusOr<Plan> Compile(const Graph& model, const CompileOptions& options);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_COMPILE_H_
