#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/command.h"
#include "cli/version.h"
#include "runtime/core/cpu.h"
#include "runtime/onednn/library.h"

namespace athanor {

void AddVersion(CLI::App& app, Action* action) {
  CLI::App* sub = app.add_subcommand("version", "Print the versions of Athanor and oneDNN, the ISA in use and threads");
  sub->footer("Example: athanor version");
  sub->callback([action] {
    *action = []() -> absl::StatusOr<int> {
      std::printf("athanor %s\noneDNN %s\nISA %s\nCPU %s\nthreads %d\n", kAthanorVersion, OneDnnVersion().c_str(),
                  EffectiveIsa().c_str(), CpuName().c_str(), AvailableCpus());
      return kExitOk;
    };
  });
}

}  // namespace athanor
