// Where a training run stands, as a checkpoint holds it.
#ifndef ATHANOR_TRAINING_TRAINING_STATE_H_
#define ATHANOR_TRAINING_TRAINING_STATE_H_

#include <cstdint>
#include <string>

#include "compiler/graph/graph.h"
#include "runtime/container/checkpoint_io.h"
#include "runtime/session/weights.h"
#include "training/train_config.h"

namespace athanor {

// With the seed, everything that the run to come depends on besides the variables: random numbers are functions of
// (seed, step), batches of (seed, epoch, batch), learning rates of the step and the plateau.
struct TrainingState {
  int64_t step = 0;           // steps done
  int64_t epoch = 0;          // of the next step, from 0
  int64_t batch_index = 0;    // of the next batch in its epoch, from 0
  int64_t evaluated = 0;      // the step of the last evaluation
  PlateauState plateau;
  std::string early_stopping;  // EarlyStopping::ToText; with the best value so far
  // Of the epoch so far, for its report.
  double loss_sum = 0;
  int64_t samples = 0, counted = 0, correct = 0;
};

// What the data of a run is, so that it is not resumed with other data by mistake.
struct DataIdentity {
  int64_t train_samples = 0;
  int64_t fingerprint = 0;  // Fingerprint of the training samples, its 64 bits as they are
  int64_t run_steps = 0;  // length of the run
};

// Every variable (parameters, running statistics, optimizer slots, averages) row-major, the state and the configuration.
absl::StatusOr<Checkpoint> MakeCheckpoint(const Graph& model, const TrainConfig& config, const DataIdentity& data,
                                          const TrainingState& state, const Weights& weights);

// Puts a checkpoint that was read from `path` into the weights. CKPT error when it belongs to another model or other data,
// or when seed or configuration differ: the run would then not go on where it stopped.
absl::StatusOr<TrainingState> RestoreState(const std::string& path, const Checkpoint& checkpoint, const Graph& model,
                                           const TrainConfig& config, const DataIdentity& data, Weights* weights);

// The variables alone.
absl::Status RestoreVariables(const Checkpoint& checkpoint, const std::string& model_name, Weights* weights);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_TRAINING_STATE_H_
