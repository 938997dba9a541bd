// The learning-rate range test (Smith 2015, 2018): the rate grows from step to step, and the loss tells which rates are
// too small, right, and too large.
#ifndef ATHANOR_TRAINING_LR_RANGE_H_
#define ATHANOR_TRAINING_LR_RANGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/core/status.h"
#include "training/chart.h"

namespace athanor {

struct LrRangeConfig {
  double min_lr = 1e-7, max_lr = 10;
  int64_t steps = 200;
  // Of the exponential moving average of the loss: what is kept from step to step.
  double smooth = 0.9;
  // The sweep ends when the average is so many times its least value so far.
  double divergence = 4;
};

struct LrRangePoint {
  double lr = 0, loss = 0;
  // Moving average up to this step, as the sweep knew it.
  double average = 0;
  // The loss, averaged over the steps before and behind: without the lag of a moving average.
  double smoothed = 0;
};

enum class LrRangeEnd { kRunning, kAllSteps, kDiverged, kNotFinite };

struct LrSuggestion {
  // What the curve has; false if the loss falls nowhere by more than it wavers, the rates then mean nothing.
  bool found = false;
  double steepest = 0;       // where the smoothed loss falls fastest over the logarithm of the rate
  double minimum = 0;        // where it is least
  double minimum_tenth = 0;  // a tenth of that
  std::string note;          // what to look at; empty if nothing
};

// Drives a sweep: take next_lr(), make a step with it, Add its loss, until done().
class LrRangeTest {
 public:
  // REQ error for rates that are not 0 < min_lr < max_lr, fewer than 10 steps, smooth outside [0,1), divergence <= 1.
  static absl::StatusOr<LrRangeTest> Create(const LrRangeConfig& config);

  double next_lr() const;
  // The loss of the step at next_lr(), before its update. A loss that is not finite ends the sweep and is no point.
  void Add(double loss);
  bool done() const { return end_ != LrRangeEnd::kRunning; }
  LrRangeEnd end() const { return end_; }
  // With `smoothed` filled in.
  std::vector<LrRangePoint> Points() const;

 private:
  explicit LrRangeTest(const LrRangeConfig& config) : config_(config) {}
  LrRangeConfig config_;
  LrRangeEnd end_ = LrRangeEnd::kRunning;
  std::vector<LrRangePoint> points_;
  double sum_ = 0, weight_ = 0, best_ = 0;
};

// Looks at the points whose `smoothed` is filled in. The first tenth of the curve, where the average still finds its
// value, is not looked at for the steepest place; nor is what lies behind the minimum.
LrSuggestion SuggestLearningRate(const std::vector<LrRangePoint>& points, LrRangeEnd end);

// Loss over rate with the suggestions marked. The axis of the loss ends where divergence begins to hide the rest.
Chart LrRangeChart(const std::string& title, const std::vector<LrRangePoint>& points, const LrSuggestion& suggestion);
// "lr,loss,smoothed" and a line a step.
std::string LrRangeCsv(const std::vector<LrRangePoint>& points);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_LR_RANGE_H_
