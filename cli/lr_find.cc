#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/data_flags.h"
#include "cli/model_flags.h"
#include "cli/optimizer_flags.h"
#include "cli/train_setup.h"
#include "compiler/graph/initializers.h"
#include "data/loader.h"
#include "data/open_data.h"
#include "models/models.h"
#include "runtime/core/file.h"
#include "training/evaluation.h"
#include "training/lr_range.h"
#include "training/progress.h"
#include "training/soft_labels.h"
#include "training/step_runner.h"

namespace athanor {
namespace {

struct Flags {
  std::string model, out, progress = "auto";
  DataSpec data;
  ModelOptions form;
  LrRangeConfig sweep;
  OptimizerFlags optimizer;
  UpdateMode update = UpdateMode::kGrouped;
  int64_t batch = 64;
  uint64_t seed = 1;
  int threads = 0;
  int64_t loader_threads = 1;
};

absl::StatusOr<std::unique_ptr<StepRunner>> MakeRunner(const Flags& flags, const SampleSource& data, Graph model) {
  ATH_ASSIGN_OR_RETURN(model, WithLabelsOf(data.fields(), std::move(model)));
  ATH_RETURN_IF_ERROR(InitializeVariables(&model, flags.seed));
  StepRunnerOptions options;
  options.fields = FieldNames(data.fields());
  ATH_ASSIGN_OR_RETURN(options.symbols, MatchFields(model, "train", data.fields(), flags.data.path));
  options.train_rows = {flags.batch};
  options.infer = false;
  ATH_ASSIGN_OR_RETURN(options.compile.optimizer, MakeOptimizer(flags.optimizer));
  options.compile.update = flags.update;
  options.compile.threads = flags.threads;
  return StepRunner::Create(model, options);
}

// The steps of the sweep, over as many epochs as they take.
absl::Status Sweep(const Flags& flags, std::shared_ptr<const SampleSource> data, StepRunner* runner, Progress* progress,
                   LrRangeTest* test) {
  LoaderOptions loading;
  loading.batch_size = flags.batch;
  loading.seed = flags.seed;
  loading.drop_last = true;
  loading.threads = flags.loader_threads;
  loading.end_epoch = flags.sweep.steps / (data->size() / flags.batch) + 1;
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<BatchLoader> loader, BatchLoader::Create(data, loading));
  RateMeter meter;
  auto last = std::chrono::steady_clock::now();
  for (int64_t step = 1; !test->done(); ++step) {
    ATH_ASSIGN_OR_RETURN(const Batch* batch, loader->Next());
    ATH_CHECK(batch != nullptr);
    StepScalars scalars;
    scalars.lr = test->next_lr();
    scalars.step = step;
    scalars.seed = flags.seed;
    absl::StatusOr<StepOutput> output = runner->Train(batch->fields, flags.batch, scalars);
    // With --clip-norm a gradient that is not finite is an error of the data: here it ends the sweep.
    const bool not_finite = ErrorClassOf(output.status()) == "DATA";
    if (!not_finite) ATH_RETURN_IF_ERROR(output.status());
    const double loss = not_finite ? std::numeric_limits<double>::quiet_NaN() : output->loss;
    test->Add(loss);
    const auto now = std::chrono::steady_clock::now();
    meter.Add(static_cast<double>(flags.batch), std::chrono::duration<double>(now - last).count());
    last = now;
    StepReport report{batch->epoch + 1, loading.end_epoch, step, flags.sweep.steps, loss};
    report.lr = scalars.lr;
    report.samples_per_second = meter.rate();
    report.seconds_left = static_cast<double>((flags.sweep.steps - step) * flags.batch) / std::max(1e-9, meter.rate());
    progress->Step(report);
  }
  return absl::OkStatus();
}

std::string TitleOf(const Flags& flags) {
  return absl::StrCat("Learning-rate range test: ", flags.model, ", ", flags.optimizer.name, ", batch ", flags.batch);
}

void PrintResult(const Flags& flags, const std::vector<LrRangePoint>& points, LrRangeEnd end, const LrSuggestion& s) {
  std::printf("%s\n", ToAscii(LrRangeChart(TitleOf(flags), points, s)).c_str());
  const char* why = end == LrRangeEnd::kDiverged    ? "the loss diverged"
                    : end == LrRangeEnd::kNotFinite ? "the loss was no longer finite"
                                                    : "all steps were done";
  std::printf("%lld steps from %.3g to %.3g: %s\n", static_cast<long long>(points.size()),
              points.empty() ? 0 : points.front().lr, points.empty() ? 0 : points.back().lr, why);
  if (s.found) {
    std::printf("steepest descent at        %.2e\n", s.steepest);
    std::printf("a tenth of the minimum at  %.2e  (the loss is least at %.2e)\n", s.minimum_tenth, s.minimum);
    std::printf("try --lr %.1e\n", std::min(s.steepest, s.minimum_tenth));
  }
  if (!s.note.empty()) std::printf("note: %s\n", s.note.c_str());
}

absl::Status WriteFiles(const Flags& flags, const std::vector<LrRangePoint>& points, const LrSuggestion& s) {
  if (flags.out.empty()) return absl::OkStatus();
  const std::string csv = flags.out + "/lr_find.csv", svg = flags.out + "/lr_find.svg";
  ATH_RETURN_IF_ERROR(WriteFileAtomic(csv, {LrRangeCsv(points)}));
  ATH_RETURN_IF_ERROR(WriteFileAtomic(svg, {ToSvg(LrRangeChart(TitleOf(flags), points, s))}));
  std::printf("wrote %s and %s\n", csv.c_str(), svg.c_str());
  return absl::OkStatus();
}

absl::StatusOr<int> Find(Flags flags) {
  ATH_ASSIGN_OR_RETURN(LrRangeTest test, LrRangeTest::Create(flags.sweep));
  if (flags.batch < 1) return MakeError(ErrorClass::kReq, "batch = %d is below 1", flags.batch);
  if (!flags.out.empty()) ATH_RETURN_IF_ERROR(ProbeWritableDir(flags.out));
  ATH_ASSIGN_OR_RETURN(const ProgressMode mode, ParseProgressMode(flags.progress));
  flags.data.seed = flags.seed;
  ATH_ASSIGN_OR_RETURN(OpenedData data, OpenData(flags.data));
  if (data.train->size() < flags.batch) {
    return MakeError(ErrorClass::kData, "data set \"%s\" has %d samples, fewer than one batch of %d", data.name,
                     data.train->size(), flags.batch);
  }
  ATH_ASSIGN_OR_RETURN(Graph model, MakeTrainModel(flags.model, flags.form, data));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<StepRunner> runner, MakeRunner(flags, *data.train, std::move(model)));
  Progress progress(stderr, mode);
  ATH_RETURN_IF_ERROR(Sweep(flags, data.train, runner.get(), &progress, &test));
  progress.Finish();
  const std::vector<LrRangePoint> points = test.Points();
  const LrSuggestion suggestion = SuggestLearningRate(points, test.end());
  PrintResult(flags, points, test.end(), suggestion);
  ATH_RETURN_IF_ERROR(WriteFiles(flags, points, suggestion));
  return suggestion.found ? kExitOk : kExitFailed;
}

}  // namespace

void AddLrFind(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("lr-find", "Find a learning rate by a range test");
  sub->add_option("model", flags->model, "name of the network (see `athanor models`), or a model file (.ath)")
      ->required();
  AddDataOptions(sub, &flags->data);
  AddModelOptions(sub, &flags->form);
  sub->add_option("--min-lr", flags->sweep.min_lr, "rate of the first step")->capture_default_str();
  sub->add_option("--max-lr", flags->sweep.max_lr, "rate of the last step")->capture_default_str();
  sub->add_option("--steps", flags->sweep.steps, "steps of the sweep; the rate grows by the same factor at each")
      ->capture_default_str();
  sub->add_option("--smooth", flags->sweep.smooth, "what an average of the loss keeps from step to step: 0 to below 1")
      ->capture_default_str();
  sub->add_option("--divergence", flags->sweep.divergence,
                  "the sweep ends when the average is so many times its least value")
      ->capture_default_str();
  sub->add_option("--batch", flags->batch, "samples a step; use that of the training")->capture_default_str();
  AddOptimizerOptions(sub, &flags->optimizer, &flags->update);
  sub->add_option("--seed", flags->seed, "of the weights, the order of samples and dropout")->capture_default_str();
  sub->add_option("--threads", flags->threads, "0: all CPUs that this process may use")->capture_default_str();
  sub->add_option("--loader-threads", flags->loader_threads, "threads that read samples")->capture_default_str();
  sub->add_option("--out", flags->out, "folder for lr_find.csv and lr_find.svg; made if it is missing");
  sub->add_option("--progress", flags->progress, "auto, bar, plain, json or none; on stderr")->capture_default_str();
  sub->footer(
      "Trains new weights with a rate that grows from step to step (Smith 2015) and looks at the loss: flat where the "
      "rate\n"
      "is too small, falling where it is right, rising where it is too large. Suggests the rate where the loss falls\n"
      "fastest, and a tenth of the one where it is least; the smaller is a safe start. Nothing but the files of --out "
      "is\n"
      "written. Exit code 1 when the curve shows no rate to suggest.\n\n"
      "Example: athanor lr-find lenet5 --data mnist --optimizer adam --batch 64 --out runs/lr");
  sub->callback([flags, action] { *action = [flags] { return Find(*flags); }; });
}

}  // namespace athanor
