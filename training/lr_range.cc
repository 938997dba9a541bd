#include "training/lr_range.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace athanor {
namespace {

// One pass of a moving average, whose first values are not drawn towards 0.
void Average(double keep, std::vector<double>::iterator begin, std::vector<double>::iterator end) {
  double sum = 0, weight = 0;
  for (; begin != end; ++begin) {
    sum = keep * sum + (1 - keep) * *begin;
    weight = keep * weight + (1 - keep);
    *begin = sum / weight;
  }
}

// Mean of an average that runs forward and one that runs backward: no lag, and both ends keep to the values there.
// Losses as far above the first average as the least one is below it count as that much: the last ones, which blow up,
// would otherwise show in the average long before.
std::vector<double> Smoothed(double keep, const std::vector<LrRangePoint>& points) {
  const size_t tenth = points.size() / 10;
  double first = 0, least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < points.size(); ++i) {
    if (i <= tenth) first = points[i].average;
    least = std::min(least, points[i].average);
  }
  const double cap = first > least ? 2 * first - least : std::numeric_limits<double>::infinity();
  std::vector<double> forward;
  for (const LrRangePoint& p : points) forward.push_back(std::min(p.loss, cap));
  std::vector<double> backward(forward.rbegin(), forward.rend());
  Average(keep, forward.begin(), forward.end());
  Average(keep, backward.begin(), backward.end());
  for (size_t i = 0; i < forward.size(); ++i) forward[i] = (forward[i] + backward[forward.size() - 1 - i]) / 2;
  return forward;
}

// How much the loss changes from step to step by the choice of the batch, as a root mean square.
double Wavering(const std::vector<LrRangePoint>& points, size_t count) {
  double sum = 0;
  for (size_t i = 1; i < count; ++i)
    sum += (points[i].loss - points[i - 1].loss) * (points[i].loss - points[i - 1].loss);
  return std::sqrt(sum / static_cast<double>(2 * std::max<size_t>(1, count - 1)));
}

}  // namespace

absl::StatusOr<LrRangeTest> LrRangeTest::Create(const LrRangeConfig& c) {
  if (!(c.min_lr > 0) || !(c.min_lr < c.max_lr) || !std::isfinite(c.max_lr)) {
    return MakeError(ErrorClass::kReq, "learning rates from %g to %g: the first must be above 0 and below the second",
                     c.min_lr, c.max_lr);
  }
  if (c.steps < 10) return MakeError(ErrorClass::kReq, "steps = %d: a range test needs 10 at least", c.steps);
  if (!(c.smooth >= 0 && c.smooth < 1)) return MakeError(ErrorClass::kReq, "smooth = %g is not in [0, 1)", c.smooth);
  if (!(c.divergence > 1)) return MakeError(ErrorClass::kReq, "divergence = %g is not above 1", c.divergence);
  return LrRangeTest(c);
}

double LrRangeTest::next_lr() const {
  const double t = static_cast<double>(points_.size()) / static_cast<double>(config_.steps - 1);
  return config_.min_lr * std::pow(config_.max_lr / config_.min_lr, std::min(1.0, t));
}

void LrRangeTest::Add(double loss) {
  if (done()) return;
  if (!std::isfinite(loss)) {
    end_ = LrRangeEnd::kNotFinite;
    return;
  }
  sum_ = config_.smooth * sum_ + (1 - config_.smooth) * loss;
  weight_ = config_.smooth * weight_ + (1 - config_.smooth);
  const double average = sum_ / weight_;
  points_.push_back({next_lr(), loss, average, 0});
  best_ = points_.size() == 1 ? average : std::min(best_, average);
  if (static_cast<int64_t>(points_.size()) == config_.steps) end_ = LrRangeEnd::kAllSteps;
  // Of losses that may be negative or 0 a multiple says nothing: they have all steps.
  if (best_ > 0 && average > config_.divergence * best_) end_ = LrRangeEnd::kDiverged;
}

std::vector<LrRangePoint> LrRangeTest::Points() const {
  std::vector<LrRangePoint> points = points_;
  const std::vector<double> smoothed = Smoothed(config_.smooth, points);
  for (size_t i = 0; i < points.size(); ++i) points[i].smoothed = smoothed[i];
  return points;
}

LrSuggestion SuggestLearningRate(const std::vector<LrRangePoint>& points, LrRangeEnd end) {
  LrSuggestion s;
  const size_t begin = points.size() / 10;
  if (points.size() < 10) {
    s.note = "the loss diverged at once: lower --min-lr";
    return s;
  }
  auto less = [](const LrRangePoint& a, const LrRangePoint& b) { return a.smoothed < b.smoothed; };
  const size_t minimum = std::min_element(points.begin() + begin, points.end(), less) - points.begin();
  double steepest = 0;
  for (size_t i = std::max<size_t>(1, begin); i + 1 < points.size() && i <= minimum; ++i) {
    const double slope =
        (points[i + 1].smoothed - points[i - 1].smoothed) / std::log(points[i + 1].lr / points[i - 1].lr);
    if (slope < steepest) steepest = slope, s.steepest = points[i].lr;
  }
  s.minimum = points[minimum].lr;
  s.minimum_tenth = s.minimum / 10;
  const double fall = points[begin].smoothed - points[minimum].smoothed;
  s.found = steepest < 0 && fall > 2 * Wavering(points, minimum);
  if (!s.found) {
    s.note =
        "the loss falls nowhere by more than it wavers: more --steps, a larger batch or another range may show more";
  } else if (end == LrRangeEnd::kAllSteps && minimum + 1 >= points.size() - points.size() / 20) {
    s.note = "the loss was still falling at the largest rate: raise --max-lr";
  }
  return s;
}

Chart LrRangeChart(const std::string& title, const std::vector<LrRangePoint>& points, const LrSuggestion& suggestion) {
  Chart chart;
  chart.title = title;
  chart.x_label = "learning rate";
  chart.y_label = "loss";
  chart.log_x = true;
  ChartSeries loss{"loss", {}, SeriesStyle::kPoints}, smoothed{"smoothed", {}, SeriesStyle::kLine};
  double least = 0, first = 0;
  for (const LrRangePoint& p : points) {
    if (smoothed.points.empty()) least = first = p.smoothed;
    least = std::min(least, p.smoothed);
    loss.points.push_back({p.lr, p.loss});
    smoothed.points.push_back({p.lr, p.smoothed});
  }
  chart.series = {loss, smoothed};
  if (first > least) chart.y_max = first + (first - least) * 0.5;
  if (suggestion.found) {
    chart.marks = {{suggestion.steepest, absl::StrFormat("steepest %.2g", suggestion.steepest)},
                   {suggestion.minimum_tenth, absl::StrFormat("minimum/10 %.2g", suggestion.minimum_tenth)}};
  }
  return chart;
}

std::string LrRangeCsv(const std::vector<LrRangePoint>& points) {
  std::string csv = "lr,loss,smoothed\n";
  for (const LrRangePoint& p : points) absl::StrAppendFormat(&csv, "%.9g,%.9g,%.9g\n", p.lr, p.loss, p.smoothed);
  return csv;
}

}  // namespace athanor
