#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <numeric>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "data/sampler.h"

namespace athanor {
namespace {

constexpr int64_t kMaxPrefetch = 64;

absl::Status CheckRange(absl::string_view what, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "loader: %s is %d, it must be %d .. %d", what, value, low, high);
}

// An exception would end the process: it is not the consumer's thread.
absl::Status Read(SampleSource& source, int64_t sample, absl::Span<float> features, int32_t* label) {
  try {
    return source.Read(sample, features, label);
  } catch (const std::exception& e) {
    return MakeError(ErrorClass::kData, "exception: %s", e.what());
  } catch (...) {
    return MakeError(ErrorClass::kData, "unknown exception");
  }
}

}  // namespace

BatchLoader::BatchLoader(std::unique_ptr<SampleSource> source, const LoaderOptions& options)
    : source_(std::move(source)), options_(options) {}

absl::StatusOr<std::unique_ptr<BatchLoader>> BatchLoader::Create(std::unique_ptr<SampleSource> source,
                                                                 const LoaderOptions& options) {
  std::unique_ptr<BatchLoader> loader(new BatchLoader(std::move(source), options));
  try {
    ATH_RETURN_IF_ERROR(loader->Prepare());
    loader->thread_ = std::thread(&BatchLoader::Run, loader.get());
  } catch (const std::bad_alloc&) {
    return MakeError(ErrorClass::kLimit, "loader: no memory for the order of %d samples", loader->source_->size());
  } catch (const std::system_error& e) {
    return MakeError(ErrorClass::kLimit, "loader: cannot start a thread: %s", e.what());
  }
  return loader;
}

absl::StatusOr<std::unique_ptr<BatchLoader>> BatchLoader::Create(const Dataset& dataset,
                                                                 const Normalization& normalization,
                                                                 const LoaderOptions& options) {
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<SampleSource> source, MakeDatasetSource(dataset, normalization));
  return Create(std::move(source), options);
}

BatchLoader::~BatchLoader() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

absl::Status BatchLoader::Prepare() {
  const int64_t n = source_->size(), batch = options_.batch_size;
  if (n < 1) return MakeError(ErrorClass::kData, "loader: there are no samples");
  ATH_RETURN_IF_ERROR(CheckRange("batch_size", batch, 1, int64_t{1} << 31));
  ATH_RETURN_IF_ERROR(CheckRange("prefetch", options_.prefetch, 1, kMaxPrefetch));
  if (options_.drop_last && n < batch) {
    return MakeError(ErrorClass::kData, "loader: %d samples do not fill one batch of %d", n, batch);
  }
  batches_per_epoch_ = n / batch + (!options_.drop_last && n % batch != 0 ? 1 : 0);
  ATH_RETURN_IF_ERROR(CheckRange("first_epoch", options_.first_epoch, 0, int64_t{1} << 62));
  ATH_RETURN_IF_ERROR(CheckRange("first_batch", options_.first_batch, 0, batches_per_epoch_));

  Shape shape = source_->sample_shape();
  ATH_ASSIGN_OR_RETURN(sample_elements_, NumElements(shape));
  shape.insert(shape.begin(), batch);
  order_.resize(n);
  std::iota(order_.begin(), order_.end(), int64_t{0});
  slots_.resize(options_.prefetch + 1);  // one more is the consumer's
  for (Batch& slot : slots_) {
    ATH_ASSIGN_OR_RETURN(slot.features, Tensor::Create(DType::kF32, shape));
    ATH_ASSIGN_OR_RETURN(slot.labels, Tensor::Create(DType::kS32, {batch}));
  }
  return absl::OkStatus();
}

absl::StatusOr<const Batch*> BatchLoader::Next() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (released_ < taken_) {
    released_ = taken_;
    changed_.notify_all();
  }
  if (made_ == taken_ && !ended_) {
    const auto start = std::chrono::steady_clock::now();
    changed_.wait(lock, [this] { return made_ > taken_ || ended_; });
    seconds_waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  if (made_ > taken_) return &slots_[taken_++ % slots_.size()];
  if (!status_.ok()) return status_;
  return nullptr;
}

void BatchLoader::Run() {
  absl::Status status = MakeAll();
  std::lock_guard<std::mutex> lock(mutex_);
  status_ = std::move(status);
  ended_ = true;
  changed_.notify_all();
}

absl::Status BatchLoader::MakeAll() {
  int64_t first = options_.first_batch;
  for (int64_t epoch = options_.first_epoch; epoch < options_.end_epoch; ++epoch, first = 0) {
    if (options_.shuffle) RandomPermutation(options_.seed, epoch, absl::MakeSpan(order_));
    for (int64_t index = first; index < batches_per_epoch_; ++index) {
      Batch* slot = WaitForFreeSlot();
      if (slot == nullptr) return absl::OkStatus();
      ATH_RETURN_IF_ERROR(Fill(epoch, index, slot));
      std::lock_guard<std::mutex> lock(mutex_);
      ++made_;
      changed_.notify_all();
    }
  }
  return absl::OkStatus();
}

// nullptr when the loader is being destroyed.
Batch* BatchLoader::WaitForFreeSlot() {
  std::unique_lock<std::mutex> lock(mutex_);
  const int64_t n = slots_.size();
  changed_.wait(lock, [&] { return made_ - released_ < n || stop_; });
  return stop_ ? nullptr : &slots_[made_ % n];
}

absl::Status BatchLoader::Fill(int64_t epoch, int64_t index, Batch* batch) {
  const int64_t start = index * options_.batch_size;
  const int64_t n = order_.size();
  batch->epoch = epoch;
  batch->index = index;
  batch->size = std::min(options_.batch_size, n - start);
  absl::Span<float> features = batch->features.as<float>();
  absl::Span<int32_t> labels = batch->labels.as<int32_t>();
  for (int64_t i = 0; i < batch->size && !stop_; ++i) {
    const int64_t sample = order_[start + i];
    absl::Status status = Read(*source_, sample, features.subspan(i * sample_elements_, sample_elements_), &labels[i]);
    if (!status.ok()) {
      return AddContext(status, absl::StrCat("epoch ", epoch, ", batch ", index, ", sample ", sample));
    }
  }
  std::fill(features.begin() + batch->size * sample_elements_, features.end(), 0.0f);
  std::fill(labels.begin() + batch->size, labels.end(), 0);
  return absl::OkStatus();
}

}  // namespace athanor
