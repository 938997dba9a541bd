#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/json_document.h"
#include "cli/tables.h"
#include "compiler/opdef/describe.h"
#include "compiler/opdef/onnx_names.h"

namespace athanor {
namespace {

struct Flags {
  std::string name;
  bool all = false, markdown = false, json = false;
};

std::vector<const OpDef*> Listed(bool all) {
  std::vector<const OpDef*> listed;
  for (const OpDef* def : OpRegistry::Get().All()) {
    if (all || !IsInternal(*def)) listed.push_back(def);
  }
  return listed;
}

absl::StatusOr<int> PrintTable(bool all) {
  std::vector<std::vector<std::string>> rows = {{"operator", "gradient", "kernel", "ONNX"}};
  for (const OpDef* def : Listed(all)) {
    rows.push_back({Signature(*def), GradientSummary(*def), KernelSummary(*def), std::string(OnnxName(def->name))});
  }
  std::printf("%s%d operators; athanor ops NAME shows one in full\n", FormatTable(rows).c_str(),
              static_cast<int>(rows.size()) - 1);
  return kExitOk;
}

absl::StatusOr<int> PrintJson(bool all) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const OpDef* def : Listed(all)) {
    nlohmann::ordered_json op = {{"name", def->name},
                                 {"doc", def->doc},
                                 {"signature", Signature(*def)},
                                 {"gradient", GradientSummary(*def)},
                                 {"kernel", KernelSummary(*def)},
                                 {"onnx", std::string(OnnxName(def->name))}};
    op["attributes"] = nlohmann::ordered_json::array();
    for (const AttrDef& a : def->attributes) op["attributes"].push_back(AttrSummary(a));
    list.push_back(std::move(op));
  }
  PrintDocument(list);
  return kExitOk;
}

absl::StatusOr<int> PrintOne(const std::string& name) {
  if (const OpDef* def = OpRegistry::Get().Find(name); def != nullptr) {
    std::printf("%s", OperatorText(*def).c_str());
    return kExitOk;
  }
  std::vector<std::string> near;
  for (const OpDef* def : OpRegistry::Get().All()) {
    if (absl::StrContains(absl::AsciiStrToLower(def->name), absl::AsciiStrToLower(name))) near.push_back(def->name);
  }
  return MakeError(ErrorClass::kReq, "there is no operator \"%s\"; %s", name,
                   near.empty() ? "athanor ops lists them" : "there are: " + absl::StrJoin(near, ", "));
}

absl::StatusOr<int> Ops(const Flags& flags) {
  if (!flags.name.empty()) return PrintOne(flags.name);
  if (flags.markdown) {
    std::printf("%s", OperatorsMarkdown().c_str());
    return kExitOk;
  }
  return flags.json ? PrintJson(flags.all) : PrintTable(flags.all);
}

}  // namespace

void AddOps(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("ops", "List the operators, or show one: inputs, attributes, gradient, kernel");
  sub->add_option("name", flags->name, "the operator to show; without it, all are listed");
  sub->add_flag("--all", flags->all, "also those that gradients and passes make");
  auto* markdown = sub->add_flag("--markdown", flags->markdown, "the page docs/operators.md, all of them");
  sub->add_flag("--json", flags->json, "as JSON")->excludes(markdown);
  sub->footer("Example: athanor ops Conv2d");
  sub->callback([flags, action] { *action = [flags] { return Ops(*flags); }; });
}

}  // namespace athanor
