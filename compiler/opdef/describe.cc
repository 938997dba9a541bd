#include "compiler/opdef/describe.h"

#include <cmath>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "compiler/opdef/onnx_names.h"

namespace athanor {
namespace {

std::string Bound(double v) {
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  return absl::StrCat(v);
}

// "" when everything is allowed.
std::string Range(const AttrDef& a) {
  if (std::isinf(a.min) && std::isinf(a.max)) return "";
  const bool open_left = a.min_exclusive || std::isinf(a.min), open_right = a.max_exclusive || std::isinf(a.max);
  return absl::StrCat(open_left ? "(" : "[", Bound(a.min), ", ", Bound(a.max), open_right ? ")" : "]");
}

// Text of a table's cell: no line may end in it, and no column.
std::string Cell(const std::string& text) { return absl::StrReplaceAll(text, {{"|", "\\|"}, {"\n", " "}}); }

std::string PortLine(const PortDef& port) {
  return absl::StrCat("  ", port.name, port.optional ? " (optional)" : "", port.variadic ? " (one or more)" : "",
                      port.doc.empty() ? "" : ": ", port.doc, "\n");
}

std::string TableRow(const OpDef& def) {
  std::vector<std::string> attributes;
  for (const AttrDef& a : def.attributes) attributes.push_back(absl::StrCat("`", AttrSummary(a), "`"));
  return absl::StrCat("| `", Signature(def), "` | ", Cell(def.doc), " | ", Cell(absl::StrJoin(attributes, "<br>")), " | ",
                      GradientSummary(def), " | ", KernelSummary(def), " | ", OnnxName(def.name), " |\n");
}

constexpr char kHead[] =
    "| operator | what it computes | attributes | gradient | kernel | ONNX |\n|---|---|---|---|---|---|\n";

}  // namespace

std::string Signature(const OpDef& def) {
  std::vector<std::string> inputs;
  for (const PortDef& in : def.inputs) {
    const std::string name = absl::StrCat(in.name, in.variadic ? "..." : "");
    inputs.push_back(in.optional ? absl::StrCat("[", name, "]") : name);
  }
  return absl::StrCat(def.name, "(", absl::StrJoin(inputs, ", "), ")");
}

std::string AttrSummary(const AttrDef& a) {
  std::string text = absl::StrCat(a.name, " ", AttrTypeName(a.type));
  if (!a.choices.empty()) absl::StrAppend(&text, ": ", absl::StrJoin(a.choices, "|"));
  const std::string range = Range(a);
  if (!range.empty()) absl::StrAppend(&text, " in ", range);
  if (a.default_value) absl::StrAppend(&text, " = ", AttrToString(*a.default_value));
  return text;
}

std::string GradientSummary(const OpDef& def) {
  if (def.traits.optimizer) return "optimizer";
  if (def.gradient) return "yes";
  // Expanded before the graph is differentiated, so what its parts have counts.
  return def.expand && !def.lower && !IsInternal(def) ? "of its parts" : "no";
}

std::string KernelSummary(const OpDef& def) {
  if (!def.kernels.empty()) return def.kernels;
  return def.elementwise ? "elementwise" : "composed";
}

bool IsInternal(const OpDef& def) {
  static const std::set<std::string> kMade = {"Elementwise"};
  return absl::EndsWith(def.name, "Grad") || absl::StrContains(def.name, "Backward") || kMade.contains(def.name);
}

std::string OperatorText(const OpDef& def) {
  std::string text = absl::StrCat(Signature(def), "\n\n", def.doc, "\n\ninputs:\n");
  for (const PortDef& in : def.inputs) absl::StrAppend(&text, PortLine(in));
  absl::StrAppend(&text, "outputs:\n");
  for (const PortDef& out : def.outputs) absl::StrAppend(&text, PortLine(out));
  if (!def.attributes.empty()) absl::StrAppend(&text, "attributes:\n");
  for (const AttrDef& a : def.attributes) {
    absl::StrAppend(&text, "  ", AttrSummary(a), a.default_value ? "" : " (required)", a.doc.empty() ? "" : ": ", a.doc,
                    "\n");
  }
  absl::StrAppend(&text, "gradient: ", GradientSummary(def), "\nkernel: ", KernelSummary(def), "\n");
  if (!OnnxName(def.name).empty()) absl::StrAppend(&text, "ONNX: ", OnnxName(def.name), "\n");
  return text;
}

std::string OperatorsMarkdown() {
  std::string models = kHead, internal = kHead;
  int count = 0;
  for (const OpDef* def : OpRegistry::Get().All()) {
    count += IsInternal(*def) ? 0 : 1;
    absl::StrAppend(IsInternal(*def) ? &internal : &models, TableRow(*def));
  }
  return absl::StrCat(
      "# Operators\n\n"
      "Written by `athanor ops --markdown`; `athanor ops NAME` shows one in full, with its inputs, outputs and errors'\n"
      "limits. Optional inputs are in brackets, and `x...` is one or more. \"composed\" operators are rewritten into\n"
      "others before the graph is differentiated; \"elementwise\" ones are fused with their like into one pass over\n"
      "memory. How each is tested: [operator_tests.md](operator_tests.md).\n\n## For models: ",
      count, "\n\n", models, "\n## Made by gradients and passes\n\n", internal);
}

}  // namespace athanor
