#include "cli/train_setup.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/tables.h"
#include "compiler/graph/model_io.h"
#include "models/models.h"

namespace athanor {
namespace {

void SetMetadata(const Samples& samples, Graph* model) {
  const Normalization& n = samples.normalization;
  model->metadata.Set("input_scale", static_cast<double>(n.scale));
  model->metadata.Set("input_mean", AttrValue(Floats(n.mean.begin(), n.mean.end())));
  model->metadata.Set("input_std", AttrValue(Floats(n.std.begin(), n.std.end())));
}

// A sample's sizes, if the network takes samples like it: else its own, and the trainer says what does not fit.
Shape InputOf(const std::string& network, const Samples& samples) {
  const ModelInfo* info = FindModel(network);
  for (const FieldSpec& field : samples.train->fields()) {
    if (field.name != "x" || info == nullptr || field.dtype != DType::kF32 || field.shape.empty()) continue;
    if (info->any_rank || field.shape.size() == info->input.size()) return field.shape;
  }
  return {};
}

}  // namespace

absl::StatusOr<Graph> MakeTrainModel(const std::string& name_or_path, ModelOptions options, const Samples& samples) {
  if (name_or_path.empty()) {
    return MakeError(ErrorClass::kReq,
                     "no model: give the name of a network (see `athanor models`), an .ath file, or model = in --config");
  }
  Graph model;
  if (absl::EndsWith(name_or_path, ".ath")) {
    ATH_ASSIGN_OR_RETURN(model, ReadModel(name_or_path));
  } else {
    options.class_names = samples.class_names;
    if (options.classes == 0 && options.class_names.empty()) options.classes = samples.classes;
    if (options.input.empty()) options.input = InputOf(name_or_path, samples);
    ATH_ASSIGN_OR_RETURN(model, BuildModel(name_or_path, options));
  }
  SetMetadata(samples, &model);
  return model;
}

TrainingData SourcesOf(const Samples& samples) { return {samples.name, samples.train, nullptr, samples.test}; }

std::string DataText(const Samples& samples) {
  return absl::StrCat("data: ", samples.name, ", ", WithCommas(samples.train->size()), " training and ",
                      WithCommas(samples.test->size()), " test samples, ", samples.classes, " classes");
}

}  // namespace athanor
