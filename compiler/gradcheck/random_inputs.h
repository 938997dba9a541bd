// Random values for the inputs of an entry, by their types and by what reads them.
#ifndef ATHANOR_COMPILER_GRADCHECK_RANDOM_INPUTS_H_
#define ATHANOR_COMPILER_GRADCHECK_RANDOM_INPUTS_H_

#include <map>
#include <string>
#include <utility>

#include "compiler/graph/graph.h"
#include "compiler/opdef/contexts.h"

namespace athanor {

using InputRanges = std::map<std::string, std::pair<double, double>>;

// The range of every input of the graph's only entry, whose types are known: the given one, or a guess. Inputs that are
// not among `own`, which passes added (the seed and the step of random numbers), are 1. REQ error for a given range
// that names no input, has no or infinite ends, or holds no value of the input's type.
absl::StatusOr<InputRanges> ChooseRanges(const Graph& graph, const GraphEntry& own, const InputRanges& given);

// Values that are floats, or whole numbers, in these ranges: the same for the same seed.
std::map<std::string, DoubleTensor> RandomInputs(const Graph& graph, const InputRanges& ranges, uint64_t seed);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_GRADCHECK_RANDOM_INPUTS_H_
