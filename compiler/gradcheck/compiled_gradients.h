// The gradients of the compiled plan.
#ifndef ATHANOR_COMPILER_GRADCHECK_COMPILED_GRADIENTS_H_
#define ATHANOR_COMPILER_GRADCHECK_COMPILED_GRADIENTS_H_

#include <map>
#include <string>

#include "compiler/opdef/contexts.h"
#include "compiler/options.h"

namespace athanor {

// Compiles the only entry of the options, runs it once on these inputs and gives its outputs. Errors of Compile and of
// the session.
absl::StatusOr<std::map<std::string, DoubleTensor>> CompiledGradients(
    const Graph& model, const CompileOptions& options, const std::map<std::string, DoubleTensor>& inputs);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_GRADCHECK_COMPILED_GRADIENTS_H_
