// metrics.csv: "step,<tag>,<tag>...", a row for each step that has values. Histograms are not in it.
#ifndef ATHANOR_TRAINING_LOGS_CSV_LOG_H_
#define ATHANOR_TRAINING_LOGS_CSV_LOG_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "training/logs/append_file.h"
#include "training/logs/metrics_log.h"

namespace athanor {

// A tag that was not there before becomes a further column: the file is then written anew, old or new, with an empty
// cell in the rows before.
class CsvLog : public MetricsLog {
 public:
  // With `resumed_step` rows of later steps and a torn last row are dropped; FORMAT error if the file is no such log.
  static absl::StatusOr<std::unique_ptr<CsvLog>> Open(const std::string& path, std::optional<int64_t> resumed_step);
  void Scalar(absl::string_view tag, int64_t step, double value) override;
  void Histogram(absl::string_view, int64_t, absl::Span<const float>) override {}
  absl::Status Flush() override;

 private:
  explicit CsvLog(AppendFile file) : file_(std::move(file)) {}
  absl::Status AddColumns();
  AppendFile file_;
  std::vector<std::string> columns_;                  // tags, in the order of the file
  size_t written_columns_ = 0;                        // of those, the ones that the file's head has
  std::map<int64_t, std::map<size_t, double>> rows_;  // step -> column -> value
};

}  // namespace athanor

#endif  // ATHANOR_TRAINING_LOGS_CSV_LOG_H_
