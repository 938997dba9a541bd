#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/npz.h"

namespace athanor {
namespace {

struct Pair {
  absl::string_view features, labels;
};
struct Sets {
  Pair train, test;  // `test` may have no names
};
constexpr Sets kSets[] = {
    {{"x_train", "y_train"}, {"x_test", "y_test"}},
    {{"x_train", "y_train"}, {"x_val", "y_val"}},
    {{"train_images", "train_labels"}, {"test_images", "test_labels"}},
    {{"train_images", "train_labels"}, {"val_images", "val_labels"}},
    {{"x", "y"}, {}},
    {{"X", "y"}, {}},
    {{"images", "labels"}, {}},
    {{"data", "labels"}, {}},
    {{"features", "labels"}, {}},
    {{"features", "targets"}, {}},
    {{"arr_0", "arr_1"}, {}},
};

bool Has(const NpzFile& file, const Pair& pair) {
  return pair.features.empty() || (file.Has(pair.features) && file.Has(pair.labels));
}

template <typename From>
void Convert(const Tensor& in, Tensor* out) {
  absl::Span<const From> from = in.as<From>();
  std::transform(from.begin(), from.end(), out->as<float>().begin(), [](From v) { return static_cast<float>(v); });
}

absl::StatusOr<Tensor> ToF32(const Tensor& t) {
  ATH_ASSIGN_OR_RETURN(Tensor out, Tensor::Create(DType::kF32, t.shape()));
  switch (t.dtype()) {
    case DType::kF64:
      Convert<double>(t, &out);
      break;
    case DType::kS32:
      Convert<int32_t>(t, &out);
      break;
    case DType::kS64:
      Convert<int64_t>(t, &out);
      break;
    case DType::kS8:
      Convert<int8_t>(t, &out);
      break;
    case DType::kU8:
      Convert<uint8_t>(t, &out);
      break;
    case DType::kBool:
      Convert<bool>(t, &out);
      break;
    default:
      return t.Clone();
  }
  return out;
}

// [n,height,width,channels] with 1 or 3 channels behind, and not in front.
bool IsChannelsLast(const Shape& s) {
  auto few = [](int64_t channels) { return channels == 1 || channels == 3; };
  return s.size() == 4 && few(s[3]) && !few(s[1]);
}

absl::StatusOr<Tensor> ToChannelsFirst(const Tensor& nhwc) {
  const Shape& s = nhwc.shape();
  const int64_t plane = s[1] * s[2], channels = s[3], element = static_cast<int64_t>(DTypeSize(nhwc.dtype()));
  ATH_ASSIGN_OR_RETURN(Tensor out, Tensor::Create(nhwc.dtype(), {s[0], channels, s[1], s[2]}));
  const auto* from = static_cast<const char*>(nhwc.data());
  auto* to = static_cast<char*>(out.data());
  for (int64_t image = 0; image < s[0]; ++image, to += plane * channels * element) {
    for (int64_t i = 0; i < plane; ++i) {
      for (int64_t c = 0; c < channels; ++c, from += element)
        std::memcpy(to + (c * plane + i) * element, from, element);
    }
  }
  return out;
}

absl::StatusOr<Tensor> ReadFeatures(const NpzFile& file, absl::string_view name) {
  ATH_ASSIGN_OR_RETURN(Tensor t, file.Read(name));
  if (t.dtype() != DType::kU8 && t.dtype() != DType::kF32) {
    ATH_ASSIGN_OR_RETURN(t, ToF32(t));
  }
  if (IsChannelsLast(t.shape())) return ToChannelsFirst(t);
  return t;
}

class Loader {
 public:
  Loader(const std::string& path, const NpzFile& file, const NpzOptions& options)
      : path_(path), file_(file), options_(options) {}

  absl::StatusOr<TrainTest> Load() const {
    const std::optional<Sets> sets = Choose();
    if (!sets) return NoSets();
    TrainTest both;
    ATH_ASSIGN_OR_RETURN(both.train, LoadSet(sets->train));
    if (sets->test.features.empty()) return both;
    ATH_ASSIGN_OR_RETURN(both.test, LoadSet(sets->test));
    const bool same_task = both.train.has_targets() == both.test.has_targets();
    if (both.train.sample_shape() != both.test.sample_shape() || !same_task) {
      return MakeError(ErrorClass::kData, "%s: %s holds samples %s, %s holds %s%s", path_, sets->train.features,
                       ShapeToString(both.train.sample_shape()), sets->test.features,
                       ShapeToString(both.test.sample_shape()), same_task ? "" : " of another kind of labels");
    }
    both.train.classes = both.test.classes = std::max(both.train.classes, both.test.classes);
    return both;
  }

 private:
  // Both sets, or else a training set alone.
  std::optional<Sets> Choose() const {
    for (const Sets& s : kSets) {
      if (Has(file_, s.train) && Has(file_, s.test)) return s;
    }
    for (const Sets& s : kSets) {
      if (Has(file_, s.train)) return Sets{s.train, {}};
    }
    return std::nullopt;
  }

  absl::Status NoSets() const {
    std::vector<std::string> known;
    for (const Sets& s : kSets) {
      std::string names = absl::StrCat(s.train.features, " ", s.train.labels);
      if (std::find(known.begin(), known.end(), names) == known.end()) known.push_back(std::move(names));
    }
    return MakeError(ErrorClass::kData, "%s: no data set: there are the arrays %s, and none of the pairs %s", path_,
                     file_.names().empty() ? "(none)" : absl::StrJoin(file_.names(), " "), absl::StrJoin(known, ", "));
  }

  // By the headers, before memory is taken.
  absl::Status CheckCounts(const Pair& names, const std::string& features_name, const std::string& labels_name) const {
    ATH_ASSIGN_OR_RETURN(const Shape features, file_.ReadShape(names.features));
    ATH_ASSIGN_OR_RETURN(const Shape labels, file_.ReadShape(names.labels));
    if (features.empty() || labels.empty() || features[0] == labels[0]) return absl::OkStatus();
    return MakeError(ErrorClass::kData, "%s: has %d labels, but %s has %d samples", labels_name, labels[0],
                     features_name, features[0]);
  }

  absl::StatusOr<Dataset> LoadSet(const Pair& names) const {
    const std::string features_name = absl::StrCat(path_, ":", names.features);
    const std::string labels_name = absl::StrCat(path_, ":", names.labels);
    ATH_RETURN_IF_ERROR(CheckCounts(names, features_name, labels_name));
    ATH_ASSIGN_OR_RETURN(Tensor features, ReadFeatures(file_, names.features));
    ATH_ASSIGN_OR_RETURN(Tensor labels, file_.Read(names.labels));
    if (options_.regression || IsFloating(labels.dtype())) {
      return Regression(std::move(features), features_name, labels, labels_name);
    }
    if (labels.shape().size() == 2 && labels.shape()[1] == 1) ATH_RETURN_IF_ERROR(labels.Reshape({labels.shape()[0]}));
    return MakeDataset(std::move(features), features_name, labels, labels_name, options_.classes);
  }

  absl::StatusOr<Dataset> Regression(Tensor features, const std::string& features_name, const Tensor& targets,
                                     const std::string& targets_name) const {
    Dataset d;
    d.name = features_name;
    d.features = std::move(features);
    ATH_ASSIGN_OR_RETURN(d.targets, ToF32(targets));
    if (targets.shape().size() == 1) ATH_RETURN_IF_ERROR(d.targets.Reshape({targets.shape()[0], 1}));
    const Shape shape = d.features.shape();
    if (shape.size() == 3) ATH_RETURN_IF_ERROR(d.features.Reshape({shape[0], 1, shape[1], shape[2]}));
    absl::Status status = CheckDataset(d);
    if (!status.ok()) return AddContext(status, targets_name);
    return d;
  }

  const std::string& path_;
  const NpzFile& file_;
  NpzOptions options_;
};

}  // namespace

absl::StatusOr<TrainTest> LoadNpzDataset(const std::string& path, const NpzOptions& options) {
  ATH_ASSIGN_OR_RETURN(NpzFile file, NpzFile::Open(path));
  return Loader(path, file, options).Load();
}

}  // namespace athanor
