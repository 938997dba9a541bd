// What is measured of predictions, on the host, in double.
#ifndef ATHANOR_TRAINING_METRICS_H_
#define ATHANOR_TRAINING_METRICS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace athanor {

// Whether a smaller or a larger value is better.
enum class MetricMode { kMin, kMax };
// kMax for names that hold accuracy, top, precision, recall, f1 or match; kMin for all others (loss, perplexity, bits).
MetricMode ModeOfMetric(absl::string_view name);

// How often class `truth` was taken for class `predicted`, and what follows from it for each class.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int64_t classes = 0) : classes_(classes), counts_(classes * classes, 0) {}
  // Both in [0, classes).
  void Add(int64_t truth, int64_t predicted) { ++counts_[truth * classes_ + predicted]; }

  int64_t classes() const { return classes_; }
  int64_t at(int64_t truth, int64_t predicted) const { return counts_[truth * classes_ + predicted]; }
  int64_t total() const;
  int64_t support(int64_t truth) const;          // samples of the class
  int64_t predictions(int64_t predicted) const;  // samples taken for the class
  double accuracy() const;

  // What is undefined (a class without samples or without predictions) is 0, as in scikit-learn.
  struct Scores {
    double precision = 0, recall = 0, f1 = 0;
  };
  Scores of_class(int64_t c) const;
  Scores macro() const;     // mean over all classes
  Scores weighted() const;  // mean weighted by support
  Scores micro() const;     // from the sums over classes; with one label a sample all three are the accuracy

  // The matrix, rows being the truth. `names` may be empty: classes are then numbers.
  std::string MatrixText(const std::vector<std::string>& names) const;
  // Precision, recall, F1 and support of each class, and the averages.
  std::string ReportText(const std::vector<std::string>& names) const;
  // "truth,<class>,<class>...": a line a class. Names are quoted where they must be.
  std::string MatrixCsv(const std::vector<std::string>& names) const;
  // "class,precision,recall,f1,support", then the lines macro, weighted and micro.
  std::string ReportCsv(const std::vector<std::string>& names) const;

 private:
  int64_t classes_;
  std::vector<int64_t> counts_;
};

// A class's name for a terminal: control characters by their numbers, and no more than 40 characters.
std::string DisplayName(absl::string_view name);

struct MetricsOptions {
  int64_t top_k = 5;
  bool confusion = false;
  // Cross-entropy is computed from the logits. False where the plan computes the loss anyway: AddLoss then takes it.
  bool loss_from_logits = true;
};

// Running sums over batches of logits. A sample is a row: an image, or one character of a text.
class ClassificationMetrics {
 public:
  explicit ClassificationMetrics(const MetricsOptions& options = {}) : options_(options) {}

  // `logits` is row-major [rows, classes] with rows >= labels.size(); further rows are padding and are not looked at.
  // Labels are below `classes`; rows whose label is negative are not counted.
  void Add(absl::Span<const float> logits, int64_t classes, absl::Span<const int32_t> labels);
  // Soft labels: `targets` is row-major [rows, classes] with a distribution a row. The likeliest target is the label
  // for everything but the loss.
  void AddSoft(absl::Span<const float> logits, int64_t classes, absl::Span<const float> targets);
  // The mean loss over `count` samples, computed elsewhere.
  void AddLoss(double mean_loss, int64_t count);
  void Reset() { *this = ClassificationMetrics(options_); }

  int64_t samples() const { return samples_; }
  int64_t correct() const { return correct_; }
  // All are 0 before the first sample. Of equal logits the first class wins; a row with NaN is never right.
  double accuracy() const { return samples_ > 0 ? static_cast<double>(correct_) / samples_ : 0; }
  // Share of samples whose label is among the k = options.top_k largest logits.
  double top_k_accuracy() const { return samples_ > 0 ? static_cast<double>(in_top_k_) / samples_ : 0; }
  // Mean cross-entropy, natural logarithm.
  double loss() const { return loss_count_ > 0 ? loss_sum_ / loss_count_ : 0; }
  // Of language models: e^loss, and the loss in bits (per character where a token is one).
  double perplexity() const;
  double bits() const;
  // Empty unless options.confusion.
  const ConfusionMatrix& confusion() const { return confusion_; }

 private:
  void AddRow(absl::Span<const float> row, int64_t label);
  MetricsOptions options_;
  ConfusionMatrix confusion_;
  int64_t samples_ = 0, correct_ = 0, in_top_k_ = 0, loss_count_ = 0;
  double loss_sum_ = 0;
};

// Index of the largest element; the first of equals.
int64_t ArgMax(absl::Span<const float> values);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_METRICS_H_
