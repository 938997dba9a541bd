// The state of a training run in its folder: last.ckpt.
#ifndef ATHANOR_TRAINING_TRAINING_STATE_H_
#define ATHANOR_TRAINING_TRAINING_STATE_H_

#include <cstdint>
#include <string>

#include "compiler/graph/graph.h"
#include "runtime/session/weights.h"
#include "training/trainer.h"

namespace athanor {

struct TrainingState {
  int64_t step = 0;         // steps done
  int64_t epoch = 0;        // of the next step, from 0
  int64_t batch_index = 0;  // of the next step in its epoch, from 0
};

// Writes folder/last.ckpt: every variable (parameters, running statistics, optimizer slots) row-major, the state and the
// configuration. Old or new, never torn.
absl::Status WriteTrainingState(const std::string& folder, const Graph& model, const TrainConfig& config,
                                const TrainingState& state, const Weights& weights);

// Reads it back into the weights. CKPT error when it belongs to another model, or when batch, seed, learning rate or
// optimizer differ from the configuration: the run would then not go on where it stopped.
absl::StatusOr<TrainingState> ReadTrainingState(const std::string& folder, const Graph& model, const TrainConfig& config,
                                                Weights* weights);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_TRAINING_STATE_H_
