#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/optimizer_flags.h"
#include "cli/tables.h"
#include "data/mnist_sample/mnist_sample.h"
#include "models/models.h"
#include "runtime/core/file.h"
#include "training/predictor.h"
#include "training/trainer.h"

namespace athanor {
namespace {

std::atomic<int> g_signal{0};

// The first signal lets the step finish and saves; the second ends the process at once.
extern "C" void OnSignal(int signal) {
  if (g_signal.exchange(signal) != 0) std::_Exit(128 + signal);
}

struct Flags {
  std::string model, data = "mnist", progress = "auto";
  TrainConfig config;
};

// MNIST's mean and standard deviation over the pixels of its 60,000 training images, in units of 0..1.
constexpr float kMnistMean = 0.1307f, kMnistStd = 0.3081f;

absl::StatusOr<TrainTest> LoadData(const std::string& data) {
  if (data == "mnist") return LoadMnistSample();
  return LoadMnist(data);
}

void PrintStart(const Graph& model, const Trainer& trainer, const TrainTest& data, const TrainConfig& config) {
  std::printf("%s\n", LayerTable(model, "train").c_str());
  std::printf("data: %s, %s training and %s test samples, %lld classes\n", data.train.name.c_str(),
              WithCommas(data.train.size()).c_str(), WithCommas(data.test.size()).c_str(),
              static_cast<long long>(data.train.classes));
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
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Predictor> predictor,
                       Predictor::Create(trainer.shared_plan(), trainer.session().shared_weights()));
  ATH_ASSIGN_OR_RETURN(TestSetResult result, PredictTestSet(test, trainer.plan().metadata, predictor.get()));
  std::printf("logits digest %s\n", Digest(result.logits).c_str());
  return absl::OkStatus();
}

absl::StatusOr<int> Train(Flags flags) {
  ATH_ASSIGN_OR_RETURN(ProgressMode mode, ParseProgressMode(flags.progress));
  // An unwritable folder is found before the data is read and anything is computed.
  if (!flags.config.out.empty()) ATH_RETURN_IF_ERROR(ProbeWritableDir(flags.config.out));
  ATH_ASSIGN_OR_RETURN(TrainTest data, LoadData(flags.data));
  ModelOptions options;
  options.class_names = data.train.class_names;
  ATH_ASSIGN_OR_RETURN(Graph model, BuildModel(flags.model, options));
  flags.config.normalization = Normalization::MeanStd({kMnistMean}, {kMnistStd}, 1.0f / 255.0f);
  model.metadata.Set("input_scale", 1.0 / 255.0);
  model.metadata.Set("input_mean", Floats{kMnistMean});
  model.metadata.Set("input_std", Floats{kMnistStd});
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Trainer> trainer, Trainer::Create(model, data, flags.config));
  PrintStart(model, *trainer, data, flags.config);

  struct sigaction action = {};
  action.sa_handler = &OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  Progress progress(stderr, mode);
  absl::StatusOr<TrainResult> result = trainer->Run(&progress, &g_signal);
  progress.Finish();
  ATH_RETURN_IF_ERROR(result.status());
  if (result->stopped_by != 0) {
    if (!flags.config.out.empty()) {
      std::printf("saved %s/last.ckpt after step %lld; go on with --resume\n", flags.config.out.c_str(),
                  static_cast<long long>(result->steps));
    }
    return 128 + result->stopped_by;
  }
  double loss = 0, accuracy = 0;
  ATH_RETURN_IF_ERROR(trainer->Evaluate(data.test, &loss, &accuracy));
  std::printf("test accuracy %.2f %%, loss %.4f, after %lld steps\n", 100 * accuracy, loss,
              static_cast<long long>(result->steps));
  if (!flags.config.out.empty()) {
    ATH_RETURN_IF_ERROR(PrintDigest(*trainer, data.test));
    std::printf("wrote %s/model.ath, model.plan and last.ckpt\n", flags.config.out.c_str());
  }
  return kExitOk;
}

}  // namespace

void AddTrain(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  TrainConfig& c = flags->config;
  CLI::App* sub = app.add_subcommand("train", "Train a network on a data set");
  sub->add_option("model", flags->model, "name of the network: see `athanor models`")->required();
  sub->add_option("--data", flags->data,
                  "mnist (the sample inside the program: 10,000 training and 2,000 test images), or a folder with the "
                  "four IDX files of MNIST or a set of the same form, plain or .gz")
      ->capture_default_str();
  sub->add_option("--epochs", c.epochs, "passes over the training set")->capture_default_str();
  sub->add_option("--batch", c.batch, "samples a step")->capture_default_str();
  sub->add_option("--lr", c.learning_rate, "learning rate")->capture_default_str();
  AddOptimizerOptions(sub, &c.optimizer, &c.update);
  sub->add_option("--seed", c.seed, "of the weights, the order of samples and dropout")->capture_default_str();
  sub->add_option("--threads", c.threads, "0: all CPUs that this process may use")->capture_default_str();
  sub->add_option("--out", c.out, "folder for model.ath, model.plan and last.ckpt; made if it is missing");
  sub->add_flag("--resume", c.resume, "go on from last.ckpt in --out, bit for bit where it stopped");
  sub->add_option("--progress", flags->progress, "auto, bar, plain, json or none; on stderr")->capture_default_str();
  sub->footer(
      "Ctrl-C finishes the step, saves last.ckpt and exits with 130; a second one exits at once.\n"
      "Example: athanor train lenet5 --data mnist --epochs 3 --batch 64 --optimizer adam --lr 1e-3 --seed 1 --out runs/lenet5");
  sub->callback([flags, action] { *action = [flags] { return Train(*flags); }; });
}

}  // namespace athanor
