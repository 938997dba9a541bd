// Which part of the network's input an element of a convolution or pool sees: A. Araujo, W. Norris, J. Sim, "Computing
// receptive fields of convolutional neural networks", Distill, 2019.
#ifndef ATHANOR_COMPILER_OPDEF_RECEPTIVE_FIELD_H_
#define ATHANOR_COMPILER_OPDEF_RECEPTIVE_FIELD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"

namespace athanor {

// Along one spatial dimension, in elements of the input: position i sees [start + i jump, start + i jump + size).
struct ReceptiveField {
  int64_t size = 1;
  int64_t jump = 1;
  int64_t start = 0;  // negative: begins in the padding
  bool operator==(const ReceptiveField&) const = default;
};

struct LayerField {
  std::string node;
  std::string op;
  std::vector<ReceptiveField> dims;  // one a spatial dimension
};

// Every node of the graph that has a sliding window (by its attributes "kernel" or its weight's shape, "strides", "pads",
// "dilations" and "auto_pad"), or makes one position of all, and whose field is known, in order. Operators that keep the spatial dimensions hand on the
// field that covers those of all their inputs; what changes them otherwise ends it (flattening, resizing, transposed
// convolutions), as does a meeting of branches of different jumps. SHAPE, ATTR and GRAPH errors of a graph whose types do
// not fit; spatial dimensions may be symbols unless auto_pad depends on them.
absl::StatusOr<std::vector<LayerField>> ReceptiveFields(const Graph& graph);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPDEF_RECEPTIVE_FIELD_H_
