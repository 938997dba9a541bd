#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "cli/command.h"
#include "cli/data_flags.h"
#include "cli/diagnose_steps.h"
#include "cli/model_file.h"
#include "cli/optimizer_flags.h"
#include "data/open_data.h"
#include "models/models.h"

namespace athanor {
namespace {

struct Flags {
  std::string model;
  DataSpec data;
  OptimizerFlags optimizer;
  UpdateMode update = UpdateMode::kGrouped;
  int64_t batch = 64;
  DiagnosisConfig config;
};

// A file, or the name of one of the networks that ship with Athanor, for this data.
absl::StatusOr<Graph> LoadOrBuild(const std::string& model, const OpenedData& data, uint64_t seed) {
  const bool known =
      std::any_of(AllModels().begin(), AllModels().end(), [&](const auto& m) { return m.name == model; });
  if (!known || std::filesystem::exists(model)) return LoadModel(model, seed);
  ModelOptions options;
  options.classes = data.classes;
  options.class_names = data.class_names;
  return BuildModel(model, options);
}

absl::StatusOr<int> DiagnoseTraining(Flags flags) {
  DiagnosisConfig& config = flags.config;
  flags.data.seed = config.seed;
  ATH_ASSIGN_OR_RETURN(OpenedData data, OpenData(flags.data));
  ATH_ASSIGN_OR_RETURN(Graph model, LoadOrBuild(flags.model, data, config.seed));
  ATH_ASSIGN_OR_RETURN(config.optimizer, MakeOptimizer(flags.optimizer));
  ATH_RETURN_IF_ERROR(DiagnoseSteps(model, data.train, flags.batch, config));
  return kExitOk;
}

}  // namespace

void AddDiagnose(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  DiagnosisConfig& c = flags->config;
  CLI::App* sub = app.add_subcommand("diagnose", "Train some steps and say in words what keeps a network from learning");
  sub->add_option("model", flags->model, "model file (.ath), or a network: see `athanor models`")->required();
  sub->add_option("--data", flags->data.path, "as of `athanor train`")->capture_default_str();
  sub->add_option("--steps", c.steps, "training steps")->capture_default_str();
  sub->add_option("--batch", flags->batch, "samples a step")->capture_default_str();
  sub->add_option("--lr", c.learning_rate, "learning rate")->capture_default_str();
  AddOptimizerOptions(sub, &flags->optimizer, &flags->update);
  sub->add_option("--frozen", c.frozen, "parameters that are not trained: names, or patterns with * and ?")->delimiter(',');
  sub->add_option("--seed", c.seed, "of the weights, the order of samples and dropout")->capture_default_str();
  sub->add_option("--threads", c.threads, "0: all CPUs that this process may use")->capture_default_str();
  sub->footer(
      "Shows gradients, activations and updates layer by layer: vanishing, exploding, dead, saturated, not finite. The\n"
      "model is left as it was.\n"
      "Example: athanor diagnose lenet5 --data mnist --steps 20 --optimizer sgd --lr 0.1");
  sub->callback([flags, action] { *action = [flags] { return DiagnoseTraining(*flags); }; });
}

}  // namespace athanor
