// The line that shows how far a training run is: a bar that redraws itself on a terminal, plain lines in a pipe.
#ifndef ATHANOR_TRAINING_PROGRESS_H_
#define ATHANOR_TRAINING_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "runtime/core/status.h"

namespace athanor {

enum class ProgressMode { kAuto, kBar, kPlain, kJson, kNone };
// "auto", "bar", "plain", "json", "none"; REQ error otherwise.
absl::StatusOr<ProgressMode> ParseProgressMode(const std::string& name);

struct StepReport {
  int64_t epoch = 0, epochs = 0;  // from 1
  int64_t step = 0, steps = 0;    // of this epoch, from 1
  double loss = 0, accuracy = 0;  // running means of the epoch
  double samples_per_second = 0;
  double seconds_left = 0;  // of the whole run
};

// At most 10 redraws a second on a terminal; otherwise a line at most each two seconds and at the end of an epoch. A
// stream that can no longer be written to does not disturb the run.
class Progress {
 public:
  // `out` is borrowed. kAuto: a bar if `out` is a terminal, plain lines if not.
  Progress(std::FILE* out, ProgressMode mode);
  void Step(const StepReport& report);
  // Writes a line of its own, above the bar.
  void Line(const std::string& text);
  // Removes the bar.
  void Finish();
  ProgressMode mode() const { return mode_; }

 private:
  using Clock = std::chrono::steady_clock;
  void DrawBar(const StepReport& report);
  std::FILE* out_;
  ProgressMode mode_;
  bool color_;
  bool bar_shown_ = false;
  Clock::time_point last_{};
};

// "3:07", "1:02:03"
std::string FormatDuration(double seconds);
// The report as plain text, without a line end.
std::string FormatStep(const StepReport& report);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_PROGRESS_H_
