// The learning rate of every step of a run. All schedules but reduce-on-plateau are pure functions of their
// configuration, the base rate, the step and the length of the run, so a resumed run has the rates of an uninterrupted
// one.
//
// Numbers equal those of torch.optim.lr_scheduler where the scheduler there is stepped once a training step.
#ifndef ATHANOR_TRAINING_SCHEDULE_H_
#define ATHANOR_TRAINING_SCHEDULE_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"

namespace athanor {

enum class ScheduleKind {
  kConstant,
  kStep,         // StepLR: x gamma after each `every` steps
  kMultiStep,    // MultiStepLR: x gamma at each of `at`
  kExponential,  // ExponentialLR: base * gamma^(step / every), smooth
  kCosine,       // CosineAnnealingLR; with `period`, CosineAnnealingWarmRestarts (Loshchilov and Hutter 2016)
  kOneCycle,     // OneCycleLR (Smith 2018), the base rate being its largest; momentum stays as it is
  kPolynomial,   // PolynomialLR
  kPlateau,      // ReduceLROnPlateau
};

// A number of steps, or of epochs: "500", "30epochs", "0.5epochs".
struct Extent {
  double amount = 0;
  bool epochs = false;
  // Rounded to whole steps.
  int64_t Steps(int64_t steps_per_epoch) const;
  bool operator==(const Extent&) const = default;
};

struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::kConstant;
  // Of any kind: the rate is multiplied by warmup_start at step 0, by 1 after `warmup` steps, linearly between; the
  // kind's own step 0 is then step `warmup`, and its length what is left of the run.
  Extent warmup;
  double warmup_start = 0.01;
  Extent every;            // step, exponential
  double gamma = 0.1;      // step, multistep, exponential
  std::vector<Extent> at;  // multistep
  double min = 0;          // cosine, polynomial, plateau: rate that it does not go below
  Extent period;           // cosine: length of the first cycle; 0: one cycle over the run
  double growth = 1;       // cosine: each cycle's length over that of the one before
  double power = 1;        // polynomial
  double pct_start = 0.3, div_factor = 25, final_div_factor = 1e4;  // onecycle
  bool linear_anneal = false;                                       // onecycle; otherwise cosine
  double factor = 0.1, threshold = 1e-4;                            // plateau
  int64_t patience = 10, cooldown = 0;                              // plateau, in evaluations
  bool maximize = false;                                            // plateau: larger values of the metric are better
  bool absolute_threshold = false;  // plateau: `threshold` is a difference and not a ratio
  bool operator==(const ScheduleConfig&) const = default;
};

// "cosine:min=1e-5,warmup=500", "multistep:at=30epochs/60epochs,gamma=0.1". REQ errors list the schedules, or the
// settings of the one that was named, or the range of a setting.
absl::StatusOr<ScheduleConfig> ParseSchedule(absl::string_view text);
// Text that parses back: the kind and what differs from the defaults.
std::string FormatSchedule(const ScheduleConfig& config);
// One line a schedule: its text form with all settings and what it does. For --help and the documentation.
std::string DescribeSchedules();

struct RunLength {
  int64_t steps = 0;  // of the whole run
  int64_t steps_per_epoch = 1;
};

// REQ error when the schedule does not fit the run: a warm-up as long as the run, an epoch of no steps, a lower limit
// above the base rate, one cycle of less than two steps.
absl::Status CheckSchedule(const ScheduleConfig& config, double base_rate, const RunLength& run);

// What reduce-on-plateau remembers between evaluations; unused by the other kinds.
struct PlateauState {
  double rate = 0;                                         // 0: still the base rate
  double best = std::numeric_limits<double>::quiet_NaN();  // none yet
  int64_t bad = 0, cooldown = 0;
  // "rate=0.01 best=0.5 bad=2 cooldown=0", with all digits of the numbers; CKPT error for any other text.
  std::string ToText() const;
  static absl::StatusOr<PlateauState> FromText(absl::string_view text);
};

// The rate of `step`, from 0, which may lie beyond the run's end (the rate is then that of the end). The configuration
// must have passed CheckSchedule.
double LearningRate(const ScheduleConfig& config, double base_rate, int64_t step, const RunLength& run,
                    const PlateauState& plateau = {});

// Takes the metric of one evaluation; true when the rate was lowered. A value that is not a number is no improvement.
// Does nothing for the other kinds.
bool UpdatePlateau(const ScheduleConfig& config, double base_rate, double metric, PlateauState* state);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_SCHEDULE_H_
