// For operators that come down to a Reshape.
#ifndef ATHANOR_COMPILER_OPS_RESHAPE_H_
#define ATHANOR_COMPILER_OPS_RESHAPE_H_

#include <optional>

#include "compiler/opdef/op_def.h"

namespace athanor {

// The attributes of a Reshape of `from` to `to`. A symbolic dimension is copied where `from` has it in the same place;
// one other can be left to be computed. nullopt when that does not do.
std::optional<Attributes> ReshapeAttrs(const TensorType& from, const TensorType& to);

// `v` under the dimensions of `to`; itself where it has them. SHAPE error where ReshapeAttrs finds no attributes.
absl::StatusOr<ValueId> EmitReshape(GradientContext& c, ValueId v, const TensorType& to);
absl::StatusOr<ValueId> EmitReshape(ExpandContext& c, ValueId v, const TensorType& to);

// Gives an operator with one input and one output, the same elements in row-major order, all but name, doc, attributes
// and shape rule: gradient, expansion into a Reshape, lowering to a view, reference.
void MakeView(OpDef* def);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_RESHAPE_H_
