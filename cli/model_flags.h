// The flags of a network's form, shared by the commands that build one.
#ifndef ATHANOR_CLI_MODEL_FLAGS_H_
#define ATHANOR_CLI_MODEL_FLAGS_H_

#include "models/models.h"

namespace CLI {
class App;
}

namespace athanor {

// --classes, --input 3,32,32, --width, --dropout, --hidden 512,256, --activation, --batch-norm, --auxiliary. A flag that is
// not given leaves its field alone.
void AddModelOptions(CLI::App* sub, ModelOptions* options);

}  // namespace athanor

#endif  // ATHANOR_CLI_MODEL_FLAGS_H_
