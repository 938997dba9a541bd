// Lesson 9: batch normalisation on and off, in the network of section 4.1 of its paper.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lessons/learner.h"

namespace athanor {
namespace {

constexpr int64_t kBatch = 60;  // the paper's

absl::StatusOr<std::vector<double>> Accuracies(bool batch_norm, const Digits& digits, double lr, int epochs) {
  const MlpSpec spec{.hidden = {100, 100, 100},
                     .activation = "Sigmoid",
                     .weight_init = {"normal", {{"std", 0.1}}},
                     .batch_norm = batch_norm};
  ATH_ASSIGN_OR_RETURN(auto learner,
                       Learner::Create(MlpClassifier(spec), {.batch = kBatch, .samples = digits.train.size()}));
  std::vector<double> accuracy;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    ATH_RETURN_IF_ERROR(learner->Epoch(digits.train, lr).status());
    ATH_ASSIGN_OR_RETURN(Score score, learner->Evaluate(digits.test));
    accuracy.push_back(100 * score.accuracy);
  }
  return accuracy;
}

}  // namespace

absl::StatusOr<LessonResult> BatchNormLesson(const LessonOptions& options) {
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, options.quick ? 2000 : 10000, options.quick ? 500 : 2000));
  const int epochs = options.quick ? 3 : 10;
  LessonResult result;
  result.plots.push_back({.title = "Three layers of 100 sigmoids, with and without batch normalisation",
                          .x_label = "epoch",
                          .y_label = "test accuracy, %"});
  std::vector<std::vector<std::string>> rows = {{"learning rate", "without: epoch 1", absl::StrCat("epoch ", epochs),
                                                 "best", "with: epoch 1", absl::StrCat("epoch ", epochs), "best"}};
  for (double lr : {0.01, 0.1, 1.0, 10.0}) {
    std::vector<std::string> row = {absl::StrFormat("%g", lr)};
    for (bool on : {false, true}) {
      ATH_ASSIGN_OR_RETURN(std::vector<double> accuracy, Accuracies(on, digits, lr, epochs));
      row.push_back(absl::StrFormat("%.2f %%", accuracy[0]));
      row.push_back(absl::StrFormat("%.2f %%", accuracy.back()));
      row.push_back(absl::StrFormat("%.2f %%", *std::max_element(accuracy.begin(), accuracy.end())));
      result.figures[absl::StrFormat("accuracy.%s.%g", on ? "with" : "without", lr)] = accuracy.back() / 100;
      if (lr == 0.1 || lr == 1) {
        result.plots[0].curves.push_back(
            CountedCurve(absl::StrFormat("%s, rate %g", on ? "with" : "without", lr), accuracy));
      }
    }
    rows.push_back(row);
  }
  result.text = absl::StrFormat("784-100-100-100-10 with sigmoids, weights of std 0.1, SGD, batch %d, %s\n\n%s", kBatch,
                                digits.name, FormatColumns(rows));
  return result;
}

}  // namespace athanor
