// Lesson 11: deep networks without and with shortcuts around every two layers.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lessons/learner.h"

namespace athanor {
namespace {

constexpr int64_t kWidth = 64;

// Blocks of two layers with batch normalisation, as the basic block of He et al. with FullyConnected for Conv2d.
absl::StatusOr<Graph> DeepNetwork(int blocks, bool shortcuts) {
  GraphBuilder b("deep");
  const Initializer he{"kaiming_normal", {}};
  Var x = b.Input("x", DType::kF32, {"N", 784}), target = b.Input("target", DType::kS32, {"N"});
  auto layer = [&](Var in) {
    return b.BatchNorm(b.FullyConnected(in, {.units = kWidth, .bias = false, .weight_init = he}));
  };
  Var h = b.Relu(layer(x));
  for (int block = 0; block < blocks; ++block) {
    Var change = layer(b.Relu(layer(h)));
    h = b.Relu(shortcuts ? b.Add(h, change) : change);
  }
  Var logits = b.FullyConnected(h, {.units = 10, .name = "head"});
  b.Entry("train", {.training = true, .inputs = {x, target}, .loss = b.SoftmaxCrossEntropy(logits, target)});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"logits", logits}}});
  return b.Build();
}

}  // namespace

absl::StatusOr<LessonResult> ResidualLesson(const LessonOptions& options) {
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, options.quick ? 1000 : 10000, options.quick ? 500 : 2000));
  const int epochs = options.quick ? 2 : 6;
  const std::vector<int> depths = options.quick ? std::vector<int>{2, 15} : std::vector<int>{2, 5, 10, 20};
  LessonResult result;
  result.plots.push_back(
      {.title = "Training loss, plain and residual", .x_label = "epoch", .y_label = "training loss", .log_y = true});
  std::vector<std::vector<std::string>> rows = {{"layers", "plain: loss in epoch 1", absl::StrCat("in epoch ", epochs),
                                                 "test accuracy", "residual: loss in epoch 1",
                                                 absl::StrCat("in epoch ", epochs), "test accuracy"}};
  for (int blocks : depths) {
    const int layers = 2 * blocks + 2;
    std::vector<std::string> row = {absl::StrCat(layers)};
    for (bool shortcuts : {false, true}) {
      ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(DeepNetwork(blocks, shortcuts),
                                                         {.optimizer = {"SGD", {{"momentum", 0.9}}}, .batch = 100}));
      std::vector<double> losses;
      for (int epoch = 0; epoch < epochs; ++epoch) {
        ATH_ASSIGN_OR_RETURN(double loss, learner->Epoch(digits.train, 0.02));
        losses.push_back(loss);
      }
      ATH_ASSIGN_OR_RETURN(Score score, learner->Evaluate(digits.test));
      row.push_back(absl::StrFormat("%.4f", losses[0]));
      row.push_back(absl::StrFormat("%.4f", losses.back()));
      row.push_back(absl::StrFormat("%.2f %%", 100 * score.accuracy));
      const char* kind = shortcuts ? "residual" : "plain";
      result.figures[absl::StrCat("loss.", kind, ".", layers)] = losses.back();
      result.figures[absl::StrCat("accuracy.", kind, ".", layers)] = score.accuracy;
      if (blocks != depths[1] || options.quick) {
        result.plots[0].curves.push_back(CountedCurve(absl::StrCat(kind, ", ", layers, " layers"), losses));
      }
    }
    rows.push_back(row);
  }
  result.text = absl::StrFormat(
      "fully connected layers of %d with batch normalisation, SGD with momentum 0.9, rate 0.02, batch 100, %s\n\n%s",
      kWidth, digits.name, FormatColumns(rows));
  return result;
}

}  // namespace athanor
