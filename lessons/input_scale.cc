// Lesson 4: pixels of 0 .. 255 or of 0 .. 1 into a layer of sigmoids.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lessons/learner.h"

namespace athanor {
namespace {

struct Start {
  double saturated = 0;  // share of outputs within 0.01 of 0 or 1
  double gradient = 0;   // norm of the slope of the loss at the sum that enters the sigmoids, the first batch
};

// The slope at the sums is that at the bias, which does not hold the inputs as a factor.
absl::StatusOr<Start> LookAtStart(const MlpSpec& spec, const Samples& samples) {
  ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(MlpClassifier(spec), {.batch = 50, .gradients = true}));
  ATH_RETURN_IF_ERROR(learner->Infer(samples));
  ATH_ASSIGN_OR_RETURN(auto h, learner->Output("h1"));
  const auto saturated = std::count_if(h.begin(), h.end(), [](float v) { return v < 0.01f || v > 0.99f; });
  ATH_RETURN_IF_ERROR(learner->Step(samples, FirstRows(50), 0).status());
  ATH_ASSIGN_OR_RETURN(auto gradient, learner->TrainOutput("grad:fc1.bias"));
  return Start{static_cast<double>(saturated) / static_cast<double>(h.size()), Norm(gradient)};
}

}  // namespace

absl::StatusOr<LessonResult> InputScaleLesson(const LessonOptions& options) {
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, options.quick ? 2000 : 10000, options.quick ? 500 : 2000));
  const int epochs = options.quick ? 3 : 10;
  const MlpSpec spec{.hidden = {100}, .activation = "Sigmoid"};
  LessonResult result;
  result.plots.push_back(
      {.title = "Sigmoids fed with 0 .. 1 and with 0 .. 255", .x_label = "epoch", .y_label = "test accuracy, %"});
  std::vector<std::vector<std::string>> rows = {{"inputs", "learning rate", "saturated at the start",
                                                 "slope at the sums", "accuracy after 1 epoch",
                                                 absl::StrCat("after ", epochs)}};
  for (float scale : {1.0f / 255, 1.0f}) {
    digits.train.scale = digits.test.scale = scale;
    const std::string inputs = scale == 1 ? "0 .. 255" : "0 .. 1";
    ATH_ASSIGN_OR_RETURN(Start start, LookAtStart(spec, digits.train));
    for (double lr : {0.5, 0.01}) {
      ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(MlpClassifier(spec), {.batch = 50}));
      std::vector<double> accuracy;
      for (int epoch = 0; epoch < epochs; ++epoch) {
        ATH_RETURN_IF_ERROR(learner->Epoch(digits.train, lr).status());
        ATH_ASSIGN_OR_RETURN(Score score, learner->Evaluate(digits.test));
        accuracy.push_back(100 * score.accuracy);
      }
      rows.push_back({inputs, absl::StrFormat("%g", lr), absl::StrFormat("%.1f %%", 100 * start.saturated),
                      absl::StrFormat("%.4f", start.gradient), absl::StrFormat("%.2f %%", accuracy[0]),
                      absl::StrFormat("%.2f %%", accuracy.back())});
      result.figures[absl::StrFormat("accuracy.%s.%g", inputs, lr)] = accuracy.back() / 100;
      result.plots[0].curves.push_back(CountedCurve(absl::StrFormat("%s, rate %g", inputs, lr), accuracy));
    }
    result.figures[absl::StrCat("saturated.", inputs)] = start.saturated;
    result.figures[absl::StrCat("slope.", inputs)] = start.gradient;
  }
  result.text = absl::StrFormat("784-100-10 with sigmoids, SGD, batch 50, %s\n\n%s", digits.name, FormatColumns(rows));
  return result;
}

}  // namespace athanor
