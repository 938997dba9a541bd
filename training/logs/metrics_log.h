// Where a run's numbers go besides the screen: metrics.csv, metrics.jsonl and TensorBoard event files in its folder.
#ifndef ATHANOR_TRAINING_LOGS_METRICS_LOG_H_
#define ATHANOR_TRAINING_LOGS_METRICS_LOG_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/core/status.h"

namespace athanor {

// Values wait in memory until Flush writes them as whole lines or records, in one append. A process killed at any
// moment thus leaves a file without halves (what a full disk cuts off is removed again). Flush after all values of a
// step, and before the checkpoint of that step is written: a resumed run keeps the values up to its checkpoint's step,
// drops later ones, and writes each of those again. One thread.
class MetricsLog {
 public:
  virtual ~MetricsLog() = default;
  virtual void Scalar(absl::string_view tag, int64_t step, double value) = 0;
  // How `values` are distributed. What is not finite is counted apart, or left out where the format cannot say it.
  virtual void Histogram(absl::string_view tag, int64_t step, absl::Span<const float> values) = 0;
  // PATH error with the system's error text; the values are then gone.
  virtual absl::Status Flush() = 0;
};

// The logs of `formats`, a list such as "csv,jsonl,tensorboard", as one. "" or "none": a log that keeps nothing. The
// folder must exist. `resumed_step`: steps done when the run resumes; without it files of a former run are replaced
// (those of TensorBoard removed). REQ error that lists the formats; PATH and FORMAT errors that name the file.
absl::StatusOr<std::unique_ptr<MetricsLog>> OpenMetricsLogs(const std::string& folder, absl::string_view formats,
                                                            std::optional<int64_t> resumed_step);
// The names that OpenMetricsLogs takes, checked without opening anything.
absl::Status CheckLogFormats(absl::string_view formats);

// What a histogram is told by where there is no room for more.
struct Moments {
  int64_t count = 0, not_finite = 0;  // count: of the finite ones
  double min = 0, max = 0, sum = 0, sum_squares = 0;
  double mean() const { return count > 0 ? sum / static_cast<double>(count) : 0; }
  double deviation() const;  // of the population
};
Moments MomentsOf(absl::Span<const float> values);

// The shortest text that reads back as the same double: "0.1", "1e-07", "nan", "inf".
std::string ShortestNumber(double value);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_LOGS_METRICS_LOG_H_
