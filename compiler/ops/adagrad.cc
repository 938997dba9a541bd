// AdaGrad, RMSProp and AdaDelta, as torch.optim computes them, and Lion.
#include <cmath>
#include <limits>

#include "compiler/ops/optimizer.h"

namespace athanor {
namespace {

using Slots = std::vector<double>;
constexpr double kLargest = std::numeric_limits<float>::max();

bool UsesLrDecay(const Attributes& attrs) { return NumberOf(attrs, "lr_decay") != 0; }
bool UsesMean(const Attributes& attrs) { return SwitchOf(attrs, "centered"); }
bool UsesBuffer(const Attributes& attrs) { return NumberOf(attrs, "momentum") != 0; }

double AdaGrad(const Attributes& attrs, double step, double, double g, Slots& slots) {
  slots[0] += g * g;
  return g / (std::sqrt(slots[0] + attrs.Float("initial_accumulator_value")) + attrs.Float("epsilon")) /
         (1 + (step - 1) * attrs.Float("lr_decay"));
}

double RmsProp(const Attributes& attrs, double, double, double g, Slots& slots) {
  const double alpha = attrs.Float("alpha");
  slots[0] = alpha * slots[0] + (1 - alpha) * g * g;
  double square = slots[0];
  if (attrs.Bool("centered")) {
    slots[1] = alpha * slots[1] + (1 - alpha) * g;
    square = std::max(0.0, square - slots[1] * slots[1]);
  }
  const double d = g / (std::sqrt(square) + attrs.Float("epsilon"));
  if (!UsesBuffer(attrs)) return d;
  return slots[2] = attrs.Float("momentum") * slots[2] + d;
}

double AdaDelta(const Attributes& attrs, double, double, double g, Slots& slots) {
  const double rho = attrs.Float("rho"), epsilon = attrs.Float("epsilon");
  slots[0] = rho * slots[0] + (1 - rho) * g * g;
  const double d = std::sqrt(slots[1] + epsilon) / std::sqrt(slots[0] + epsilon) * g;
  slots[1] = rho * slots[1] + (1 - rho) * d * d;
  return d;
}

double Lion(const Attributes& attrs, double, double, double g, Slots& slots) {
  const double beta1 = attrs.Float("beta1"), beta2 = attrs.Float("beta2");
  const double x = beta1 * slots[0] + (1 - beta1) * g;
  slots[0] = beta2 * slots[0] + (1 - beta2) * g;
  return x == 0 ? 0 : x == x ? std::copysign(1.0, x) : x;
}

ATH_REGISTER_OP(MakeOptimizer({
    .name = "AdaGrad",
    .doc = "Duchi, Hazan, Singer, 2011, as torch.optim.Adagrad: sum = sum + g^2; param = param - lr / (1 + (step - 1) "
           "lr_decay) g / (sqrt(sum + initial_accumulator_value) + epsilon).",
    .algorithm = "adagrad",
    .slots = {{"sum"}},
    .uses_step = UsesLrDecay,
    .attributes = {Hyper("lr_decay", ">= 0", 0, 0, kLargest),
                   Hyper("initial_accumulator_value", ">= 0", 0, 0, kLargest), Epsilon(1e-10)},
    .direction = AdaGrad,
}));

ATH_REGISTER_OP(MakeOptimizer({
    .name = "RMSProp",
    .doc = "Tieleman, Hinton, 2012, as torch.optim.RMSprop: square_avg = alpha square_avg + (1 - alpha) g^2; centered "
           "(Graves, 2013), with the variance in its place: grad_avg = alpha grad_avg + (1 - alpha) g, square_avg - "
           "grad_avg^2, never below 0; d = g / (sqrt(square_avg) + epsilon); with momentum, momentum_buffer = momentum "
           "momentum_buffer + d takes its place; param = param - lr d.",
    .algorithm = "rmsprop",
    .slots = {{"square_avg"}, {"grad_avg", UsesMean}, {"momentum_buffer", UsesBuffer}},
    .attributes = {Beta("alpha", "in [0, 1)", 0.99), Epsilon(1e-8), Hyper("momentum", "in [0, 1]", 0, 0, 1),
                   Switch("centered", "divide by the deviation")},
    .direction = RmsProp,
}));

ATH_REGISTER_OP(MakeOptimizer({
    .name = "AdaDelta",
    .doc = "Zeiler, 2012, as torch.optim.Adadelta: square_avg = rho square_avg + (1 - rho) g^2; d = sqrt(acc_delta + "
           "epsilon) / sqrt(square_avg + epsilon) g; acc_delta = rho acc_delta + (1 - rho) d^2; param = param - lr d.",
    .algorithm = "adadelta",
    .slots = {{"square_avg"}, {"acc_delta"}},
    .attributes = {Beta("rho", "in [0, 1)", 0.9), Epsilon(1e-6)},
    .direction = AdaDelta,
}));

ATH_REGISTER_OP(MakeOptimizer({
    .name = "Lion",
    .doc = "Chen et al., 2023: d = sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g; param = (1 - lr "
           "weight_decay) param - lr d.",
    .algorithm = "lion",
    .slots = {{"m"}},
    .attributes = {Beta("beta1", "in [0, 1)", 0.9), Beta("beta2", "in [0, 1)", 0.99)},
    .weight_decay = WeightDecay::kDecoupled,
    .direction = Lion,
}));

}  // namespace
}  // namespace athanor
