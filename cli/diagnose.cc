#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/model_file.h"
#include "cli/optimizer_flags.h"
#include "data/loader.h"
#include "data/mnist_sample/mnist_sample.h"
#include "data/sample_source.h"
#include "models/models.h"
#include "training/diagnosis/diagnosis.h"

namespace athanor {
namespace {

struct Flags {
  std::string model, data = "mnist";
  OptimizerFlags optimizer;
  UpdateMode update = UpdateMode::kGrouped;
  int64_t batch = 64;
  DiagnosisConfig config;
};

// A file, or the name of one of the networks that ship with Athanor, for this data.
absl::StatusOr<Graph> LoadOrBuild(const std::string& model, const Dataset& data, uint64_t seed) {
  const bool known =
      std::any_of(AllModels().begin(), AllModels().end(), [&](const auto& m) { return m.name == model; });
  if (!known || std::filesystem::exists(model)) return LoadModel(model, seed);
  ModelOptions options;
  options.classes = data.classes;
  options.class_names = data.class_names;
  return BuildModel(model, options);
}

// What the symbolic dimensions of the training's inputs are with this data: the batch, a sequence's length.
absl::StatusOr<std::map<std::string, int64_t>> SymbolsOf(const Graph& model, const std::vector<FieldSpec>& fields,
                                                         int64_t batch) {
  const GraphEntry* entry = model.FindEntry("train");
  if (entry == nullptr) return MakeError(ErrorClass::kGraph, "model \"%s\" has no entry \"train\"", model.name);
  if (batch < 1) return MakeError(ErrorClass::kReq, "batch = %d is below 1", batch);
  std::map<std::string, int64_t> symbols;
  for (const NamedValue& input : entry->inputs) {
    const int64_t field = FindField(fields, input.name);
    if (field < 0) continue;
    Shape shape = fields[field].shape;
    shape.insert(shape.begin(), batch);
    const std::vector<Dim>& dims = model.type(input.value).dims;
    for (size_t d = 0; d < std::min(dims.size(), shape.size()); ++d) {
      if (dims[d].symbolic()) symbols[dims[d].symbol] = shape[d];
    }
  }
  return symbols;
}

// Batch after batch of the training samples, each field to the input of its name.
absl::Status FillFrom(BatchLoader& loader, const std::map<std::string, TensorView>& inputs) {
  ATH_ASSIGN_OR_RETURN(const Batch* batch, loader.Next());
  ATH_CHECK(batch != nullptr);  // there are epochs enough
  for (const auto& [name, view] : inputs) {
    const int64_t field = FindField(loader.fields(), name);
    if (field < 0) return MakeError(ErrorClass::kData, "the data has no field for the network's input \"%s\"", name);
    const Tensor& from = batch->fields[field];
    if (from.dtype() != view.dtype || from.shape() != view.shape) {
      return MakeError(ErrorClass::kShape, "the data's field \"%s\" is %s%s, the network's input %s%s", name,
                       DTypeName(from.dtype()), ShapeToString(from.shape()), DTypeName(view.dtype),
                       ShapeToString(view.shape));
    }
    std::memcpy(view.data, from.data(), view.bytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<int> DiagnoseTraining(Flags flags) {
  DiagnosisConfig& config = flags.config;
  ATH_ASSIGN_OR_RETURN(TrainTest data, flags.data == "mnist" ? LoadMnistSample() : LoadMnist(flags.data));
  const float scale = 1.0f / 255.0f;
  Normalization standard = ComputeMeanStd(data.train, scale);
  ATH_ASSIGN_OR_RETURN(std::shared_ptr<const SampleSource> source, MakeDatasetSource(data.train, standard));
  ATH_ASSIGN_OR_RETURN(Graph model, LoadOrBuild(flags.model, data.train, config.seed));
  ATH_ASSIGN_OR_RETURN(config.symbols, SymbolsOf(model, source->fields(), flags.batch));
  ATH_ASSIGN_OR_RETURN(config.optimizer, MakeOptimizer(flags.optimizer));
  LoaderOptions loading;
  loading.batch_size = flags.batch;
  loading.seed = config.seed;
  loading.drop_last = true;
  loading.end_epoch = std::max<int64_t>(config.steps, 1) + 1;  // an epoch has one batch at least
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<BatchLoader> loader, BatchLoader::Create(source, loading));
  auto fill = [&](int64_t, const std::map<std::string, TensorView>& inputs) { return FillFrom(*loader, inputs); };
  auto on_cost = [](const DiagnosisCost& cost) {
    std::printf("%s\n\n", CostText(cost).c_str());
    std::fflush(stdout);
  };
  ATH_ASSIGN_OR_RETURN(DiagnosisResult result, RunDiagnosis(std::move(model), config, fill, on_cost));
  std::printf("%s", result.report.c_str());
  return kExitOk;
}

}  // namespace

void AddDiagnose(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  DiagnosisConfig& c = flags->config;
  CLI::App* sub = app.add_subcommand("diagnose", "Train some steps and say in words what keeps a network from learning");
  sub->add_option("model", flags->model, "model file (.ath), or a network: see `athanor models`")->required();
  sub->add_option("--data", flags->data, "mnist (the sample inside the program), or a folder of its kind: see train")->capture_default_str();
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
