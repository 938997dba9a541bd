// Losses of numbers: MeanAbsoluteError, Huber and SmoothL1.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/ops/pointwise_loss.h"

namespace athanor {
namespace {

constexpr double kLargest = 1e30;

double Sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

// Of a function of pred - target.
std::array<Elem, 2> BySlope(Elem slope) { return {slope, -slope}; }
std::array<double, 2> BySlope(double slope) { return {slope, -slope}; }

PointwiseLoss MeanAbsoluteError() {
  PointwiseLoss loss;
  loss.name = "MeanAbsoluteError";
  loss.doc = "loss = the mean of |pred - target| (torch.nn.L1Loss). Where they are equal the gradient is 0.";
  loss.pred_doc = "f32, any shape";
  loss.target_doc = "like pred";
  loss.formula = [](const Attributes&, Elem x, Elem t, Elem) { return Abs(x - t); };
  loss.gradient = [](const Attributes&, Elem x, Elem t, Elem) { return BySlope(Sign(x - t)); };
  loss.reference = [](const Attributes&, double x, double t, double) { return std::abs(x - t); };
  loss.gradient_reference = [](const Attributes&, double x, double t, double) { return BySlope(Sign(x - t)); };
  return loss;
}

// Quadratic up to `delta`, with slope delta beyond.
PointwiseLoss Huber() {
  PointwiseLoss loss;
  loss.name = "Huber";
  loss.doc =
      "loss = the mean of d^2 / 2 where |d| <= delta, else of delta (|d| - delta / 2), with d = pred - target (Huber "
      "1964; torch.nn.HuberLoss).";
  loss.pred_doc = "f32, any shape";
  loss.target_doc = "like pred";
  loss.attributes = {{.name = "delta",
                      .type = AttrType::kFloat,
                      .doc = "where the parabola ends",
                      .default_value = 1.0,
                      .min = 0,
                      .max = kLargest,
                      .min_exclusive = true}};
  loss.formula = [](const Attributes& attrs, Elem x, Elem t, Elem) {
    const double delta = attrs.Float("delta");
    const Elem d = x - t, size = Abs(d);
    return Select(Le(size, delta), 0.5 * d * d, delta * (size - 0.5 * delta));
  };
  loss.gradient = [](const Attributes& attrs, Elem x, Elem t, Elem) {
    const double delta = attrs.Float("delta");
    return BySlope(Min(Max(x - t, -delta), delta));
  };
  loss.reference = [](const Attributes& attrs, double x, double t, double) {
    const double delta = attrs.Float("delta"), d = std::abs(x - t);
    return d <= delta ? d * d / 2 : delta * (d - delta / 2);
  };
  loss.gradient_reference = [](const Attributes& attrs, double x, double t, double) {
    const double delta = attrs.Float("delta");
    return BySlope(std::clamp(x - t, -delta, delta));
  };
  return loss;
}

// Smaller than the normal numbers of f32: the parabola has no width.
bool IsSharp(const Attributes& attrs) { return attrs.Float("beta") < std::numeric_limits<float>::min(); }

PointwiseLoss SmoothL1() {
  PointwiseLoss loss;
  loss.name = "SmoothL1";
  loss.doc =
      "loss = the mean of d^2 / (2 beta) where |d| < beta, else of |d| - beta / 2, with d = pred - target "
      "(torch.nn.SmoothL1Loss); beta = 0: of |d|.";
  loss.pred_doc = "f32, any shape";
  loss.target_doc = "like pred";
  loss.attributes = {{.name = "beta",
                      .type = AttrType::kFloat,
                      .doc = "where the parabola ends",
                      .default_value = 1.0,
                      .min = 0,
                      .max = kLargest}};
  loss.formula = [](const Attributes& attrs, Elem x, Elem t, Elem) {
    const double beta = attrs.Float("beta");
    const Elem d = x - t, size = Abs(d);
    if (IsSharp(attrs)) return size;
    return Select(Lt(size, beta), 0.5 * d * (d / beta), size - 0.5 * beta);
  };
  loss.gradient = [](const Attributes& attrs, Elem x, Elem t, Elem) {
    if (IsSharp(attrs)) return BySlope(Sign(x - t));
    return BySlope(Min(Max((x - t) / attrs.Float("beta"), -1), 1));
  };
  loss.reference = [](const Attributes& attrs, double x, double t, double) {
    const double beta = attrs.Float("beta"), d = std::abs(x - t);
    return d < beta ? d * d / (2 * beta) : d - beta / 2;
  };
  loss.gradient_reference = [](const Attributes& attrs, double x, double t, double) {
    const double beta = attrs.Float("beta"), d = x - t;
    return BySlope(std::abs(d) < beta ? d / beta : Sign(d));
  };
  return loss;
}

[[maybe_unused]] const bool kRegistered =
    RegisterPointwiseLoss(MeanAbsoluteError()) && RegisterPointwiseLoss(Huber()) && RegisterPointwiseLoss(SmoothL1());

}  // namespace
}  // namespace athanor
