#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <new>
#include <numeric>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "data/sampler.h"
#include "runtime/core/checked.h"

namespace athanor {
namespace {

constexpr int64_t kMaxPrefetch = 64, kMaxThreads = 64;

absl::Status CheckRange(absl::string_view what, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "loader: %s is %d, it must be %d .. %d", what, value, low, high);
}

// An exception would end the process: it is not the consumer's thread.
absl::Status Read(const SampleSource& source, int64_t sample, int64_t epoch, absl::Span<const TensorView> out) {
  try {
    return source.Read(sample, epoch, out);
  } catch (const std::exception& e) {
    return MakeError(ErrorClass::kData, "exception: %s", e.what());
  } catch (...) {
    return MakeError(ErrorClass::kData, "unknown exception");
  }
}

// Points each view at row `row` of its field.
void PointAtRow(std::vector<Tensor>& fields, int64_t row, std::vector<TensorView>* views) {
  for (size_t f = 0; f < fields.size(); ++f) {
    (*views)[f].data = static_cast<char*>(fields[f].data()) + row * (*views)[f].bytes;
  }
}

}  // namespace

BatchLoader::BatchLoader(std::shared_ptr<const SampleSource> source, const LoaderOptions& options)
    : source_(std::move(source)), options_(options) {}

absl::StatusOr<std::unique_ptr<BatchLoader>> BatchLoader::Create(std::shared_ptr<const SampleSource> source,
                                                                 const LoaderOptions& options) {
  std::unique_ptr<BatchLoader> loader(new BatchLoader(std::move(source), options));
  try {
    ATH_RETURN_IF_ERROR(loader->Prepare());
    for (auto& views : loader->views_) loader->threads_.emplace_back(&BatchLoader::Run, loader.get(), &views);
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
  for (std::thread& thread : threads_) thread.join();
}

absl::Status BatchLoader::Prepare() {
  const int64_t n = source_->size(), batch = options_.batch_size;
  if (n < 1) return MakeError(ErrorClass::kData, "loader: there are no samples");
  ATH_RETURN_IF_ERROR(CheckRange("batch_size", batch, 1, int64_t{1} << 31));
  ATH_RETURN_IF_ERROR(CheckRange("prefetch", options_.prefetch, 1, kMaxPrefetch));
  ATH_RETURN_IF_ERROR(CheckRange("threads", options_.threads, 1, kMaxThreads));
  if (options_.drop_last && n < batch) {
    return MakeError(ErrorClass::kData, "loader: %d samples do not fill one batch of %d", n, batch);
  }
  batches_per_epoch_ = n / batch + (!options_.drop_last && n % batch != 0 ? 1 : 0);
  ATH_RETURN_IF_ERROR(CheckRange("first_epoch", options_.first_epoch, 0, int64_t{1} << 62));
  ATH_RETURN_IF_ERROR(CheckRange("first_batch", options_.first_batch, 0, batches_per_epoch_));
  const int64_t epochs = std::max<int64_t>(0, options_.end_epoch - options_.first_epoch);
  total_ = std::max<int64_t>(0, CheckedMul(epochs, batches_per_epoch_).value_or(INT64_MAX) - options_.first_batch);

  order_.resize(n);
  std::iota(order_.begin(), order_.end(), int64_t{0});
  slots_.resize(std::max(options_.prefetch, options_.threads) + 1);  // one more is the consumer's
  std::vector<TensorView> views;
  for (const FieldSpec& field : source_->fields()) {
    ATH_ASSIGN_OR_RETURN(const int64_t bytes, NumBytes(field.dtype, field.shape));
    views.push_back({field.dtype, field.shape, nullptr, bytes});
  }
  views_.assign(options_.threads, views);
  for (Slot& slot : slots_) {
    slot.samples.reserve(std::min(batch, n));
    for (const FieldSpec& field : source_->fields()) {
      Shape shape = field.shape;
      shape.insert(shape.begin(), std::min(batch, n));
      ATH_ASSIGN_OR_RETURN(Tensor tensor, Tensor::Create(field.dtype, shape));
      slot.batch.fields.push_back(std::move(tensor));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<const Batch*> BatchLoader::Next() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (released_ < taken_) {
    released_ = taken_;
    changed_.notify_all();
  }
  if (taken_ == total_) return nullptr;
  Slot& slot = slots_[taken_ % slots_.size()];
  if (slot.number != taken_) {
    const auto start = std::chrono::steady_clock::now();
    changed_.wait(lock, [&] { return slot.number == taken_; });
    seconds_waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  // A batch that failed is never taken, so the error stays.
  if (!slot.status.ok()) return slot.status;
  ++taken_;
  return &slot.batch;
}

void BatchLoader::Run(std::vector<TensorView>* views) {
  for (int64_t number = Claim(); number >= 0; number = Claim()) {
    Slot& slot = slots_[number % slots_.size()];
    absl::Status status = Fill(&slot, views);
    std::lock_guard<std::mutex> lock(mutex_);
    failed_ |= !status.ok();
    slot.status = std::move(status);
    slot.number = number;
    changed_.notify_all();
  }
}

// The number of the batch that the caller is to make, its slot told what to hold; -1 when there is no more to do.
// Batches are claimed in order, so when one failed those before it are made or being made.
int64_t BatchLoader::Claim() {
  std::lock_guard<std::mutex> lock(claim_mutex_);
  if (claimed_ == total_ || !WaitForFreeSlot()) return -1;
  Slot& slot = slots_[claimed_ % slots_.size()];
  const int64_t position = options_.first_batch + claimed_;
  Batch& batch = slot.batch;
  batch.epoch = options_.first_epoch + position / batches_per_epoch_;
  batch.index = position % batches_per_epoch_;
  if (options_.shuffle && batch.epoch != order_epoch_) {
    RandomPermutation(options_.seed, batch.epoch, absl::MakeSpan(order_));
    order_epoch_ = batch.epoch;
  }
  const int64_t start = batch.index * options_.batch_size, n = order_.size();
  batch.size = std::min(options_.batch_size, n - start);
  slot.samples.assign(order_.begin() + start, order_.begin() + start + batch.size);
  return claimed_++;
}

// False when no more batches are to be made.
bool BatchLoader::WaitForFreeSlot() {
  const int64_t n = slots_.size();
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return claimed_ - released_ < n || stop_ || failed_; });
  return !stop_ && !failed_;
}

absl::Status BatchLoader::Fill(Slot* slot, std::vector<TensorView>* views) const {
  Batch& batch = slot->batch;
  for (int64_t i = 0; i < batch.size && !stop_; ++i) {
    PointAtRow(batch.fields, i, views);
    absl::Status status = Read(*source_, slot->samples[i], batch.epoch, *views);
    if (!status.ok()) {
      return AddContext(status,
                        absl::StrCat("epoch ", batch.epoch, ", batch ", batch.index, ", sample ", slot->samples[i]));
    }
  }
  for (size_t f = 0; f < batch.fields.size(); ++f) {
    const int64_t used = batch.size * (*views)[f].bytes;
    std::memset(static_cast<char*>(batch.fields[f].data()) + used, 0, batch.fields[f].bytes() - used);
  }
  return absl::OkStatus();
}

}  // namespace athanor
