// The athanor command: one file a sub-command. Each adds its options to the application and, when it is the one that
// was typed, sets the action to run.
#ifndef ATHANOR_CLI_COMMAND_H_
#define ATHANOR_CLI_COMMAND_H_

#include <functional>

#include "absl/status/statusor.h"

namespace CLI {
class App;
}

namespace athanor {

// What the process ends with. Errors: bad input or usage (any class of runtime/core/status.h) end with 2, all others
// with 1.
inline constexpr int kExitOk = 0, kExitFailed = 1, kExitUsage = 2;

using Action = std::function<absl::StatusOr<int>()>;  // -> exit code

void AddTrain(CLI::App& app, Action* action);
void AddData(CLI::App& app, Action* action);
void AddEvaluate(CLI::App& app, Action* action);
void AddCompile(CLI::App& app, Action* action);
void AddRun(CLI::App& app, Action* action);
void AddInspect(CLI::App& app, Action* action);
void AddBench(CLI::App& app, Action* action);
void AddGradcheck(CLI::App& app, Action* action);
void AddDiagnose(CLI::App& app, Action* action);
void AddGradients(CLI::App& app, Action* action);
void AddGenerate(CLI::App& app, Action* action);
void AddTranslate(CLI::App& app, Action* action);
void AddExport(CLI::App& app, Action* action);
void AddLesson(CLI::App& app, Action* action);
void AddLrFind(CLI::App& app, Action* action);
void AddModels(CLI::App& app, Action* action);
void AddOps(CLI::App& app, Action* action);
void AddVersion(CLI::App& app, Action* action);

}  // namespace athanor

#endif  // ATHANOR_CLI_COMMAND_H_
