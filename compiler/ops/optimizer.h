// What the operators of optimizers share: all but the formula of one element.
//
//   inputs   param, grad, slots..., lr[, step], grad_scale (optional), later slots...
//   outputs  param, slots...
//
// g = clamp(grad_scale grad, +-clip_value), with the L2 penalty weight_decay param added; a direction d made of g and the
// slots; param = (1 - lr weight_decay if decoupled) param - lr lr_scale d. Kernel "optimizer_update".
#ifndef ATHANOR_COMPILER_OPS_OPTIMIZER_H_
#define ATHANOR_COMPILER_OPS_OPTIMIZER_H_

#include <string>
#include <vector>

#include "compiler/opdef/op_def.h"

namespace athanor {

struct OptimizerSlot {
  std::string name;
  // By attributes that are not checked yet, defaults left out. Null: always.
  bool (*used)(const Attributes& attrs) = nullptr;
  bool late = false;  // its input comes last: it was added to the operator later
};

enum class WeightDecay {
  kChosen,       // L2, or decoupled by the attribute decoupled_weight_decay
  kDecoupled,    // always
  kInDirection,  // by the direction itself
};

struct OptimizerFormula {
  std::string name, doc;
  std::string algorithm;             // of the kernel
  std::vector<OptimizerSlot> slots;  // in the kernel's order
  bool needs_step = false;
  bool (*uses_step)(const Attributes& attrs) = nullptr;  // if it does not always need it; null: never
  std::vector<AttrDef> attributes;                       // its own; the common ones come behind
  WeightDecay weight_decay = WeightDecay::kChosen;
  double default_weight_decay = 0;
  // The step of each parameter is as long as the parameter, by norm (LAMB).
  bool layerwise = false;
  // Attributes that do not go together; attributes are checked. Null: no rule.
  absl::Status (*check)(const InferContext& c) = nullptr;
  // The reference of one element: updates the slots (of all names; unused ones hold 0), gives d.
  double (*direction)(const Attributes& attrs, double step, double param, double grad, std::vector<double>& slots);
};

OpDef MakeOptimizer(OptimizerFormula formula);

// A float attribute; a number that is not given is `otherwise`.
AttrDef Hyper(const char* name, const char* doc, double otherwise, double min, double max);
AttrDef Beta(const char* name, const char* doc, double otherwise);  // in [0, 1)
AttrDef Epsilon(double otherwise);                                  // > 0
AttrDef Switch(const char* name, const char* doc);                  // false

// Of attributes that may still be written as ints, or be of another type and refused later: then 0 and false.
double NumberOf(const Attributes& attrs, absl::string_view name);
bool SwitchOf(const Attributes& attrs, absl::string_view name);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_OPTIMIZER_H_
