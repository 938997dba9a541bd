// SGD: stochastic gradient descent, as torch.optim.SGD computes it.
#include "compiler/ops/optimizer.h"

namespace athanor {
namespace {

bool UsesBuffer(const Attributes& attrs) { return NumberOf(attrs, "momentum") != 0; }
// The first step takes the gradient undampened, so it must be known.
bool UsesStep(const Attributes& attrs) { return UsesBuffer(attrs) && NumberOf(attrs, "dampening") != 0; }

absl::Status Check(const InferContext& c) {
  if (!c.attrs().Bool("nesterov") || (UsesBuffer(c.attrs()) && c.attrs().Float("dampening") == 0)) {
    return absl::OkStatus();
  }
  return c.Error(ErrorClass::kAttr, "nesterov needs a momentum and no dampening, has momentum %g and dampening %g",
                 c.attrs().Float("momentum"), c.attrs().Float("dampening"));
}

double Direction(const Attributes& attrs, double step, double, double g, std::vector<double>& slots) {
  if (!UsesBuffer(attrs)) return g;
  const double momentum = attrs.Float("momentum");
  const double share = UsesStep(attrs) && step == 1 ? 1 : 1 - attrs.Float("dampening");
  slots[0] = momentum * slots[0] + share * g;
  return attrs.Bool("nesterov") ? g + momentum * slots[0] : slots[0];
}

ATH_REGISTER_OP(MakeOptimizer({
    .name = "SGD",
    .doc = "Stochastic gradient descent: d = g; with momentum, buffer = momentum buffer + (1 - dampening) g (undampened "
           "in the first step) and d = buffer, or g + momentum buffer (nesterov); param = param - lr d. As "
           "torch.optim.SGD; with decoupled_weight_decay it is SGDW (Loshchilov, Hutter, 2019).",
    .algorithm = "sgd",
    .slots = {{"momentum_buffer", UsesBuffer}},
    .uses_step = UsesStep,
    .attributes = {Hyper("momentum", "in [0, 1]", 0, 0, 1), Hyper("dampening", "in [0, 1]", 0, 0, 1),
                   Switch("nesterov", "Nesterov's momentum")},
    .check = Check,
    .direction = Direction,
}));

}  // namespace
}  // namespace athanor
