#include "runtime/kernels/optimizer_step.h"

#include <cmath>
#include <limits>

#include "runtime/kernels/own_loop.h"

namespace athanor {
namespace {

using Hyper = UpdateHyper;
using Number = UpdateAlgorithm::Number;

constexpr double kLargest = std::numeric_limits<float>::max();
const double kBelowOne = std::nextafter(1.0, 0.0);

float ToFloat(double v) { return static_cast<float>(std::clamp(v, -kLargest, kLargest)); }

// Zero would make 0/0 of the padding of blocked layouts, and of elements whose gradient has always been 0.
Number Epsilon() { return {"epsilon", &Hyper::epsilon, std::numeric_limits<float>::min(), kLargest}; }
Number Share(const char* name, double Hyper::*field) { return {name, field, 0, kBelowOne}; }
Number UpToOne(const char* name, double Hyper::*field) { return {name, field, 0, 1}; }
Number NotNegative(const char* name, double Hyper::*field) { return {name, field, 0, kLargest}; }

bool Always(const Hyper&) { return true; }
bool Never(const Hyper&) { return false; }
template <UpdateRule kRule>
UpdateRule Only(const Hyper&) {
  return kRule;
}

UpdateRule SgdRule(const Hyper& h) {
  if (h.momentum == 0) return UpdateRule::kSgd;
  return h.nesterov ? UpdateRule::kSgdNesterov : UpdateRule::kSgdMomentum;
}
bool SgdUsesStep(const Hyper& h) { return h.momentum != 0 && h.dampening != 0; }
void PrepareSgd(const Hyper& h, double, int64_t step, UpdateConstants* k) {
  k->momentum = ToFloat(h.momentum);
  k->grad_share = ToFloat(SgdUsesStep(h) && step > 1 ? 1 - h.dampening : 1);
}

bool AdaGradUsesStep(const Hyper& h) { return h.lr_decay != 0; }
void PrepareAdaGrad(const Hyper& h, double lr, int64_t step, UpdateConstants* k) {
  if (AdaGradUsesStep(h)) k->step_size = ToFloat(lr / (1 + static_cast<double>(step - 1) * h.lr_decay));
  k->initial = ToFloat(h.initial_accumulator_value);
}

UpdateRule RmsPropRule(const Hyper& h) {
  if (h.centered) return h.momentum != 0 ? UpdateRule::kRmsPropCenteredMomentum : UpdateRule::kRmsPropCentered;
  return h.momentum != 0 ? UpdateRule::kRmsPropMomentum : UpdateRule::kRmsProp;
}
void PrepareRmsProp(const Hyper& h, double, int64_t, UpdateConstants* k) {
  k->momentum = ToFloat(h.momentum);
  k->beta2 = ToFloat(h.alpha);
  k->rest2 = ToFloat(1 - h.alpha);
}

UpdateRule AdamRule(const Hyper& h) { return h.amsgrad ? UpdateRule::kAdamAmsgrad : UpdateRule::kAdam; }
void PrepareBetas(const Hyper& h, double, int64_t, UpdateConstants* k) {
  k->beta1 = ToFloat(h.beta1);
  k->rest1 = ToFloat(1 - h.beta1);
  k->beta2 = ToFloat(h.beta2);
  k->rest2 = ToFloat(1 - h.beta2);
}
void PrepareAdam(const Hyper& h, double lr, int64_t step, UpdateConstants* k) {
  PrepareBetas(h, lr, step, k);
  k->step_size = ToFloat(lr / (1 - std::pow(h.beta1, static_cast<double>(step))));
  k->correction2 = ToFloat(std::sqrt(1 - std::pow(h.beta2, static_cast<double>(step))));
}

void PrepareAdaDelta(const Hyper& h, double, int64_t, UpdateConstants* k) {
  k->beta2 = ToFloat(h.rho);
  k->rest2 = ToFloat(1 - h.rho);
}

void PrepareAdamax(const Hyper& h, double lr, int64_t step, UpdateConstants* k) {
  PrepareBetas(h, lr, step, k);
  k->step_size = ToFloat(lr / (1 - std::pow(h.beta1, static_cast<double>(step))));
}

double NAdamMu(const Hyper& h, int64_t step) {
  return h.beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(step) * h.momentum_decay));
}
// mu_1 ... mu_step, in a few thousand rounds at most: it vanishes soon, or the later factors are all beta1.
double NAdamProduct(const Hyper& h, int64_t step) {
  double product = 1;
  for (int64_t i = 1; i <= step && product > 0x1p-60; ++i) {
    if (static_cast<double>(i) * h.momentum_decay > 1100) {
      return product * std::pow(h.beta1, static_cast<double>(step - i) + 1);
    }
    product *= NAdamMu(h, i);
  }
  return product;
}
void PrepareNAdam(const Hyper& h, double lr, int64_t step, UpdateConstants* k) {
  PrepareBetas(h, lr, step, k);
  const double mu = NAdamMu(h, step), product = NAdamProduct(h, step);
  const double next = step == std::numeric_limits<int64_t>::max() ? mu : NAdamMu(h, step + 1);
  k->grad_weight = ToFloat((1 - mu) / (1 - product));
  k->moment_weight = ToFloat(next / (1 - product * next));
  k->correction2 = ToFloat(std::sqrt(1 - std::pow(h.beta2, static_cast<double>(step))));
}

void PrepareLamb(const Hyper& h, double lr, int64_t step, UpdateConstants* k) {
  PrepareAdam(h, lr, step, k);
  k->step_size = ToFloat(lr);
  k->correction1 = ToFloat(1 - std::pow(h.beta1, static_cast<double>(step)));
  k->weight_decay = ToFloat(h.weight_decay);
  k->l2 = 0;
  k->decay = 1;
}

const std::vector<UpdateAlgorithm>& Algorithms() {
  using H = UpdateHyper;
  const Number beta1 = Share("beta1", &H::beta1), beta2 = Share("beta2", &H::beta2);
  const Number momentum = UpToOne("momentum", &H::momentum);
  static const std::vector<UpdateAlgorithm> all = {
      {"sgd", {momentum, UpToOne("dampening", &H::dampening)}, {{"nesterov", &H::nesterov}}, SgdRule, SgdUsesStep,
       PrepareSgd},
      {"adagrad",
       {NotNegative("lr_decay", &H::lr_decay), NotNegative("initial_accumulator_value", &H::initial_accumulator_value),
        Epsilon()},
       {}, Only<UpdateRule::kAdaGrad>, AdaGradUsesStep, PrepareAdaGrad},
      {"rmsprop", {Share("alpha", &H::alpha), Epsilon(), momentum}, {{"centered", &H::centered}}, RmsPropRule, Never,
       PrepareRmsProp},
      {"adam", {beta1, beta2, Epsilon()}, {{"amsgrad", &H::amsgrad}}, AdamRule, Always, PrepareAdam},
      {"adadelta", {Share("rho", &H::rho), Epsilon()}, {}, Only<UpdateRule::kAdaDelta>, Never, PrepareAdaDelta},
      {"adamax", {beta1, beta2, Epsilon()}, {}, Only<UpdateRule::kAdamax>, Always, PrepareAdamax},
      {"nadam", {beta1, beta2, Epsilon(), NotNegative("momentum_decay", &H::momentum_decay)}, {},
       Only<UpdateRule::kNAdam>, Always, PrepareNAdam},
      {"lion", {beta1, beta2}, {}, Only<UpdateRule::kLion>, Never, PrepareBetas},
      {"lamb", {beta1, beta2, Epsilon()}, {}, Only<UpdateRule::kLamb>, Always, PrepareLamb},
  };
  return all;
}

absl::Status ReadNumber(const CallSpec& spec, const Number& number, Hyper* h) {
  double value = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, number.name, &value));
  if (!(value >= number.min && value <= number.max)) {
    return CallError(spec, "attribute \"%s\" = %g is not in [%g, %g]", number.name, value, number.min, number.max);
  }
  h->*number.field = value;
  return absl::OkStatus();
}

}  // namespace

int NumSlots(UpdateRule rule) {
  switch (rule) {
    case UpdateRule::kSgd:
      return 0;
    case UpdateRule::kSgdMomentum:
    case UpdateRule::kSgdNesterov:
    case UpdateRule::kAdaGrad:
    case UpdateRule::kRmsProp:
    case UpdateRule::kLion:
      return 1;
    case UpdateRule::kRmsPropCenteredMomentum:
    case UpdateRule::kAdamAmsgrad:
      return 3;
    default:
      return 2;
  }
}

int FlopsPerElement(UpdateRule rule) { return rule == UpdateRule::kLamb ? 24 : 6 + 5 * NumSlots(rule); }

absl::StatusOr<const UpdateAlgorithm*> FindUpdateAlgorithm(const CallSpec& spec) {
  std::string name;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "algorithm", &name));
  for (const UpdateAlgorithm& a : Algorithms()) {
    if (name == a.name) return &a;
  }
  return CallError(spec, "there is no algorithm \"%s\"", name);
}

absl::StatusOr<UpdateHyper> ReadUpdateHyper(const CallSpec& spec, const UpdateAlgorithm& algorithm) {
  UpdateHyper h;
  for (const Number& n : {NotNegative("weight_decay", &Hyper::weight_decay),
                          NotNegative("clip_value", &Hyper::clip_value), NotNegative("lr_scale", &Hyper::lr_scale)}) {
    ATH_RETURN_IF_ERROR(ReadNumber(spec, n, &h));
  }
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "decoupled_weight_decay", &h.decoupled_weight_decay));
  for (const Number& n : algorithm.numbers) ATH_RETURN_IF_ERROR(ReadNumber(spec, n, &h));
  for (const UpdateAlgorithm::Flag& f : algorithm.flags) ATH_RETURN_IF_ERROR(ReadAttr(spec, f.name, &(h.*f.field)));
  return h;
}

UpdateConstants PrepareStep(const UpdateAlgorithm& algorithm, const UpdateHyper& hyper, float lr, int64_t step,
                            float grad_scale) {
  const double rate = lr * hyper.lr_scale;
  UpdateConstants k;
  k.grad_scale = grad_scale;
  k.clip = hyper.clip_value > 0 ? ToFloat(hyper.clip_value) : std::numeric_limits<float>::infinity();
  k.l2 = hyper.decoupled_weight_decay ? 0 : ToFloat(hyper.weight_decay);
  k.decay = hyper.decoupled_weight_decay ? ToFloat(1 - rate * hyper.weight_decay) : 1;
  k.step_size = ToFloat(rate);
  k.epsilon = ToFloat(hyper.epsilon);
  algorithm.prepare(hyper, rate, step, &k);
  return k;
}

absl::Status CheckLr(const std::string& node, float lr) {
  if (lr >= 0 && std::isfinite(lr)) return absl::OkStatus();
  return MakeError(ErrorClass::kAttr, "node \"%s\": the learning rate \"lr\" is %g, expected a finite number >= 0",
                   node, lr);
}

absl::Status CheckStep(const std::string& node, int64_t step) {
  if (step >= 1) return absl::OkStatus();
  return MakeError(ErrorClass::kAttr, "node \"%s\": \"step\" is %d, expected 1 in the first step and more later", node,
                   step);
}

absl::Status CheckGradScale(const std::string& node, float scale) {
  if (scale >= 0 && std::isfinite(scale)) return absl::OkStatus();
  return MakeError(ErrorClass::kData, "node \"%s\": the gradients' scale \"grad_scale\" is %g, expected a finite number "
                   ">= 0", node, scale);
}

}  // namespace athanor
