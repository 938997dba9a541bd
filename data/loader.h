// Batches, made ahead of their use by worker threads.
#ifndef ATHANOR_DATA_LOADER_H_
#define ATHANOR_DATA_LOADER_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "data/dataset.h"
#include "data/normalize.h"
#include "data/sample_source.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

struct LoaderOptions {
  int64_t batch_size = 1;
  bool shuffle = true;  // by (seed, epoch); otherwise in the order of the source
  uint64_t seed = 0;
  bool drop_last = false;  // leaves out the last samples of an epoch that do not fill a batch

  // Where to start and where to end: epochs first_epoch .. end_epoch-1, the first from its batch first_batch on
  // (batches_per_epoch() is the start of the next epoch). A resumed training starts where the checkpoint says and then
  // sees the very batches that it would have seen.
  int64_t first_epoch = 0;
  int64_t first_batch = 0;
  int64_t end_epoch = 1;

  int64_t threads = 1;   // workers, 1 .. 64; each makes whole batches
  int64_t prefetch = 2;  // batches made ahead, 1 .. 64; at least one a worker, whatever this says
};

struct Batch {
  std::vector<Tensor> fields;  // [batch_size, ...], in the order of SampleSource::fields()
  int64_t size = 0;            // samples there are; the rows behind them, in an epoch's last batch, are zero
  int64_t index = 0;           // in the epoch
  int64_t epoch = 0;
};

// One consumer thread. All memory is taken by Create: Next allocates nothing, nor do the workers (unless the source
// does). The batches depend on the source and the options alone, not on `threads` or `prefetch`.
class BatchLoader {
 public:
  // REQ error for options out of range; DATA error for an empty source, or one that fills no batch with drop_last;
  // LIMIT error if there is no memory, or no thread, for it.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(std::shared_ptr<const SampleSource> source,
                                                             const LoaderOptions& options);
  // The data set must outlive the loader. Errors of MakeDatasetSource too.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(const Dataset& dataset, const Normalization& normalization,
                                                             const LoaderOptions& options);
  // At any time; waits for the samples being read.
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  // The next batch, valid until the next call; nullptr behind the last. What the source failed with (or threw, as a
  // DATA error), with epoch, batch and sample added, comes behind the batches before it, and stays.
  absl::StatusOr<const Batch*> Next();

  const std::vector<FieldSpec>& fields() const { return source_->fields(); }
  int64_t batches_per_epoch() const { return batches_per_epoch_; }
  // How long calls of Next had to wait for a batch, in all.
  double seconds_waited() const { return seconds_waited_; }

 private:
  // The batches of the whole run have numbers from 0 on; number i is made in slot i % slots_.size().
  struct Slot {
    Batch batch;
    std::vector<int64_t> samples;  // of the batch, in order
    int64_t number = -1;           // guarded by mutex_: of the batch that is made and not yet released
    absl::Status status;           // guarded by mutex_: of that batch
  };

  BatchLoader(std::shared_ptr<const SampleSource> source, const LoaderOptions& options);
  absl::Status Prepare();
  void Run(std::vector<TensorView>* views);
  int64_t Claim();
  bool WaitForFreeSlot();
  absl::Status Fill(Slot* slot, std::vector<TensorView>* views) const;

  const std::shared_ptr<const SampleSource> source_;
  const LoaderOptions options_;
  int64_t batches_per_epoch_ = 0;
  int64_t total_ = 0;                           // batches of the run
  std::vector<std::vector<TensorView>> views_;  // for each worker: one a field, of the sample being read

  std::mutex claim_mutex_;      // taken before mutex_
  int64_t claimed_ = 0;         // guarded by claim_mutex_: batches given to workers
  int64_t order_epoch_ = -1;    // guarded by claim_mutex_: the epoch that order_ is of
  std::vector<int64_t> order_;  // guarded by claim_mutex_

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;
  int64_t released_ = 0;  // guarded by mutex_
  bool failed_ = false;   // guarded by mutex_: no more batches are begun
  std::atomic<bool> stop_ = false;

  int64_t taken_ = 0;  // the consumer's own
  double seconds_waited_ = 0;
  std::vector<std::thread> threads_;  // last: they use all the others
};

}  // namespace athanor

#endif  // ATHANOR_DATA_LOADER_H_
