#include "training/diagnosis/findings.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace athanor {
namespace {

// "fc1, fc2, fc3 and 5 more"
std::string Names(const std::vector<std::string>& names) {
  constexpr size_t kMost = 4;
  if (names.size() <= kMost) return absl::StrJoin(names, ", ");
  return absl::StrCat(absl::StrJoin(names.begin(), names.begin() + kMost, ", "), " and ", names.size() - kMost, " more");
}

// The first tensor of a step that is not finite, in the order in which a step makes them; empty: all are.
std::string FirstNotFinite(const Profile& p, size_t step) {
  auto bad = [&](const TensorProfile& t) { return !t.empty() && t.At(step, Statistic::kNotFinite) > 0; };
  if (!p.bad_inputs[step].empty()) return absl::StrCat("the input ", p.bad_inputs[step]);
  for (const ParameterProfile& q : p.parameters) {
    if (bad(q.weight)) return absl::StrCat("the parameter ", q.name, " before the step");
  }
  for (const LayerProfile& l : p.layers) {
    if (bad(l.activation)) return absl::StrCat("the activation of ", l.name);
  }
  if (!std::isfinite(p.losses[step])) return "the loss";
  for (auto l = p.layers.rbegin(); l != p.layers.rend(); ++l) {
    if (bad(l->gradient)) return absl::StrCat("the gradient of the activation of ", l->name);
  }
  for (const ParameterProfile& q : p.parameters) {
    if (bad(q.gradient)) return absl::StrCat("the gradient of ", q.name);
  }
  for (const ParameterProfile& q : p.parameters) {
    if (bad(q.update)) return absl::StrCat("the update of ", q.name);
  }
  return "";
}

std::optional<Finding> NotFinite(const Profile& p) {
  for (size_t step = 0; step < p.steps.size(); ++step) {
    const std::string first = FirstNotFinite(p, step);
    if (first.empty()) continue;
    return Finding{Problem::kNotFinite, {first},
                   absl::StrFormat("Step %d is the first with values that are not finite, and %s is the first of them.",
                                   p.steps[step], first),
                   "A smaller learning rate, a warm-up of it, gradient clipping (--clip-norm); inputs that are scaled and "
                   "free of NaN; a logarithm or a division that guards its operand."};
  }
  return std::nullopt;
}

// Layers that a gradient reaches or should reach, from the input to the loss.
struct Depth {
  std::vector<std::string> names;
  std::vector<double> gradients, activations;  // typical norm; mean size of an element
};

Depth DepthOf(const Profile& p) {
  Depth d;
  for (const LayerProfile& l : p.layers) {
    if (l.gradient.empty()) continue;
    d.names.push_back(l.name);
    d.gradients.push_back(l.gradient.TypicalNorm());
    d.activations.push_back(std::hypot(l.activation.Mean(Statistic::kMean), l.activation.Mean(Statistic::kStd)));
  }
  return d;
}

std::string PerLayer(double ratio, size_t layers) {
  return absl::StrFormat("a factor of %.2g a layer", std::pow(ratio, 1 / static_cast<double>(layers - 1)));
}

std::optional<Finding> Vanishing(const Profile& p) {
  const Depth d = DepthOf(p);
  if (d.names.size() < 3 || !(d.gradients.back() > 0) || !std::isfinite(d.gradients.back())) return std::nullopt;
  const double ratio = d.gradients.front() / d.gradients.back();
  if (!(ratio < kVanishingRatio)) return std::nullopt;
  Finding f{Problem::kVanishing, {}, "", ""};
  for (size_t i = 0; i < d.names.size(); ++i) {
    if (d.gradients[i] < kVanishingRatio * d.gradients.back()) f.where.push_back(d.names[i]);
  }
  f.text = absl::StrFormat("The gradient falls from %.2g at %s to %.2g at %s%s: %s learn next to nothing.",
                           d.gradients.back(), d.names.back(), d.gradients.front(), d.names.front(),
                           ratio > 0 ? absl::StrCat(", ", PerLayer(ratio, d.names.size()), " towards the input") : "",
                           Names(f.where));
  f.advice = "ReLU or its kin in the place of sigmoid and tanh, with He initialisation (kaiming_normal); batch or layer "
             "normalisation; residual connections; in recurrent networks LSTM or GRU.";
  return f;
}

std::optional<Finding> Exploding(const Profile& p) {
  const Depth d = DepthOf(p);
  if (d.names.size() < 3) return std::nullopt;
  const double gradients = d.gradients.back() > 0 ? d.gradients.front() / d.gradients.back() : 0;
  const double activations = d.activations.front() > 0 ? d.activations.back() / d.activations.front() : 0;
  if (!(gradients > kExplodingRatio) && !(activations > kExplodingRatio)) return std::nullopt;
  Finding f{Problem::kExploding, {}, "", ""};
  for (size_t i = 0; i < d.names.size(); ++i) {
    if (d.gradients[i] > kExplodingRatio * d.gradients.back() ||
        d.activations[i] > kExplodingRatio * d.activations.front()) {
      f.where.push_back(d.names[i]);
    }
  }
  if (gradients > kExplodingRatio) {
    f.text = absl::StrFormat("The gradient grows from %.2g at %s to %.2g at %s, %s towards the input.",
                             d.gradients.back(), d.names.back(), d.gradients.front(), d.names.front(),
                             PerLayer(gradients, d.names.size()));
  }
  if (activations > kExplodingRatio) {
    absl::StrAppend(&f.text, f.text.empty() ? "" : " ",
                    absl::StrFormat("The activations grow from %.2g at %s to %.2g at %s, %s towards the loss.",
                                    d.activations.front(), d.names.front(), d.activations.back(), d.names.back(),
                                    PerLayer(activations, d.names.size())));
  }
  f.advice = "Smaller initial weights: He or Xavier, in recurrent networks orthogonal ones; gradient clipping "
             "(--clip-norm 1); normalisation; a smaller learning rate.";
  return f;
}

std::optional<Finding> DeadUnits(const Profile& p) {
  Finding f{Problem::kDeadUnits, {}, "",
            "A smaller learning rate; biases that start at 0 or a little above; He initialisation; a leaky ReLU, ELU or "
            "GELU; normalisation before the activation."};
  std::vector<std::string> parts;
  for (const LayerProfile& l : p.layers) {
    const double share = l.activation.Min(Statistic::kDead);
    if (!(share > kDeadShare)) continue;
    f.where.push_back(l.name);
    parts.push_back(absl::StrFormat("%s %.0f %%", l.name, 100 * share));
  }
  if (f.where.empty()) return std::nullopt;
  f.text = absl::StrFormat("Units that are 0 for all samples of a batch, in every step: %s. No gradient passes them.",
                           Names(parts));
  return f;
}

std::optional<Finding> Saturated(const Profile& p) {
  Finding f{Problem::kSaturated, {}, "",
            "Smaller initial weights (Xavier for sigmoid and tanh); inputs with mean 0 and deviation 1; normalisation "
            "before the activation; ReLU in hidden layers."};
  std::vector<std::string> parts;
  for (const LayerProfile& l : p.layers) {
    const double share = l.activation.Mean(Statistic::kOutside);
    if (!l.saturates || !(share > kSaturatedElements)) continue;
    f.where.push_back(l.name);
    parts.push_back(absl::StrFormat("%s %.0f %%", l.name, 100 * share));
  }
  if (f.where.empty()) return std::nullopt;
  f.text = absl::StrFormat("Outputs within 1 %% of their activation's bounds, where it has no slope: %s.", Names(parts));
  return f;
}

std::optional<Finding> Updates(const Profile& p, bool large) {
  std::vector<std::pair<double, std::string>> found;
  int weights = 0;
  for (const ParameterProfile& q : p.parameters) {
    if (q.rank < 2) continue;  // biases and scales start as constants, of which an update is any share
    if (q.weight.TypicalNorm() == 0) continue;
    ++weights;
    // A network that one huge step has killed moves no more: it is that step that counts.
    const double typical = q.UpdateRatio(), largest = q.LargestUpdateRatio();
    if (large && largest > kHugeUpdate) {
      found.emplace_back(largest, q.name);
    } else if (large ? typical > kLargeUpdate : typical < kSmallUpdate && largest < kLargeUpdate) {
      found.emplace_back(typical, q.name);
    }
  }
  if (found.empty()) return std::nullopt;
  std::sort(found.begin(), found.end());
  if (large) std::reverse(found.begin(), found.end());
  Finding f{large ? Problem::kUpdatesTooLarge : Problem::kUpdatesTooSmall, {}, "", ""};
  std::vector<std::string> parts;
  for (const auto& [ratio, name] : found) {
    f.where.push_back(name);
    parts.push_back(absl::StrFormat("%s %.1e", name, ratio));
  }
  f.text = absl::StrFormat("A step changes %d of %d weights by %s than %g of their norm: %s.", found.size(), weights,
                           large ? "more" : "less", large ? kLargeUpdate : kSmallUpdate, Names(parts));
  f.advice = large ? "About 1e-3 is usual. A smaller learning rate, a warm-up of it, gradient clipping."
                   : "About 1e-3 is usual. A larger learning rate (`athanor lr-find`); an optimizer that adapts it (Adam); "
                     "see above where gradients vanish.";
  return f;
}

}  // namespace

std::vector<Finding> FindProblems(const Profile& profile) {
  std::vector<Finding> findings;
  const Profile finite = profile.FiniteSteps();
  for (std::optional<Finding> f : {NotFinite(profile), Exploding(finite), Vanishing(finite), DeadUnits(finite),
                                   Saturated(finite), Updates(finite, true), Updates(finite, false)}) {
    if (f) findings.push_back(*std::move(f));
  }
  return findings;
}

}  // namespace athanor
