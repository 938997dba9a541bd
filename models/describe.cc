#include "models/describe.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "models/flops.h"

namespace athanor {

std::string FormatCount(int64_t n) {
  std::string s = std::to_string(n);
  for (int i = static_cast<int>(s.size()) - 3; i > (n < 0 ? 1 : 0); i -= 3) s.insert(i, ",");
  return s;
}

std::string FormatFlops(double flops) {
  if (flops < 1000) return absl::StrFormat("%.0f FLOP", flops);
  const char* unit = "kFLOP";
  double value = flops / 1e3;
  for (const char* next : {"MFLOP", "GFLOP", "TFLOP"}) {
    if (value < 999.5) break;
    value /= 1e3;
    unit = next;
  }
  return absl::StrFormat("%.*f %s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, unit);
}

ModelNumbers NumbersOf(const Graph& graph) {
  ModelNumbers numbers;
  for (const Value& v : graph.values) {
    if (v.kind != ValueKind::kParameter || !v.type.concrete()) continue;
    numbers.parameters += NumElements(v.type.shape()).value_or(0);
  }
  numbers.flops = TotalFlops(graph);
  const GraphEntry* infer = graph.FindEntry("infer");
  if (infer != nullptr && !infer->inputs.empty()) numbers.input = graph.type(infer->inputs[0].value).ToString();
  return numbers;
}

absl::StatusOr<std::string> ModelsMarkdown() {
  std::string out;
  for (const ModelInfo& info : AllModels()) {
    ATH_ASSIGN_OR_RETURN(Graph graph, BuildModel(info.name));
    const ModelNumbers n = NumbersOf(graph);
    auto flag = [](std::string* text, const std::string& option) {
      absl::StrAppend(text, "`--", absl::StrReplaceAll(option, {{"_", "-"}}), "`");
    };
    absl::StrAppend(&out, "### ", info.name, "\n\n", info.doc, ".\n\n| | |\n|---|---|\n");
    absl::StrAppend(&out, "| paper | ", info.paper, " |\n");
    absl::StrAppend(&out, "| parameters | ", FormatCount(n.parameters), " (", info.counted_by, ") |\n");
    absl::StrAppend(&out, "| input | `", n.input, "`, ", FormatCount(info.classes), " classes |\n");
    absl::StrAppend(&out, "| inference | ", FormatFlops(n.flops), " a sample |\n");
    absl::StrAppend(&out, "| options | ", info.options.empty() ? "none" : absl::StrJoin(info.options, ", ", flag), " |\n");
    absl::StrAppend(&out, "| command | `athanor models ", info.name, " -o ", info.name, ".ath` |\n\n");
  }
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out + "\n";
}

}  // namespace athanor
