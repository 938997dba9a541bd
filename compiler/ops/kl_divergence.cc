// KLDivergence of a target distribution from a predicted one.
#include <cmath>

#include "compiler/ops/pointwise_loss.h"

namespace athanor {
namespace {

bool IsLog(const Attributes& attrs) { return attrs.Bool("log_target"); }

// Where the target's probability is 0 the loss and its gradients are 0, also where the prediction's is.
PointwiseLoss KlDivergence() {
  PointwiseLoss loss;
  loss.name = "KLDivergence";
  loss.doc =
      "loss = the sum of p (log p - pred) over all elements, divided by the size of dimension 0; p is the target, or "
      "e^target with log_target (Kullback, Leibler 1951; torch.nn.KLDivLoss).";
  loss.pred_doc = "f32, rank at least 1: logarithms of probabilities";
  loss.target_doc = "like pred: probabilities, or their logarithms with log_target";
  loss.attributes = {{.name = "log_target",
                      .type = AttrType::kBool,
                      .doc = "the target holds logarithms",
                      .default_value = false}};
  loss.batchmean = true;
  loss.formula = [](const Attributes& attrs, Elem x, Elem t, Elem) {
    const Elem p = IsLog(attrs) ? Exp(t) : t, log_p = IsLog(attrs) ? t : Log(t);
    return Select(Eq(p, 0), 0, p * (log_p - x));
  };
  loss.gradient = [](const Attributes& attrs, Elem x, Elem t, Elem) -> std::array<Elem, 2> {
    const Elem p = IsLog(attrs) ? Exp(t) : t, log_p = IsLog(attrs) ? t : Log(t);
    const Elem slope = log_p - x + 1;  // by p
    return {-p, Select(Eq(p, 0), 0, IsLog(attrs) ? p * slope : slope)};
  };
  loss.reference = [](const Attributes& attrs, double x, double t, double) {
    const double p = IsLog(attrs) ? std::exp(t) : t;
    return p == 0 ? 0 : p * ((IsLog(attrs) ? t : std::log(t)) - x);
  };
  loss.gradient_reference = [](const Attributes& attrs, double x, double t, double) -> std::array<double, 2> {
    const double p = IsLog(attrs) ? std::exp(t) : t;
    if (p == 0) return {0, 0};
    const double slope = (IsLog(attrs) ? t : std::log(t)) - x + 1;
    return {-p, IsLog(attrs) ? p * slope : slope};
  };
  return loss;
}

[[maybe_unused]] const bool kRegistered = RegisterPointwiseLoss(KlDivergence());

}  // namespace
}  // namespace athanor
