// What is measured of predictions, on the host, in double.
#ifndef ATHANOR_TRAINING_METRICS_H_
#define ATHANOR_TRAINING_METRICS_H_

#include <cstdint>

#include "absl/types/span.h"

namespace athanor {

// Running sums over batches of logits: mean cross-entropy (natural logarithm) and accuracy.
class ClassificationMetrics {
 public:
  // `logits` is row-major [rows, classes] with rows >= labels.size(); further rows are padding and are not looked at.
  // Labels are in [0, classes).
  void Add(absl::Span<const float> logits, int64_t classes, absl::Span<const int32_t> labels);
  void Reset() { *this = ClassificationMetrics(); }

  int64_t samples() const { return samples_; }
  int64_t correct() const { return correct_; }
  double accuracy() const { return samples_ > 0 ? static_cast<double>(correct_) / samples_ : 0; }
  double loss() const { return samples_ > 0 ? loss_sum_ / samples_ : 0; }

 private:
  int64_t samples_ = 0, correct_ = 0;
  double loss_sum_ = 0;
};

// Index of the largest element; the first of equals.
int64_t ArgMax(absl::Span<const float> values);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_METRICS_H_
