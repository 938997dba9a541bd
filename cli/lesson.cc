#include "lessons/lesson.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/tables.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

struct Flags {
  std::string name, out, data;
};

absl::StatusOr<int> List() {
  std::vector<std::vector<std::string>> rows = {{"lesson", "about"}};
  for (const Lesson& lesson : AllLessons()) rows.push_back({lesson.name, lesson.title});
  std::printf("%s\nathanor lesson NAME runs one; docs/lessons/ has a page for each\n", FormatTable(rows).c_str());
  return kExitOk;
}

absl::StatusOr<int> RunLesson(const Flags& flags) {
  if (flags.name.empty()) return List();
  ATH_ASSIGN_OR_RETURN(const Lesson* lesson, FindLesson(flags.name));
  if (!flags.out.empty()) ATH_RETURN_IF_ERROR(ProbeWritableDir(flags.out));
  ATH_ASSIGN_OR_RETURN(LessonResult result, lesson->run({.data = flags.data}));
  std::printf("%s", result.text.c_str());
  if (flags.out.empty()) return kExitOk;
  for (const Plot& plot : result.plots) {
    const std::string path = absl::StrCat(flags.out, "/", PlotFileName(*lesson, plot));
    ATH_RETURN_IF_ERROR(WriteFileAtomic(path, {DrawPlot(plot)}));
    std::fprintf(stderr, "wrote %s\n", path.c_str());
  }
  return kExitOk;
}

}  // namespace

void AddLesson(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub =
      app.add_subcommand("lesson", "Show what textbooks claim of neural networks by running it, in a minute or less");
  sub->add_option("name", flags->name, "the lesson; without it, all are listed");
  sub->add_option("--out", flags->out, "folder for its charts (SVG)");
  sub->add_option("--data", flags->data, "folder with MNIST's IDX files in place of the 10,000 digits in the binary");
  sub->footer("Example: athanor lesson xor --out charts");
  sub->callback([flags, action] { *action = [flags] { return RunLesson(*flags); }; });
}

}  // namespace athanor
