// The flags that say which data and how it is prepared, alike in every command that reads samples.
#ifndef ATHANOR_CLI_DATA_FLAGS_H_
#define ATHANOR_CLI_DATA_FLAGS_H_

#include "data/open_data.h"

namespace CLI {
class App;
}

namespace athanor {

// Adds all flags but --seed, which each command has for more than the data (it sets spec->seed). The path is --data, or
// the command's positional argument. `spec` must outlive the parse.
void AddDataOptions(CLI::App* app, DataSpec* spec, bool positional_path = false);

}  // namespace athanor

#endif  // ATHANOR_CLI_DATA_FLAGS_H_
