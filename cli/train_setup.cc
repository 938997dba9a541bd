#include "cli/train_setup.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/tables.h"
#include "compiler/graph/model_io.h"
#include "data/normalize_spec.h"

namespace athanor {
namespace {

void SetMetadata(const OpenedData& data, Graph* model) {
  StoreNormalization(data.normalization, &model->metadata);
  if (!model->metadata.Has("task")) model->metadata.Set("task", AttrValue(data.task));
  if (!data.vocabulary.empty()) model->metadata.Set("vocabulary", AttrValue(Strings(data.vocabulary)));
  if (!data.feature_names.empty()) model->metadata.Set("feature_names", AttrValue(Strings(data.feature_names)));
  if (!data.class_names.empty()) model->metadata.Set("classes", AttrValue(Strings(data.class_names)));
}

// The sizes of what the network reads: of a sample's "x"; of sequences to sequences, their two lengths.
Shape InputOf(const OpenedData& data) {
  const int64_t x = FindField(data.fields(), "x"), source = FindField(data.fields(), "source");
  Shape input = x >= 0 ? data.fields()[x].shape : Shape();
  if (source >= 0) {
    const Shape& first = data.fields()[source].shape;
    input.insert(input.begin(), first.begin(), first.end());
  }
  return input;
}

}  // namespace

absl::StatusOr<Graph> MakeTrainModel(const std::string& name_or_path, ModelOptions options, const OpenedData& data) {
  if (name_or_path.empty()) {
    return MakeError(ErrorClass::kReq,
                     "no model: give the name of a network (see `athanor models`), an .ath file, or model = in --config");
  }
  if (absl::EndsWith(name_or_path, ".ath")) {
    ATH_ASSIGN_OR_RETURN(Graph model, ReadModel(name_or_path));
    SetMetadata(data, &model);
    return model;
  }
  if (options.classes == 0) options.classes = data.classes;
  if (options.class_names.empty() && options.classes == static_cast<int64_t>(data.class_names.size())) {
    options.class_names = data.class_names;
  }
  if (options.input.empty()) options.input = InputOf(data);
  ATH_ASSIGN_OR_RETURN(Graph model, BuildModel(name_or_path, options));
  SetMetadata(data, &model);
  return model;
}

TrainingData SourcesOf(const OpenedData& data) { return {data.name, data.train, data.validation, data.test}; }

std::string DataText(const OpenedData& data) {
  std::vector<std::string> parts = {absl::StrCat(WithCommas(data.train->size()), " training")};
  if (data.validation != nullptr) parts.push_back(absl::StrCat(WithCommas(data.validation->size()), " validation"));
  if (data.test != nullptr) parts.push_back(absl::StrCat(WithCommas(data.test->size()), " test"));
  std::string text = absl::StrCat("data: ", data.name, ", ", absl::StrJoin(parts, " and "), " samples");
  if (data.task == "language" || data.task == "sequence") {
    absl::StrAppend(&text, ", ", data.vocabulary.size(), " characters");
  } else if (data.classes > 0) {
    absl::StrAppend(&text, ", ", data.classes, " classes");
  }
  if (data.augmentation != "none") absl::StrAppend(&text, ", augmented by ", data.augmentation);
  return text;
}

}  // namespace athanor
