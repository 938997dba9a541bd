#include "data/augmented_source.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "data/sample_room.h"

namespace athanor {
namespace {

class StoredSource : public SampleSource {
 public:
  explicit StoredSource(std::shared_ptr<const Dataset> dataset)
      : dataset_(std::move(dataset)),
        bytes_(dataset_->features.bytes() / dataset_->size()),
        labels_(dataset_->has_targets() ? dataset_->targets : dataset_->labels),
        label_bytes_(labels_.bytes() / dataset_->size()),
        fields_({{"x", dataset_->features.dtype(), dataset_->sample_shape()},
                 {dataset_->has_targets() ? "targets" : "labels", labels_.dtype(),
                  Shape(labels_.shape().begin() + 1, labels_.shape().end())}}) {}

  int64_t size() const override { return dataset_->size(); }
  const std::vector<FieldSpec>& fields() const override { return fields_; }

  absl::Status Read(int64_t index, int64_t, absl::Span<const TensorView> out) const override {
    std::memcpy(out[0].data, static_cast<const char*>(dataset_->features.data()) + index * bytes_, bytes_);
    std::memcpy(out[1].data, static_cast<const char*>(labels_.data()) + index * label_bytes_, label_bytes_);
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<const Dataset> dataset_;
  const int64_t bytes_;  // of one sample
  const Tensor& labels_;
  const int64_t label_bytes_;
  const std::vector<FieldSpec> fields_;
};

// Working memory of a read, and the views given to the base. The sample as it is read, one more buffer to change it,
// and as many for its partner in mixup.
struct Scratch {
  std::vector<float> buffers[4];
  std::vector<TensorView> views = std::vector<TensorView>(2);
};

// The calling thread's own, kept from read to read; one more when a source of this kind reads another.
class ScratchLease {
 public:
  // The first `buffers` have room for `elements`.
  ScratchLease(size_t buffers, size_t elements) {
    if (depth_ == pool_.size()) pool_.push_back(std::make_unique<Scratch>());
    scratch_ = pool_[depth_++].get();
    for (size_t i = 0; i < buffers; ++i) {
      if (scratch_->buffers[i].size() < elements) scratch_->buffers[i].resize(elements);
    }
  }
  ~ScratchLease() { --depth_; }
  ScratchLease(const ScratchLease&) = delete;
  ScratchLease& operator=(const ScratchLease&) = delete;

  Scratch* get() const { return scratch_; }

 private:
  static thread_local std::vector<std::unique_ptr<Scratch>> pool_;
  static thread_local size_t depth_;
  Scratch* scratch_;
};

thread_local std::vector<std::unique_ptr<Scratch>> ScratchLease::pool_;
thread_local size_t ScratchLease::depth_ = 0;

class AugmentedSource : public SampleSource {
 public:
  AugmentedSource(std::shared_ptr<const SampleSource> base, const AugmentedSourceOptions& options, int64_t elements)
      : base_(std::move(base)),
        options_(options),
        items_(options_.augmentation.items()),
        x_(FindField(base_->fields(), "x")),
        stored_(base_->fields()[x_]),
        stored_labels_(base_->fields()[1 - x_]),
        elements_(elements),
        label_bytes_(NumBytes(stored_labels_.dtype, stored_labels_.shape).value()),
        channels_(NumChannels(stored_.shape)),
        soft_(options_.one_hot || options_.augmentation.mixes()),
        buffers_(options_.augmentation.mixes() ? 4 : items_.empty() ? 1 : 2) {
    fields_.push_back({"x", DType::kF32, stored_.shape});
    fields_.push_back(soft_ ? FieldSpec{"labels", DType::kF32, {options_.classes}} : stored_labels_);
  }

  int64_t size() const override { return base_->size(); }
  const std::vector<FieldSpec>& fields() const override { return fields_; }

  absl::Status Read(int64_t index, int64_t epoch, absl::Span<const TensorView> out) const override {
    const ScratchLease lease(buffers_, elements_);
    Scratch* scratch = lease.get();
    const AugmentRandom random(options_.seed, epoch, index);
    WorkImage image{scratch->buffers[0].data(), scratch->buffers[1].data()};
    int32_t label = 0;
    auto item = items_.begin();
    void* labels = soft_ ? &label : out[1].data;
    ATH_RETURN_IF_ERROR(ReadUpToMixup(index, epoch, random, scratch, &item, &image, labels));
    if (soft_) {
      std::fill(out[1].as<float>().begin(), out[1].as<float>().end(), 0.0f);
      out[1].as<float>()[label] = 1;
    }
    if (item != items_.end()) {
      ATH_RETURN_IF_ERROR(Mix(*item++, epoch, random, scratch, &image, out[1].as<float>(), label));
    }
    for (; item != items_.end(); ++item) ApplyAugmentation(*item, stored_.shape, random, &image);
    Normalize(image, out[0].as<float>());
    return absl::OkStatus();
  }

 private:
  using Items = std::vector<AugmentItem>;

  // The stored sample with all changes before mixup; *item becomes mixup's, or the end. `labels_out` has room for the
  // base's labels of a sample.
  absl::Status ReadUpToMixup(int64_t index, int64_t epoch, const AugmentRandom& random, Scratch* scratch,
                             Items::const_iterator* item, WorkImage* image, void* labels_out) const {
    image->is_f32 = stored_.dtype == DType::kF32;
    image->bound = image->is_f32 ? 1 : 255;
    // Assigned and not made anew: the shapes keep their memory.
    TensorView& x = scratch->views[x_];
    x.dtype = stored_.dtype;
    x.shape = stored_.shape;
    x.data = image->now;
    x.bytes = elements_ * static_cast<int64_t>(DTypeSize(stored_.dtype));
    TensorView& labels = scratch->views[1 - x_];
    labels.dtype = stored_labels_.dtype;
    labels.shape = stored_labels_.shape;
    labels.data = labels_out;
    labels.bytes = label_bytes_;
    ATH_RETURN_IF_ERROR(base_->Read(index, epoch, scratch->views));
    if (const int32_t* label = static_cast<const int32_t*>(labels_out);
        soft_ && (*label < 0 || *label >= options_.classes)) {
      return MakeError(ErrorClass::kData, "sample %d has the label %d, outside 0 .. %d", index, *label,
                       options_.classes - 1);
    }
    for (*item = items_.begin(); *item != items_.end() && (*item)->kind != AugmentKind::kMixup; ++*item) {
      ApplyAugmentation(**item, stored_.shape, random, image);
    }
    return absl::OkStatus();
  }

  absl::Status Mix(const AugmentItem& mixup, int64_t epoch, const AugmentRandom& random, Scratch* scratch,
                   WorkImage* image, absl::Span<float> labels, int32_t label) const {
    const std::array<uint32_t, 4> words = random.Block(mixup.kind);
    const uint64_t bits = uint64_t{words[0]} << 32 | words[1];
    const auto partner = static_cast<int64_t>(static_cast<unsigned __int128>(bits) * size() >> 64);
    const float share = static_cast<float>(random.Beta(mixup.kind, mixup.values[0]));
    WorkImage other{scratch->buffers[2].data(), scratch->buffers[3].data()};
    int32_t other_label = 0;
    Items::const_iterator ignored;
    ATH_RETURN_IF_ERROR(ReadUpToMixup(partner, epoch, AugmentRandom(options_.seed, epoch, partner), scratch, &ignored,
                                      &other, &other_label));
    ToF32(elements_, image);
    ToF32(elements_, &other);
    float* x = static_cast<float*>(image->now);
    const float* y = static_cast<const float*>(other.now);
    for (int64_t i = 0; i < elements_; ++i) x[i] = share * x[i] + (1 - share) * y[i];
    labels[label] = share;
    labels[other_label] += 1 - share;
    return absl::OkStatus();
  }

  void Normalize(const WorkImage& image, absl::Span<float> out) const {
    const Normalization& norm = options_.normalization;
    if (image.is_f32) {
      norm.Apply(absl::MakeConstSpan(static_cast<const float*>(image.now), elements_), channels_, out);
    } else {
      norm.Apply(absl::MakeConstSpan(static_cast<const uint8_t*>(image.now), elements_), channels_, out);
    }
  }

  const std::shared_ptr<const SampleSource> base_;
  const AugmentedSourceOptions options_;
  const Items& items_;
  const int64_t x_;         // where the base has it
  const FieldSpec stored_, stored_labels_;  // of the base
  const int64_t elements_;
  const int64_t label_bytes_;
  const int64_t channels_;
  const bool soft_;
  const size_t buffers_;  // of the working memory
  std::vector<FieldSpec> fields_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const SampleSource>> MakeAugmentedSource(std::shared_ptr<const SampleSource> base,
                                                                        const AugmentedSourceOptions& options) {
  const std::vector<FieldSpec>& fields = base->fields();
  const int64_t x = FindField(fields, "x"), labels = 1 - x;
  if (fields.size() != 2 || x < 0 || (fields[labels].name != "labels" && fields[labels].name != "targets") ||
      (fields[x].dtype != DType::kU8 && fields[x].dtype != DType::kF32)) {
    return MakeError(ErrorClass::kData, "augmentation: samples need x (u8 or f32) and labels or targets alone");
  }
  const bool soft = options.one_hot || options.augmentation.mixes();
  if (soft && fields[labels] != FieldSpec{"labels", DType::kS32, {}}) {
    return MakeError(ErrorClass::kData, "augmentation: one-hot labels and mixup need a class for each sample, not %s%s",
                     DTypeName(fields[labels].dtype), ShapeToString(fields[labels].shape));
  }
  ATH_RETURN_IF_ERROR(options.augmentation.Check(fields[x].shape));
  const float largest = fields[x].dtype == DType::kU8 ? 255 : 1;
  ATH_RETURN_IF_ERROR(options.normalization.Check(NumChannels(fields[x].shape), largest));
  if (soft && options.classes < 1) {
    return MakeError(ErrorClass::kReq, "augmentation: one-hot labels need the number of classes, it is %d",
                     options.classes);
  }
  ATH_ASSIGN_OR_RETURN(const int64_t elements, NumElements(fields[x].shape));
  return std::shared_ptr<const SampleSource>(new AugmentedSource(std::move(base), options, elements));
}

absl::Status CheckJitterRange(const Augmentation& augmentation, const SampleSource& stored) {
  const auto& items = augmentation.items();
  const int64_t x = FindField(stored.fields(), "x");
  const bool jitters =
      std::any_of(items.begin(), items.end(), [](const AugmentItem& i) { return i.kind == AugmentKind::kJitter; });
  if (!jitters || x < 0 || stored.fields()[x].dtype != DType::kF32) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(SampleRoom room, SampleRoom::Create(stored));
  for (int64_t i = 0; i < stored.size(); ++i) {
    ATH_RETURN_IF_ERROR(room.Read(stored, i));
    for (const float value : room.fields()[x].as<float>()) {
      if (value >= 0 && value <= 1) continue;
      return MakeError(ErrorClass::kReq,
                       "augmentation \"jitter\": training sample %d has the value %g: floating-point images must be "
                       "within 0 .. 1 (bytes are taken as they are)",
                       i, value);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const SampleSource>> MakeStoredSource(std::shared_ptr<const Dataset> dataset) {
  ATH_RETURN_IF_ERROR(CheckDataset(*dataset));
  return std::shared_ptr<const SampleSource>(new StoredSource(std::move(dataset)));
}

}  // namespace athanor
