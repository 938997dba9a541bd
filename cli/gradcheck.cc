#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/json_document.h"
#include "cli/model_file.h"
#include "cli/tables.h"
#include "compiler/gradcheck/gradcheck.h"
#include "compiler/graph/initializers.h"
#include "models/models.h"

namespace athanor {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  std::string model;
  int64_t batch = 2;
  size_t worst = 10;
  std::vector<std::string> ranges, dims;
  bool json = false;
  GradcheckOptions check;
};

// A file, or the name of one of the networks that ship with Athanor.
absl::StatusOr<Graph> LoadOrBuild(const std::string& model, uint64_t seed) {
  const bool known =
      std::any_of(AllModels().begin(), AllModels().end(), [&](const auto& m) { return m.name == model; });
  std::error_code ignored;
  if (!known || std::filesystem::exists(model, ignored)) return LoadModel(model, seed);
  ATH_ASSIGN_OR_RETURN(Graph graph, BuildModel(model));
  ATH_RETURN_IF_ERROR(InitializeVariables(&graph, seed));
  return graph;
}

// "labels=0:9"
absl::Status ParseRange(const std::string& text, GradcheckOptions* options) {
  const size_t equals = text.rfind('='), colon = text.rfind(':');
  double low = 0, high = 0;
  if (equals == std::string::npos || equals == 0 || colon == std::string::npos || colon < equals ||
      !absl::SimpleAtod(text.substr(equals + 1, colon - equals - 1), &low) ||
      !absl::SimpleAtod(text.substr(colon + 1), &high)) {
    return MakeError(ErrorClass::kReq, "--range %s is not input=lowest:highest", text);
  }
  options->ranges[text.substr(0, equals)] = {low, high};
  return absl::OkStatus();
}

// "T=16"
absl::Status ParseDim(const std::string& text, GradcheckOptions* options) {
  const size_t equals = text.rfind('=');
  int64_t size = 0;
  if (equals == std::string::npos || equals == 0 || !absl::SimpleAtoi(text.substr(equals + 1), &size) || size < 1) {
    return MakeError(ErrorClass::kReq, "--dim %s is not dimension=size, a size of at least 1", text);
  }
  options->symbols[text.substr(0, equals)] = size;
  return absl::OkStatus();
}

// Symbolic dimensions that --dim leaves open: the only one, or the one of that name, is the batch.
absl::Status SetBatch(const Graph& model, int64_t batch, GradcheckOptions* options) {
  if (batch < 1) return MakeError(ErrorClass::kReq, "batch = %d is below 1", batch);
  const GraphEntry* entry = model.FindEntry(options->entry.empty() ? "train" : options->entry);
  std::vector<std::string> open;
  for (const GraphEntry& e : model.entries) {
    if (entry != nullptr && &e != entry) continue;
    for (const NamedValue& in : e.inputs) {
      for (const Dim& d : model.type(in.value).dims) {
        if (!d.symbolic() || options->symbols.contains(d.symbol)) continue;
        if (std::find(open.begin(), open.end(), d.symbol) == open.end()) open.push_back(d.symbol);
      }
    }
  }
  if (open.size() > 1) {
    return MakeError(ErrorClass::kReq,
                     "model \"%s\" has the symbolic dimensions %s: --batch sets one, give the others by --dim",
                     model.name, absl::StrJoin(open, ", "));
  }
  if (!open.empty()) options->symbols[open[0]] = batch;
  return absl::OkStatus();
}

std::string Number(double v) { return absl::StrFormat("%.3g", v); }

void PrintTables(const GradcheckReport& report, size_t worst, bool compiled) {
  std::printf("entry %s, loss %.9g\n", report.entry.c_str(), report.loss);
  for (const auto& [name, range] : report.ranges) {
    std::printf("input %s in [%g, %g]\n", name.c_str(), range.first, range.second);
  }
  std::vector<std::vector<std::string>> rows = {
      {"parameter", "type", "checked", "kinks", "wrong", "largest gradient", "worst relative", "worst absolute"}};
  if (compiled) rows[0].push_back("compiled");
  for (const GradcheckParameter& p : report.parameters) {
    rows.push_back({p.name, p.type.ToString(), absl::StrCat(p.checked), absl::StrCat(p.kinks), absl::StrCat(p.wrong),
                    Number(p.largest), Number(p.worst_relative), Number(p.worst_absolute)});
    if (compiled) rows.back().push_back(p.compiled_error ? Number(*p.compiled_error) : "-");
  }
  std::printf("\n%s", FormatTable(rows).c_str());
  std::vector<std::vector<std::string>> entries = {
      {"worst entries", "index", "analytic", "numeric", "relative error", "verdict"}};
  for (size_t i = 0; i < std::min(worst, report.elements.size()); ++i) {
    const GradcheckElement& e = report.elements[i];
    entries.push_back({e.parameter, ShapeToString(e.index), absl::StrFormat("%.9g", e.analytic),
                       absl::StrFormat("%.9g", e.numeric), Number(e.relative),
                       !e.agrees ? "WRONG" : e.kink ? "kink" : "agrees"});
  }
  if (worst > 0) std::printf("\n%s", FormatTable(entries).c_str());
}

Json ReportJson(const GradcheckReport& report, const Flags& flags) {
  Json out = {{"entry", report.entry},   {"loss", report.loss},           {"passed", report.passed()},
              {"step", flags.check.step}, {"tolerance", report.tolerance}, {"seed", flags.check.seed}};
  for (const auto& [name, range] : report.ranges) out["inputs"][name] = {range.first, range.second};
  for (const GradcheckParameter& p : report.parameters) {
    Json one = {{"name", p.name},       {"type", p.type.ToString()}, {"elements", p.elements},
                {"checked", p.checked}, {"kinks", p.kinks},          {"wrong", p.wrong},
                {"largest_gradient", p.largest}, {"worst_relative", p.worst_relative},
                {"worst_absolute", p.worst_absolute}, {"passed", p.passed}};
    if (p.compiled_error) one["compiled_error"] = *p.compiled_error;
    out["parameters"].push_back(std::move(one));
  }
  for (size_t i = 0; i < std::min(flags.worst, report.elements.size()); ++i) {
    const GradcheckElement& e = report.elements[i];
    out["worst"].push_back({{"parameter", e.parameter}, {"index", e.index}, {"analytic", e.analytic},
                            {"numeric", e.numeric}, {"absolute", e.absolute}, {"relative", e.relative},
                            {"kink", e.kink}, {"agrees", e.agrees}});
  }
  return out;
}

absl::StatusOr<int> Check(Flags flags) {
  for (const std::string& text : flags.ranges) ATH_RETURN_IF_ERROR(ParseRange(text, &flags.check));
  for (const std::string& text : flags.dims) ATH_RETURN_IF_ERROR(ParseDim(text, &flags.check));
  ATH_ASSIGN_OR_RETURN(Graph model, LoadOrBuild(flags.model, flags.check.seed));
  ATH_RETURN_IF_ERROR(SetBatch(model, flags.batch, &flags.check));
  ATH_ASSIGN_OR_RETURN(GradcheckReport report, Gradcheck(model, flags.check));
  if (flags.json) {
    PrintDocument(ReportJson(report, flags));
  } else {
    PrintTables(report, flags.worst, flags.check.compiled);
  }
  if (report.passed()) {
    if (!flags.json) std::printf("\nall gradients agree\n");
    return kExitOk;
  }
  std::fprintf(stderr, "athanor: %s: %s\n", flags.model.c_str(), report.Failure().c_str());
  return kExitFailed;
}

}  // namespace

void AddGradcheck(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  GradcheckOptions& check = flags->check;
  CLI::App* sub = app.add_subcommand("gradcheck", "Check a model's gradient against numerical differentiation");
  sub->add_option("model", flags->model, "model file (.ath), or the name of a network (see athanor models)")
      ->required();
  sub->add_option("--entry", check.entry, "entry with a loss; default: train, or the only one");
  sub->add_option("--batch", flags->batch, "size of the batch")->capture_default_str();
  sub->add_option("--dim", flags->dims, "size of another symbolic dimension: T=16");
  sub->add_option("--samples", check.samples, "elements of each parameter; all of a smaller one")
      ->capture_default_str();
  sub->add_option("--seed", check.seed,
                  "of the inputs, the choice of elements, and weights that the model does not hold")
      ->capture_default_str();
  sub->add_option("--step", check.step, "of the differences, relative to the element")->capture_default_str();
  sub->add_option("--tolerance", check.tolerance, "largest relative error")->capture_default_str();
  sub->add_option("--range", flags->ranges,
                  "values of a random input: labels=0:9. Default: [-1, 1]; whole numbers as their reader wants them");
  sub->add_flag("--compiled", check.compiled, "compare the gradients of the compiled plan, in f32, too");
  sub->add_option("--compiled-tolerance", check.compiled_tolerance,
                  "their largest error, relative to the largest element")
      ->capture_default_str();
  sub->add_option("--threads", check.threads, "of the compiled plan")->capture_default_str();
  sub->add_option("--worst", flags->worst, "entries to list")->capture_default_str();
  sub->add_flag("--json", flags->json, "the report as JSON");
  sub->footer(
      "Moves elements w of each parameter by h = step * max(1, |w|) both ways and compares\n"
      "(loss(w + h) - loss(w - h)) / 2h, in double, with the gradient that the compiler derives. An element is wrong\n"
      "when they differ by more than the tolerance, relative to the larger of the two and to a thousandth of the\n"
      "parameter's largest gradient. Where the loss bends within the step, as ReLU does at 0, smaller steps decide, and\n"
      "the element counts as a kink. Exit code 1 when a gradient is wrong.\n\n"
      "Example: athanor gradcheck lenet5 --batch 2 --samples 20 --compiled");
  sub->callback([flags, action] { *action = [flags] { return Check(*flags); }; });
}

}  // namespace athanor
