#include "cli/train_report.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace athanor {

std::string MetricsText(Task task, const ClassificationMetrics& metrics) {
  switch (task) {
    case Task::kRegression: return "";
    case Task::kLanguage:
      return absl::StrFormat(" bits per character %.4f accuracy %.4f", metrics.bits(), metrics.accuracy());
    default: return absl::StrFormat(" accuracy %.4f", metrics.accuracy());
  }
}

std::string ReportText(Task task, const std::string& watched, const ReportEvent& r) {
  std::string text = absl::StrFormat("epoch %d/%d  ", r.epoch, r.epochs);
  if (!r.epoch_end) absl::StrAppend(&text, "step ", r.step, "  ");
  absl::StrAppendFormat(&text, "train loss %.4f", r.train_loss);
  if (r.has_accuracy) absl::StrAppendFormat(&text, " accuracy %.4f", r.train_accuracy);
  if (r.validation) {
    absl::StrAppendFormat(&text, "  %s loss %.4f%s", watched, r.validation->loss(), MetricsText(task, *r.validation));
  }
  absl::StrAppendFormat(&text, "  %.2f s (%.0f%% waiting for data)", r.seconds,
                        100 * r.seconds_waited / std::max(1e-9, r.seconds));
  return text;
}

void TrainReporter::OnStep(const StepEvent& e) {
  StepReport report;
  report.epoch = e.epoch;
  report.epochs = e.epochs;
  report.step = e.epoch_step;
  report.steps = e.steps_per_epoch;
  report.loss = e.mean_loss;
  if (task_ != Task::kRegression) report.accuracy = e.mean_accuracy;
  report.samples_per_second = e.samples_per_second;
  report.seconds_left = e.seconds_left;
  report.lr = e.learning_rate;
  report.waiting = e.waited;
  report.extra = tested_;
  progress_->Step(report);
  if (e.step % log_every_ != 0) return;
  log_->Scalar("train/loss", e.step, e.loss);
  log_->Scalar("train/lr", e.step, e.learning_rate);
  if (e.grad_norm >= 0) log_->Scalar("train/grad_norm", e.step, e.grad_norm);
}

void TrainReporter::OnReport(const ReportEvent& r) {
  NamedNumbers numbers = {{"epoch", r.epoch}, {"step", r.step}, {"train_loss", r.train_loss}};
  if (r.has_accuracy) numbers.emplace_back("train_accuracy", r.train_accuracy);
  if (r.validation) {
    numbers.emplace_back(watched_ + "_loss", r.validation->loss());
    log_->Scalar(watched_ + "/loss", r.step, r.validation->loss());
    if (r.has_accuracy) {
      numbers.emplace_back(watched_ + "_accuracy", r.validation->accuracy());
      log_->Scalar(watched_ + "/accuracy", r.step, r.validation->accuracy());
    }
    if (task_ == Task::kLanguage) log_->Scalar(watched_ + "/bits_per_character", r.step, r.validation->bits());
    tested_ = {{watched_ + "_loss", r.validation->loss()}};
    if (r.has_accuracy) tested_.emplace_back(watched_ + "_accuracy", r.validation->accuracy());
  }
  if (r.epoch_end) {
    log_->Scalar("epoch/loss", r.step, r.train_loss);
    if (r.has_accuracy) log_->Scalar("epoch/accuracy", r.step, r.train_accuracy);
  }
  if (weights_ != nullptr) Histograms(r.step);
  progress_->Line(ReportText(task_, watched_, r), numbers);
}

void TrainReporter::Histograms(int64_t step) {
  for (const Variable& v : weights_->plan().variables) {
    if (v.kind != VariableKind::kParameter || v.desc.dtype != DType::kF32) continue;
    absl::StatusOr<Tensor> values = weights_->Get(v.name);
    if (values.ok()) log_->Histogram(absl::StrCat("weights/", v.name), step, values->as<float>());
  }
}

void TrainReporter::OnNote(const std::string& text) {
  if (progress_->mode() != ProgressMode::kNone) return progress_->Line(text);
  std::fprintf(stderr, "%s\n", text.c_str());  // without progress, what goes wrong is still told
}

void TrainReporter::Flush() {
  absl::Status flushed = log_->Flush();
  if (flushed.ok() || failed_) return;
  failed_ = true;
  OnNote(absl::StrCat("warning: ", flushed.message()));
}

}  // namespace athanor
