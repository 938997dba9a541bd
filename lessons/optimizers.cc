// Lesson 6: what five optimizers do in a narrow valley, on a saddle and on digits.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lessons/learner.h"

namespace athanor {
namespace {

using Rows = std::vector<std::vector<std::string>>;

struct Method {
  const char* name;
  OptimizerSpec spec;
  double bowl, saddle, digits;  // learning rates
};
const std::vector<Method>& Methods() {
  static const auto* methods = new std::vector<Method>{
      {"SGD", {"SGD", {}}, 0.45, 0.1, 0.1},         {"momentum", {"SGD", {{"momentum", 0.8}}}, 0.1, 0.1, 0.02},
      {"AdaGrad", {"AdaGrad", {}}, 1.0, 0.1, 0.02}, {"RMSProp", {"RMSProp", {{"alpha", 0.9}}}, 0.2, 0.1, 0.001},
      {"Adam", {"Adam", {}}, 0.5, 0.1, 0.001},
  };
  return *methods;
}

// f(x, y) = sum of square[i] p[i]^2 + fourth[i] p[i]^4.
struct Surface {
  const char* name;
  float square[2], fourth[2], start[2];
  double operator()(double x, double y) const {
    return square[0] * x * x + square[1] * y * y + fourth[0] * std::pow(x, 4) + fourth[1] * std::pow(y, 4);
  }
};
constexpr Surface kBowl{"bowl", {0.1f, 2.0f}, {0, 0}, {-5, -2}};
// A saddle at (0, 0) between the two minima (0, -1) and (0, 1).
constexpr Surface kSaddle{"saddle", {0.5f, -0.5f}, {0, 0.25f}, {-1.5f, 0.001f}};

absl::StatusOr<Graph> SurfaceGraph(const Surface& f) {
  GraphBuilder b(f.name);
  Var p = b.Parameter("p", {2}, {"zeros", {}});
  Var p2 = b.Mul(p, p);
  Var terms = b.Add(b.Mul(b.Constant(Tensor::Of<float>({2}, f.square)), p2),
                    b.Mul(b.Constant(Tensor::Of<float>({2}, f.fourth)), b.Mul(p2, p2)));
  b.Entry("train", {.training = true, .loss = b.ReduceSum(terms)});
  return b.Build();
}

absl::StatusOr<Curve> Walk(const Surface& f, const Method& method, double lr, int steps) {
  ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(SurfaceGraph(f), {.optimizer = method.spec, .batch = 1}));
  Weights& weights = learner->session().weights();
  ATH_RETURN_IF_ERROR(weights.Set("p", Tensor::Of<float>({2}, f.start)));
  Curve path{absl::StrFormat("%s, rate %g", method.name, lr), {f.start[0]}, {f.start[1]}};
  for (int step = 0; step < steps; ++step) {
    ATH_RETURN_IF_ERROR(learner->Step({}, {0}, lr).status());
    ATH_ASSIGN_OR_RETURN(Tensor p, weights.Get("p"));
    path.x.push_back(p.as<float>()[0]);
    path.y.push_back(p.as<float>()[1]);
  }
  return path;
}

// The first step at which `done` holds for the path; -1: never.
template <typename Done>
int FirstStep(const Curve& path, Done done) {
  for (size_t i = 0; i < path.x.size(); ++i) {
    if (done(path.x[i], path.y[i])) return static_cast<int>(i);
  }
  return -1;
}

std::string StepText(int step) { return step < 0 ? "never" : absl::StrCat(step); }

absl::Status WalkSurfaces(LessonResult* result) {
  constexpr int kBowlSteps = 60, kLateStep = 300, kSaddleSteps = 120;
  Plot bowl{.name = "bowl",
            .title = "60 steps down f = 0.1 x^2 + 2 y^2",
            .x_label = "x",
            .y_label = "y",
            .surface = kBowl,
            .x_min = -6,
            .x_max = 3,
            .y_min = -2.5,
            .y_max = 2.5};
  Plot saddle{.name = "saddle",
              .title = "120 steps from the ridge of f = x^2 / 2 - y^2 / 2 + y^4 / 4",
              .x_label = "x",
              .y_label = "y",
              .surface = kSaddle,
              .x_min = -1.75,
              .x_max = 0.75,
              .y_min = -0.4,
              .y_max = 1.4};
  Rows rows = {{"optimizer", "rate", "bowl: f < 0.01 at step", "f at step 60", "at step 300", "rate",
                "saddle: y > 0.5 at step"}};
  for (const Method& method : Methods()) {
    ATH_ASSIGN_OR_RETURN(Curve down, Walk(kBowl, method, method.bowl, kLateStep));
    ATH_ASSIGN_OR_RETURN(Curve off, Walk(kSaddle, method, method.saddle, kSaddleSteps));
    const int reached = FirstStep(down, [](double x, double y) { return kBowl(x, y) < 0.01; });
    const int left = FirstStep(off, [](double, double y) { return y > 0.5; });
    const double end = kBowl(down.x[kBowlSteps], down.y[kBowlSteps]), late = kBowl(down.x.back(), down.y.back());
    rows.push_back({method.name, absl::StrFormat("%g", method.bowl), StepText(reached), absl::StrFormat("%.2g", end),
                    absl::StrFormat("%.2g", late), absl::StrFormat("%g", method.saddle), StepText(left)});
    down.x.resize(kBowlSteps + 1);  // what the chart shows
    down.y.resize(kBowlSteps + 1);
    result->figures[absl::StrCat("bowl.", method.name)] = reached;
    result->figures[absl::StrCat("late.", method.name)] = late;
    result->figures[absl::StrCat("saddle.", method.name)] = left;
    bowl.curves.push_back(down);
    saddle.curves.push_back(off);
  }
  absl::StrAppend(&result->text, "paths on two surfaces; the bowl starts at (-5, -2), the saddle at (-1.5, 0.001)\n\n",
                  FormatColumns(rows));
  result->plots.push_back(bowl);
  result->plots.push_back(saddle);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LessonResult> OptimizersLesson(const LessonOptions& options) {
  LessonResult result;
  ATH_RETURN_IF_ERROR(WalkSurfaces(&result));
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, options.quick ? 2000 : 10000, options.quick ? 500 : 2000));
  const int epochs = options.quick ? 2 : 10;
  Plot plot{.name = "digits",
            .title = "Training loss on digits",
            .x_label = "epoch",
            .y_label = "training loss",
            .log_y = true};
  Rows rows = {{"optimizer", "rate", "loss in epoch 1", absl::StrCat("in epoch ", epochs), "test accuracy"}};
  for (const Method& method : Methods()) {
    ATH_ASSIGN_OR_RETURN(auto learner,
                         Learner::Create(MlpClassifier({.hidden = {100}}), {.optimizer = method.spec, .batch = 50}));
    std::vector<double> losses;
    for (int epoch = 0; epoch < epochs; ++epoch) {
      ATH_ASSIGN_OR_RETURN(double loss, learner->Epoch(digits.train, method.digits));
      losses.push_back(loss);
    }
    ATH_ASSIGN_OR_RETURN(Score score, learner->Evaluate(digits.test));
    rows.push_back({method.name, absl::StrFormat("%g", method.digits), absl::StrFormat("%.4f", losses[0]),
                    absl::StrFormat("%.4f", losses.back()), absl::StrFormat("%.2f %%", 100 * score.accuracy)});
    result.figures[absl::StrCat("accuracy.", method.name)] = score.accuracy;
    plot.curves.push_back(CountedCurve(method.name, losses));
  }
  absl::StrAppend(&result.text, "\n784-100-10 with ReLU, batch 50, ", digits.name, "\n\n", FormatColumns(rows));
  result.plots.push_back(plot);
  return result;
}

}  // namespace athanor
