#include <CLI/CLI.hpp>
#include <filesystem>

#include "cli/command.h"
#include "cli/data_flags.h"
#include "cli/diagnose_steps.h"
#include "cli/model_file.h"
#include "cli/model_flags.h"
#include "cli/optimizer_flags.h"
#include "data/open_data.h"
#include "models/models.h"

namespace athanor {
namespace {

struct Flags {
  std::string model;
  ModelOptions form;
  DataSpec data;
  OptimizerFlags optimizer;
  UpdateMode update = UpdateMode::kGrouped;
  int64_t batch = 64;
  DiagnosisConfig config;
};

// A file, or the name of one of the networks that ship with Athanor, for this data.
absl::StatusOr<Graph> LoadOrBuild(const std::string& model, ModelOptions form, const OpenedData& data, uint64_t seed) {
  std::error_code ignored;
  if (FindModel(model) == nullptr || std::filesystem::exists(model, ignored)) return LoadModel(model, seed);
  if (form.classes == 0) form.classes = data.classes;
  form.class_names = data.class_names;
  const int64_t x = FindField(data.fields(), "x");
  if (form.input.empty() && data.task == "classification" && x >= 0) form.input = data.fields()[x].shape;
  return BuildModel(model, form);
}

absl::StatusOr<int> DiagnoseTraining(Flags flags) {
  DiagnosisConfig& config = flags.config;
  flags.data.seed = config.seed;
  ATH_ASSIGN_OR_RETURN(OpenedData data, OpenData(flags.data));
  ATH_ASSIGN_OR_RETURN(Graph model, LoadOrBuild(flags.model, flags.form, data, config.seed));
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
  AddDataOptions(sub, &flags->data);
  AddModelOptions(sub, &flags->form);
  sub->add_option("--steps", c.steps, "training steps")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}))
      ->capture_default_str();
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
