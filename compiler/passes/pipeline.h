// The pipeline over graphs: the table of passes, and the one function that runs it.
#ifndef ATHANOR_COMPILER_PASSES_PIPELINE_H_
#define ATHANOR_COMPILER_PASSES_PIPELINE_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "compiler/graph/graph.h"
#include "compiler/options.h"

namespace athanor {

struct GraphPass {
  const char* name;  // for --dump-after; unique
  absl::StatusOr<Graph> (*run)(Graph graph, const CompileOptions& options);
};

// In the order in which they run. pipeline.cc says what of the order matters.
absl::Span<const GraphPass> GraphPasses();

struct PassTime {
  std::string pass;
  double seconds = 0;  // the pass alone, without verification and dumps
};

// Prepares one entry of a model for lowering: options.entries holds exactly that one (CompileOptions::ForEntry). All
// types of the result are concrete; one graph entry is left. The graph is verified after every pass, the types are
// computed again at the end, and the text after each pass that options.dump_after names goes to options.dump,
// "(unchanged)" when the pass changed nothing. Adds to `times` if it is not null. Errors: those of the passes, for a
// model that cannot be compiled as asked; "after pass ..." tells of a bug of a pass.
absl::StatusOr<Graph> RunPipeline(Graph graph, const CompileOptions& options, std::vector<PassTime>* times = nullptr);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PASSES_PIPELINE_H_
