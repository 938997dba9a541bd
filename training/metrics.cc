#include "training/metrics.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/status.h"

namespace athanor {

int64_t ArgMax(absl::Span<const float> values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

void ClassificationMetrics::Add(absl::Span<const float> logits, int64_t classes, absl::Span<const int32_t> labels) {
  ATH_CHECK(static_cast<int64_t>(logits.size()) >= classes * static_cast<int64_t>(labels.size()));
  for (size_t i = 0; i < labels.size(); ++i) {
    absl::Span<const float> row = logits.subspan(i * classes, classes);
    int64_t best = ArgMax(row);
    double sum = 0;
    for (float v : row) sum += std::exp(static_cast<double>(v) - row[best]);
    loss_sum_ += std::log(sum) + row[best] - row[labels[i]];
    correct_ += best == labels[i];
    ++samples_;
  }
}

}  // namespace athanor
