#include "data/lazy_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace athanor {

LazyImageSource::LazyImageSource(LazyImages images)
    : images_(std::move(images)), fields_({{"x", DType::kU8, images_.shape}, {"labels", DType::kS32, {}}}) {}

absl::StatusOr<std::shared_ptr<LazyImageSource>> LazyImageSource::Create(LazyImages images, int64_t cache_bytes) {
  std::shared_ptr<LazyImageSource> source(new LazyImageSource(std::move(images)));
  ATH_ASSIGN_OR_RETURN(source->image_bytes_, NumBytes(DType::kU8, source->images_.shape));
  source->cached_ = std::min(source->size(), cache_bytes / std::max<int64_t>(1, source->image_bytes_));
  if (source->cached_ > 0) {
    ATH_ASSIGN_OR_RETURN(source->cache_, Tensor::Create(DType::kU8, {source->cached_, source->image_bytes_}));
    source->states_ = std::vector<std::atomic<uint8_t>>(source->cached_);
  }
  return source;
}

absl::Status LazyImageSource::Read(int64_t index, int64_t, absl::Span<const TensorView> out) const {
  absl::Span<uint8_t> pixels = out[0].as<uint8_t>();
  out[1].as<int32_t>()[0] = images_.labels[index];
  const bool has_room = index < cached_;
  uint8_t* kept = has_room ? cache_.as<uint8_t>().data() + index * image_bytes_ : nullptr;
  if (has_room && states_[index].load(std::memory_order_acquire) == kThere) {
    std::memcpy(pixels.data(), kept, image_bytes_);
    return absl::OkStatus();
  }
  ++decodes_;
  ATH_RETURN_IF_ERROR(images_.decode(index, pixels));
  uint8_t empty = kEmpty;
  if (has_room && states_[index].compare_exchange_strong(empty, kBeingWritten)) {
    std::memcpy(kept, pixels.data(), image_bytes_);
    states_[index].store(kThere, std::memory_order_release);
  }
  return absl::OkStatus();
}

}  // namespace athanor
