#include "training/metrics.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "absl/strings/match.h"
#include "runtime/core/status.h"

namespace athanor {
namespace {

// log(sum(exp(row))), safe for large elements.
double LogSumExp(absl::Span<const float> row) {
  const double largest = row[ArgMax(row)];
  double sum = 0;
  for (float v : row) sum += std::exp(static_cast<double>(v) - largest);
  return std::log(sum) + largest;
}

// How many elements come before `index` in descending order, the first of equals first. NaN comes before all others, so
// that a row which holds it is not right by chance.
int64_t RankOf(absl::Span<const float> row, int64_t index) {
  const float value = row[index];
  if (std::isnan(value)) return static_cast<int64_t>(row.size());
  int64_t rank = 0;
  for (int64_t i = 0; i < index; ++i) rank += !(row[i] < value);
  for (int64_t i = index + 1; i < static_cast<int64_t>(row.size()); ++i) rank += !(row[i] <= value);
  return rank;
}

ConfusionMatrix::Scores ScoresOf(int64_t hits, int64_t predictions, int64_t support) {
  ConfusionMatrix::Scores s;
  if (predictions > 0) s.precision = static_cast<double>(hits) / predictions;
  if (support > 0) s.recall = static_cast<double>(hits) / support;
  if (predictions + support > 0) s.f1 = 2.0 * hits / (predictions + support);
  return s;
}

}  // namespace

int64_t ArgMax(absl::Span<const float> values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

MetricMode ModeOfMetric(absl::string_view name) {
  for (const char* part : {"accuracy", "top", "precision", "recall", "f1", "match"}) {
    if (absl::StrContains(name, part)) return MetricMode::kMax;
  }
  return MetricMode::kMin;
}

void ClassificationMetrics::AddRow(absl::Span<const float> row, int64_t label) {
  const int64_t rank = RankOf(row, label);
  correct_ += rank == 0;
  in_top_k_ += rank < options_.top_k;
  ++samples_;
  if (options_.confusion) {
    if (confusion_.classes() == 0) confusion_ = ConfusionMatrix(static_cast<int64_t>(row.size()));
    confusion_.Add(label, ArgMax(row));
  }
}

void ClassificationMetrics::Add(absl::Span<const float> logits, int64_t classes, absl::Span<const int32_t> labels) {
  ATH_CHECK(static_cast<int64_t>(logits.size()) >= classes * static_cast<int64_t>(labels.size()));
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    ATH_CHECK(labels[i] < classes);
    absl::Span<const float> row = logits.subspan(i * classes, classes);
    AddRow(row, labels[i]);
    if (options_.loss_from_logits) AddLoss(LogSumExp(row) - row[labels[i]], 1);
  }
}

void ClassificationMetrics::AddSoft(absl::Span<const float> logits, int64_t classes, absl::Span<const float> targets) {
  ATH_CHECK(classes > 0 && targets.size() % classes == 0 && logits.size() >= targets.size());
  for (size_t at = 0; at < targets.size(); at += classes) {
    absl::Span<const float> row = logits.subspan(at, classes), target = targets.subspan(at, classes);
    AddRow(row, ArgMax(target));
    if (!options_.loss_from_logits) continue;
    const double log_sum = LogSumExp(row);
    double loss = 0;
    for (int64_t c = 0; c < classes; ++c) {
      if (target[c] != 0) loss += target[c] * (log_sum - row[c]);
    }
    AddLoss(loss, 1);
  }
}

void ClassificationMetrics::AddLoss(double mean_loss, int64_t count) {
  loss_sum_ += mean_loss * static_cast<double>(count);
  loss_count_ += count;
}

double ClassificationMetrics::perplexity() const { return loss_count_ > 0 ? std::exp(loss()) : 0; }
double ClassificationMetrics::bits() const { return loss() / std::numbers::ln2; }

int64_t ConfusionMatrix::total() const {
  int64_t sum = 0;
  for (int64_t n : counts_) sum += n;
  return sum;
}

int64_t ConfusionMatrix::support(int64_t truth) const {
  int64_t sum = 0;
  for (int64_t p = 0; p < classes_; ++p) sum += at(truth, p);
  return sum;
}

int64_t ConfusionMatrix::predictions(int64_t predicted) const {
  int64_t sum = 0;
  for (int64_t t = 0; t < classes_; ++t) sum += at(t, predicted);
  return sum;
}

double ConfusionMatrix::accuracy() const { return micro().recall; }

ConfusionMatrix::Scores ConfusionMatrix::of_class(int64_t c) const {
  return ScoresOf(at(c, c), predictions(c), support(c));
}

ConfusionMatrix::Scores ConfusionMatrix::macro() const {
  Scores sum;
  for (int64_t c = 0; c < classes_; ++c) {
    const Scores s = of_class(c);
    sum.precision += s.precision / static_cast<double>(classes_);
    sum.recall += s.recall / static_cast<double>(classes_);
    sum.f1 += s.f1 / static_cast<double>(classes_);
  }
  return sum;
}

ConfusionMatrix::Scores ConfusionMatrix::weighted() const {
  Scores sum;
  const double all = static_cast<double>(std::max<int64_t>(1, total()));
  for (int64_t c = 0; c < classes_; ++c) {
    const Scores s = of_class(c);
    const double weight = static_cast<double>(support(c)) / all;
    sum.precision += s.precision * weight;
    sum.recall += s.recall * weight;
    sum.f1 += s.f1 * weight;
  }
  return sum;
}

ConfusionMatrix::Scores ConfusionMatrix::micro() const {
  int64_t hits = 0;
  for (int64_t c = 0; c < classes_; ++c) hits += at(c, c);
  return ScoresOf(hits, total(), total());
}

}  // namespace athanor
