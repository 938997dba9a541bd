#include "data/image_folder_source.h"

#include <utility>
#include <vector>

namespace athanor {
namespace {

class ImageFolderSource : public SampleSource {
 public:
  ImageFolderSource(std::shared_ptr<const ImageFolder> folder, const Normalization& normalization)
      : folder_(std::move(folder)),
        normalization_(normalization),
        fields_({{"x", DType::kF32, folder_->sample_shape()}, {"labels", DType::kS32, {}}}) {}

  int64_t size() const override { return folder_->size(); }
  const std::vector<FieldSpec>& fields() const override { return fields_; }

  absl::Status Read(int64_t index, int64_t, absl::Span<const TensorView> out) const override {
    absl::Span<float> x = out[0].as<float>();
    std::vector<uint8_t> pixels(x.size());
    ATH_RETURN_IF_ERROR(folder_->Read(index, absl::MakeSpan(pixels)));
    normalization_.Apply(absl::MakeConstSpan(pixels), folder_->sample_shape()[0], x);
    out[1].as<int32_t>()[0] = folder_->label(index);
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<const ImageFolder> folder_;
  const Normalization normalization_;
  const std::vector<FieldSpec> fields_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SampleSource>> MakeImageFolderSource(std::shared_ptr<const ImageFolder> folder,
                                                                    const Normalization& normalization) {
  ATH_RETURN_IF_ERROR(normalization.Check(folder->sample_shape()[0]));
  return std::unique_ptr<SampleSource>(new ImageFolderSource(std::move(folder), normalization));
}

}  // namespace athanor
