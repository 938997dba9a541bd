// Program -> program: decides the layout of every buffer by asking the kernels, and inserts reorders where two
// kernels disagree.
#ifndef ATHANOR_COMPILER_LOWERING_PROPAGATE_LAYOUTS_H_
#define ATHANOR_COMPILER_LOWERING_PROPAGATE_LAYOUTS_H_

#include "runtime/plan/plan.h"

namespace athanor {

// Walks the calls of the entry in order. A variable whose layout is undecided takes what its first reader asks for and
// keeps it for all entries, so propagate the train entry first: forward, backward and update then share one layout. A
// value is reordered at most once into each layout. "reshape" calls between row-major buffers become views. Sets the
// thread count, scratch size, implementation, flops and bytes of every call, and Entry::reorders. Then FinishLayouts.
//
// `threads` is the plan's number; calls too small to share get one thread. Errors: those of the kernels' queries; PLAN
// for a kernel that is missing, or that asks for other layouts once it has those that it asked for.
absl::Status PropagateLayouts(int threads, Entry* entry, std::vector<Variable>* variables);

// Sizes in bytes of all variables and buffers, once every entry has been propagated; what nothing decided becomes
// row-major. LIMIT error for what is too large.
absl::Status FinishLayouts(Plan* plan);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_LOWERING_PROPAGATE_LAYOUTS_H_
