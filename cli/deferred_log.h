// Logs of a new run, which take the place of a former run's only once there is something to keep.
#ifndef ATHANOR_CLI_DEFERRED_LOG_H_
#define ATHANOR_CLI_DEFERRED_LOG_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "training/logs/metrics_log.h"

namespace athanor {

// Values wait in memory until the first Flush, which opens the log behind.
class DeferredLog : public MetricsLog {
 public:
  using Opener = std::function<absl::StatusOr<std::unique_ptr<MetricsLog>>()>;
  explicit DeferredLog(Opener open) : open_(std::move(open)) {}

  void Scalar(absl::string_view tag, int64_t step, double value) override {
    Do([tag = std::string(tag), step, value](MetricsLog& log) { log.Scalar(tag, step, value); });
  }
  void Histogram(absl::string_view tag, int64_t step, absl::Span<const float> values) override {
    if (log_ != nullptr) return log_->Histogram(tag, step, values);
    Do([tag = std::string(tag), step, copy = std::vector<float>(values.begin(), values.end())](MetricsLog& log) {
      log.Histogram(tag, step, copy);
    });
  }
  // The errors of the opener, too.
  absl::Status Flush() override {
    if (log_ == nullptr) {
      ATH_ASSIGN_OR_RETURN(log_, open_());
      for (const auto& f : std::exchange(waiting_, {})) f(*log_);
    }
    return log_->Flush();
  }
  bool opened() const { return log_ != nullptr; }

 private:
  void Do(std::function<void(MetricsLog&)> f) {
    if (log_ != nullptr) return f(*log_);
    waiting_.push_back(std::move(f));
  }

  Opener open_;
  std::unique_ptr<MetricsLog> log_;
  std::vector<std::function<void(MetricsLog&)>> waiting_;
};

}  // namespace athanor

#endif  // ATHANOR_CLI_DEFERRED_LOG_H_
