#include "training/logs/metrics_log.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "training/logs/csv_log.h"
#include "training/logs/jsonl_log.h"
#include "training/logs/tensorboard_log.h"

namespace athanor {
namespace {

// Several logs as one.
class Logs : public MetricsLog {
 public:
  void Scalar(absl::string_view tag, int64_t step, double value) override {
    for (auto& log : logs) log->Scalar(tag, step, value);
  }
  void Histogram(absl::string_view tag, int64_t step, absl::Span<const float> values) override {
    for (auto& log : logs) log->Histogram(tag, step, values);
  }
  absl::Status Flush() override {
    absl::Status status;
    for (auto& log : logs) status.Update(log->Flush());
    return status;
  }
  std::vector<std::unique_ptr<MetricsLog>> logs;
};

std::vector<absl::string_view> Names(absl::string_view formats) {
  std::vector<absl::string_view> names;
  for (absl::string_view name : absl::StrSplit(formats, ',', absl::SkipWhitespace())) {
    name = absl::StripAsciiWhitespace(name);
    if (name != "none" && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace

absl::Status CheckLogFormats(absl::string_view formats) {
  for (absl::string_view name : Names(formats)) {
    if (name != "csv" && name != "jsonl" && name != "tensorboard") {
      return MakeError(ErrorClass::kReq, "log \"%s\" is not one of csv, jsonl, tensorboard, none", name);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<MetricsLog>> OpenMetricsLogs(const std::string& folder, absl::string_view formats,
                                                            std::optional<int64_t> resumed_step) {
  ATH_RETURN_IF_ERROR(CheckLogFormats(formats));
  auto all = std::make_unique<Logs>();
  for (absl::string_view name : Names(formats)) {
    std::unique_ptr<MetricsLog> log;
    if (name == "csv") {
      ATH_ASSIGN_OR_RETURN(log, CsvLog::Open(absl::StrCat(folder, "/metrics.csv"), resumed_step));
    } else if (name == "jsonl") {
      ATH_ASSIGN_OR_RETURN(log, JsonlLog::Open(absl::StrCat(folder, "/metrics.jsonl"), resumed_step));
    } else {
      ATH_ASSIGN_OR_RETURN(log, TensorBoardLog::Open(folder, resumed_step));
    }
    all->logs.push_back(std::move(log));
  }
  return all;
}

double Moments::deviation() const {
  return count > 0 ? std::sqrt(std::max(0.0, sum_squares / static_cast<double>(count) - mean() * mean())) : 0;
}

Moments MomentsOf(absl::Span<const float> values) {
  Moments m;
  for (float v : values) {
    if (!std::isfinite(v)) {
      ++m.not_finite;
      continue;
    }
    m.min = m.count == 0 ? v : std::min<double>(m.min, v);
    m.max = m.count == 0 ? v : std::max<double>(m.max, v);
    m.sum += v;
    m.sum_squares += static_cast<double>(v) * v;
    ++m.count;
  }
  return m;
}

std::string ShortestNumber(double value) {
  if (std::isnan(value)) return "nan";
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end.ptr);
}

}  // namespace athanor
