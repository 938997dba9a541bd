#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/config_file.h"
#include "cli/data_flags.h"
#include "cli/deferred_log.h"
#include "cli/diagnose_steps.h"
#include "cli/model_flags.h"
#include "cli/tables.h"
#include "cli/train_flags.h"
#include "cli/train_report.h"
#include "cli/train_setup.h"
#include "runtime/core/file.h"
#include "training/predictor.h"
#include "training/trainer.h"
#include "training/transfer.h"

namespace athanor {
namespace {

std::atomic<int> g_signal{0};

// The first signal lets the step finish and saves; the second ends the process at once.
extern "C" void OnSignal(int signal) {
  if (g_signal.exchange(signal) != 0) std::_Exit(128 + signal);
}

void CatchSignals() {
  struct sigaction action = {};
  action.sa_handler = &OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction hangup = {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // as nohup leaves it
}

struct Flags {
  std::string model, progress = "auto", config_file, from, logs = "csv,jsonl";
  int64_t log_every = 10;
  int64_t diagnose = 0;
  DataSpec data;
  ModelOptions network;
  TrainFlags train;
};

void PrintStart(const Graph& model, const Trainer& trainer, const OpenedData& data, const TrainConfig& config) {
  std::printf("%s\n%s\n", LayerTable(model, "train").c_str(), DataText(data).c_str());
  const Target& target = trainer.plan().target;
  std::printf("plan: batch %lld, %s, learning rate %g, seed %llu, %d threads, %s, oneDNN %s\n",
              static_cast<long long>(config.batch), config.optimizer.name.c_str(), config.learning_rate,
              static_cast<unsigned long long>(config.seed), target.threads, target.isa.c_str(),
              target.onednn_version.c_str());
  std::printf("%s\n", MemorySummary(trainer.plan()).c_str());
  if (trainer.resumed_steps() > 0) {
    std::printf("resuming after step %lld\n", static_cast<long long>(trainer.resumed_steps()));
  }
  std::fflush(stdout);
}

void PrintEnd(const TrainResult& result, const TrainConfig& config) {
  if (result.end == RunEnd::kEarlyStopping) {
    std::printf("stopped early: no better %s in %lld evaluations\n", config.monitor.c_str(),
                static_cast<long long>(config.patience));
  } else if (result.end == RunEnd::kTime) {
    std::printf("stopped after %g minutes\n", config.max_minutes);
  }
  if (config.patience > 0 && result.best_step >= 0) {
    std::printf("the weights are those of step %lld, with the best %s %.4f\n", static_cast<long long>(result.best_step),
                config.monitor.c_str(), result.best);
  }
}

// What the trained weights answer to the test set through the plan's infer entry; `athanor run` of the saved plan, in
// another process, prints the same digest.
absl::Status PrintDigest(Trainer& trainer, const SampleSource& test) {
  StepRunner& runner = trainer.runner();
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Predictor> predictor,
                       Predictor::Create(runner.plan(), runner.session().shared_weights()));
  ATH_ASSIGN_OR_RETURN(Tensor logits, PredictLogits(test, predictor.get()));
  std::printf("logits digest %s\n", Digest(logits).c_str());
  return absl::OkStatus();
}

absl::Status PrintResults(Trainer& trainer, const OpenedData& data, const TrainConfig& config, int64_t steps) {
  const std::shared_ptr<const SampleSource> set = data.test != nullptr ? data.test : data.validation;
  const char* name = data.test != nullptr ? "test" : "validation";
  const Task task = trainer.task();
  if (set != nullptr) {
    ATH_ASSIGN_OR_RETURN(ClassificationMetrics m, trainer.Evaluate(set));
    std::string text = task == Task::kClassification
                           ? absl::StrFormat("%s accuracy %.2f %%, loss %.4f", name, 100 * m.accuracy(), m.loss())
                           : absl::StrFormat("%s loss %.4f%s", name, m.loss(), MetricsText(task, m));
    std::printf("%s, after %lld steps\n", text.c_str(), static_cast<long long>(steps));
  }
  if (config.out.empty()) return absl::OkStatus();
  if (set != nullptr && task == Task::kClassification) ATH_RETURN_IF_ERROR(PrintDigest(trainer, *set));
  std::printf("wrote %s/model.ath, model.plan and last.ckpt\n", config.out.c_str());
  return absl::OkStatus();
}

// The configuration as it is in effect, from the file and the command line.
absl::StatusOr<TrainConfig> Configure(Flags* flags, CLI::App* sub) {
  if (!flags->config_file.empty()) ATH_RETURN_IF_ERROR(ReadConfigFile(flags->config_file, sub));
  ATH_ASSIGN_OR_RETURN(TrainConfig config, FinishTrainFlags(flags->train, *sub));
  ATH_RETURN_IF_ERROR(CheckConfig(config));
  ATH_RETURN_IF_ERROR(CheckLogFormats(flags->logs));
  if (flags->log_every < 1) return MakeError(ErrorClass::kReq, "log-every = %d is below 1", flags->log_every);
  std::vector<std::string> not_said = {"resume"};
  if (config.epochs == 0) not_said.push_back("epochs");  // the steps alone decide; its default would be a limit
  config.run_config = EffectiveConfig(*sub, not_said);
  flags->data.seed = config.seed;
  // An unwritable folder is found before the data is read and anything is computed.
  if (!config.out.empty()) ATH_RETURN_IF_ERROR(ProbeWritableDir(config.out));
  return config;
}

absl::StatusOr<Graph> MakeModel(const Flags& flags, const OpenedData& data) {
  ATH_ASSIGN_OR_RETURN(Graph model, MakeTrainModel(flags.model, flags.network, data));
  // A run that goes on has its weights from the checkpoint.
  if (flags.from.empty() || flags.train.config.resume) return model;
  ATH_ASSIGN_OR_RETURN(NamedTensors weights, ReadWeights(flags.from));
  ATH_ASSIGN_OR_RETURN(TransferReport report, TransferWeights(flags.from, weights, &model));
  std::printf("%s\n", TransferText(flags.from, report).c_str());
  return model;
}

// config.toml and the logs. Those of a new run take the place of a former run's at the first checkpoint; a run that goes on
// finds at once what is wrong with its own.
absl::StatusOr<std::unique_ptr<DeferredLog>> OpenRecords(const Flags& flags, const TrainConfig& config,
                                                         const Trainer& trainer) {
  std::optional<int64_t> resumed;
  if (config.resume) resumed = trainer.resumed_steps();
  auto open = [=, out = config.out, run = config.run_config,
               logs = flags.logs]() -> absl::StatusOr<std::unique_ptr<MetricsLog>> {
    if (out.empty()) return OpenMetricsLogs("", "none", resumed);
    const std::string head = absl::StrCat("# athanor train --config ", absl::CHexEscape(out), "/config.toml\n");
    ATH_RETURN_IF_ERROR(WriteFileAtomic(out + "/config.toml", {head, run}));
    return OpenMetricsLogs(out, logs, resumed);
  };
  auto log = std::make_unique<DeferredLog>(std::move(open));
  if (config.resume) ATH_RETURN_IF_ERROR(log->Flush());
  return log;
}

// Steps of a copy: the training itself is what it would be without.
absl::Status Diagnose(const Graph& model, const std::shared_ptr<const SampleSource>& samples, const TrainConfig& config,
                      int64_t steps) {
  DiagnosisConfig diagnosis;
  ATH_ASSIGN_OR_RETURN(diagnosis.optimizer, MakeOptimizer(config.optimizer));
  diagnosis.frozen = config.frozen;
  diagnosis.learning_rate = config.learning_rate;
  diagnosis.steps = steps;
  diagnosis.seed = config.seed;
  diagnosis.threads = config.threads;
  ATH_RETURN_IF_ERROR(DiagnoseSteps(model, samples, config.batch, diagnosis));
  std::printf("\n");
  return absl::OkStatus();
}

absl::StatusOr<int> Train(const std::shared_ptr<Flags>& flags, CLI::App* sub) {
  ATH_ASSIGN_OR_RETURN(TrainConfig config, Configure(flags.get(), sub));
  ATH_ASSIGN_OR_RETURN(ProgressMode mode, ParseProgressMode(flags->progress));
  ATH_ASSIGN_OR_RETURN(OpenedData data, OpenData(flags->data));
  ATH_ASSIGN_OR_RETURN(Graph model, MakeModel(*flags, data));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Trainer> trainer, Trainer::Create(model, SourcesOf(data), config));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<DeferredLog> log, OpenRecords(*flags, config, *trainer));
  PrintStart(model, *trainer, data, config);
  if (flags->diagnose > 0) ATH_RETURN_IF_ERROR(Diagnose(model, data.train, config, flags->diagnose));

  CatchSignals();
  Progress progress(stderr, mode);
  const char* watched = data.validation != nullptr ? "validation" : "test";
  TrainReporter reporter(trainer->task(), watched, &progress, log.get(), flags->log_every);
  if (flags->diagnose > 0) reporter.LogHistograms(&trainer->runner().weights());
  absl::StatusOr<TrainResult> result = trainer->Run(&reporter, &g_signal);
  if (result.ok() || log->opened()) reporter.Flush();
  progress.Finish();
  ATH_RETURN_IF_ERROR(result.status());
  if (result->end == RunEnd::kSignal) {
    std::printf("stopped by signal %d after step %lld\n", result->signal, static_cast<long long>(result->steps));
    if (!config.out.empty()) {
      std::printf("saved %s/last.ckpt after step %lld; go on with --resume\n", config.out.c_str(),
                  static_cast<long long>(result->steps));
    }
    return 128 + result->signal;
  }
  PrintEnd(*result, config);
  ATH_RETURN_IF_ERROR(PrintResults(*trainer, data, config, result->steps));
  return kExitOk;
}

}  // namespace

void AddTrain(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("train", "Train a network on a data set");
  sub->add_option("model", flags->model, "name of the network (see `athanor models`), or a model file (.ath)");
  AddTrainOptions(sub, &flags->train);
  sub->add_option("--diagnose", flags->diagnose,
                  "first train a copy for so many steps and say what they show: vanishing, exploding, dead layers; then also "
                  "log histograms of the parameters (jsonl, tensorboard); 0: none")
      ->check(CLI::Range(int64_t{0}, int64_t{1000000}))
      ->capture_default_str()
      ->group("Reports");
  AddDataOptions(sub, &flags->data);
  AddModelOptions(sub, &flags->network);
  sub->add_option("--from", flags->from,
                  "weights to begin with: a model (.ath), a checkpoint (.ckpt) or the folder of a run. Tensors are matched "
                  "by name and shape; the differences are listed")
      ->group("Fine-tuning");
  constexpr char kReports[] = "Reports";
  sub->add_option("--progress", flags->progress, "auto, bar, plain, json or none; on stderr")
      ->capture_default_str()
      ->group(kReports);
  sub->add_option("--logs", flags->logs, "files of numbers in --out: csv, jsonl, tensorboard, or none")
      ->capture_default_str()
      ->group(kReports);
  sub->add_option("--log-every", flags->log_every, "steps between the numbers of steps in them")
      ->capture_default_str()
      ->group(kReports);
  sub->add_option("--config", flags->config_file,
                  "TOML file whose keys are the names of these flags (epochs = 10); the command line wins. The run's own is "
                  "written to --out as config.toml");
  sub->footer(
      "Ctrl-C finishes the step, saves last.ckpt and exits with 130; a second one exits at once.\n"
      "Example: athanor train lenet5 --data mnist --epochs 3 --batch 64 --optimizer adam --lr 1e-3 --seed 1 --out runs/lenet5");
  sub->callback([flags, action, sub] { *action = [flags, sub] { return Train(flags, sub); }; });
}

}  // namespace athanor
