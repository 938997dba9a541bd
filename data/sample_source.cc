#include "data/sample_source.h"

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
        fields_({{"x", DType::kF32, dataset_->sample_shape()}, {"labels", DType::kS32, {}}}) {}

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
    out[1].as<int32_t>()[0] = dataset_->labels.as<int32_t>()[index];
    return absl::OkStatus();
  }

 private:
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
