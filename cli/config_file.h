// A command's flags as a TOML file: every key is the name of a long flag.
//
//   model = "lenet5"
//   epochs = 10
//   lr = 0.001
//   batch-norm = true
//   hidden = [512, 256]
#ifndef ATHANOR_CLI_CONFIG_FILE_H_
#define ATHANOR_CLI_CONFIG_FILE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"

namespace CLI {
class App;
}

namespace athanor {

// Gives the values of the file to the options of a sub-command that was parsed already and that were not given on the
// command line. FORMAT error for what is no TOML, REQ error with "file:line" for a key that is no flag (and the nearest
// one), and for a value of another type or one that the flag refuses. PATH error.
absl::Status ReadConfigFile(const std::string& path, CLI::App* sub);

// The values of all options, given or default, as such a file; without those named in `leave_out`, help, and options
// that have no value.
std::string EffectiveConfig(const CLI::App& sub, const std::vector<std::string>& leave_out);

// The name with the fewest changes of a letter to `name`, if there are few enough for a slip; else empty.
std::string NearestName(absl::string_view name, const std::vector<std::string>& names);

}  // namespace athanor

#endif  // ATHANOR_CLI_CONFIG_FILE_H_
