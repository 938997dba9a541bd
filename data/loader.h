// Batches, made ahead of their use by a thread.
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

  int64_t prefetch = 2;  // batches made ahead, 1 .. 64
};

struct Batch {
  Tensor features;    // f32 [batch_size, ...]
  Tensor labels;      // s32 [batch_size]
  int64_t size = 0;   // samples there are; the rows behind them, in an epoch's last batch, are zero
  int64_t index = 0;  // in the epoch
  int64_t epoch = 0;
};

// One consumer thread. All memory is taken by Create: Next allocates nothing, nor does the thread (unless the source
// does). The batches depend on the source and the options alone.
class BatchLoader {
 public:
  // REQ error for options out of range; DATA error for an empty source, or one that fills no batch with drop_last;
  // LIMIT error if there is no memory, or no thread, for it.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(std::unique_ptr<SampleSource> source,
                                                             const LoaderOptions& options);
  // The data set must outlive the loader. Errors of MakeDatasetSource too.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(const Dataset& dataset, const Normalization& normalization,
                                                             const LoaderOptions& options);
  // At any time; waits for the sample being read.
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  // The next batch, valid until the next call; nullptr behind the last. What the source failed with (or threw, as a
  // DATA error), with epoch, batch and sample added, comes behind the batches before it, and stays.
  absl::StatusOr<const Batch*> Next();

  int64_t batches_per_epoch() const { return batches_per_epoch_; }
  // How long calls of Next had to wait for a batch, in all.
  double seconds_waited() const { return seconds_waited_; }

 private:
  BatchLoader(std::unique_ptr<SampleSource> source, const LoaderOptions& options);
  absl::Status Prepare();
  void Run();
  absl::Status MakeAll();
  Batch* WaitForFreeSlot();
  absl::Status Fill(int64_t epoch, int64_t index, Batch* batch);

  const std::unique_ptr<SampleSource> source_;
  const LoaderOptions options_;
  int64_t batches_per_epoch_ = 0;
  int64_t sample_elements_ = 0;
  std::vector<int64_t> order_;  // of the epoch being made; the thread's own

  std::vector<Batch> slots_;  // slot i % size holds the i-th batch, from being made until released
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t made_ = 0;      // guarded by mutex_
  int64_t released_ = 0;  // guarded by mutex_
  bool ended_ = false;    // guarded by mutex_: no more will be made
  absl::Status status_;   // guarded by mutex_: why, unless it was the end
  std::atomic<bool> stop_ = false;

  int64_t taken_ = 0;  // the consumer's own
  double seconds_waited_ = 0;
  std::thread thread_;  // last: it uses all the others
};

}  // namespace athanor

#endif  // ATHANOR_DATA_LOADER_H_
