// Inputs that lie in memory otherwise than row-major: what a kernel gets behind a convolution.
#ifndef ATHANOR_COMPILER_OPS_TESTING_LAYOUTS_H_
#define ATHANOR_COMPILER_OPS_TESTING_LAYOUTS_H_

#include "compiler/graph/graph.h"

namespace athanor {

enum class TestLayout { kChannelsLast, kBlocked };

// Puts an operator behind every f32 input of the graph's only entry that gives the same tensor in another layout:
// channels-last (a transposed matrix for rank 2), or blocked by 16 channels, whose padding is then zero. `changed` says
// whether there was such an input (of rank 2 to 5, not empty).
Graph WithLayouts(Graph graph, TestLayout layout, bool* changed);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_TESTING_LAYOUTS_H_
