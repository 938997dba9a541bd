#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "cli/command.h"
#include "runtime/core/status.h"

namespace athanor {
namespace {

int ExitCodeFor(const absl::Status& status) { return ErrorClassOf(status).empty() ? kExitFailed : kExitUsage; }

// By default libgomp's threads wait for one another by spinning for milliseconds, which on a busy machine keeps the
// very thread they wait for from running: a training step then takes a hundred times as long. The run-time reads its
// settings when it is loaded, so the process starts itself again with a shorter wait, unless the user chose one.
void LetOpenMpSleepEarly(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  if (setenv("GOMP_SPINCOUNT", "2000", /*overwrite=*/0) == 0) execv("/proc/self/exe", argv);
  // Where that cannot be done the process goes on as it is.
}

// Nothing of ours throws, but the standard library does where memory or an operating system's limit runs out.
absl::StatusOr<int> Guarded(const Action& action) {
  try {
    return action();
  } catch (const std::bad_alloc&) {
    return MakeError(ErrorClass::kLimit, "there is not enough memory");
  } catch (const std::exception& e) {
    return absl::InternalError(e.what());
  }
}

// A process that is started without the first three files would give their numbers to files of its own, and what it prints
// would go there.
void OpenStandardFiles() {
  for (int fd = 0; fd < 3; ++fd) {
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd) std::_Exit(kExitFailed);
  }
}

// A full disk, say. Not a reader that has seen enough and closed the pipe.
bool OutputIsLost() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return false;
  pollfd out = {STDOUT_FILENO, POLLOUT, 0};
  return poll(&out, 1, 0) <= 0 || (out.revents & POLLERR) == 0;
}

int Main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe must not end a training
  std::signal(SIGXFSZ, SIG_IGN);  // nor a file that may not grow: writing it gives an error
  CLI::App app{"Compiles a neural network, its backward pass and its optimizer into one plan and runs it on the CPU.",
               "athanor"};
  app.require_subcommand(1);
  app.footer("Example: athanor train lenet5 --data mnist --epochs 3 --out runs/lenet5");
  Action action;
  AddTrain(app, &action);
  AddData(app, &action);
  AddEvaluate(app, &action);
  AddCompile(app, &action);
  AddRun(app, &action);
  AddInspect(app, &action);
  AddBench(app, &action);
  AddGradcheck(app, &action);
  AddDiagnose(app, &action);
  AddGradients(app, &action);
  AddGenerate(app, &action);
  AddTranslate(app, &action);
  AddExport(app, &action);
  AddLesson(app, &action);
  AddLrFind(app, &action);
  AddModels(app, &action);
  AddOps(app, &action);
  AddVersion(app, &action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kExitOk : kExitUsage;
  }
  absl::StatusOr<int> code = Guarded(action);
  if (code.ok() && OutputIsLost()) code = absl::UnknownError("the output could not be written");
  if (code.ok()) return *code;
  std::fprintf(stderr, "athanor: %s\n", std::string(code.status().message()).c_str());
  return ExitCodeFor(code.status());
}

}  // namespace
}  // namespace athanor

int main(int argc, char** argv) {
  athanor::OpenStandardFiles();
  athanor::LetOpenMpSleepEarly(argv);
  return athanor::Main(argc, argv);
}
