// How the operands of kernel "elementwise" lie in memory. The kernel walks over the results in the order in which they
// are stored, whatever their layout; so do the operands of their shape, which have the same layout. Smaller operands are
// read by strides along the dimensions of that order.
#ifndef ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_OPERANDS_H_
#define ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_OPERANDS_H_

#include <cstdint>
#include <vector>

#include "runtime/core/elementwise_program.h"
#include "runtime/kernels/kernel.h"

namespace athanor {

// A dimension of a walk: so many steps, each so many elements of the operand further (0: the element repeats).
struct WalkDim {
  int64_t size = 1, stride = 0;
  bool operator==(const WalkDim&) const = default;
};
// Outermost first, without dimensions of 1, neighbours merged where one stride serves both. An operand of the results'
// shape is one dimension of stride 1, a single number one of stride 0. Empty where there is nothing to walk.
using Walk = std::vector<WalkDim>;

// The program of the call, after all checks that need no layouts: counts, element types, shapes. PLAN errors.
absl::StatusOr<ElementwiseProgram> CheckElementwiseCall(const CallSpec& spec);

// `spec` with all layouts decided. Results and the operands of their shape get the layout of the first such operand that
// has one, else the one that the readers would like, else row-major. Row-major too where one of them is not f32; where
// the layout has padding, unless the program makes zeros of zeros and no operand repeats; and where an operand repeats
// in a layout that is blocked more than this can read. Operands that repeat are read in any order of their dimensions.
absl::StatusOr<CallSpec> SettleElementwise(const CallSpec& spec, const ElementwiseProgram& program);

// Of a settled call: the elements of a result, those of the padding included; and the walk over each input.
absl::StatusOr<int64_t> StoredElements(const CallSpec& spec);
std::vector<Walk> OperandWalks(const CallSpec& spec, int64_t stored_elements);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_OPERANDS_H_
