// The structural rules of a program, checked after lowering and after every pass over programs.
#ifndef ATHANOR_COMPILER_PROGRAM_VERIFY_H_
#define ATHANOR_COMPILER_PROGRAM_VERIFY_H_

#include "absl/types/span.h"
#include "runtime/core/status.h"
#include "runtime/plan/plan.h"

namespace athanor {

struct ProgramRules {
  bool known_kernels = true;  // every kernel is in KernelRegistry
  bool decided_layouts =
      false;  // from propagate_layouts on: no layout is "any", bytes hold the elements, variables agree
};

// PLAN error naming the entry, the call or buffer, and the rule, unless:
//  - every index names something; views (alias_of) have no cycles, are temporaries or outputs, and hold the elements of
//    what they view: the same dtype and count, and where layouts are decided both row-major or both the same desc
//  - a kVariable buffer names a variable of its dtype and dims, other buffers name none
//  - inputs: the entry's inputs are the kInput buffers, each once, by unique names
//  - outputs: by unique names; each is a kOutput buffer, or an input or a variable as it is; each kOutput buffer is
//  named
//  - in the order of the calls, what is read was written (inputs and variables are from the start), and every output is
//  - inputs and constants are never written; a temporary or output is written by one call only, but for calls that
//    read it too and may work in place; a call does not write the same memory by two outputs
//  - threads are at least 1, scratch is not negative, post-op operands are inputs of the call
absl::Status VerifyProgram(const Entry& entry, absl::Span<const Variable> variables, const ProgramRules& rules = {});

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PROGRAM_VERIFY_H_
