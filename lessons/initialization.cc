// Lesson 8: how the weights start: small random numbers, Xavier's and He's.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lessons/learner.h"

namespace athanor {
namespace {

constexpr size_t kLayers = 20;

// The root of the mean square of each layer's outputs.
absl::StatusOr<std::vector<double>> Sizes(Learner& learner, const Samples& samples) {
  ATH_RETURN_IF_ERROR(learner.Infer(samples));
  std::vector<double> sizes;
  for (size_t layer = 1; layer <= kLayers; ++layer) {
    ATH_ASSIGN_OR_RETURN(auto h, learner.Output(absl::StrCat("h", layer)));
    sizes.push_back(Norm(h) / std::sqrt(static_cast<double>(h.size())));
  }
  return sizes;
}

struct Kind {
  const char* name;
  Initializer init;
};

}  // namespace

absl::StatusOr<LessonResult> InitializationLesson(const LessonOptions& options) {
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, options.quick ? 2000 : 10000, options.quick ? 500 : 2000));
  const int epochs = options.quick ? 2 : 10;
  const Kind kinds[] = {{"normal, std 0.01", {"normal", {{"std", 0.01}}}},
                        {"Xavier", {"xavier_normal", {}}},
                        {"He", {"kaiming_normal", {}}}};
  LessonResult result;
  Plot sizes_plot{.name = "sizes",
                  .title = "Size of each layer's outputs before training",
                  .x_label = "layer",
                  .y_label = "root mean square",
                  .log_y = true};
  Plot loss_plot{
      .name = "training", .title = "Training loss, 20 layers of ReLU", .x_label = "epoch", .y_label = "loss"};
  std::vector<std::vector<std::string>> rows = {{"start", "outputs of layer 1", "of layer 20", "loss in epoch 1",
                                                 absl::StrCat("in epoch ", epochs), "test accuracy"}};
  for (const Kind& kind : kinds) {
    const MlpSpec spec{.hidden = std::vector<int64_t>(kLayers, 64), .weight_init = kind.init};
    ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(MlpClassifier(spec), {.batch = 50}));
    ATH_ASSIGN_OR_RETURN(std::vector<double> sizes, Sizes(*learner, digits.test));
    std::vector<double> losses;
    for (int epoch = 0; epoch < epochs; ++epoch) {
      ATH_ASSIGN_OR_RETURN(double loss, learner->Epoch(digits.train, 0.02));
      losses.push_back(loss);
    }
    ATH_ASSIGN_OR_RETURN(Score score, learner->Evaluate(digits.test));
    rows.push_back({kind.name, absl::StrFormat("%.2g", sizes[0]), absl::StrFormat("%.2g", sizes.back()),
                    absl::StrFormat("%.4f", losses[0]), absl::StrFormat("%.4f", losses.back()),
                    absl::StrFormat("%.2f %%", 100 * score.accuracy)});
    result.figures[absl::StrCat("loss.", kind.name)] = losses.back();
    result.figures[absl::StrCat("shrink.", kind.name)] = sizes.back() / sizes[0];
    sizes_plot.curves.push_back(CountedCurve(kind.name, sizes));
    loss_plot.curves.push_back(CountedCurve(kind.name, losses));
  }
  result.text = absl::StrFormat("%d hidden layers of 64 ReLUs, biases at zero, SGD, rate 0.02, batch 50, %s\n\n%s",
                                kLayers, digits.name, FormatColumns(rows));
  result.plots = {sizes_plot, loss_plot};
  return result;
}

}  // namespace athanor
