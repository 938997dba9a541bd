#include "data/sample_source.h"

#include <algorithm>
#include <utility>

namespace athanor {
namespace {

class DatasetSource : public SampleSource {
 public:
  DatasetSource(std::shared_ptr<const Dataset> dataset, const Normalization& normalization)
      : dataset_(std::move(dataset)),
        normalization_(normalization),
        channels_(NumChannels(dataset_->sample_shape())),
        elements_(dataset_->features.num_elements() / dataset_->size()),
        fields_({{"x", DType::kF32, dataset_->sample_shape()}, LabelField(*dataset_)}) {}

  int64_t size() const override { return dataset_->size(); }
  const std::vector<FieldSpec>& fields() const override { return fields_; }

  absl::Status Read(int64_t index, int64_t, absl::Span<const TensorView> out) const override {
    const Tensor& stored = dataset_->features;
    absl::Span<float> x = out[0].as<float>();
    if (stored.dtype() == DType::kU8) {
      normalization_.Apply(stored.as<uint8_t>().subspan(index * elements_, elements_), channels_, x);
    } else {
      normalization_.Apply(stored.as<float>().subspan(index * elements_, elements_), channels_, x);
    }
    if (dataset_->has_targets()) {
      const int64_t outputs = dataset_->targets.shape()[1];
      std::copy_n(dataset_->targets.as<float>().begin() + index * outputs, outputs, out[1].as<float>().begin());
    } else {
      out[1].as<int32_t>()[0] = dataset_->labels.as<int32_t>()[index];
    }
    return absl::OkStatus();
  }

 private:
  static FieldSpec LabelField(const Dataset& d) {
    if (d.has_targets()) return {"targets", DType::kF32, {d.targets.shape()[1]}};
    return {"labels", DType::kS32, {}};
  }

  const std::shared_ptr<const Dataset> dataset_;
  const Normalization normalization_;
  const int64_t channels_;
  const int64_t elements_;  // of one sample
  const std::vector<FieldSpec> fields_;
};

}  // namespace

int64_t FindField(absl::Span<const FieldSpec> fields, absl::string_view name) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == name) return static_cast<int64_t>(i);
  }
  return -1;
}

absl::StatusOr<std::unique_ptr<SampleSource>> MakeDatasetSource(std::shared_ptr<const Dataset> dataset,
                                                                const Normalization& normalization) {
  ATH_RETURN_IF_ERROR(CheckDataset(*dataset));
  ATH_RETURN_IF_ERROR(normalization.Check(NumChannels(dataset->sample_shape())));
  return std::unique_ptr<SampleSource>(new DatasetSource(std::move(dataset), normalization));
}

absl::StatusOr<std::unique_ptr<SampleSource>> MakeDatasetSource(const Dataset& dataset,
                                                                const Normalization& normalization) {
  return MakeDatasetSource(std::shared_ptr<const Dataset>(std::shared_ptr<void>(), &dataset), normalization);
}

}  // namespace athanor
