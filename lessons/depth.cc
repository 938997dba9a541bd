// Lesson 7: gradients that vanish and explode with depth, and units that die.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lessons/learner.h"

namespace athanor {
namespace {

using Rows = std::vector<std::vector<std::string>>;
constexpr int kLayers = 20;  // hidden, of 64 units

struct Kind {
  const char* name;
  const char* activation;
  Initializer init;
};

// Of the weights of each layer, for the first batch.
absl::StatusOr<std::vector<double>> GradientNorms(const MlpSpec& spec, const Samples& samples) {
  ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(MlpClassifier(spec), {.batch = 100, .gradients = true}));
  ATH_RETURN_IF_ERROR(learner->Step(samples, FirstRows(100), 0).status());
  std::vector<double> norms;
  for (size_t layer = 1; layer <= spec.hidden.size(); ++layer) {
    ATH_ASSIGN_OR_RETURN(auto gradient, learner->TrainOutput(absl::StrCat("grad:fc", layer, ".weight")));
    norms.push_back(Norm(gradient));
  }
  return norms;
}

absl::StatusOr<Score> TrainFor(const MlpSpec& spec, const Digits& digits, double lr, int epochs) {
  ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(MlpClassifier(spec), {.batch = 50}));
  for (int epoch = 0; epoch < epochs; ++epoch) ATH_RETURN_IF_ERROR(learner->Epoch(digits.train, lr).status());
  return learner->Evaluate(digits.test);
}

absl::Status CompareDepths(const Digits& digits, int epochs, LessonResult* result) {
  const Kind kinds[] = {
      {"sigmoid, Xavier", "Sigmoid", {"xavier_normal", {}}},
      {"tanh, Xavier", "Tanh", {"xavier_normal", {}}},
      {"ReLU, He", "ReLU", {"kaiming_normal", {}}},
      {"ReLU, std 0.5", "ReLU", {"normal", {{"std", 0.5}}}},
  };
  Plot plot{.name = "gradients",
            .title = "Norm of the gradient of each layer's weights, first batch",
            .x_label = "layer",
            .y_label = "norm of the gradient",
            .log_y = true};
  Rows rows = {
      {"network", "layer 1", "layer 10", "layer 20", "first / last", absl::StrCat("accuracy, ", epochs, " epochs")}};
  for (const Kind& kind : kinds) {
    const MlpSpec spec{
        .hidden = std::vector<int64_t>(kLayers, 64), .activation = kind.activation, .weight_init = kind.init};
    ATH_ASSIGN_OR_RETURN(std::vector<double> norms, GradientNorms(spec, digits.train));
    ATH_ASSIGN_OR_RETURN(Score score, TrainFor(spec, digits, 0.05, epochs));
    rows.push_back({kind.name, absl::StrFormat("%.2g", norms[0]), absl::StrFormat("%.2g", norms[9]),
                    absl::StrFormat("%.2g", norms[19]), absl::StrFormat("%.2g", norms[0] / norms[19]),
                    absl::StrFormat("%.2f %%", 100 * score.accuracy)});
    result->figures[absl::StrCat("ratio.", kind.name)] = norms[0] / norms[19];
    result->figures[absl::StrCat("first.", kind.name)] = norms[0];
    result->figures[absl::StrCat("accuracy.", kind.name)] = score.accuracy;
    plot.curves.push_back(CountedCurve(kind.name, norms));
  }
  absl::StrAppend(&result->text, "norm of the gradient of the weights, ", kLayers,
                  " hidden layers of 64, first batch of 100; then SGD, rate 0.05, batch 50\n\n", FormatColumns(rows));
  result->plots.push_back(plot);
  return absl::OkStatus();
}

struct Dead {
  double share = 0;  // NaN: the outputs are not finite
  double accuracy = 0;
};

std::string ShareText(double share) { return std::isnan(share) ? "diverged" : absl::StrFormat("%.1f %%", 100 * share); }

// A unit is dead when it is above zero for none of the test digits.
absl::StatusOr<Dead> CountDead(const char* activation, const Digits& digits, double lr, int epochs) {
  const MlpSpec spec{.hidden = {100, 100}, .activation = activation, .weight_init = {"kaiming_normal", {}}};
  ATH_ASSIGN_OR_RETURN(auto learner,
                       Learner::Create(MlpClassifier(spec), {.batch = 50, .infer_batch = digits.test.size()}));
  for (int epoch = 0; epoch < epochs; ++epoch) ATH_RETURN_IF_ERROR(learner->Epoch(digits.train, lr).status());
  ATH_ASSIGN_OR_RETURN(Score score, learner->Evaluate(digits.test));
  int dead = 0;
  ATH_ASSIGN_OR_RETURN(auto logits, learner->Output("logits"));
  if (!std::all_of(logits.begin(), logits.end(), [](float v) { return std::isfinite(v); })) {
    return Dead{std::nan(""), score.accuracy};  // what has overflowed is not dead
  }
  for (const char* layer : {"h1", "h2"}) {
    ATH_ASSIGN_OR_RETURN(auto h, learner->Output(layer));
    for (size_t unit = 0; unit < 100; ++unit) {
      bool alive = false;
      for (size_t i = unit; i < h.size() && !alive; i += 100) alive = h[i] > 0;
      dead += !alive;
    }
  }
  return Dead{dead / 200.0, score.accuracy};
}

absl::Status CompareDead(const Digits& digits, int epochs, LessonResult* result) {
  Plot plot{.name = "dead",
            .title = "Units that are above zero for no test digit",
            .x_label = "learning rate",
            .y_label = "dead units, %",
            .log_x = true};
  Curve relu{"ReLU", {}, {}}, leaky{"leaky ReLU", {}, {}};
  Rows rows = {{"learning rate", "ReLU: dead", "accuracy", "leaky ReLU: never above 0", "accuracy"}};
  std::string diverged;  // rates
  for (double lr : {0.05, 0.1, 0.2, 0.4, 0.8, 1.6}) {
    ATH_ASSIGN_OR_RETURN(Dead a, CountDead("ReLU", digits, lr, epochs));
    ATH_ASSIGN_OR_RETURN(Dead b, CountDead("LeakyReLU", digits, lr, epochs));
    for (auto [curve, dead] : {std::pair(&relu, a), {&leaky, b}}) {
      curve->x.push_back(lr);
      curve->y.push_back(100 * dead.share);
    }
    rows.push_back({absl::StrFormat("%g", lr), ShareText(a.share), absl::StrFormat("%.2f %%", 100 * a.accuracy),
                    ShareText(b.share), absl::StrFormat("%.2f %%", 100 * b.accuracy)});
    result->figures[absl::StrFormat("dead.%g", lr)] = a.share;
    if (std::isnan(b.share)) absl::StrAppend(&diverged, diverged.empty() ? "" : ", ", lr);
  }
  absl::StrAppend(&result->text, "\ndead units after ", epochs,
                  " epochs of SGD, 784-100-100-10 with ReLU, He's start\n\n", FormatColumns(rows));
  plot.curves = {relu, leaky};
  if (!diverged.empty()) absl::StrAppend(&plot.title, " (leaky ReLU diverges at ", diverged, ")");
  result->plots.push_back(plot);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LessonResult> DepthLesson(const LessonOptions& options) {
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, options.quick ? 1000 : 10000, options.quick ? 500 : 2000));
  LessonResult result;
  ATH_RETURN_IF_ERROR(CompareDepths(digits, options.quick ? 1 : 5, &result));
  ATH_RETURN_IF_ERROR(CompareDead(digits, options.quick ? 1 : 3, &result));
  return result;
}

}  // namespace athanor
