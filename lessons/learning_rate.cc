// Lesson 5: a learning rate too small, right and too large, and how the range test finds a right one.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "data/sampler.h"
#include "lessons/learner.h"

namespace athanor {
namespace {

constexpr int64_t kBatch = 50;
const MlpSpec kNetwork{.hidden = {100, 100}};

struct RangeTest {
  std::vector<double> rates, losses;  // losses smoothed
  double lowest = 0, suggested = 0;   // rates: where the loss is least, and where it falls fastest
};

// Raises the rate by a constant factor after each step, until the smoothed loss is four times its least.
absl::StatusOr<RangeTest> Sweep(const Samples& train, double from, double to, int steps) {
  ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(MlpClassifier(kNetwork), {.batch = kBatch, .seed = 1}));
  std::vector<int64_t> order(train.size());
  RandomPermutation(/*seed=*/1, /*epoch=*/0, absl::MakeSpan(order));
  RangeTest test;
  double mean = 0, least = 1e30;
  constexpr double kKeep = 0.9;
  for (int step = 0; step < steps; ++step) {
    const double rate = from * std::pow(to / from, static_cast<double>(step) / (steps - 1));
    auto rows = absl::MakeConstSpan(order).subspan(step * kBatch % train.size(), kBatch);
    ATH_ASSIGN_OR_RETURN(double loss, learner->Step(train, rows, rate));
    mean = kKeep * mean + (1 - kKeep) * loss;
    const double smooth = mean / (1 - std::pow(kKeep, step + 1));
    if (!(smooth < 4 * least)) break;
    test.rates.push_back(rate);
    test.losses.push_back(smooth);
    if (smooth < least) least = smooth, test.lowest = rate;
  }
  double steepest = 0;
  for (size_t i = 10; i + 5 < test.losses.size(); ++i) {
    const double slope = test.losses[i + 5] - test.losses[i - 5];
    if (slope < steepest) steepest = slope, test.suggested = test.rates[i];
  }
  return test;
}

absl::StatusOr<std::vector<double>> TrainAt(const Samples& train, const Samples& test, double rate, int epochs,
                                            double* accuracy) {
  ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(MlpClassifier(kNetwork), {.batch = kBatch, .seed = 1}));
  std::vector<double> losses;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    ATH_ASSIGN_OR_RETURN(double loss, learner->Epoch(train, rate));
    losses.push_back(loss);
  }
  ATH_ASSIGN_OR_RETURN(Score score, learner->Evaluate(test));
  *accuracy = score.accuracy;
  return losses;
}

}  // namespace

absl::StatusOr<LessonResult> LearningRateLesson(const LessonOptions& options) {
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, options.quick ? 2000 : 10000, options.quick ? 500 : 2000));
  const int epochs = options.quick ? 3 : 8, sweep_steps = options.quick ? 100 : 200;
  LessonResult result;
  ATH_ASSIGN_OR_RETURN(RangeTest range, Sweep(digits.train, 1e-4, 10, sweep_steps));
  result.text = absl::StrFormat(
      "range test: %d steps, rates from 0.0001 to 10; stopped at %.3g\n"
      "the smoothed loss falls fastest at %.3g and is least at %.3g\n\n",
      sweep_steps, range.rates.back(), range.suggested, range.lowest);
  result.figures["suggested"] = range.suggested;
  result.plots.push_back({.name = "range",
                          .title = "Learning-rate range test",
                          .x_label = "learning rate",
                          .y_label = "smoothed loss",
                          .log_x = true,
                          .curves = {{"smoothed", range.rates, range.losses}},
                          .marks = {{range.suggested, absl::StrFormat("steepest %.3g", range.suggested)},
                                    {range.lowest, absl::StrFormat("least %.3g", range.lowest)}},
                          .x_max = 10,
                          .y_max = 3});
  Plot curves{.name = "training",
              .title = "Training loss at five learning rates",
              .x_label = "epoch",
              .y_label = "training loss",
              .log_y = true,
              .y_max = 10};
  std::vector<std::vector<std::string>> rows = {
      {"learning rate", "", "loss in epoch 1", absl::StrCat("in epoch ", epochs), "test accuracy"}};
  struct Rate {
    double rate;
    const char* name;
  };
  for (const Rate& r : {Rate{0.0003, "far too small"},
                        {0.005, "too small"},
                        {range.suggested, "of the range test"},
                        {1, "too large"},
                        {5, "far too large"}}) {
    double accuracy = 0;
    ATH_ASSIGN_OR_RETURN(std::vector<double> losses, TrainAt(digits.train, digits.test, r.rate, epochs, &accuracy));
    rows.push_back({absl::StrFormat("%.3g", r.rate), r.name, absl::StrFormat("%.4g", losses[0]),
                    absl::StrFormat("%.4g", losses.back()), absl::StrFormat("%.2f %%", 100 * accuracy)});
    result.figures[absl::StrCat("accuracy.", r.name)] = accuracy;
    result.figures[absl::StrCat("loss.", r.name)] = losses.back();
    curves.curves.push_back(CountedCurve(absl::StrFormat("%.3g: %s", r.rate, r.name), losses));
    // Dead units and units that have hardly moved both guess: the two curves lie on each other.
    curves.curves.back().dashed = r.rate == 5;
  }
  absl::StrAppend(&result.text, "784-100-100-10 with ReLU, SGD, batch 50, ", digits.name, "\n\n", FormatColumns(rows));
  result.plots.push_back(curves);
  return result;
}

}  // namespace athanor
