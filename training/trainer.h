// Trains a model: steps over a training set, looks at a validation set from time to time, keeps checkpoints, and leaves
// a model and a plan at the end.
#ifndef ATHANOR_TRAINING_TRAINER_H_
#define ATHANOR_TRAINING_TRAINER_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "data/sample_source.h"
#include "training/checkpoints.h"
#include "training/evaluation.h"
#include "training/progress.h"
#include "training/step_runner.h"
#include "training/train_config.h"
#include "training/training_state.h"

namespace athanor {

class BatchLoader;
struct Batch;

struct TrainingData {
  std::string name;  // for messages
  std::shared_ptr<const SampleSource> train;
  // Looked at during the run: the validation set, or without it the test set. Null where there is none.
  std::shared_ptr<const SampleSource> validation, test;
};

// After each step.
struct StepEvent {
  int64_t epoch = 0, epochs = 0;                    // from 1
  int64_t epoch_step = 0, steps_per_epoch = 0;      // from 1
  int64_t step = 0, steps = 0;                      // of the run, from 1
  double loss = 0;                                  // of this step
  double mean_loss = 0, mean_accuracy = 0;          // of the epoch so far
  double learning_rate = 0, grad_norm = -1;         // -1: not asked for (TrainConfig::grad_norm)
  double samples_per_second = 0, seconds_left = 0;  // of the last seconds, evaluations aside
  double waited = 0;                                // share of the time spent waiting for data
};

// At the end of an epoch and after an evaluation.
struct ReportEvent {
  int64_t epoch = 0, epochs = 0, step = 0;
  bool epoch_end = false;
  double train_loss = 0, train_accuracy = 0;  // running means of the epoch so far
  bool has_accuracy = false;                  // the model has logits
  std::optional<ClassificationMetrics> validation = {};
  bool best = false;                          // the validation is the best so far
  double learning_rate = 0;                   // of the next step
  double seconds = 0, seconds_waited = 0;     // since the last report of an epoch's end, in this process
};

class TrainListener {
 public:
  virtual ~TrainListener() = default;
  virtual void OnStep(const StepEvent&) {}
  virtual void OnReport(const ReportEvent&) {}
  virtual void OnCheckpoint(int64_t /*step*/) {}  // before it is written
  virtual void OnNote(const std::string&) {}  // a line for the user
};

enum class RunEnd { kDone, kSignal, kEarlyStopping, kTime };

struct TrainResult {
  RunEnd end = RunEnd::kDone;
  int signal = 0;
  int64_t steps = 0;      // in all, resumed ones included
  int64_t best_step = -1;  // of the best evaluation; -1 if there was none
  double best = 0;         // its value of config.monitor
  std::vector<ReportEvent> reports;
};

// The model must have entries "train" (the data's fields -> loss, logits if it is no regression) and "evaluate"; its batch
// is the symbol N. Not thread-safe.
class Trainer {
 public:
  // Checks everything that can be wrong before the first step: configuration, data against the model, at least one batch,
  // the output folder, the checkpoint to resume from. PATH error if another run is at that folder. Variables without data
  // are initialised by the seed. With resume, a damaged newest checkpoint is told by `notes()` and the next older one is
  // taken.
  static absl::StatusOr<std::unique_ptr<Trainer>> Create(Graph model, const TrainingData& data,
                                                         const TrainConfig& config);
  ~Trainer();

  // Runs to the last step. When `stop` becomes nonzero (a signal's number) the step is finished, the state saved and the
  // run ends. A loss that is not finite ends it with an error that names the step, the batch and the first tensor that is
  // not finite; the last checkpoint stays. So do weights that are not finite, which ReLU may hide from the loss: they are
  // looked at every 50 steps, at the end of an epoch, and before an evaluation. With patience, the weights are those of
  // the best evaluation at the end; with ema_decay, the parameters are the averages.
  absl::StatusOr<TrainResult> Run(TrainListener* listener, const std::atomic<int>* stop = nullptr);

  // Metrics of the validation or the test set.
  absl::StatusOr<ClassificationMetrics> Evaluate(const std::shared_ptr<const SampleSource>& source,
                                                 const MetricsOptions& metrics = {});

  // The model with the weights as they are now.
  absl::StatusOr<Graph> TrainedModel() const { return WithWeights(model_, runner_->weights()); }
  StepRunner& runner() { return *runner_; }
  const Plan& plan() const { return *runner_->plan(); }
  Task task() const { return task_; }
  int64_t total_steps() const { return length_.steps; }
  int64_t steps_per_epoch() const { return length_.steps_per_epoch; }
  int64_t total_epochs() const { return (length_.steps + length_.steps_per_epoch - 1) / length_.steps_per_epoch; }
  // The steps that the checkpoint had when this trainer resumed from it.
  int64_t resumed_steps() const { return resumed_steps_; }
  const std::vector<std::string>& notes() const { return notes_; }
  double learning_rate() const;  // of the next step

 private:
  Trainer(Graph model, const TrainingData& data, const TrainConfig& config);
  absl::Status Prepare();
  absl::StatusOr<Graph> CompiledModel() const;
  absl::Status MakeRunner();
  absl::Status Resume();
  absl::StatusOr<std::unique_ptr<BatchLoader>> MakeLoader() const;
  absl::Status RunLoop(BatchLoader* loader, TrainListener* listener, const std::atomic<int>* stop, TrainResult* result);
  absl::Status Step(BatchLoader* loader, TrainListener* listener);
  absl::Status CheckFinite(const StepOutput& output, const Batch& batch);
  absl::Status CheckWeights() const;
  std::string WhatIsKept() const;  // for the message of a run that broke off
  bool EvaluationDue() const;
  absl::Status FinishStep(TrainListener* listener, TrainResult* result);
  absl::Status Save(TrainListener* listener, bool best);
  absl::Status KeepBest();
  absl::Status Finish();
  absl::StatusOr<Checkpoint> LoadBest() const;
  absl::Status UseBest();
  absl::Status UseAverages();
  absl::Status SaveModel();
  DataIdentity Identity() const { return {data_.train->size(), fingerprint_, length_.steps}; }

  Graph model_;
  TrainingData data_;
  const TrainConfig config_;
  Task task_ = Task::kClassification;
  std::vector<FieldSpec> fields_;
  bool has_logits_ = false;
  std::unique_ptr<StepRunner> runner_;
  std::optional<EarlyStopping> early_;
  std::optional<FolderLock> lock_;  // until the run is over
  std::optional<CheckpointFolder> folder_;
  bool cleaned_ = false;
  std::vector<std::byte> best_weights_;  // where there is no folder
  RunLength length_;
  int64_t fingerprint_ = 0;     // of the training samples; 0 without a folder
  int64_t batches_ = 0;         // an epoch
  double evaluate_every_ = 1;   // steps between evaluations, of which the fraction counts too
  TrainingState state_;
  int64_t saved_step_ = -1;
  int64_t resumed_steps_ = 0;
  std::vector<std::string> notes_;

  using Clock = std::chrono::steady_clock;
  struct Timing {
    Clock::time_point run, epoch;
    double waited_before = 0, waited_now = 0;  // before the epoch; until now
    RateMeter rate;                            // samples of steps; evaluations aside
  } timing_;
};

}  // namespace athanor

#endif  // ATHANOR_TRAINING_TRAINER_H_
