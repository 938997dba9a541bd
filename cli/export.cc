#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/model_file.h"
#include "compiler/graph/model_io.h"
#include "compiler/graph/text.h"
#include "data/npy.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

constexpr int64_t kMaxTextBytes = int64_t{1} << 30;

struct Flags {
  std::string input, output, weights;
  bool text = false;
};

absl::StatusOr<int> ExportText(const Flags& flags) {
  ATH_ASSIGN_OR_RETURN(Graph model, ReadModel(flags.input));
  TextOptions options;
  options.inline_data = InlineData::kAll;
  std::string text = ToText(model, options);
  if (flags.output.empty()) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kExitOk;
  }
  ATH_RETURN_IF_ERROR(WriteFileAtomic(flags.output, {text}));
  std::printf("wrote %s\n", flags.output.c_str());
  return kExitOk;
}

absl::StatusOr<int> ImportText(const Flags& flags) {
  if (flags.output.empty()) return MakeError(ErrorClass::kReq, "-o is needed: the model file (.ath) to write");
  ATH_ASSIGN_OR_RETURN(std::string text, ReadFile(flags.input, kMaxTextBytes));
  absl::StatusOr<Graph> model = ParseGraph(text, nullptr, flags.input);
  if (!model.ok()) return model.status();
  ATH_RETURN_IF_ERROR(WriteModel(*model, flags.output));
  std::printf("wrote %s\n", flags.output.c_str());
  return kExitOk;
}

// One .npy a parameter or state, named after it.
absl::StatusOr<int> ExportWeights(const Flags& flags) {
  ATH_ASSIGN_OR_RETURN(Graph model, ReadModel(flags.input));
  ATH_RETURN_IF_ERROR(ProbeWritableDir(flags.weights));
  int count = 0;
  for (const Value& v : model.values) {
    if (!IsVariable(v.kind) || v.data == nullptr) continue;
    if (v.name.find('/') != v.name.npos) {
      return MakeError(ErrorClass::kPath, "%s: variable \"%s\" cannot be a file name", flags.input, v.name);
    }
    ATH_RETURN_IF_ERROR(WriteNpy(absl::StrCat(flags.weights, "/", v.name, ".npy"), *v.data));
    ++count;
  }
  std::printf("wrote %d arrays to %s\n", count, flags.weights.c_str());
  return kExitOk;
}

absl::StatusOr<int> Export(const Flags& flags) {
  if (!flags.weights.empty()) return ExportWeights(flags);
  if (flags.text) return ExportText(flags);
  if (absl::EndsWith(flags.output, ".ath")) return ImportText(flags);
  return MakeError(ErrorClass::kReq, "say what to make: --text, --weights DIR, or -o FILE.ath to go from text to a model");
}

}  // namespace

void AddExport(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("export", "Write a model as text, its weights as arrays, or text back as a model");
  sub->add_option("input", flags->input, "model file (.ath), or its text form with -o FILE.ath")->required();
  sub->add_flag("--text", flags->text, "write the text form, to -o or to the standard output");
  sub->add_option("--weights", flags->weights, "folder to write each parameter to as a .npy array");
  sub->add_option("-o,--output", flags->output, "file to write");
  sub->footer(
      "Example: athanor export lenet5.ath --text -o lenet5.txt\n"
      "         athanor export lenet5.txt -o again.ath");
  sub->callback([flags, action] { *action = [flags] { return Export(*flags); }; });
}

}  // namespace athanor
