// Lesson 2: an identity output with MSE, MAE or Huber for regression with outliers; softmax with cross-entropy, or with
// MSE, for classes.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lessons/learner.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

using Rows = std::vector<std::vector<std::string>>;
constexpr int64_t kPoints = 100;

// y = 2 x + 1 and a little noise; every tenth point, of those with large x, lies 10 higher.
struct Line {
  Samples samples;
  std::vector<bool> outlier;
};
Line NoisyLine() {
  const Philox random(/*seed=*/7, /*stream=*/0);
  std::vector<float> x, y;
  Line line;
  for (int64_t i = 0; i < kPoints; ++i) {
    x.push_back(-1 + 2 * static_cast<float>(i) / (kPoints - 1));
    line.outlier.push_back(i >= kPoints / 2 && i % 5 == 2);
    y.push_back(2 * x.back() + 1 + 0.1f * random.Normal(i) + (line.outlier.back() ? 10.0f : 0.0f));
  }
  line.samples.x = Tensor::Of<float>({kPoints, 1}, x);
  line.samples.target = Tensor::Of<float>({kPoints, 1}, y);
  return line;
}

absl::StatusOr<Graph> Regression(const std::string& output, const std::string& loss) {
  GraphBuilder b("line");
  Var x = b.Input("x", DType::kF32, {"N", 1}), target = b.Input("target", DType::kF32, {"N", 1});
  Var y = b.Op(output, {b.FullyConnected(x, {.units = 1, .name = "fc"})})[0];
  b.Entry("train", {.training = true, .inputs = {x, target}, .loss = b.Op(loss, {y, target})[0]});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", y}}});
  return b.Build();
}

absl::Status Fit(const Line& line, const std::string& output, const std::string& loss, int steps, LessonResult* result,
                 Rows* rows) {
  ATH_ASSIGN_OR_RETURN(
      auto learner, Learner::Create(Regression(output, loss), {.batch = kPoints, .infer_batch = kPoints, .seed = 3}));
  const std::vector<int64_t> all = FirstRows(kPoints);
  for (int step = 0; step < steps; ++step) {
    // A constant rate would leave MAE, whose slope does not shrink, stepping to and fro.
    const double lr = 0.2 * (1 - static_cast<double>(step) / steps);
    ATH_RETURN_IF_ERROR(learner->Step(line.samples, all, lr).status());
  }
  ATH_RETURN_IF_ERROR(learner->Infer(line.samples));
  ATH_ASSIGN_OR_RETURN(auto y, learner->Output("y"));
  auto x = line.samples.x.as<float>(), target = line.samples.target.as<float>();
  double error = 0;
  int good = 0;
  Curve fit{absl::StrCat(output, ", ", loss), {}, {}};
  for (int64_t i = 0; i < kPoints; ++i) {
    fit.x.push_back(x[i]);
    fit.y.push_back(y[i]);
    if (line.outlier[i]) continue;
    error += std::abs(y[i] - target[i]);
    ++good;
  }
  error /= good;
  const double slope = (y[kPoints - 1] - y[0]) / (x[kPoints - 1] - x[0]);
  const double at_zero = (y[kPoints / 2 - 1] + y[kPoints / 2]) / 2;  // the points beside it, as a sigmoid is no line
  result->plots[0].curves.push_back(fit);
  result->figures[absl::StrCat("error.", output, ".", loss)] = error;
  result->figures[absl::StrCat("at_zero.", output, ".", loss)] = at_zero;
  rows->push_back({output, loss, absl::StrFormat("%.2f", slope), absl::StrFormat("%.2f", at_zero),
                   absl::StrFormat("%.2f", error)});
  return absl::OkStatus();
}

absl::Status FitAll(int steps, LessonResult* result) {
  const Line line = NoisyLine();
  result->plots.push_back(
      {.name = "lines", .title = "Lines through points with outliers", .x_label = "x", .y_label = "y"});
  auto x = line.samples.x.as<float>(), y = line.samples.target.as<float>();
  Curve points{"points", {x.begin(), x.end()}, {y.begin(), y.end()}, /*points_only=*/true};
  result->plots[0].curves.push_back(points);
  Rows rows = {{"output", "loss", "mean slope", "at x = 0", "mean error on good points"}};
  for (const char* loss : {"MeanSquaredError", "MeanAbsoluteError", "Huber"}) {
    ATH_RETURN_IF_ERROR(Fit(line, "Identity", loss, steps, result, &rows));
  }
  ATH_RETURN_IF_ERROR(Fit(line, "Sigmoid", "Huber", steps, result, &rows));
  const auto outliers = std::count(line.outlier.begin(), line.outlier.end(), true);
  absl::StrAppend(&result->text, "regression: y = 2 x + 1, ", kPoints, " points, ", outliers,
                  " of them 10 too high\n\n", FormatColumns(rows));
  return absl::OkStatus();
}

Var ClassLoss(GraphBuilder& b, Var logits, Var labels, bool softmax, bool squared) {
  if (!squared) return b.SoftmaxCrossEntropy(logits, labels);
  const int64_t classes = b.TypeOf(logits).dims[1].size;
  Var one_hot = b.Op("OneHot", {labels}, {{"depth", classes}})[0];
  return b.MeanSquaredError(softmax ? b.Softmax(logits) : logits, one_hot);
}

// How hard a loss pulls at the logits of one sample whose wrong class is ahead by `margin`.
absl::StatusOr<double> Pull(bool squared, double margin) {
  GraphBuilder b("pull");
  Tensor start = Tensor::Of<float>({1, 2}, {0.0f, static_cast<float>(margin)});
  Var logits = b.Parameter("logits", {1, 2}, {"zeros", {}});
  Var labels = b.Input("target", DType::kS32, {1});
  b.Entry("train", {.training = true, .inputs = {labels}, .loss = ClassLoss(b, logits, labels, true, squared)});
  ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(b.Build(), {.batch = 1, .gradients = true}));
  ATH_RETURN_IF_ERROR(learner->session().weights().Set("logits", start));
  Samples sample;
  sample.target = Tensor::Of<int32_t>({1}, {0});
  ATH_RETURN_IF_ERROR(learner->Step(sample, {0}, 0).status());
  ATH_ASSIGN_OR_RETURN(auto gradient, learner->TrainOutput("grad:logits"));
  return std::abs(gradient[0]);
}

absl::Status ComparePulls(LessonResult* result) {
  Plot plot{.name = "pull",
            .title = "Slope of the loss for a sample that is wrong by a margin",
            .x_label = "wrong logit minus right logit",
            .y_label = "slope at the right logit",
            .log_y = true};
  Curve cross{"softmax, cross-entropy", {}, {}}, square{"softmax, MSE", {}, {}};
  for (double margin = -4; margin <= 12; margin += 1) {
    for (Curve* curve : {&cross, &square}) {
      ATH_ASSIGN_OR_RETURN(double pull, Pull(curve == &square, margin));
      curve->x.push_back(margin);
      curve->y.push_back(pull);
    }
  }
  const size_t ten = 14;  // the margin 10
  result->figures["pull.cross_entropy"] = cross.y[ten];
  result->figures["pull.mse"] = square.y[ten];
  absl::StrAppend(&result->text, absl::StrFormat("\nslope for a sample that is wrong by a margin of 10: cross-entropy "
                                                 "%.4f, MSE of the softmax %.6f\n",
                                                 cross.y[ten], square.y[ten]));
  plot.curves = {cross, square};
  result->plots.push_back(plot);
  return absl::OkStatus();
}

absl::StatusOr<Graph> Classifier(bool softmax, bool squared) {
  GraphBuilder b("classifier");
  Var x = b.Input("x", DType::kF32, {"N", 784}), target = b.Input("target", DType::kS32, {"N"});
  Var logits = MlpLogits(b, x, {.hidden = {100}});
  b.Entry("train", {.training = true, .inputs = {x, target}, .loss = ClassLoss(b, logits, target, softmax, squared)});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"logits", logits}}});
  return b.Build();
}

// Each loss has a scale of its own, so each gets the best of several learning rates.
absl::Status Classify(bool quick, const LessonOptions& options, LessonResult* result) {
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, quick ? 1000 : 10000, quick ? 500 : 2000));
  const int epochs = quick ? 2 : 5;
  struct Kind {
    const char* name;
    bool softmax, squared;
  };
  const std::vector<double> rates = {0.03, 0.1, 0.3, 1, 3, 10};
  Rows rows = {{"output and loss", "best learning rate", "after 1 epoch", absl::StrCat("after ", epochs)}};
  for (const Kind& kind :
       {Kind{"softmax, cross-entropy", true, false}, {"softmax, MSE", true, true}, {"identity, MSE", false, true}}) {
    double best = 0, best_first = 0, best_rate = 0;
    for (double rate : rates) {
      ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(Classifier(kind.softmax, kind.squared), {.batch = 50}));
      double first = 0, last = 0;
      for (int epoch = 1; epoch <= epochs; ++epoch) {
        ATH_RETURN_IF_ERROR(learner->Epoch(digits.train, rate).status());
        ATH_ASSIGN_OR_RETURN(Score score, learner->Evaluate(digits.test));
        if (epoch == 1) first = score.accuracy;
        last = score.accuracy;
      }
      if (last > best) best = last, best_first = first, best_rate = rate;
    }
    result->figures[absl::StrCat("accuracy.", kind.name)] = best;
    rows.push_back({kind.name, absl::StrFormat("%g", best_rate), absl::StrFormat("%.2f %%", 100 * best_first),
                    absl::StrFormat("%.2f %%", 100 * best)});
  }
  absl::StrAppend(&result->text, "\nclasses: 784-100-10, ", digits.name, ", SGD, batch 50; the best of ", rates.size(),
                  " learning rates\n\n", FormatColumns(rows));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LessonResult> LossesLesson(const LessonOptions& options) {
  LessonResult result;
  ATH_RETURN_IF_ERROR(FitAll(2000, &result));
  ATH_RETURN_IF_ERROR(ComparePulls(&result));
  ATH_RETURN_IF_ERROR(Classify(options.quick, options, &result));
  return result;
}

}  // namespace athanor
