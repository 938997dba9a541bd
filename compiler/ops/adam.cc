// Adam and its kin: AdamW, Adamax, NAdam, as torch.optim computes them, and LAMB.
#include <cmath>

#include "compiler/ops/optimizer.h"

namespace athanor {
namespace {

using Slots = std::vector<double>;

bool UsesAmsgrad(const Attributes& attrs) { return SwitchOf(attrs, "amsgrad"); }

std::vector<AttrDef> AdamAttributes(double epsilon, std::vector<AttrDef> more = {}) {
  std::vector<AttrDef> attributes = {Beta("beta1", "of m, in [0, 1)", 0.9), Beta("beta2", "of v, in [0, 1)", 0.999),
                                     Epsilon(epsilon)};
  attributes.insert(attributes.end(), more.begin(), more.end());
  return attributes;
}

// m, and v if there is one.
void UpdateMoments(const Attributes& attrs, double g, double* m, double* v) {
  const double beta1 = attrs.Float("beta1"), beta2 = attrs.Float("beta2");
  *m = beta1 * *m + (1 - beta1) * g;
  if (v != nullptr) *v = beta2 * *v + (1 - beta2) * g * g;
}
double Corrected(const Attributes& attrs, const char* beta, double step, double moment) {
  return moment / (1 - std::pow(attrs.Float(beta), step));
}

double Adam(const Attributes& attrs, double step, double, double g, Slots& slots) {
  UpdateMoments(attrs, g, &slots[0], &slots[1]);
  slots[2] = std::max(slots[2], slots[1]);
  const double v = attrs.Bool("amsgrad") ? slots[2] : slots[1];
  return Corrected(attrs, "beta1", step, slots[0]) /
         (std::sqrt(Corrected(attrs, "beta2", step, v)) + attrs.Float("epsilon"));
}

double Adamax(const Attributes& attrs, double step, double, double g, Slots& slots) {
  const double epsilon = attrs.Float("epsilon");
  UpdateMoments(attrs, g, &slots[0], nullptr);
  if (g == 0 && slots[1] == 0) return Corrected(attrs, "beta1", step, slots[0]) / epsilon;
  slots[1] = std::max(attrs.Float("beta2") * slots[1], std::abs(g) + epsilon);
  return Corrected(attrs, "beta1", step, slots[0]) / slots[1];
}

double NAdam(const Attributes& attrs, double step, double, double g, Slots& slots) {
  UpdateMoments(attrs, g, &slots[0], &slots[1]);
  auto mu = [&](double t) {
    return attrs.Float("beta1") * (1 - 0.5 * std::pow(0.96, t * attrs.Float("momentum_decay")));
  };
  double product = 1;
  for (double t = 1; t <= step && product > 1e-30; ++t) product *= mu(t);
  const double nearer = mu(step + 1) / (1 - product * mu(step + 1)) * slots[0] + (1 - mu(step)) / (1 - product) * g;
  return nearer / (std::sqrt(Corrected(attrs, "beta2", step, slots[1])) + attrs.Float("epsilon"));
}

double Lamb(const Attributes& attrs, double step, double param, double g, Slots& slots) {
  UpdateMoments(attrs, g, &slots[0], &slots[1]);
  return Corrected(attrs, "beta1", step, slots[0]) /
             (std::sqrt(Corrected(attrs, "beta2", step, slots[1])) + attrs.Float("epsilon")) +
         attrs.Float("weight_decay") * param;
}

const std::vector<OptimizerSlot>& AdamSlots() {
  static const std::vector<OptimizerSlot> slots = {{"m"}, {"v"}, {"v_max", UsesAmsgrad, /*late=*/true}};
  return slots;
}
AttrDef Amsgrad() { return Switch("amsgrad", "v_max = max(v_max, v) takes v's place (Reddi, Kale, Kumar, 2018)"); }

ATH_REGISTER_OP(MakeOptimizer({
    .name = "Adam",
    .doc = "Kingma, Ba, 2015, as torch.optim.Adam: m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; param = "
           "param - lr / (1 - beta1^step) m / (sqrt(v / (1 - beta2^step)) + epsilon).",
    .algorithm = "adam",
    .slots = AdamSlots(),
    .needs_step = true,
    .attributes = AdamAttributes(1e-8, {Amsgrad()}),
    .direction = Adam,
}));

ATH_REGISTER_OP(MakeOptimizer({
    .name = "AdamW",
    .doc = "Adam with decoupled weight decay (Loshchilov, Hutter, 2019), as torch.optim.AdamW: param is first "
           "multiplied by 1 - lr weight_decay.",
    .algorithm = "adam",
    .slots = AdamSlots(),
    .needs_step = true,
    .attributes = AdamAttributes(1e-8, {Amsgrad()}),
    .weight_decay = WeightDecay::kDecoupled,
    .default_weight_decay = 0.01,
    .direction = Adam,
}));

ATH_REGISTER_OP(MakeOptimizer({
    .name = "Adamax",
    .doc = "Kingma, Ba, 2015, as torch.optim.Adamax: m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + epsilon); param "
           "= param - lr / (1 - beta1^step) m / u. (Elements whose gradients have all been 0 keep u = 0 and their value.)",
    .algorithm = "adamax",
    .slots = {{"m"}, {"u"}},
    .needs_step = true,
    .attributes = AdamAttributes(1e-8),
    .direction = Adamax,
}));

ATH_REGISTER_OP(MakeOptimizer({
    .name = "NAdam",
    .doc = "Adam with Nesterov's momentum (Dozat, 2016), as torch.optim.NAdam: mu_t = beta1 (1 - 0.96^(t momentum_decay) "
           "/ 2); d = (mu_(t+1) / (1 - mu_1...mu_(t+1)) m + (1 - mu_t) / (1 - mu_1...mu_t) g) / (sqrt(v / (1 - "
           "beta2^t)) + epsilon), with Adam's m and v, and t the step; param = param - lr d.",
    .algorithm = "nadam",
    .slots = {{"m"}, {"v"}},
    .needs_step = true,
    .attributes = AdamAttributes(1e-8, {Hyper("momentum_decay", ">= 0", 4e-3, 0, 3e38)}),
    .direction = NAdam,
}));

ATH_REGISTER_OP(MakeOptimizer({
    .name = "LAMB",
    .doc = "You et al., 2020: d = Adam's m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + epsilon) + weight_decay "
           "param; param = param - lr |param| / |d| d, with the norms over the whole parameter; 1 in place of the ratio "
           "where one of them is 0.",
    .algorithm = "lamb",
    .slots = {{"m"}, {"v"}},
    .needs_step = true,
    .attributes = AdamAttributes(1e-6),
    .weight_decay = WeightDecay::kInDirection,
    .default_weight_decay = 0.01,
    .layerwise = true,
    .direction = Lamb,
}));

}  // namespace
}  // namespace athanor
