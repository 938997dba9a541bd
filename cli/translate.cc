#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "cli/command.h"
#include "cli/text_plan.h"
#include "data/text_tasks.h"
#include "runtime/core/file.h"
#include "training/text/heat_map.h"
#include "training/text/translator.h"

namespace athanor {
namespace {

struct Flags {
  std::string model, source, attention, data;
  int64_t samples = 1000;
  uint64_t seed = 1;
  int threads = 0;
};

constexpr int64_t kBatch = 50;  // of a test set

HeatMap AttentionMap(const Translation& t) {
  return {.title = "attention",
          .row_title = "output",
          .column_title = "source",
          .rows = t.target,
          .columns = t.source,
          .values = t.attention};
}

absl::Status TranslateOne(const Flags& flags, Translator* translator) {
  ATH_ASSIGN_OR_RETURN(std::vector<Translation> all, translator->Translate({flags.source}));
  const Translation& t = all[0];
  std::printf("%s\n", t.text.c_str());
  if (flags.attention.empty()) return absl::OkStatus();
  if (t.attention.empty()) return MakeError(ErrorClass::kReq, "the model has no output \"attention\" to draw");
  const HeatMap map = AttentionMap(t);
  std::printf("%s", HeatMapText(map).c_str());
  ATH_RETURN_IF_ERROR(WriteFileAtomic(flags.attention, {HeatMapSvg(map)}));
  std::printf("wrote %s\n", flags.attention.c_str());
  return absl::OkStatus();
}

// The share of the test set whose whole text is right.
absl::Status TranslateTestSet(const Flags& flags, Translator* translator) {
  ATH_ASSIGN_OR_RETURN(std::shared_ptr<const TextTask> task,
                       TextTask::Create({.task = flags.data, .test = flags.samples, .seed = flags.seed}));
  std::vector<std::string> sources, targets;
  for (int64_t i = 0; i < flags.samples; ++i) {
    TextPair pair = task->Pair(/*test=*/true, i);
    sources.push_back(std::move(pair.source));
    targets.push_back(std::move(pair.target));
  }
  ATH_ASSIGN_OR_RETURN(std::vector<Translation> all, translator->Translate(sources));
  int64_t right = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    right += all[i].text == targets[i];
    if (all[i].text != targets[i] && static_cast<int64_t>(i) - right < 5) {
      std::printf("%s -> %s, expected %s\n", sources[i].c_str(), all[i].text.c_str(), targets[i].c_str());
    }
  }
  std::printf("exact match %.2f %% of %lld texts\n", 100.0 * static_cast<double>(right) / static_cast<double>(all.size()),
              static_cast<long long>(all.size()));
  return absl::OkStatus();
}

absl::StatusOr<int> Translate(const Flags& flags) {
  if (flags.source.empty() == flags.data.empty()) {
    return MakeError(ErrorClass::kReq, "translate needs either --source or --data");
  }
  if (!flags.attention.empty()) {
    if (flags.source.empty()) return MakeError(ErrorClass::kReq, "--attention draws one --source, not a test set");
    const std::string folder = std::filesystem::path(flags.attention).parent_path().string();
    ATH_RETURN_IF_ERROR(ProbeWritableDir(folder.empty() ? "." : folder));
  }
  ATH_ASSIGN_OR_RETURN(std::shared_ptr<const Plan> plan,
                       LoadTextPlan(flags.model, flags.data.empty() ? 1 : kBatch, flags.threads));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Translator> translator, Translator::Create(plan));
  ATH_RETURN_IF_ERROR(flags.data.empty() ? TranslateOne(flags, translator.get())
                                         : TranslateTestSet(flags, translator.get()));
  return kExitOk;
}

}  // namespace

void AddTranslate(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub =
      app.add_subcommand("translate", "Turn a text into another with a model from sequence to sequence");
  sub->add_option("model", flags->model, "folder of a training run, model (.ath) or plan (.plan)")->required();
  sub->add_option("--source", flags->source, "the text");
  sub->add_option("--attention", flags->attention,
                  "heat map (.svg) to write: what each symbol of the output attended to; it is printed too");
  sub->add_option("--data", flags->data, "instead of a source: the test set of the task dates or reverse; prints how many "
                                         "texts are right as a whole");
  sub->add_option("--samples", flags->samples, "of the test set")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}))
      ->capture_default_str();
  sub->add_option("--seed", flags->seed, "of the task, as in training")->capture_default_str();
  sub->add_option("--threads", flags->threads, "of a model that is compiled here; 0: all CPUs that this process may use")
      ->capture_default_str();
  sub->footer("Example: athanor translate runs/dates --source \"november 25, 2026\" --attention attention.svg");
  sub->callback([flags, action] { *action = [flags] { return Translate(*flags); }; });
}

}  // namespace athanor
