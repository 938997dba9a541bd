// What `athanor train` says while it runs, and what it logs.
#ifndef ATHANOR_CLI_TRAIN_REPORT_H_
#define ATHANOR_CLI_TRAIN_REPORT_H_

#include <string>

#include "runtime/session/weights.h"
#include "training/logs/metrics_log.h"
#include "training/progress.h"
#include "training/trainer.h"

namespace athanor {

// " accuracy 0.9315", " bits per character 2.1040 accuracy 0.4100", or nothing where only the loss is known.
std::string MetricsText(Task task, const ClassificationMetrics& metrics);
// "epoch 1/15  train loss 0.6994 accuracy 0.7859  test loss ...". `watched`: what evaluations look at, "validation" or "test".
std::string ReportText(Task task, const std::string& watched, const ReportEvent& report);

// Steps and reports as a progress bar and lines, and as numbers in the run's logs.
class TrainReporter : public TrainListener {
 public:
  // Both are borrowed. Steps that are multiples of `log_every` are logged.
  TrainReporter(Task task, const std::string& watched, Progress* progress, MetricsLog* log, int64_t log_every)
      : task_(task), watched_(watched), progress_(progress), log_(log), log_every_(log_every) {}
  void OnStep(const StepEvent& e) override;
  void OnReport(const ReportEvent& e) override;
  void OnNote(const std::string& text) override;
  void OnCheckpoint(int64_t) override { Flush(); }
  // At each evaluation and epoch the log also gets how every parameter's elements are distributed: "weights/<name>".
  // Borrowed.
  void LogHistograms(const Weights* weights) { weights_ = weights; }

  // A log that cannot be written to does not end the run: it is told once.
  void Flush();

 private:
  Task task_;
  std::string watched_;
  Progress* progress_;
  MetricsLog* log_;
  int64_t log_every_;
  void Histograms(int64_t step);

  const Weights* weights_ = nullptr;
  NamedNumbers tested_;  // of the last evaluation
  bool failed_ = false;
};

}  // namespace athanor

#endif  // ATHANOR_CLI_TRAIN_REPORT_H_
