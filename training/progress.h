// The line that shows how far a training run is: a bar that redraws itself on a terminal, plain lines in a pipe.
#ifndef ATHANOR_TRAINING_PROGRESS_H_
#define ATHANOR_TRAINING_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/status.h"

namespace athanor {

// kJson: an object a line. Reports of steps have the keys epoch, epochs, step, steps, loss, ...; other lines "message".
enum class ProgressMode { kAuto, kBar, kPlain, kJson, kNone };
// "auto", "bar", "plain", "json", "none"; REQ error otherwise.
absl::StatusOr<ProgressMode> ParseProgressMode(const std::string& name);

using NamedNumbers = std::vector<std::pair<std::string, double>>;

// A number that is NaN is not shown (JSON: null).
struct StepReport {
  int64_t epoch = 0, epochs = 0;  // from 1
  int64_t step = 0, steps = 0;    // of this epoch, from 1
  double loss = 0;                // running means of the epoch
  double accuracy = std::numeric_limits<double>::quiet_NaN();
  double samples_per_second = 0;  // see RateMeter
  double seconds_left = 0;        // of the whole run
  double lr = std::numeric_limits<double>::quiet_NaN();
  double waiting =
      std::numeric_limits<double>::quiet_NaN();  // share of the time that was spent waiting for data, 0 to 1
  std::string unit = "samples";                  // what samples_per_second counts: images, tokens, ...
  NamedNumbers extra = {};                       // such as {"val_loss", 0.1}
};

// At most 10 redraws a second on a terminal; otherwise a line at most each two seconds and at the end of an epoch. The
// bar fits the terminal, also after its size changed: what is less important is left out. Colours only on a terminal,
// and not where the variable NO_COLOR is set. A stream that can no longer be written to does not disturb the run (as
// long as SIGPIPE is ignored).
class Progress {
 public:
  // `out` is borrowed. kAuto: a bar if `out` is a terminal that can move its cursor, plain lines if not.
  Progress(std::FILE* out, ProgressMode mode);
  void Step(const StepReport& report);
  // Writes a line of its own, above the bar. The numbers, which the text is expected to tell too, are for JSON.
  void Line(const std::string& text, const NamedNumbers& numbers = {});
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

// A rate that forgets: what was `memory` seconds ago counts 1/e of what is now. Steady rates come out exactly, and a
// pause of the machine is soon forgotten.
class RateMeter {
 public:
  explicit RateMeter(double memory = 10) : memory_(memory) {}
  // `count` samples took `seconds`.
  void Add(double count, double seconds);
  double rate() const { return seconds_ > 0 ? count_ / seconds_ : 0; }  // a second

 private:
  double memory_, count_ = 0, seconds_ = 0;
};

// "3:07", "1:02:03"
std::string FormatDuration(double seconds);
// The report as plain text of at most `width` characters, without a line end: what is less important is left out first.
std::string FormatStep(const StepReport& report, int width = std::numeric_limits<int>::max());

}  // namespace athanor

#endif  // ATHANOR_TRAINING_PROGRESS_H_
