// Reshape's attributes, for operators that come down to one.
#ifndef ATHANOR_COMPILER_OPS_RESHAPE_H_
#define ATHANOR_COMPILER_OPS_RESHAPE_H_

#include <optional>

#include "compiler/graph/graph.h"

namespace athanor {

// The attributes of a Reshape of `from` to `to`. A symbolic dimension is copied where `from` has it in the same place;
// one other can be left to be computed. nullopt when that does not do.
std::optional<Attributes> ReshapeAttrs(const TensorType& from, const TensorType& to);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_RESHAPE_H_
