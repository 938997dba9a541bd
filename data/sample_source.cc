#include "data/sample_source.h"

namespace athanor {
namespace {

class DatasetSource : public SampleSource {
 public:
  DatasetSource(const Dataset& dataset, const Normalization& normalization)
      : dataset_(dataset),
        normalization_(normalization),
        channels_(NumChannels(dataset.sample_shape())),
        elements_(dataset.features.num_elements() / dataset.size()) {}

  int64_t size() const override { return dataset_.size(); }
  Shape sample_shape() const override { return dataset_.sample_shape(); }

  absl::Status Read(int64_t index, absl::Span<float> features, int32_t* label) override {
    const Tensor& stored = dataset_.features;
    if (stored.dtype() == DType::kU8) {
      normalization_.Apply(stored.as<uint8_t>().subspan(index * elements_, elements_), channels_, features);
    } else {
      normalization_.Apply(stored.as<float>().subspan(index * elements_, elements_), channels_, features);
    }
    *label = dataset_.labels.as<int32_t>()[index];
    return absl::OkStatus();
  }

 private:
  const Dataset& dataset_;
  const Normalization normalization_;
  const int64_t channels_;
  const int64_t elements_;  // of one sample
};

}  // namespace

absl::StatusOr<std::unique_ptr<SampleSource>> MakeDatasetSource(const Dataset& dataset,
                                                                const Normalization& normalization) {
  ATH_RETURN_IF_ERROR(CheckDataset(dataset));
  ATH_RETURN_IF_ERROR(normalization.Check(NumChannels(dataset.sample_shape())));
  return std::unique_ptr<SampleSource>(new DatasetSource(dataset, normalization));
}

}  // namespace athanor
