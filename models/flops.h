// The work of a network, by the usual rule: two floating-point operations a multiply-add of its convolutions, fully connected
// layers, matrix products, recurrent layers and attention. What costs memory traffic and little arithmetic (normalisation,
// activations, pooling, additions) does not count, as in the papers' tables.
#ifndef ATHANOR_MODELS_FLOPS_H_
#define ATHANOR_MODELS_FLOPS_H_

#include <map>
#include <string>

#include "compiler/graph/graph.h"

namespace athanor {

// FLOPs of each node that the outputs of `entry` need, by the node's name, for one sample: symbolic dimensions are 1. Nodes
// that do not count are not in it. Empty for an entry that the graph does not have. What a compiler may save (folding) is not
// subtracted.
std::map<std::string, double> FlopsByNode(const Graph& graph, const std::string& entry = "infer");

double TotalFlops(const Graph& graph, const std::string& entry = "infer");

}  // namespace athanor

#endif  // ATHANOR_MODELS_FLOPS_H_
