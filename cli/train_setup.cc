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

}  // namespace

absl::StatusOr<Graph> MakeTrainModel(const std::string& name_or_path, const Samples& samples) {
  if (name_or_path.empty()) {
    return MakeError(ErrorClass::kReq,
                     "no model: give the name of a network (see `athanor models`), an .ath file, or model = in --config");
  }
  Graph model;
  if (absl::EndsWith(name_or_path, ".ath")) {
    ATH_ASSIGN_OR_RETURN(model, ReadModel(name_or_path));
  } else {
    ModelOptions options;
    options.class_names = samples.class_names;
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
