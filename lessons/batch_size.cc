// Lesson 3: batches of 32 against batches of 10,000.
#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lessons/learner.h"

namespace athanor {
namespace {

struct Run {
  std::string name;
  int64_t batch;
  double lr;
};

}  // namespace

absl::StatusOr<LessonResult> BatchSizeLesson(const LessonOptions& options) {
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, options.quick ? 2000 : 0, options.quick ? 500 : 0));
  const int64_t n = digits.train.size(), large = std::min<int64_t>(n, 10000);
  const int epochs = options.quick ? 3 : 5;
  LessonResult result;
  result.plots.push_back({.name = options.data.empty() ? "" : "full",
                          .title = absl::StrFormat("Small and large batches, %d samples", n),
                          .x_label = "epoch",
                          .y_label = "test accuracy, %"});
  std::vector<std::vector<std::string>> rows = {{"batch", "learning rate", "updates an epoch", "accuracy after 1 epoch",
                                                 absl::StrCat("after ", epochs), "s an epoch"}};
  for (const Run& run : {Run{"batch 32", 32, 0.1},
                         {absl::StrCat("batch ", large), large, 0.1},
                         {absl::StrCat("batch ", large, ", rate 1"), large, 1}}) {
    ATH_ASSIGN_OR_RETURN(auto learner,
                         Learner::Create(MlpClassifier({.hidden = {100}}), {.batch = run.batch, .samples = n}));
    std::vector<double> accuracy;
    const auto start = std::chrono::steady_clock::now();
    for (int epoch = 0; epoch < epochs; ++epoch) {
      ATH_RETURN_IF_ERROR(learner->Epoch(digits.train, run.lr).status());
      ATH_ASSIGN_OR_RETURN(Score score, learner->Evaluate(digits.test));
      accuracy.push_back(100 * score.accuracy);
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / epochs;
    const int64_t updates = learner->steps() / epochs;
    result.figures[absl::StrFormat("updates.%d.%g", run.batch, run.lr)] = static_cast<double>(updates);
    result.figures[absl::StrFormat("accuracy.%d.%g", run.batch, run.lr)] = accuracy.back() / 100;
    rows.push_back({absl::StrCat(run.batch), absl::StrFormat("%g", run.lr), absl::StrCat(updates),
                    absl::StrFormat("%.2f %%", accuracy[0]), absl::StrFormat("%.2f %%", accuracy.back()),
                    absl::StrFormat("%.2f", seconds)});
    result.plots[0].curves.push_back(CountedCurve(run.name, accuracy));
  }
  result.text =
      absl::StrFormat("784-100-10 with ReLU, SGD, %s: %d training samples\n\n%s", digits.name, n, FormatColumns(rows));
  return result;
}

}  // namespace athanor
