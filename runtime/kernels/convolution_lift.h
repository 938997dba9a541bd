// Convolutions along one dimension as those of images of height 1: the same bytes, and oneDNN has its fast depthwise
// kernels only for those (16x64x512 by 3: 45 us against 870), while all others are as fast either way.
#ifndef ATHANOR_RUNTIME_KERNELS_CONVOLUTION_LIFT_H_
#define ATHANOR_RUNTIME_KERNELS_CONVOLUTION_LIFT_H_

#include <optional>
#include <string>

#include "runtime/kernels/kernel.h"

namespace athanor {

// Whether the call looks like one of x [N,C,L]; ReadConvolution finds what else may be wrong.
bool IsOneDimensional(const CallSpec& spec);

// Such a call on [N,C,1,L].
CallSpec Lifted(CallSpec spec);

// The same answer for the call that was lifted, `spec`. The layout of every operand must have a name there.
void Unlift(const CallSpec& spec, KernelInfo* info);

// The layout of a tensor whose last dimension but one, of size 1, is put in or taken out: "acb" is "acdb". nullopt
// where oneDNN has no name for it. With `one_b`, dimension 1 has size 1 too, and blocks of 8 have the name "Acb8a" for
// want of "Abc8a".
std::optional<std::string> LiftedLayout(const std::string& layout, size_t rank, bool one_b = false);
std::optional<std::string> UnliftedLayout(const std::string& layout, size_t rank, bool one_b = false);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_CONVOLUTION_LIFT_H_
