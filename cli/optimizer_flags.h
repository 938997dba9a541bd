// The options of optimizers, for every sub-command that trains.
#ifndef ATHANOR_CLI_OPTIMIZER_FLAGS_H_
#define ATHANOR_CLI_OPTIMIZER_FLAGS_H_

#include "training/optimizers.h"

namespace CLI {
class App;
}

namespace athanor {

// --optimizer, its hyper-parameters, --clip-norm and --update. The targets must outlive the application.
void AddOptimizerOptions(CLI::App* sub, OptimizerFlags* flags, UpdateMode* update);

}  // namespace athanor

#endif  // ATHANOR_CLI_OPTIMIZER_FLAGS_H_
