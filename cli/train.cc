#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/config_file.h"
#include "cli/tables.h"
#include "cli/train_flags.h"
#include "cli/train_report.h"
#include "data/mnist_sample/mnist_sample.h"
#include "models/models.h"
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
}

struct Flags {
  std::string model, data = "mnist", progress = "auto", config_file, from, logs = "csv,jsonl";
  int64_t log_every = 10;
  TrainFlags train;
};

// MNIST's mean and standard deviation over the pixels of its 60,000 training images, in units of 0..1.
constexpr float kMnistMean = 0.1307f, kMnistStd = 0.3081f;

struct Opened {
  TrainTest sets;
  TrainingData sources;  // borrow the sets
};

absl::StatusOr<std::unique_ptr<Opened>> LoadData(const std::string& data) {
  auto opened = std::make_unique<Opened>();
  ATH_ASSIGN_OR_RETURN(opened->sets, data == "mnist" ? LoadMnistSample() : LoadMnist(data));
  const Normalization normalization = Normalization::MeanStd({kMnistMean}, {kMnistStd}, 1.0f / 255.0f);
  opened->sources.name = opened->sets.train.name;
  ATH_ASSIGN_OR_RETURN(opened->sources.train, MakeDatasetSource(opened->sets.train, normalization));
  ATH_ASSIGN_OR_RETURN(opened->sources.validation, MakeDatasetSource(opened->sets.test, normalization));
  return opened;
}

absl::StatusOr<Graph> MakeModel(const Flags& flags, const Opened& data) {
  if (flags.model.empty()) {
    return MakeError(ErrorClass::kReq, "no model: give the name of a network (see `athanor models`), or model in --config");
  }
  ModelOptions options;
  options.class_names = data.sets.train.class_names;
  ATH_ASSIGN_OR_RETURN(Graph model, BuildModel(flags.model, options));
  model.metadata.Set("input_scale", 1.0 / 255.0);
  model.metadata.Set("input_mean", Floats{kMnistMean});
  model.metadata.Set("input_std", Floats{kMnistStd});
  return model;
}

void PrintStart(const Graph& model, const Trainer& trainer, const Opened& data, const TrainConfig& config) {
  std::printf("%s\n", LayerTable(model, "train").c_str());
  std::printf("data: %s, %s training and %s test samples, %lld classes\n", data.sources.name.c_str(),
              WithCommas(data.sources.train->size()).c_str(), WithCommas(data.sources.validation->size()).c_str(),
              static_cast<long long>(data.sets.train.classes));
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

// What the trained weights answer to the test set through the plan's infer entry; `athanor run` of the saved plan, in
// another process, prints the same digest.
absl::Status PrintDigest(Trainer& trainer, const Dataset& test) {
  StepRunner& runner = trainer.runner();
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Predictor> predictor,
                       Predictor::Create(runner.plan(), runner.session().shared_weights()));
  ATH_ASSIGN_OR_RETURN(TestSetResult result, PredictTestSet(test, trainer.plan().metadata, predictor.get()));
  std::printf("logits digest %s\n", Digest(result.logits).c_str());
  return absl::OkStatus();
}

void PrintEnd(const TrainResult& result, const TrainConfig& config) {
  if (result.end == RunEnd::kEarlyStopping) {
    std::printf("stopped early: no better %s for %lld evaluations\n", config.monitor.c_str(),
                static_cast<long long>(config.patience));
  } else if (result.end == RunEnd::kTime) {
    std::printf("stopped after %g minutes\n", config.max_minutes);
  }
  if (config.patience > 0 && result.best_step >= 0) {
    std::printf("the weights are those of step %lld, with the best %s %.4f\n", static_cast<long long>(result.best_step),
                config.monitor.c_str(), result.best);
  }
}

absl::Status PrintResults(Trainer& trainer, const Opened& data, const TrainConfig& config, int64_t steps) {
  ATH_ASSIGN_OR_RETURN(ClassificationMetrics m, trainer.Evaluate(data.sources.validation));
  std::printf("test accuracy %.2f %%, loss %.4f, after %lld steps\n", 100 * m.accuracy(), m.loss(),
              static_cast<long long>(steps));
  if (config.out.empty()) return absl::OkStatus();
  ATH_RETURN_IF_ERROR(PrintDigest(trainer, data.sets.test));
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
  config.run_config = EffectiveConfig(*sub, {"resume"});
  // An unwritable folder is found before the data is read and anything is computed.
  if (!config.out.empty()) ATH_RETURN_IF_ERROR(ProbeWritableDir(config.out));
  return config;
}

// With the weights to begin with. A run that goes on has them from its checkpoint.
absl::StatusOr<Graph> MakeStart(const Flags& flags, const Opened& data) {
  ATH_ASSIGN_OR_RETURN(Graph model, MakeModel(flags, data));
  if (flags.from.empty() || flags.train.config.resume) return model;
  ATH_ASSIGN_OR_RETURN(NamedTensors weights, ReadWeights(flags.from));
  ATH_ASSIGN_OR_RETURN(TransferReport report, TransferWeights(flags.from, weights, &model));
  std::printf("%s\n", TransferText(flags.from, report).c_str());
  return model;
}

absl::StatusOr<std::unique_ptr<MetricsLog>> OpenLogs(const Flags& flags, const TrainConfig& config,
                                                     const Trainer& trainer) {
  std::optional<int64_t> resumed;
  if (config.resume) resumed = trainer.resumed_steps();
  return OpenMetricsLogs(config.out, config.out.empty() ? "none" : flags.logs, resumed);
}

absl::StatusOr<int> Train(const std::shared_ptr<Flags>& flags, CLI::App* sub) {
  ATH_ASSIGN_OR_RETURN(TrainConfig config, Configure(flags.get(), sub));
  ATH_ASSIGN_OR_RETURN(ProgressMode mode, ParseProgressMode(flags->progress));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Opened> data, LoadData(flags->data));
  ATH_ASSIGN_OR_RETURN(Graph model, MakeStart(*flags, *data));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Trainer> trainer, Trainer::Create(model, data->sources, config));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<MetricsLog> log, OpenLogs(*flags, config, *trainer));
  if (!config.out.empty()) {
    const std::string text = absl::StrCat("# athanor train --config ", config.out, "/config.toml\n", config.run_config);
    ATH_RETURN_IF_ERROR(WriteFileAtomic(config.out + "/config.toml", {text}));
  }
  PrintStart(model, *trainer, *data, config);

  CatchSignals();
  Progress progress(stderr, mode);
  TrainReporter reporter(trainer->task(), &progress, log.get(), flags->log_every);
  absl::StatusOr<TrainResult> result = trainer->Run(&reporter, &g_signal);
  reporter.Flush();
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
  ATH_RETURN_IF_ERROR(PrintResults(*trainer, *data, config, result->steps));
  return kExitOk;
}

}  // namespace

void AddTrain(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("train", "Train a network on a data set");
  sub->add_option("model", flags->model, "name of the network: see `athanor models`");
  sub->add_option("--data", flags->data,
                  "mnist (the sample inside the program: 10,000 training and 2,000 test images), or a folder with the "
                  "four IDX files of MNIST or a set of the same form, plain or .gz")
      ->capture_default_str();
  AddTrainOptions(sub, &flags->train);
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
