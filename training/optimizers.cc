#include "training/optimizers.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

const OpDef* FindOptimizer(const std::string& name) {
  for (const OpDef* def : OpRegistry::Get().All()) {
    if (def->traits.optimizer && absl::AsciiStrToLower(def->name) == name) return def;
  }
  return nullptr;
}

const AttrDef* FindAttribute(const OpDef& def, absl::string_view name) {
  for (const AttrDef& a : def.attributes) {
    if (a.name == name) return &a;
  }
  return nullptr;
}

// The attribute by this name, which a user has given.
absl::StatusOr<const AttrDef*> Given(const OpDef& def, const OptimizerFlags& flags, const char* name) {
  const AttrDef* attribute = FindAttribute(def, name);
  if (attribute != nullptr) return attribute;
  std::vector<std::string> known;
  for (const OptimizerNumber& n : OptimizerNumbers()) {
    if (FindAttribute(def, n.name) != nullptr) known.push_back(n.name);
  }
  for (const OptimizerSwitch& s : OptimizerSwitches()) {
    if (FindAttribute(def, s.name) != nullptr) known.push_back(s.name);
  }
  return MakeError(ErrorClass::kAttr, "optimizer %s has no %s; it has: %s", flags.name, name,
                   absl::StrJoin(known, ", "));
}

absl::Status CheckRange(const OptimizerFlags& flags, const AttrDef& a, double value) {
  const bool above = a.min_exclusive ? value > a.min : value >= a.min;  // NaN fails
  const bool below = a.max_exclusive ? value < a.max : value <= a.max;
  if (above && below) return absl::OkStatus();
  return MakeError(ErrorClass::kAttr, "optimizer %s: %s = %g is not in %c%g, %g%c", flags.name, a.name, value,
                   a.min_exclusive ? '(' : '[', a.min, a.max, a.max_exclusive ? ')' : ']');
}

}  // namespace

absl::Span<const OptimizerNumber> OptimizerNumbers() {
  using F = OptimizerFlags;
  static constexpr OptimizerNumber kNumbers[] = {
      {"momentum", &F::momentum, "share of the last step that is taken again, in [0, 1]"},
      {"weight_decay", &F::weight_decay, "penalty on the weights: added to the gradient, or decoupled from it"},
      {"beta1", &F::beta1, "decay of the mean of gradients, in [0, 1)"},
      {"beta2", &F::beta2, "decay of the mean of their squares, in [0, 1)"},
      {"epsilon", &F::epsilon, "added to divisors, > 0"},
      {"dampening", &F::dampening, "1 - this is the gradient's share in the momentum, in [0, 1]"},
      {"alpha", &F::alpha, "decay of the mean square, in [0, 1)"},
      {"rho", &F::rho, "decay of the mean squares, in [0, 1)"},
      {"lr_decay", &F::lr_decay, "the learning rate is divided by 1 + this times the steps done"},
      {"initial_accumulator_value", &F::initial_accumulator_value, "what the sum of squares starts with"},
      {"momentum_decay", &F::momentum_decay, "how fast the momentum grows to beta1"},
      {"clip_value", &F::clip_value, "gradients are clamped to +- this; 0: they are not"},
  };
  return kNumbers;
}

absl::Span<const OptimizerSwitch> OptimizerSwitches() {
  using F = OptimizerFlags;
  static constexpr OptimizerSwitch kSwitches[] = {
      {"nesterov", &F::nesterov, "Nesterov's momentum"},
      {"centered", &F::centered, "divide by the deviation in place of the root of the mean square"},
      {"amsgrad", &F::amsgrad, "divide by the largest mean square so far"},
      {"decoupled_weight_decay", &F::decoupled_weight_decay, "weights shrink by lr times weight decay"},
  };
  return kSwitches;
}

std::vector<std::string> OptimizerNames() {
  std::vector<std::string> names;
  for (const OpDef* def : OpRegistry::Get().All()) {
    if (def->traits.optimizer) names.push_back(absl::AsciiStrToLower(def->name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> OptimizersWith(const std::string& attribute) {
  std::vector<std::string> names = OptimizerNames();
  auto lacks = [&](const std::string& name) { return FindAttribute(*FindOptimizer(name), attribute) == nullptr; };
  names.erase(std::remove_if(names.begin(), names.end(), lacks), names.end());
  return names;
}

std::optional<double> OptimizerDefault(const std::string& optimizer, const std::string& number) {
  const OpDef* def = FindOptimizer(optimizer);
  const AttrDef* attribute = def == nullptr ? nullptr : FindAttribute(*def, number);
  if (attribute == nullptr || !attribute->default_value) return std::nullopt;
  const double* value = std::get_if<double>(&*attribute->default_value);
  return value == nullptr ? std::nullopt : std::optional<double>(*value);
}

absl::StatusOr<OptimizerSpec> MakeOptimizer(const OptimizerFlags& flags) {
  const OpDef* def = FindOptimizer(flags.name);
  if (def == nullptr) {
    return MakeError(ErrorClass::kReq, "no optimizer \"%s\"; there are: %s", flags.name,
                     absl::StrJoin(OptimizerNames(), ", "));
  }
  OptimizerSpec spec{def->name, {}};
  for (const OptimizerNumber& n : OptimizerNumbers()) {
    const std::optional<double>& value = flags.*n.field;
    if (!value) continue;
    ATH_ASSIGN_OR_RETURN(const AttrDef* attribute, Given(*def, flags, n.name));
    ATH_RETURN_IF_ERROR(CheckRange(flags, *attribute, *value));
    spec.attrs.Set(n.name, *value);
  }
  for (const OptimizerSwitch& s : OptimizerSwitches()) {
    if (!(flags.*s.field)) continue;
    ATH_RETURN_IF_ERROR(Given(*def, flags, s.name).status());
    spec.attrs.Set(s.name, true);
  }
  if (!(flags.clip_norm >= 0) || std::isinf(flags.clip_norm)) {
    return MakeError(ErrorClass::kAttr, "optimizer clip_norm = %g is no finite number >= 0", flags.clip_norm);
  }
  spec.clip_norm = flags.clip_norm;
  return spec;
}

}  // namespace athanor
