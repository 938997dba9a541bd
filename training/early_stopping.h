// Ends a run whose validation metric no longer improves.
#ifndef ATHANOR_TRAINING_EARLY_STOPPING_H_
#define ATHANOR_TRAINING_EARLY_STOPPING_H_

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"
#include "training/metrics.h"

namespace athanor {

struct EarlyStoppingConfig {
  int64_t patience = 0;  // evaluations without improvement that end the run; 0: never
  double min_delta = 0;  // an improvement is larger than this
  MetricMode mode = MetricMode::kMin;
};

// Also of use with patience 0: it knows the best value and where it was.
class EarlyStopping {
 public:
  // REQ error for a negative patience or a min_delta that is negative or not finite.
  static absl::StatusOr<EarlyStopping> Create(const EarlyStoppingConfig& config);

  // Takes the metric of the evaluation after `step` steps; true when it is the best so far: the weights are then to be
  // kept. A value that is not a number is no improvement.
  bool Update(double value, int64_t step);
  bool should_stop() const { return config_.patience > 0 && bad_ >= config_.patience; }

  bool has_best() const { return best_step_ >= 0; }
  double best() const { return best_; }
  int64_t best_step() const { return best_step_; }  // -1: none yet
  int64_t bad() const { return bad_; }              // evaluations since the best

  // "best=0.5 step=300 bad=2", with all digits; for the checkpoint. CKPT error for any other text.
  std::string ToText() const;
  absl::Status Restore(absl::string_view text);

 private:
  explicit EarlyStopping(const EarlyStoppingConfig& config) : config_(config) {}
  EarlyStoppingConfig config_;
  double best_ = std::numeric_limits<double>::quiet_NaN();
  int64_t best_step_ = -1, bad_ = 0;
};

}  // namespace athanor

#endif  // ATHANOR_TRAINING_EARLY_STOPPING_H_
