#include "training/diagnosis/report.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace athanor {
namespace {

constexpr int kBarWidth = 36;
constexpr size_t kNameWidth = 28;

std::string Short(const std::string& name) {
  return name.size() <= kNameWidth ? name : absl::StrCat("..", name.substr(name.size() - kNameWidth + 2));
}

const char* Title(Problem p) {
  switch (p) {
    case Problem::kNotFinite:
      return "NOT FINITE";
    case Problem::kExploding:
      return "EXPLODING";
    case Problem::kVanishing:
      return "VANISHING";
    case Problem::kDeadUnits:
      return "DEAD UNITS";
    case Problem::kSaturated:
      return "SATURATED";
    case Problem::kUpdatesTooLarge:
      return "LARGE UPDATES";
    case Problem::kUpdatesTooSmall:
      return "SMALL UPDATES";
  }
  return "";
}

// A logarithmic scale on which the norms lie.
struct Scale {
  int low = 0, high = 1;  // powers of ten

  explicit Scale(const std::vector<double>& norms) {
    double least = std::numeric_limits<double>::infinity(), most = 0;
    for (double v : norms) {
      if (!(v > 0) || !std::isfinite(v)) continue;
      least = std::min(least, v);
      most = std::max(most, v);
    }
    if (most == 0) return;
    low = static_cast<int>(std::floor(std::log10(least)));
    high = std::max(low + 1, static_cast<int>(std::ceil(std::log10(most))));
  }
  std::string Bar(double v) const {
    if (!(v > 0) || !std::isfinite(v)) return "";
    const double share = (std::log10(v) - low) / (high - low);
    return std::string(1 + static_cast<size_t>(std::clamp(share, 0.0, 1.0) * (kBarWidth - 1)), '#');
  }
};

void AppendFindings(const Profile& profile, std::string* out) {
  const std::vector<Finding> findings = FindProblems(profile);
  if (findings.empty()) absl::StrAppend(out, "Nothing stands out.\n");
  for (const Finding& f : findings) {
    absl::StrAppend(out, Title(f.problem), ": ", f.text, "\n  What usually helps: ", f.advice, "\n");
  }
}

void AppendLayers(const Profile& profile, std::string* out) {
  std::vector<double> norms;
  for (const LayerProfile& l : profile.layers) norms.push_back(l.gradient.TypicalNorm());
  const Scale scale(norms);
  absl::StrAppend(out, absl::StrFormat("\n%-28s %10s %9s %6s %6s %6s  %8s  gradient, 1e%d to 1e%d\n",
                                       "layer, input to loss", "mean", "std", "zeros", "dead", "satur.", "gradient",
                                       scale.low, scale.high));
  for (size_t i = 0; i < profile.layers.size(); ++i) {
    const LayerProfile& l = profile.layers[i];
    auto percent = [](double share) { return absl::StrFormat("%.0f%%", 100 * share); };
    absl::StrAppend(
        out, absl::StrFormat("%-28s %10.3g %9.3g %6s %6s %6s  %8s  %s\n", Short(l.name),
                             l.activation.Mean(Statistic::kMean), l.activation.Mean(Statistic::kStd),
                             percent(l.activation.Mean(Statistic::kZeros)), percent(l.activation.Min(Statistic::kDead)),
                             l.saturates ? percent(l.activation.Mean(Statistic::kOutside)) : "-",
                             l.gradient.empty() ? "none" : absl::StrFormat("%.1e", norms[i]), scale.Bar(norms[i])));
  }
}

void AppendParameters(const Profile& profile, std::string* out) {
  absl::StrAppend(out, absl::StrFormat("\n%-28s %10s %10s %14s\n", "parameter", "weight", "gradient",
                                       "update/weight"));
  for (const ParameterProfile& p : profile.parameters) {
    const double ratio = p.UpdateRatio();
    absl::StrAppend(out, absl::StrFormat("%-28s %10.3g %10.2e %14s\n", Short(p.name), p.weight.TypicalNorm(),
                                         p.gradient.TypicalNorm(), p.weight.TypicalNorm() > 0 ? absl::StrFormat("%.2e", ratio) : "-"));
  }
}

}  // namespace

DiagnosisCost CostOfDiagnosis(const Entry& diagnosed, const Entry& plain) {
  DiagnosisCost c;
  for (const KernelCall& call : diagnosed.calls) {
    c.bytes += call.bytes;
    c.flops += call.flops;
  }
  for (const KernelCall& call : plain.calls) {
    c.plain_bytes += call.bytes;
    c.plain_flops += call.flops;
  }
  c.bytes -= c.plain_bytes;
  c.flops -= c.plain_flops;
  c.plain_calls = static_cast<int>(plain.calls.size());
  c.calls = static_cast<int>(diagnosed.calls.size()) - c.plain_calls;
  c.plain_memory = plain.arena_bytes;
  c.memory = diagnosed.arena_bytes - plain.arena_bytes;
  return c;
}

std::string CostText(const DiagnosisCost& c) {
  auto percent = [](double more, double of) { return of > 0 ? 100 * more / of : 0; };
  return absl::StrFormat(
      "a diagnosed step has %d calls more (of %d), moves %.2f MB more (%+.0f %%), computes %.2f MFLOP more (%+.0f %%) and "
      "has an arena %.2f MiB %s (%+.0f %%)",
      c.calls, c.plain_calls, c.bytes * 1e-6, percent(c.bytes, c.plain_bytes), c.flops * 1e-6,
      percent(c.flops, c.plain_flops), static_cast<double>(std::abs(c.memory)) / (1 << 20), c.memory < 0 ? "smaller" : "larger",
      percent(static_cast<double>(c.memory), static_cast<double>(c.plain_memory)));
}

std::string Report(const Profile& profile) {
  std::string out;
  if (profile.steps.empty()) return "No step was diagnosed.\n";
  auto number = [](double v) { return std::isnan(v) ? std::string("nan") : absl::StrFormat("%.4g", v); };
  absl::StrAppend(&out, "Diagnosis of ", profile.steps.size(), " steps, the loss from ", number(profile.losses.front()),
                  " to ", number(profile.losses.back()), ".\n");
  AppendFindings(profile, &out);
  const Profile finite = profile.FiniteSteps();
  AppendLayers(finite, &out);
  AppendParameters(finite, &out);
  return out;
}

}  // namespace athanor
