// Merges the updates of single parameters into one call for all of a kind.
#ifndef ATHANOR_COMPILER_LOWERING_GROUP_UPDATES_H_
#define ATHANOR_COMPILER_LOWERING_GROUP_UPDATES_H_

#include "runtime/plan/plan.h"

namespace athanor {

// Calls of one kernel with KernelDef::group_inputs, with the same attributes and the same shared inputs, become one, in
// the place of the last of them, so far as nothing between them reads or writes what they write, or writes what they
// read. A merged call keeps all its operands alive until it runs: for an optimizer, every gradient. Before layouts are
// decided; takes time linear in the operands.
Entry GroupUpdates(Entry entry);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_LOWERING_GROUP_UPDATES_H_
