// What a training run is asked to do.
#ifndef ATHANOR_TRAINING_TRAIN_CONFIG_H_
#define ATHANOR_TRAINING_TRAIN_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/attributes.h"
#include "runtime/core/status.h"
#include "training/early_stopping.h"
#include "training/optimizers.h"
#include "training/schedule.h"

namespace athanor {

// A step is one update of the parameters: of `accumulate` batches, or of those that are left at the end of an epoch.
struct TrainConfig {
  int64_t epochs = 3;      // 0: as many as `steps` takes
  int64_t steps = 0;       // ends after so many, before the last epoch; 0: no limit
  double max_minutes = 0;  // ends after the step that is done then, as if it were the last; 0: no limit
  int64_t batch = 64;
  int64_t accumulate = 1;  // batches a step: as one batch of so many times the rows, with the memory of one

  OptimizerFlags optimizer;
  UpdateMode update = UpdateMode::kGrouped;
  double learning_rate = 1e-3;
  ScheduleConfig schedule;
  // Moving average of the parameters, which evaluations and the trained model then use. 0: none.
  double ema_decay = 0;
  bool ema_warmup = false;
  bool grad_norm = false;           // the norm of all gradients is computed, for reports
  std::vector<std::string> frozen;  // patterns of parameters that are not trained

  uint64_t seed = 1;           // of the weights, the order of the samples and dropout
  int threads = 0;             // of the steps; 0: all that this process may use
  int64_t loader_threads = 1;  // that make batches

  Extent eval_every = {1, true};   // how often the validation set is looked at
  std::string monitor = "loss";    // of the validation set: decides what is best; "loss" or "accuracy"
  int64_t patience = 0;            // evaluations without a better one that end the run; 0: it is not ended
  double min_delta = 0;            // what counts as better

  std::string out;               // folder for checkpoints, model.ath and model.plan; empty: nothing is written
  bool resume = false;           // go on from the newest checkpoint in `out`
  int64_t checkpoint_every = 0;  // steps; 0: at the end of epochs and at a new best only
  int64_t keep = 3;              // checkpoints that stay, besides the best
  std::string run_config;        // text of the run's configuration file, kept in the checkpoints
};

// REQ error naming the value and the rule.
absl::Status CheckConfig(const TrainConfig& config);

// What must be the same for a run to go on as it would have: batch, optimizer, schedule, ... Values that are the default
// are left out where checkpoints of version 1.0 did not have them.
Attributes ConfigAttributes(const TrainConfig& config);
// Everything that ConfigAttributes may say.
std::vector<std::string> ConfigAttributeNames();

// "500", "500steps", "1epoch", "0.5epochs": more than nothing. REQ error naming the flag.
absl::StatusOr<Extent> ParseExtent(absl::string_view flag, absl::string_view text);

// Whether the rates of the schedule depend on the length of the run, so that a run cannot be made longer.
bool DependsOnLength(const ScheduleConfig& schedule);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_TRAIN_CONFIG_H_
