// The layers of a network as a diagnosis shows them.
#ifndef ATHANOR_COMPILER_PASSES_LAYERS_H_
#define ATHANOR_COMPILER_PASSES_LAYERS_H_

#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "runtime/core/status.h"

namespace athanor {

// Entry outputs that differentiate makes of them and diagnose takes.
inline constexpr char kActivationPrefix[] = "activation:";
inline constexpr char kActivationGradientPrefix[] = "activation_gradient:";

inline constexpr int kMaxLayers = 64;

struct Layer {
  std::string name;            // of the node that reads the layer's parameters
  ValueId output = kNoValue;   // behind its activation
};

// One for every node that reads a variable which is trained; its output is that of the last of the operators behind it
// that work element by element or scale channels, each the only reader of the one before. Where several end in one output
// (the two branches of a residual block) the first names it. No scalars. In the order of the nodes; more than kMaxLayers
// are thinned out evenly, the first and the last stay. `depends`: by value, on a trained parameter.
absl::StatusOr<std::vector<Layer>> FindLayers(const Graph& graph, const std::vector<bool>& depends);

// The dimension of a layer's output that tells its units apart: 1 (channels), or the last of sequences [N,T,units].
// `producers`: of the graph.
int UnitAxis(const Graph& graph, const std::vector<int>& producers, ValueId output);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PASSES_LAYERS_H_
