// metrics.jsonl: an object a line: {"step":100,"time":1700000000.123,"train_loss":0.5,...}. A value that is not finite
// is null. A histogram is {"count":..,"not_finite":..,"min":..,"max":..,"mean":..,"std":..}.
#ifndef ATHANOR_TRAINING_LOGS_JSONL_LOG_H_
#define ATHANOR_TRAINING_LOGS_JSONL_LOG_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "training/logs/append_file.h"
#include "training/logs/metrics_log.h"

namespace athanor {

class JsonlLog : public MetricsLog {
 public:
  // With `resumed_step` lines of later steps and a torn last line are dropped; FORMAT error if the file is no such log.
  static absl::StatusOr<std::unique_ptr<JsonlLog>> Open(const std::string& path, std::optional<int64_t> resumed_step);
  void Scalar(absl::string_view tag, int64_t step, double value) override;
  void Histogram(absl::string_view tag, int64_t step, absl::Span<const float> values) override;
  absl::Status Flush() override;

 private:
  explicit JsonlLog(AppendFile file) : file_(std::move(file)) {}
  // The line of `step`, without its end, with `tag` as its next key.
  std::string& LineWith(absl::string_view tag, int64_t step);
  AppendFile file_;
  std::map<int64_t, std::string> lines_;
};

}  // namespace athanor

#endif  // ATHANOR_TRAINING_LOGS_JSONL_LOG_H_
