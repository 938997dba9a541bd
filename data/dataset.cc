#include "data/dataset.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "data/idx.h"
#include "data/limits.h"

namespace athanor {
namespace {

constexpr int64_t kMnistClasses = 10;

template <typename T>
void Widen(absl::Span<const T> in, absl::Span<int32_t> out) {
  std::copy(in.begin(), in.end(), out.begin());
}

absl::Status Narrow(absl::Span<const int64_t> in, absl::string_view name, absl::Span<int32_t> out) {
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] < 0 || in[i] >= kMaxClasses) {
      return MakeError(ErrorClass::kData, "%s: sample %d has the label %d, outside 0 .. %d", name, i, in[i],
                       kMaxClasses - 1);
    }
    out[i] = static_cast<int32_t>(in[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<Tensor> LabelsToS32(const Tensor& labels, absl::string_view name) {
  if (labels.shape().size() != 1 || !IsInteger(labels.dtype())) {
    return MakeError(ErrorClass::kData, "%s: holds %s%s, not labels (integers, one dimension)", name,
                     DTypeName(labels.dtype()), ShapeToString(labels.shape()));
  }
  ATH_ASSIGN_OR_RETURN(Tensor out, Tensor::Create(DType::kS32, labels.shape()));
  if (labels.dtype() == DType::kU8) Widen(labels.as<uint8_t>(), out.as<int32_t>());
  if (labels.dtype() == DType::kS8) Widen(labels.as<int8_t>(), out.as<int32_t>());
  if (labels.dtype() == DType::kS32) Widen(labels.as<int32_t>(), out.as<int32_t>());
  if (labels.dtype() == DType::kS64) ATH_RETURN_IF_ERROR(Narrow(labels.as<int64_t>(), name, out.as<int32_t>()));
  return out;
}

absl::Status CheckLabels(absl::Span<const int32_t> labels, int64_t classes, absl::string_view name) {
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes) {
      return MakeError(ErrorClass::kData, "%s: sample %d has the label %d, outside 0 .. %d", name, i, labels[i],
                       classes - 1);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFeatures(const Tensor& features, absl::string_view name) {
  if (features.dtype() != DType::kU8 && features.dtype() != DType::kF32) {
    return MakeError(ErrorClass::kData, "%s: the features are %s, not u8 or f32", name, DTypeName(features.dtype()));
  }
  if (features.empty()) {
    return MakeError(ErrorClass::kData, "%s: the shape %s holds no samples, or empty ones", name,
                     ShapeToString(features.shape()));
  }
  if (features.shape().empty()) return MakeError(ErrorClass::kData, "%s: a scalar is no list of samples", name);
  if (features.dtype() != DType::kF32) return absl::OkStatus();
  absl::Span<const float> values = features.as<float>();
  const int64_t per_sample = features.num_elements() / features.shape()[0];
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return MakeError(ErrorClass::kData, "%s: sample %d: feature %d is %f", name, i / per_sample, i % per_sample,
                       values[i]);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTargets(const Dataset& d) {
  const Shape& shape = d.targets.shape();
  if (d.targets.dtype() != DType::kF32 || shape.size() != 2 || shape[0] != d.size() || shape[1] < 1) {
    return MakeError(ErrorClass::kData, "%s: the targets are %s%s, not f32[%d,outputs]", d.name,
                     DTypeName(d.targets.dtype()), ShapeToString(shape), d.size());
  }
  if (d.labels.dtype() != DType::kUndefined || d.classes != 0 || !d.class_names.empty()) {
    return MakeError(ErrorClass::kData, "%s: there are labels or classes and also targets", d.name);
  }
  absl::Span<const float> values = d.targets.as<float>();
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return MakeError(ErrorClass::kData, "%s: sample %d: target %d is %f", d.name, i / shape[1], i % shape[1],
                       values[i]);
    }
  }
  return absl::OkStatus();
}

bool Exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

absl::StatusOr<std::string> PlainOrGzip(const std::string& dir, absl::string_view name) {
  for (absl::string_view suffix : {"", ".gz"}) {
    std::string path = absl::StrCat(dir, "/", name, suffix);
    if (Exists(path)) return path;
  }
  return MakeError(ErrorClass::kPath, "%s: neither %s nor %s.gz is there", dir, name, name);
}

absl::StatusOr<Dataset> LoadMnistSplit(const std::string& dir, absl::string_view split) {
  ATH_ASSIGN_OR_RETURN(std::string images_path, PlainOrGzip(dir, absl::StrCat(split, "-images-idx3-ubyte")));
  ATH_ASSIGN_OR_RETURN(std::string labels_path, PlainOrGzip(dir, absl::StrCat(split, "-labels-idx1-ubyte")));
  ATH_ASSIGN_OR_RETURN(Tensor images, ReadIdx(images_path));
  ATH_ASSIGN_OR_RETURN(Tensor labels, ReadIdx(labels_path));
  return MakeMnistDataset(std::move(images), images_path, labels, labels_path);
}

}  // namespace

Shape Dataset::sample_shape() const {
  const Shape& s = features.shape();
  return s.empty() ? Shape() : Shape(s.begin() + 1, s.end());
}

absl::Status CheckDataset(const Dataset& d) {
  ATH_RETURN_IF_ERROR(CheckFeatures(d.features, d.name));
  if (d.has_targets()) return CheckTargets(d);
  if (d.labels.dtype() != DType::kS32 || d.labels.shape() != Shape{d.size()}) {
    return MakeError(ErrorClass::kData, "%s: the labels are %s%s, not s32[%d]", d.name, DTypeName(d.labels.dtype()),
                     ShapeToString(d.labels.shape()), d.size());
  }
  if (d.classes < 1 || d.classes > kMaxClasses) {
    return MakeError(ErrorClass::kData, "%s: %d classes are not 1 .. %d", d.name, d.classes, kMaxClasses);
  }
  if (!d.class_names.empty() && static_cast<int64_t>(d.class_names.size()) != d.classes) {
    return MakeError(ErrorClass::kData, "%s: %d class names for %d classes", d.name, d.class_names.size(), d.classes);
  }
  return CheckLabels(d.labels.as<int32_t>(), d.classes, d.name);
}

std::vector<int64_t> ClassCounts(const Dataset& dataset) {
  std::vector<int64_t> counts(dataset.classes);
  if (dataset.has_targets()) return counts;
  for (int32_t label : dataset.labels.as<int32_t>()) ++counts[label];
  return counts;
}

absl::StatusOr<Dataset> MakeDataset(Tensor images, absl::string_view images_name, const Tensor& labels,
                                    absl::string_view labels_name, int64_t classes) {
  Dataset d;
  d.name = std::string(images_name);
  d.features = std::move(images);
  ATH_RETURN_IF_ERROR(CheckFeatures(d.features, images_name));
  ATH_ASSIGN_OR_RETURN(d.labels, LabelsToS32(labels, labels_name));
  if (d.labels.num_elements() != d.size()) {
    return MakeError(ErrorClass::kData, "%s: has %d labels, but %s has %d samples", labels_name,
                     d.labels.num_elements(), images_name, d.size());
  }
  absl::Span<const int32_t> values = d.labels.as<int32_t>();
  d.classes = classes;
  if (classes == 0) {
    // A wild label is an error of the file, not the number of classes.
    ATH_RETURN_IF_ERROR(CheckLabels(values, kMaxClasses, labels_name));
    d.classes = int64_t{*std::max_element(values.begin(), values.end())} + 1;
  }
  ATH_RETURN_IF_ERROR(CheckLabels(values, d.classes, labels_name));
  Shape shape = d.features.shape();
  if (shape.size() == 3) ATH_RETURN_IF_ERROR(d.features.Reshape({shape[0], 1, shape[1], shape[2]}));
  return d;
}

absl::StatusOr<Dataset> LoadIdxDataset(const std::string& images_path, const std::string& labels_path,
                                       int64_t classes) {
  ATH_ASSIGN_OR_RETURN(Tensor images, ReadIdx(images_path));
  ATH_ASSIGN_OR_RETURN(Tensor labels, ReadIdx(labels_path));
  return MakeDataset(std::move(images), images_path, labels, labels_path, classes);
}

absl::StatusOr<Dataset> MakeMnistDataset(Tensor images, absl::string_view images_name, const Tensor& labels,
                                         absl::string_view labels_name) {
  if (images.dtype() != DType::kU8 || images.shape().size() != 3) {
    return MakeError(ErrorClass::kData, "%s: holds %s%s, not images (u8, [count,height,width])", images_name,
                     DTypeName(images.dtype()), ShapeToString(images.shape()));
  }
  ATH_ASSIGN_OR_RETURN(Dataset d, MakeDataset(std::move(images), images_name, labels, labels_name, kMnistClasses));
  for (int64_t c = 0; c < d.classes; ++c) d.class_names.push_back(absl::StrCat(c));
  return d;
}

absl::StatusOr<TrainTest> LoadMnist(const std::string& dir) {
  TrainTest both;
  ATH_ASSIGN_OR_RETURN(both.train, LoadMnistSplit(dir, "train"));
  ATH_ASSIGN_OR_RETURN(both.test, LoadMnistSplit(dir, "t10k"));
  if (both.train.sample_shape() != both.test.sample_shape()) {
    return MakeError(ErrorClass::kData, "%s: training images are %s, test images %s", dir,
                     ShapeToString(both.train.sample_shape()), ShapeToString(both.test.sample_shape()));
  }
  return both;
}

}  // namespace athanor
