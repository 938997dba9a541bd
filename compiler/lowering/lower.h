// Graph -> program: each node becomes kernel calls over buffers, by its operator's lower function.
#ifndef ATHANOR_COMPILER_LOWERING_LOWER_H_
#define ATHANOR_COMPILER_LOWERING_LOWER_H_

#include <map>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "runtime/plan/plan.h"

namespace athanor {

// Lowers a graph of exactly one entry and concrete types. Variables and constants are looked up in `variables` by name
// (they are shared by the entries of a plan) and added when new; their layouts, like those of temporaries, stay
// undecided. A constant whose name is taken by something else gets another. Inputs and outputs of the entry are
// row-major.
//
// An update (variable <- value) is done in place when the value is an output that its operator may write over that
// very input (OpTraits::in_place) and nothing else reads the old content then or later; otherwise the variable is
// copied to at the end. All updates take their values from before any of them: two variables may change places.
//
// Errors: GRAPH for an operator without a lower function or one that leaves post-ops out, SHAPE where a variable
// differs between entries.
absl::StatusOr<Entry> Lower(const Graph& graph, const std::string& entry_name,
                            const std::map<std::string, int64_t>& symbols, std::vector<Variable>* variables);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_LOWERING_LOWER_H_
