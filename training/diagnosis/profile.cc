#include "training/diagnosis/profile.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

constexpr absl::string_view kActivation = "activation:", kActivationGradient = "activation_gradient:";
constexpr absl::string_view kWeight = "weight:", kGradient = "gradient:", kUpdate = "update:";

// The element of that name, made if it is missing.
template <typename T, typename Views>
size_t IndexOf(std::vector<T>& all, std::vector<Views>& views, absl::string_view name) {
  for (size_t i = all.size(); i-- > 0;) {
    if (all[i].name == name) return i;
  }
  all.emplace_back();
  all.back().name = std::string(name);
  views.emplace_back();
  return all.size() - 1;
}

// False: it has elements that are not finite.
bool Take(const TensorView& view, TensorProfile* profile) {
  if (view.data == nullptr) return true;
  std::array<float, kNumStatistics> statistics;
  std::copy_n(static_cast<const float*>(view.data), kNumStatistics, statistics.begin());
  profile->steps.push_back(statistics);
  return statistics[static_cast<size_t>(Statistic::kNotFinite)] == 0;
}

}  // namespace

double TensorProfile::Mean(Statistic s) const {
  double sum = 0;
  for (size_t i = 0; i < steps.size(); ++i) sum += At(i, s);
  return empty() ? 0 : sum / static_cast<double>(steps.size());
}

double TensorProfile::Min(Statistic s) const {
  double min = empty() ? 0 : At(0, s);
  for (size_t i = 0; i < steps.size(); ++i) min = std::min(min, At(i, s));
  return min;
}

double TensorProfile::TypicalNorm() const {
  double logs = 0;
  for (size_t i = 0; i < steps.size(); ++i) logs += std::log(At(i, Statistic::kNorm));  // log(0): minus infinity
  return empty() ? 0 : std::exp(logs / static_cast<double>(steps.size()));
}

double ParameterProfile::UpdateRatio() const {
  const double norm = weight.TypicalNorm();
  return norm > 0 ? update.TypicalNorm() / norm : 0;
}

double ParameterProfile::LargestUpdateRatio() const {
  double largest = 0;
  for (size_t i = 0; i < update.steps.size(); ++i) {
    const double norm = weight.At(i, Statistic::kNorm);
    if (norm > 0) largest = std::max(largest, update.At(i, Statistic::kNorm) / norm);
  }
  return largest;
}

void Profile::Append(const Profile& more) {
  ATH_CHECK(layers.size() == more.layers.size() && parameters.size() == more.parameters.size());
  auto append = [](auto* to, const auto& from) { to->insert(to->end(), from.begin(), from.end()); };
  append(&steps, more.steps);
  append(&losses, more.losses);
  append(&bad_inputs, more.bad_inputs);
  for (size_t i = 0; i < layers.size(); ++i) {
    append(&layers[i].activation.steps, more.layers[i].activation.steps);
    append(&layers[i].gradient.steps, more.layers[i].gradient.steps);
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    append(&parameters[i].weight.steps, more.parameters[i].weight.steps);
    append(&parameters[i].gradient.steps, more.parameters[i].gradient.steps);
    append(&parameters[i].update.steps, more.parameters[i].update.steps);
  }
}

Profile Profile::FiniteSteps() const {
  size_t finite = 0;
  auto is_finite = [&](const TensorProfile& t) { return t.empty() || t.At(finite, Statistic::kNotFinite) == 0; };
  auto all_finite = [&] {
    return std::isfinite(losses[finite]) && bad_inputs[finite].empty() &&
           std::all_of(layers.begin(), layers.end(),
                       [&](const LayerProfile& l) { return is_finite(l.activation) && is_finite(l.gradient); }) &&
           std::all_of(parameters.begin(), parameters.end(), [&](const ParameterProfile& p) {
             return is_finite(p.weight) && is_finite(p.gradient) && is_finite(p.update);
           });
  };
  while (finite < steps.size() && all_finite()) ++finite;
  if (finite == 0) return *this;
  Profile kept = *this;
  auto cut = [&](auto* all) { all->resize(std::min(all->size(), finite)); };
  cut(&kept.steps);
  cut(&kept.losses);
  cut(&kept.bad_inputs);
  for (LayerProfile& l : kept.layers) {
    cut(&l.activation.steps);
    cut(&l.gradient.steps);
  }
  for (ParameterProfile& p : kept.parameters) {
    cut(&p.weight.steps);
    cut(&p.gradient.steps);
    cut(&p.update.steps);
  }
  return kept;
}

absl::StatusOr<ProfileCollector> ProfileCollector::Create(const Session& session, absl::string_view entry) {
  ProfileCollector collector;
  ATH_RETURN_IF_ERROR(collector.Bind(session, entry));
  return collector;
}

absl::Status ProfileCollector::Bind(const Session& session, absl::string_view entry) {
  ATH_ASSIGN_OR_RETURN(entry_, session.FindEntry(entry));
  const Entry* found = session.plan().FindEntry(entry);
  ATH_CHECK(found != nullptr);
  for (const NamedBuffer& input : found->inputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session.Input(entry_, input.name));
    if (view.dtype == DType::kF32) inputs_.emplace_back(input.name, view);
  }
  for (const NamedBuffer& output : found->outputs) {
    const absl::string_view name = output.name;
    ATH_ASSIGN_OR_RETURN(TensorView view, session.Output(entry_, name));
    if (name == "loss") loss_ = view;
    for (int i = 0; i < 2; ++i) {
      const absl::string_view prefix = i == 0 ? kActivation : kActivationGradient;
      if (!absl::StartsWith(name, prefix)) continue;
      layer_views_[IndexOf(profile_.layers, layer_views_, name.substr(prefix.size()))][i] = view;
    }
    for (int i = 0; i < 3; ++i) {
      const absl::string_view prefix = i == 0 ? kWeight : i == 1 ? kGradient : kUpdate;
      if (!absl::StartsWith(name, prefix)) continue;
      const size_t at = IndexOf(profile_.parameters, parameter_views_, name.substr(prefix.size()));
      parameter_views_[at][i] = view;
      const Variable* variable = session.plan().FindVariable(name.substr(prefix.size()));
      if (variable != nullptr) profile_.parameters[at].rank = static_cast<int>(variable->desc.dims.size());
    }
  }
  for (const KernelCall& call : found->calls) {
    if (call.kernel != "tensor_statistics" || call.attrs.GetFloats("bounds").empty()) continue;
    const absl::string_view name = found->buffers[call.outputs[0]].name;
    if (!absl::StartsWith(name, kActivation)) continue;
    profile_.layers[IndexOf(profile_.layers, layer_views_, name.substr(kActivation.size()))].saturates = true;
  }
  if (!profile_.parameters.empty()) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "entry \"%s\" was not compiled to be diagnosed", entry);
}

bool ProfileCollector::Collect(int64_t step) {
  profile_.steps.push_back(step);
  const double loss = loss_.data == nullptr ? 0 : double{*static_cast<const float*>(loss_.data)};
  profile_.losses.push_back(loss);
  profile_.bad_inputs.emplace_back();
  for (const auto& [name, view] : inputs_) {
    auto is_finite = [](float v) { return std::isfinite(v); };
    if (profile_.bad_inputs.back().empty() && !std::all_of(view.as<float>().begin(), view.as<float>().end(), is_finite)) {
      profile_.bad_inputs.back() = name;
    }
  }
  bool finite = std::isfinite(loss) && profile_.bad_inputs.back().empty();
  for (size_t i = 0; i < layer_views_.size(); ++i) {
    finite &= Take(layer_views_[i][0], &profile_.layers[i].activation);
    finite &= Take(layer_views_[i][1], &profile_.layers[i].gradient);
  }
  for (size_t i = 0; i < parameter_views_.size(); ++i) {
    finite &= Take(parameter_views_[i][0], &profile_.parameters[i].weight);
    finite &= Take(parameter_views_[i][1], &profile_.parameters[i].gradient);
    finite &= Take(parameter_views_[i][2], &profile_.parameters[i].update);
  }
  return finite;
}

std::vector<std::pair<std::string, double>> ProfileCollector::Scalars() const {
  std::vector<std::pair<std::string, double>> scalars;
  if (profile_.steps.empty()) return scalars;
  auto add = [&](const char* what, const std::string& name, double value) {
    scalars.emplace_back(absl::StrCat(what, "/", name), value);
  };
  for (const LayerProfile& l : profile_.layers) {
    add("activation_std", l.name, l.activation.Last(Statistic::kStd));
    add("dead_units", l.name, l.activation.Last(Statistic::kDead));
    if (l.saturates) add("saturated", l.name, l.activation.Last(Statistic::kOutside));
    if (!l.gradient.empty()) add("activation_gradient_norm", l.name, l.gradient.Last(Statistic::kNorm));
  }
  for (const ParameterProfile& p : profile_.parameters) {
    const double norm = p.weight.Last(Statistic::kNorm);
    add("weight_norm", p.name, norm);
    add("gradient_norm", p.name, p.gradient.Last(Statistic::kNorm));
    if (norm > 0) add("update_ratio", p.name, p.update.Last(Statistic::kNorm) / norm);
  }
  return scalars;
}

}  // namespace athanor
