#include "models/models.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/families.h"

namespace athanor {
namespace {

constexpr int64_t kMaxClasses = int64_t{1} << 24;
constexpr double kMaxWidth = 16;

std::vector<ModelInfo> Collect() {
  std::vector<ModelInfo> all;
  auto add = [&](std::vector<ModelInfo> family) {
    all.insert(all.end(), std::make_move_iterator(family.begin()), std::make_move_iterator(family.end()));
  };
  add(PerceptronModels());
  add(MlpModels());
  add(LeNetModels());
  add(AlexNetModels());
  add(VggModels());
  add(NinModels());
  add(GoogLeNetModels());
  add(ResNetModels());
  add(CifarResNetModels());
  add(DenseNetModels());
  add(MobileNetModels());
  add(RecurrentModels());
  add(EncoderModels());
  add(LanguageModels());
  add(SequenceToSequenceModels());
  return all;
}

// The fields that differ from what a network gets when nothing is said.
std::vector<std::string> OptionsUsed(const ModelOptions& o) {
  std::vector<std::string> used;
  if (o.width != 1) used.push_back("width");
  if (o.dropout >= 0) used.push_back("dropout");
  if (!o.hidden.empty()) used.push_back("hidden");
  if (!o.activation.empty()) used.push_back("activation");
  if (o.batch_norm) used.push_back("batch_norm");
  if (o.auxiliary) used.push_back("auxiliary");
  return used;
}

absl::Status CheckOptions(const ModelInfo& info, const ModelOptions& o) {
  for (const std::string& option : OptionsUsed(o)) {
    if (std::find(info.options.begin(), info.options.end(), option) != info.options.end()) continue;
    return MakeError(ErrorClass::kReq, "network \"%s\" has no option \"%s\"; it has: %s", info.name, option,
                     info.options.empty() ? "none" : absl::StrJoin(info.options, ", "));
  }
  if (!(o.width > 0 && o.width <= kMaxWidth)) {
    return MakeError(ErrorClass::kReq, "width = %g is not above 0 and at most %g", o.width, kMaxWidth);
  }
  if (!(o.dropout < 1)) return MakeError(ErrorClass::kReq, "dropout = %g is not in [0, 1)", o.dropout);
  for (int64_t units : o.hidden) {
    if (units < 1) return MakeError(ErrorClass::kReq, "hidden = %s has a layer below 1 unit", AttrToString(o.hidden));
  }
  return absl::OkStatus();
}

absl::Status FillIn(const ModelInfo& info, ModelOptions* o) {
  const int64_t names = static_cast<int64_t>(o->class_names.size());
  if (o->classes == 0) o->classes = names > 0 ? names : info.classes;
  if (o->classes < 1 || o->classes > kMaxClasses) {
    return MakeError(ErrorClass::kReq, "classes = %d is not in [1, %d]", o->classes, kMaxClasses);
  }
  if (names > 0 && names != o->classes) {
    return MakeError(ErrorClass::kReq, "%d class names for %d classes", names, o->classes);
  }
  if (o->input.empty()) o->input = info.input;
  const bool positive = std::all_of(o->input.begin(), o->input.end(), [](int64_t d) { return d >= 1; });
  if (!positive || (o->input.size() != info.input.size() && !info.any_rank)) {
    return MakeError(ErrorClass::kReq, "network \"%s\" takes samples like %s, of sizes of at least 1, not %s", info.name,
                     ShapeToString(info.input), ShapeToString(o->input));
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<ModelInfo>& AllModels() {
  static const auto* models = new std::vector<ModelInfo>(Collect());
  return *models;
}

const ModelInfo* FindModel(const std::string& name) {
  for (const ModelInfo& m : AllModels()) {
    if (m.name == name) return &m;
  }
  return nullptr;
}

absl::StatusOr<Graph> BuildModel(const std::string& name, const ModelOptions& options) {
  const ModelInfo* info = FindModel(name);
  if (info == nullptr) {
    auto each = [](std::string* out, const ModelInfo& m) { out->append(m.name); };
    return MakeError(ErrorClass::kReq, "no model \"%s\"; there are: %s", name, absl::StrJoin(AllModels(), ", ", each));
  }
  ModelOptions filled = options;
  ATH_RETURN_IF_ERROR(CheckOptions(*info, filled));
  ATH_RETURN_IF_ERROR(FillIn(*info, &filled));
  absl::StatusOr<Graph> graph = info->build(*info, filled);
  if (!graph.ok()) {
    return AddContext(graph.status(), absl::StrCat("network \"", name, "\" of ", ShapeToString(filled.input)));
  }
  graph->metadata.Set("task", info->task);
  return graph;
}

}  // namespace athanor
