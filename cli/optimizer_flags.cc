#include "cli/optimizer_flags.h"

#include <CLI/CLI.hpp>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace athanor {
namespace {

constexpr char kGroup[] = "Optimizer";

std::string FlagOf(const char* name) { return absl::StrCat("--", absl::StrReplaceAll(name, {{"_", "-"}})); }

// "..., of adam, adamw": with the defaults where they differ from 0.
std::string DocOf(const char* name, const char* doc) {
  const std::vector<std::string> optimizers = OptimizersWith(name);
  if (optimizers == OptimizerNames()) return absl::StrCat(doc, " (every optimizer)");
  auto each = [&](std::string* out, const std::string& optimizer) {
    const std::optional<double> otherwise = OptimizerDefault(optimizer, name);
    absl::StrAppend(out, optimizer, otherwise.value_or(0) == 0 ? "" : absl::StrCat(" ", *otherwise));
  };
  return absl::StrCat(doc, " (", absl::StrJoin(optimizers, ", ", each), ")");
}

}  // namespace

void AddOptimizerOptions(CLI::App* sub, OptimizerFlags* flags, UpdateMode* update) {
  sub->add_option("--optimizer", flags->name, absl::StrJoin(OptimizerNames(), ", "))
      ->capture_default_str()
      ->group(kGroup);
  for (const OptimizerNumber& n : OptimizerNumbers()) {
    sub->add_option(FlagOf(n.name), flags->*n.field, DocOf(n.name, n.doc))->group(kGroup);
  }
  for (const OptimizerSwitch& s : OptimizerSwitches()) {
    sub->add_flag(FlagOf(s.name), flags->*s.field, DocOf(s.name, s.doc))->group(kGroup);
  }
  sub->add_option("--clip-norm", flags->clip_norm,
                  "gradients are scaled down together to a norm of this at most; 0: they are not. A norm that is not "
                  "finite ends the run and leaves the weights as they were")
      ->group(kGroup);
  static const std::map<std::string, UpdateMode> kModes = {{"grouped", UpdateMode::kGrouped},
                                                           {"each", UpdateMode::kEach}};
  sub->add_option("--update", *update,
                  "grouped: one call updates all parameters; each: every one is updated as soon as its gradient is there, "
                  "which needs less memory. The results are the same")
      ->transform(CLI::CheckedTransformer(kModes, CLI::ignore_case).description(""))
      ->type_name("grouped|each")
      ->default_str("grouped")
      ->group(kGroup);
}

}  // namespace athanor
