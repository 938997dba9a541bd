#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "cli/tables.h"
#include "compiler/graph/initializers.h"
#include "compiler/graph/model_io.h"
#include "data/npy.h"
#include "models/describe.h"
#include "models/flops.h"
#include "models/models.h"

namespace athanor {
namespace {

struct Flags {
  std::string name, output, weights;
  ModelOptions options;
  uint64_t seed = 1;
  bool markdown = false;
};

absl::StatusOr<int> ListModels() {
  std::vector<std::vector<std::string>> rows = {{"model", "parameters", "inference", "input", "description"}};
  for (const ModelInfo& m : AllModels()) {
    ATH_ASSIGN_OR_RETURN(Graph graph, BuildModel(m.name));
    const ModelNumbers n = NumbersOf(graph);
    rows.push_back({m.name, FormatCount(n.parameters), FormatFlops(n.flops), n.input, m.doc});
  }
  std::printf("%s\ninference: of one sample, two operations a multiply-add; docs/models.md has a card for each\n",
              FormatTable(rows).c_str());
  return kExitOk;
}

absl::StatusOr<int> PrintMarkdown() {
  ATH_ASSIGN_OR_RETURN(std::string cards, ModelsMarkdown());
  std::printf("%s", cards.c_str());
  return kExitOk;
}

// Every parameter and state of the graph out of the folder's array of its name; no array may be left over.
absl::Status LoadWeights(const std::string& folder, Graph* graph) {
  std::error_code error;
  std::set<std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(folder, error)) {
    if (file.path().extension() == ".npy") files.insert(file.path().stem().string());
  }
  if (error) return MakeError(ErrorClass::kPath, "%s: %s", folder, error.message());
  for (Value& v : graph->values) {
    if (!IsVariable(v.kind)) continue;
    if (files.erase(v.name) == 0) {
      return MakeError(ErrorClass::kReq, "%s has no array %s.npy, a %s", folder, v.name, v.type.ToString());
    }
    ATH_ASSIGN_OR_RETURN(Tensor t, ReadNpy(absl::StrCat(folder, "/", v.name, ".npy")));
    if (t.dtype() != v.type.dtype || t.shape() != v.type.shape()) {
      return MakeError(ErrorClass::kShape, "%s/%s.npy is %s%s, expected %s", folder, v.name, DTypeName(t.dtype()),
                       ShapeToString(t.shape()), v.type.ToString());
    }
    v.data = std::make_shared<const Tensor>(std::move(t));
  }
  if (files.empty()) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "%s/%s.npy is of no parameter of network \"%s\"", folder, *files.begin(), graph->name);
}

absl::StatusOr<int> WriteOne(const Flags& flags) {
  ATH_ASSIGN_OR_RETURN(Graph graph, BuildModel(flags.name, flags.options));
  const ModelNumbers n = NumbersOf(graph);
  if (flags.output.empty()) {
    std::printf("%s", LayerTable(graph, "infer", FlopsByNode(graph)).c_str());
    return kExitOk;
  }
  if (!flags.weights.empty()) ATH_RETURN_IF_ERROR(LoadWeights(flags.weights, &graph));
  ATH_RETURN_IF_ERROR(InitializeVariables(&graph, flags.seed));
  ATH_RETURN_IF_ERROR(WriteModel(graph, flags.output));
  std::printf("wrote %s: %s, %s parameters, input %s, %s a sample\n", flags.output.c_str(), flags.name.c_str(),
              FormatCount(n.parameters).c_str(), n.input.c_str(), FormatFlops(n.flops).c_str());
  return kExitOk;
}

absl::StatusOr<int> Models(const Flags& flags) {
  if (flags.markdown) return PrintMarkdown();
  if (!flags.name.empty()) return WriteOne(flags);
  if (!flags.output.empty()) return MakeError(ErrorClass::kReq, "--output needs the name of a network");
  return ListModels();
}

}  // namespace

void AddModels(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("models", "List the networks that ship with Athanor, show one, or write it to a file");
  sub->add_option("name", flags->name, "the network to show or write; without it, all are listed");
  sub->add_option("-o,--output", flags->output, "model file (.ath) to write, with initialised weights");
  sub->add_option("--seed", flags->seed, "of the weights")->capture_default_str();
  sub->add_option("--weights", flags->weights,
                  "folder of arrays, <parameter>.npy for each, in the place of initial weights: those of a state_dict in "
                  "PyTorch, for networks that have torchvision's names");
  sub->add_flag("--markdown", flags->markdown, "print the cards of docs/models.md");
  AddModelOptions(sub, &flags->options);
  sub->footer("Example: athanor models resnet50 -o resnet50.ath --classes 10 --input 3,64,64 --width 0.5");
  sub->callback([flags, action] { *action = [flags] { return Models(*flags); }; });
}

}  // namespace athanor
