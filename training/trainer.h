// Trains a classifier: compiles the model's train and evaluate entries into one plan and runs them over a data set, with
// validation each epoch, checkpoints, and a saved model and plan at the end.
#ifndef ATHANOR_TRAINING_TRAINER_H_
#define ATHANOR_TRAINING_TRAINER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "data/dataset.h"
#include "data/normalize.h"
#include "runtime/session/session.h"
#include "training/optimizers.h"
#include "training/progress.h"

namespace athanor {

struct TrainConfig {
  int64_t epochs = 3;
  int64_t batch = 64;
  OptimizerFlags optimizer;
  UpdateMode update = UpdateMode::kGrouped;
  double learning_rate = 1e-3;
  uint64_t seed = 1;    // of the weights, the order of the samples and dropout
  int threads = 0;      // 0: all that this process may use
  std::string out;      // folder for model.ath, model.plan and last.ckpt; empty: nothing is written
  bool resume = false;  // go on from out/last.ckpt
  Normalization normalization;
};

struct EpochResult {
  int64_t epoch = 0;  // from 1
  double train_loss = 0, train_accuracy = 0;  // running means over the steps of the epoch that this process ran
  double test_loss = 0, test_accuracy = 0;
  double seconds = 0, seconds_waited = 0;  // waiting for data
};

struct TrainResult {
  std::vector<EpochResult> epochs;
  int64_t steps = 0;     // in all, resumed ones included
  int stopped_by = 0;    // the signal that ended the run before its time
};

// The model must have entries "train" (inputs x, labels; outputs loss and logits) and "evaluate" (x, labels; logits);
// its batch is the symbol N.
class Trainer {
 public:
  // Checks everything that can be wrong before the first step: configuration, data against the model (shapes, classes,
  // at least one batch), the output folder, the checkpoint to resume from. `data` is borrowed.
  static absl::StatusOr<std::unique_ptr<Trainer>> Create(Graph model, const TrainTest& data, const TrainConfig& config);
  ~Trainer();

  // Runs to the last epoch. When `stop` becomes nonzero (a signal's number) the step is finished, the state saved to
  // last.ckpt and the run ends. A loss that is not finite ends it with an error that names the step; the last
  // checkpoint stays.
  absl::StatusOr<TrainResult> Run(Progress* progress, const std::atomic<int>* stop = nullptr);

  // Mean loss and accuracy over a data set, by the evaluate entry.
  absl::Status Evaluate(const Dataset& dataset, double* loss, double* accuracy);

  // One step on a batch of config.batch rows; the loss before the update. For tests and comparisons.
  absl::StatusOr<float> Step(const Tensor& features, const Tensor& labels);

  // The model with the weights as they are now.
  absl::StatusOr<Graph> TrainedModel() const;
  const Plan& plan() const { return *plan_; }
  std::shared_ptr<const Plan> shared_plan() const { return plan_; }
  Session& session() { return *session_; }
  // The steps that a checkpoint had when this trainer resumed from it.
  int64_t resumed_steps() const { return resumed_steps_; }

 private:
  Trainer(Graph model, const TrainTest& data, const TrainConfig& config);
  absl::Status CompilePlan();
  absl::Status BindViews();
  absl::Status Resume();
  absl::StatusOr<float> RunStep(int views, int64_t rows, const Tensor& features, const Tensor& labels);
  absl::Status RunEpoch(class BatchLoader* loader, Progress* progress, const std::atomic<int>* stop, TrainResult* result);
  absl::Status SaveCheckpoint();
  absl::Status SaveModel();

  // Where one of the train entries (full batch, last smaller batch) takes and gives.
  struct TrainViews {
    int entry = 0;
    int64_t rows = 0;
    TensorView x, labels, loss, logits;
    TensorView lr, step, seed;  // data == nullptr where the entry has none
  };

  Graph model_;
  const TrainTest& data_;
  TrainConfig config_;
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<Session> session_;
  std::vector<TrainViews> train_;
  int evaluate_ = 0;
  int64_t step_ = 0, epoch_ = 0, batch_index_ = 0;  // steps done; where the next one takes its batch
  int64_t resumed_steps_ = 0;
};

}  // namespace athanor

#endif  // ATHANOR_TRAINING_TRAINER_H_
