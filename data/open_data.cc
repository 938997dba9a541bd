#include "data/open_data.h"

#include <sys/stat.h>

#include <filesystem>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "data/augmented_source.h"
#include "data/mnist_sample/mnist_sample.h"
#include "data/normalize_spec.h"
#include "data/open_data_internal.h"
#include "data/subset.h"

namespace athanor {
namespace internal {
namespace {

std::string Describe(const std::vector<FieldSpec>& fields) {
  std::string text;
  for (const FieldSpec& f : fields) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", f.name, " ", DTypeName(f.dtype), ShapeToString(f.shape));
  }
  return text;
}

}  // namespace

absl::Status RefuseResize(const DataSpec& spec) {
  if (spec.channels != 0) {
    return MakeError(ErrorClass::kReq, "%s: channels = %d is for folders and archives of images", spec.path,
                     spec.channels);
  }
  if (spec.resize.empty()) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "%s: resize = \"%s\" is for folders and archives of images", spec.path,
                   spec.resize);
}

absl::Status RefuseImageOptions(const DataSpec& spec, const std::string& kind) {
  auto refuse = [&](const char* option, const std::string& value) {
    return MakeError(ErrorClass::kReq, "%s: %s = \"%s\" does not fit %s", spec.path, option, value, kind);
  };
  if (!spec.augment.empty() && spec.augment != "none") return refuse("augment", spec.augment);
  if (spec.one_hot) return refuse("one-hot", "true");
  return RefuseResize(spec);
}

absl::Status RefuseTableOptions(const DataSpec& spec, bool numbers) {
  const DataSpec usual;
  for (auto [option, value, otherwise] : {std::tuple("label-column", spec.label_column, usual.label_column),
                                          {"separator", spec.separator, usual.separator},
                                          {"header", spec.header, usual.header},
                                          {"ignore-columns", spec.ignore_columns, usual.ignore_columns}}) {
    if (value == otherwise) continue;
    return MakeError(ErrorClass::kReq, "%s: %s = \"%s\" is for tables, .csv and .tsv", spec.path, option, value);
  }
  if (!spec.regression || numbers) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "%s: regression is for tables and .npz", spec.path);
}

absl::Status PrepareSources(const DataSpec& spec, std::shared_ptr<const SampleSource> train,
                            std::shared_ptr<const SampleSource> test, OpenedData* out) {
  ATH_ASSIGN_OR_RETURN(NormalizeSpec normalize, ParseNormalizeSpec(spec.normalize));
  AugmentedSourceOptions options;
  options.seed = spec.seed;
  options.classes = out->classes;
  ATH_ASSIGN_OR_RETURN(Augmentation augmentation, Augmentation::Parse(spec.augment));
  if (test != nullptr && test->fields() != train->fields()) {
    return MakeError(ErrorClass::kData, "%s: training samples are %s, test samples %s", out->name,
                     Describe(train->fields()), Describe(test->fields()));
  }
  std::shared_ptr<const SampleSource> validation;
  if (spec.validation != 0) {
    ATH_ASSIGN_OR_RETURN(Split split, SplitForValidation(train->size(), spec.validation, spec.seed));
    validation = MakeSubset(train, std::move(split.validation));
    train = MakeSubset(train, std::move(split.train));
  }
  if (spec.normalization) {
    options.normalization = *spec.normalization;
  } else {
    ATH_ASSIGN_OR_RETURN(options.normalization, MakeNormalization(normalize, *train, spec.threads));
  }
  out->normalization = options.normalization;
  for (auto [stored, ready] :
       {std::pair(&train, &out->train_plain), {&validation, &out->validation}, {&test, &out->test}}) {
    if (*stored != nullptr) {
      ATH_ASSIGN_OR_RETURN(*ready, MakeAugmentedSource(*stored, options));
    }
  }
  out->train = out->train_plain;
  if (!augmentation.empty() || spec.one_hot) {
    out->augmentation = augmentation.ToString();
    const absl::Status range = CheckJitterRange(augmentation, *train);
    if (!range.ok()) return AddContext(range, out->name);
    options.augmentation = std::move(augmentation);
    options.one_hot = spec.one_hot;
    ATH_ASSIGN_OR_RETURN(out->train, MakeAugmentedSource(train, options));
  }
  return absl::OkStatus();
}

}  // namespace internal

namespace {

bool HasIdxFiles(const std::string& dir) {
  std::error_code ignored;
  return std::filesystem::exists(dir + "/train-images-idx3-ubyte", ignored) ||
         std::filesystem::exists(dir + "/train-images-idx3-ubyte.gz", ignored);
}

absl::StatusOr<OpenedData> OpenMnistKind(const DataSpec& spec) {
  ATH_RETURN_IF_ERROR(internal::RefuseResize(spec));
  ATH_RETURN_IF_ERROR(internal::RefuseTableOptions(spec));
  ATH_ASSIGN_OR_RETURN(TrainTest data, spec.path == "mnist" ? LoadMnistSample() : LoadMnist(spec.path));
  if (!spec.test_path.empty()) {
    ATH_ASSIGN_OR_RETURN(TrainTest other, spec.test_path == "mnist" ? LoadMnistSample() : LoadMnist(spec.test_path));
    data.test = std::move(other.test);
  }
  return PrepareData(std::move(data), spec);
}

}  // namespace

absl::StatusOr<OpenedData> PrepareData(TrainTest data, const DataSpec& spec) {
  OpenedData out;
  out.name = data.train.name;
  out.task = data.train.has_targets() ? "regression" : "classification";
  out.classes = data.train.classes;
  out.class_names = data.train.class_names;
  out.feature_names = data.train.feature_names;
  if (data.train.has_targets() && spec.one_hot) {
    return MakeError(ErrorClass::kReq, "%s: one-hot labels are for classes, this is a regression", out.name);
  }
  if (!spec.class_names.empty() && !out.class_names.empty() && spec.class_names != out.class_names) {
    return MakeError(ErrorClass::kData, "%s: its %d classes are not the %d that are expected, or have other names",
                     out.name, out.class_names.size(), spec.class_names.size());
  }
  std::shared_ptr<const SampleSource> sources[2];
  for (auto [dataset, source] : {std::pair(&data.train, &sources[0]), {&data.test, &sources[1]}}) {
    if (dataset->size() == 0 && dataset == &data.test) continue;
    out.memory_bytes += dataset->features.bytes() + dataset->labels.bytes() + dataset->targets.bytes();
    ATH_ASSIGN_OR_RETURN(*source, MakeStoredSource(std::make_shared<const Dataset>(std::move(*dataset))));
  }
  ATH_RETURN_IF_ERROR(internal::PrepareSources(spec, std::move(sources[0]), std::move(sources[1]), &out));
  return out;
}

absl::StatusOr<OpenedData> OpenData(const DataSpec& spec) {
  const std::string& path = spec.path;
  ATH_RETURN_IF_ERROR(ParseNormalizeSpec(spec.normalize).status());
  if (spec.validation < 0 || !(spec.validation < 1)) {
    return MakeError(ErrorClass::kReq, "the share for validation is %g, it must be at least 0 and below 1",
                     spec.validation);
  }
  if (path == "mnist") return OpenMnistKind(spec);
  if (absl::StartsWith(path, "task:")) return internal::OpenTask(spec);
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    return MakeError(ErrorClass::kPath,
                     "%s: there is no such file or folder, and it is neither \"mnist\" nor \"task:dates\" nor "
                     "\"task:reverse\"",
                     path);
  }
  if (S_ISDIR(info.st_mode)) return HasIdxFiles(path) ? OpenMnistKind(spec) : internal::OpenImages(spec);
  const std::string lower = absl::AsciiStrToLower(path);
  const absl::string_view plain = absl::StripSuffix(lower, ".gz");
  if (absl::EndsWith(plain, ".csv") || absl::EndsWith(plain, ".tsv")) return internal::OpenCsv(spec);
  if (absl::EndsWith(plain, ".txt")) return internal::OpenText(spec);
  if (absl::EndsWith(lower, ".npz")) return internal::OpenNpz(spec);
  if (absl::EndsWith(lower, ".zip")) return internal::OpenImages(spec);
  return MakeError(ErrorClass::kPath,
                   "%s: the name tells no kind of data: there are folders, .zip, .csv, .tsv, .npz and .txt (.gz)",
                   path);
}

}  // namespace athanor
