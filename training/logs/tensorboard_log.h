// events.out.tfevents.<time>.<host>.<pid>: what TensorBoard reads from a run's folder.
#ifndef ATHANOR_TRAINING_LOGS_TENSORBOARD_LOG_H_
#define ATHANOR_TRAINING_LOGS_TENSORBOARD_LOG_H_

#include <memory>
#include <optional>
#include <string>

#include "training/logs/append_file.h"
#include "training/logs/metrics_log.h"

namespace athanor {

class TensorBoardLog : public MetricsLog {
 public:
  // A new file in `folder`, whose name sorts behind those there. A resumed run begins it with a note that makes
  // TensorBoard drop what earlier files have of later steps; a new run removes the earlier files.
  static absl::StatusOr<std::unique_ptr<TensorBoardLog>> Open(const std::string& folder,
                                                              std::optional<int64_t> resumed_step);
  void Scalar(absl::string_view tag, int64_t step, double value) override;
  void Histogram(absl::string_view tag, int64_t step, absl::Span<const float> values) override;
  absl::Status Flush() override;
  const std::string& path() const { return file_.path(); }

 private:
  explicit TensorBoardLog(AppendFile file) : file_(std::move(file)) {}
  AppendFile file_;
  std::string records_;
};

}  // namespace athanor

#endif  // ATHANOR_TRAINING_LOGS_TENSORBOARD_LOG_H_
