// Losses of yes or no: Hinge, BinaryCrossEntropy, BinaryCrossEntropyWithLogits and LogLoss.
#include <algorithm>
#include <cmath>

#include "compiler/ops/pointwise_loss.h"

namespace athanor {
namespace {

constexpr double kLeastLog = -100;     // as torch.nn.BCELoss: the loss of a sure error is finite
constexpr double kLeastSlope = 1e-12;  // of p (1 - p), likewise for the gradient

PointwiseLoss Hinge() {
  PointwiseLoss loss;
  loss.name = "Hinge";
  loss.doc = "loss = the mean of max(0, margin - target pred), each target -1 or 1. The gradient is 0 at the bend.";
  loss.pred_doc = "f32, any shape";
  loss.target_doc = "like pred: -1 or 1";
  loss.attributes = {{.name = "margin",
                      .type = AttrType::kFloat,
                      .doc = "from which on a prediction is good",
                      .default_value = 1.0,
                      .min = -1e30,
                      .max = 1e30}};
  loss.formula = [](const Attributes& attrs, Elem x, Elem t, Elem) { return Max(attrs.Float("margin") - t * x, 0); };
  loss.gradient = [](const Attributes& attrs, Elem x, Elem t, Elem) -> std::array<Elem, 2> {
    const Elem wrong = Gt(attrs.Float("margin") - t * x, 0);
    return {Select(wrong, -t, 0), Select(wrong, -x, 0)};
  };
  loss.reference = [](const Attributes& attrs, double x, double t, double) {
    return std::max(0.0, attrs.Float("margin") - t * x);
  };
  loss.gradient_reference = [](const Attributes& attrs, double x, double t, double) -> std::array<double, 2> {
    if (attrs.Float("margin") - t * x <= 0) return {0, 0};
    return {-t, -x};
  };
  return loss;
}

PointwiseLoss BinaryCrossEntropy() {
  PointwiseLoss loss;
  loss.name = "BinaryCrossEntropy";
  loss.doc =
      "loss = the mean of -target log(pred) - (1 - target) log(1 - pred), logarithms not below -100 and p (1 - p) in "
      "the gradient not below 1e-12, as torch.nn.BCELoss has it.";
  loss.pred_doc = "f32, any shape: probabilities in [0, 1]";
  loss.target_doc = "like pred, in [0, 1]";
  loss.formula = [](const Attributes&, Elem x, Elem t, Elem) {
    return -(t * Max(Log(x), kLeastLog) + (1 - t) * Max(Log1p(-x), kLeastLog));
  };
  loss.gradient = [](const Attributes&, Elem x, Elem t, Elem) -> std::array<Elem, 2> {
    return {(x - t) / Max((1 - x) * x, kLeastSlope), Max(Log1p(-x), kLeastLog) - Max(Log(x), kLeastLog)};
  };
  loss.reference = [](const Attributes&, double x, double t, double) {
    return -t * std::max(std::log(x), kLeastLog) - (1 - t) * std::max(std::log1p(-x), kLeastLog);
  };
  loss.gradient_reference = [](const Attributes&, double x, double t, double) -> std::array<double, 2> {
    return {(x - t) / std::max((1 - x) * x, kLeastSlope),
            std::max(std::log1p(-x), kLeastLog) - std::max(std::log(x), kLeastLog)};
  };
  return loss;
}

// log(1 + e^x), which is x for large x and e^x for very negative ones.
Elem Softplus(Elem x) { return Max(x, 0) + Log1p(Exp(-Abs(x))); }
double Softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double Sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

// Two terms that are not negative: nothing cancels.
PointwiseLoss BinaryCrossEntropyWithLogits() {
  PointwiseLoss loss;
  loss.name = "BinaryCrossEntropyWithLogits";
  loss.doc =
      "loss = the mean of pos_weight target log(1 + e^-pred) + (1 - target) log(1 + e^pred), finite for all finite "
      "logits (torch.nn.BCEWithLogitsLoss).";
  loss.pred_doc = "f32, any shape: logits";
  loss.target_doc = "like pred, in [0, 1]";
  loss.pos_weight = true;
  loss.formula = [](const Attributes&, Elem x, Elem t, Elem w) { return w * t * Softplus(-x) + (1 - t) * Softplus(x); };
  loss.gradient = [](const Attributes&, Elem x, Elem t, Elem w) -> std::array<Elem, 2> {
    return {(1 - t) * Logistic(x) - w * t * Logistic(-x), w * Softplus(-x) - Softplus(x)};
  };
  loss.reference = [](const Attributes&, double x, double t, double w) {
    return w * t * Softplus(-x) + (1 - t) * Softplus(x);
  };
  loss.gradient_reference = [](const Attributes&, double x, double t, double w) -> std::array<double, 2> {
    return {(1 - t) * Sigmoid(x) - w * t * Sigmoid(-x), w * Softplus(-x) - Softplus(x)};
  };
  return loss;
}

PointwiseLoss LogLoss() {
  PointwiseLoss loss;
  loss.name = "LogLoss";
  loss.doc =
      "loss = the mean of -target log(pred + epsilon) - (1 - target) log(1 - pred + epsilon) (TensorFlow's "
      "tf.compat.v1.losses.log_loss).";
  loss.pred_doc = "f32, any shape: probabilities in [0, 1]";
  loss.target_doc = "like pred, in [0, 1]";
  loss.attributes = {{.name = "epsilon",
                      .type = AttrType::kFloat,
                      .doc = "keeps the logarithms finite",
                      .default_value = 1e-7,
                      .min = 1e-30,
                      .max = 1}};
  loss.formula = [](const Attributes& attrs, Elem x, Elem t, Elem) {
    const double epsilon = attrs.Float("epsilon");
    return -(t * Log(x + epsilon) + (1 - t) * Log(1 - x + epsilon));
  };
  loss.gradient = [](const Attributes& attrs, Elem x, Elem t, Elem) -> std::array<Elem, 2> {
    const double epsilon = attrs.Float("epsilon");
    const Elem yes = x + epsilon, no = 1 - x + epsilon;
    return {(1 - t) / no - t / yes, Log(no) - Log(yes)};
  };
  loss.reference = [](const Attributes& attrs, double x, double t, double) {
    const double epsilon = attrs.Float("epsilon");
    return -t * std::log(x + epsilon) - (1 - t) * std::log(1 - x + epsilon);
  };
  loss.gradient_reference = [](const Attributes& attrs, double x, double t, double) -> std::array<double, 2> {
    const double yes = x + attrs.Float("epsilon"), no = 1 - x + attrs.Float("epsilon");
    return {(1 - t) / no - t / yes, std::log(no) - std::log(yes)};
  };
  return loss;
}

[[maybe_unused]] const bool kRegistered =
    RegisterPointwiseLoss(Hinge()) && RegisterPointwiseLoss(BinaryCrossEntropy()) &&
    RegisterPointwiseLoss(BinaryCrossEntropyWithLogits()) && RegisterPointwiseLoss(LogLoss());

}  // namespace
}  // namespace athanor
