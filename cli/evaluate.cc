#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/data_flags.h"
#include "cli/json_document.h"
#include "cli/model_file.h"
#include "cli/train_setup.h"
#include "runtime/core/file.h"
#include "training/evaluation.h"
#include "training/predictor.h"

namespace athanor {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  std::string path, set = "test";
  DataSpec data;
  int64_t batch = 64, loader_threads = 1;
  uint64_t seed = 1;
  int threads = 0, top = 5;
  bool json = false;
};

std::string ModelPathOf(const std::string& path) {
  std::error_code ignored;  // what cannot be looked at is told by who reads it
  return std::filesystem::is_directory(path, ignored) ? absl::StrCat(path, "/model.ath") : path;
}

absl::StatusOr<std::shared_ptr<const SampleSource>> ChooseSet(const Flags& flags, const OpenedData& data) {
  std::shared_ptr<const SampleSource> chosen;
  if (flags.set == "train") chosen = data.train_plain;
  if (flags.set == "validation") chosen = data.validation;
  if (flags.set == "test") chosen = data.test;
  if (chosen != nullptr) return chosen;
  return MakeError(ErrorClass::kReq, "data set \"%s\" has no set \"%s\"; there are train%s%s", data.name, flags.set,
                   data.validation != nullptr ? ", validation" : "", data.test != nullptr ? ", test" : "");
}

absl::StatusOr<std::unique_ptr<StepRunner>> MakeRunner(const Flags& flags, const Graph& model, const SampleSource& set,
                                                       const std::string& name) {
  StepRunnerOptions options;
  options.fields = FieldNames(set.fields());
  ATH_ASSIGN_OR_RETURN(options.symbols, MatchFields(model, "evaluate", set.fields(), name));
  options.evaluate_rows = BatchRows(set.size(), flags.batch);
  options.infer = false;
  options.compile.threads = flags.threads;
  options.compile.freeze_parameters = true;
  return StepRunner::Create(model, options);
}

std::vector<std::string> Names(const Graph& model, absl::string_view key) {
  const AttrValue* value = model.metadata.Find(key);
  const Strings* strings = value == nullptr ? nullptr : std::get_if<Strings>(value);
  return strings == nullptr ? std::vector<std::string>() : *strings;
}

// The classes' names; none where the model does not know them all.
std::vector<std::string> ClassNames(const Graph& model, const ConfusionMatrix& confusion) {
  std::vector<std::string> names = Names(model, "classes");
  if (static_cast<int64_t>(names.size()) != confusion.classes()) names.clear();
  return names;
}

Json ScoresJson(const ConfusionMatrix::Scores& s) {
  return {{"precision", s.precision}, {"recall", s.recall}, {"f1", s.f1}};
}

void AddClasses(const std::vector<std::string>& names, const ConfusionMatrix& confusion, Json* out) {
  Json &classes = (*out)["classes"] = Json::array(), &matrix = (*out)["confusion"] = Json::array();
  for (int64_t c = 0; c < confusion.classes(); ++c) {
    Json scores = {{"name", names.empty() ? absl::StrCat(c) : names[c]}};
    scores.update(ScoresJson(confusion.of_class(c)));
    scores["support"] = confusion.support(c);
    classes.push_back(std::move(scores));
    Json row = Json::array();
    for (int64_t predicted = 0; predicted < confusion.classes(); ++predicted) row.push_back(confusion.at(c, predicted));
    matrix.push_back(std::move(row));
  }
  (*out)["macro"] = ScoresJson(confusion.macro());
  (*out)["weighted"] = ScoresJson(confusion.weighted());
}

void PrintJson(const Flags& flags, const std::string& data, int64_t samples, Task task, const Graph& model,
               const ClassificationMetrics& m) {
  Json out = {{"data", data}, {"set", flags.set}, {"samples", samples}, {"loss", m.loss()}};
  if (task != Task::kRegression) out["accuracy"] = m.accuracy();
  if (task == Task::kLanguage) {
    out["bits_per_character"] = m.bits();
    out["perplexity"] = m.perplexity();
  }
  if (task == Task::kClassification) {
    out["top_k"] = {{"k", flags.top}, {"accuracy", m.top_k_accuracy()}};
    AddClasses(ClassNames(model, m.confusion()), m.confusion(), &out);
  }
  PrintDocument(out);
}

void PrintText(const Flags& flags, const std::string& data, int64_t samples, Task task, const Graph& model,
               const ClassificationMetrics& m) {
  std::printf("%s, %s set of %lld samples: loss %.4f\n", data.c_str(), flags.set.c_str(),
              static_cast<long long>(samples), m.loss());
  if (task == Task::kClassification) {
    const std::vector<std::string> names = ClassNames(model, m.confusion());
    std::printf("accuracy %.2f %%, top %d %.2f %%\n\n", 100 * m.accuracy(), flags.top, 100 * m.top_k_accuracy());
    std::printf("%s\n%s", m.confusion().MatrixText(names).c_str(), m.confusion().ReportText(names).c_str());
  }
  if (task == Task::kLanguage) std::printf("bits per character %.4f, perplexity %.3f\n", m.bits(), m.perplexity());
  if (task == Task::kLanguage || task == Task::kSequence) std::printf("accuracy %.2f %%\n", 100 * m.accuracy());
}

// The data is to be read as the one that the model was trained with.
absl::Status ReadAsTrained(const Graph& model, Task task, DataSpec* spec) {
  if (task == Task::kLanguage) spec->vocabulary = Names(model, "vocabulary");
  if (task != Task::kClassification && task != Task::kRegression) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(spec->normalization, NormalizationOf(model.metadata));
  spec->feature_names = Names(model, "feature_names");
  if (task == Task::kRegression) return absl::OkStatus();
  spec->class_names = Names(model, "classes");
  const GraphEntry* entry = model.FindEntry("evaluate");
  for (const NamedValue& output : entry == nullptr ? std::vector<NamedValue>() : entry->outputs) {
    const std::vector<Dim>& dims = model.type(output.value).dims;
    if (output.name == "logits" && !dims.empty() && !dims.back().symbolic()) spec->classes = dims.back().size;
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Evaluate(Flags flags) {
  if (flags.batch < 1) return MakeError(ErrorClass::kReq, "batch = %d is below 1", flags.batch);
  if (flags.top < 1) return MakeError(ErrorClass::kReq, "top = %d is below 1", flags.top);
  ATH_ASSIGN_OR_RETURN(Graph model, LoadModel(ModelPathOf(flags.path), /*seed=*/1));
  ATH_ASSIGN_OR_RETURN(Task task, TaskOf(model));
  flags.data.seed = flags.seed;
  ATH_RETURN_IF_ERROR(ReadAsTrained(model, task, &flags.data));
  ATH_ASSIGN_OR_RETURN(OpenedData data, OpenData(flags.data));
  ATH_ASSIGN_OR_RETURN(std::shared_ptr<const SampleSource> set, ChooseSet(flags, data));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<StepRunner> runner, MakeRunner(flags, model, *set, data.name));
  EvaluationOptions options{flags.batch, flags.loader_threads, {}};
  options.metrics.top_k = flags.top;
  options.metrics.confusion = task == Task::kClassification;
  ATH_ASSIGN_OR_RETURN(ClassificationMetrics m, EvaluateAll(set, options, runner.get()));
  (flags.json ? PrintJson : PrintText)(flags, data.name, set->size(), task, model, m);
  return kExitOk;
}

}  // namespace

void AddEvaluate(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub =
      app.add_subcommand("evaluate", "Measure a trained model on a data set: loss, accuracy, confusion matrix");
  sub->add_option("model", flags->path, "model (.ath), or the folder of a run")->required();
  AddDataOptions(sub, &flags->data);
  sub->add_option("--set", flags->set, "test, validation or train")->capture_default_str();
  sub->add_option("--batch", flags->batch, "samples at a time")->capture_default_str();
  sub->add_option("--top", flags->top, "a prediction counts as right if it is among so many likeliest ones")
      ->capture_default_str();
  sub->add_option("--seed", flags->seed, "of the choice that --val-split makes")->capture_default_str();
  sub->add_option("--threads", flags->threads, "0: all CPUs that this process may use")->capture_default_str();
  sub->add_option("--loader-threads", flags->loader_threads, "threads that read samples")->capture_default_str();
  sub->add_flag("--json", flags->json, "print JSON");
  sub->footer(
      "Inputs are normalised as the model was trained.\n"
      "Example: athanor evaluate runs/lenet5 --data mnist");
  sub->callback([flags, action] { *action = [flags] { return Evaluate(*flags); }; });
}

}  // namespace athanor
