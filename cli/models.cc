#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/command.h"
#include "cli/tables.h"
#include "compiler/graph/initializers.h"
#include "compiler/graph/model_io.h"
#include "models/models.h"

namespace athanor {
namespace {

struct Flags {
  std::string name, output;
  int64_t classes = 0;
  uint64_t seed = 1;
};

absl::StatusOr<int> ListModels() {
  std::vector<std::vector<std::string>> rows = {{"model", "parameters", "input", "description"}};
  for (const ModelInfo& m : AllModels()) {
    ATH_ASSIGN_OR_RETURN(Graph graph, BuildModel(m.name));
    const GraphEntry* infer = graph.FindEntry("infer");
    rows.push_back({m.name, WithCommas(CountParameters(graph)), graph.type(infer->inputs[0].value).ToString(), m.doc});
  }
  std::printf("%s", FormatTable(rows).c_str());
  return kExitOk;
}

absl::StatusOr<int> WriteOne(const Flags& flags) {
  ModelOptions options;
  options.classes = flags.classes;
  ATH_ASSIGN_OR_RETURN(Graph graph, BuildModel(flags.name, options));
  if (flags.output.empty()) {
    std::printf("%s", LayerTable(graph, "infer").c_str());
    return kExitOk;
  }
  ATH_RETURN_IF_ERROR(InitializeVariables(&graph, flags.seed));
  ATH_RETURN_IF_ERROR(WriteModel(graph, flags.output));
  std::printf("wrote %s: %s, %s parameters\n", flags.output.c_str(), flags.name.c_str(),
              WithCommas(CountParameters(graph)).c_str());
  return kExitOk;
}

}  // namespace

void AddModels(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("models", "List the networks that ship with Athanor, show one, or write it to a file");
  sub->add_option("name", flags->name, "the network to show or write; without it, all are listed");
  sub->add_option("-o,--output", flags->output, "model file (.ath) to write, with initialised weights");
  sub->add_option("--classes", flags->classes, "number of classes")->capture_default_str();
  sub->add_option("--seed", flags->seed, "of the weights")->capture_default_str();
  sub->footer("Example: athanor models lenet5 -o lenet5.ath");
  sub->callback([flags, action] {
    *action = [flags] { return flags->name.empty() ? ListModels() : WriteOne(*flags); };
  });
}

}  // namespace athanor
