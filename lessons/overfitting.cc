// Lesson 10: a network that is too large for 500 digits, with weight decay and with dropout.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lessons/learner.h"

namespace athanor {
namespace {

struct Kind {
  const char* name;
  double weight_decay, dropout;
};

}  // namespace

absl::StatusOr<LessonResult> OverfittingLesson(const LessonOptions& options) {
  const int64_t samples = options.quick ? 200 : 500;
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, samples, options.quick ? 500 : 2000));
  const int epochs = options.quick ? 100 : 150, every = options.quick ? 5 : 2;
  const double lr = options.quick ? 0.03 : 0.01;
  LessonResult result;
  result.plots.push_back({.title = absl::StrFormat("Loss on unseen digits, learnt from %d", samples),
                          .x_label = "epoch",
                          .y_label = "test loss",
                          .y_max = 1.2});
  std::vector<std::vector<std::string>> rows = {
      {"", "training loss", "accuracy", "test loss", "least test loss", "at epoch", "test accuracy"}};
  for (const Kind& kind :
       {Kind{"nothing", 0, 0}, {"weight decay 0.01", 0.01, 0}, {"dropout 0.5", 0, 0.5}, {"both", 0.01, 0.5}}) {
    ATH_ASSIGN_OR_RETURN(
        auto learner,
        Learner::Create(MlpClassifier({.hidden = {256, 256}, .dropout = kind.dropout}),
                        {.optimizer = {"SGD", {{"momentum", 0.9}, {"weight_decay", kind.weight_decay}}}, .batch = 50}));
    Curve curve{kind.name, {}, {}};
    Score train, test;
    for (int epoch = 1; epoch <= epochs; ++epoch) {
      ATH_RETURN_IF_ERROR(learner->Epoch(digits.train, lr).status());
      if (epoch % every != 0) continue;
      ATH_ASSIGN_OR_RETURN(test, learner->Evaluate(digits.test));
      curve.x.push_back(epoch);
      curve.y.push_back(test.loss);
    }
    ATH_ASSIGN_OR_RETURN(train, learner->Evaluate(digits.train));
    const auto least = std::min_element(curve.y.begin(), curve.y.end());
    rows.push_back({kind.name, absl::StrFormat("%.4f", train.loss), absl::StrFormat("%.1f %%", 100 * train.accuracy),
                    absl::StrFormat("%.4f", test.loss), absl::StrFormat("%.4f", *least),
                    absl::StrFormat("%g", curve.x[least - curve.y.begin()]),
                    absl::StrFormat("%.2f %%", 100 * test.accuracy)});
    result.figures[absl::StrCat("train_accuracy.", kind.name)] = train.accuracy;
    result.figures[absl::StrCat("test_accuracy.", kind.name)] = test.accuracy;
    result.figures[absl::StrCat("test_loss.", kind.name)] = test.loss;
    result.figures[absl::StrCat("least.", kind.name)] = *least;
    result.plots[0].curves.push_back(curve);
  }
  result.text = absl::StrFormat(
      "784-256-256-10 with ReLU (269,322 weights), %d training digits, %d epochs of SGD with momentum 0.9, rate %g, "
      "batch 50\n\n%s",
      samples, epochs, lr, FormatColumns(rows));
  return result;
}

}  // namespace athanor
