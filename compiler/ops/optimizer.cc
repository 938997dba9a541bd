#include "compiler/ops/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace athanor {
namespace {

constexpr int kParam = 0, kGrad = 1;
constexpr double kLargest = std::numeric_limits<float>::max();

using Formula = std::shared_ptr<const OptimizerFormula>;

// Where the operator has its inputs.
struct Inputs {
  std::vector<int> slots;
  int lr = 0, step = -1, grad_scale = 0;  // step -1: none
};

Inputs InputsOf(const OptimizerFormula& f) {
  Inputs in;
  in.slots.resize(f.slots.size());
  int next = kGrad + 1;
  for (size_t s = 0; s < f.slots.size(); ++s) {
    if (!f.slots[s].late) in.slots[s] = next++;
  }
  in.lr = next++;
  if (f.needs_step || f.uses_step != nullptr) in.step = next++;
  in.grad_scale = next++;
  for (size_t s = 0; s < f.slots.size(); ++s) {
    if (f.slots[s].late) in.slots[s] = next++;
  }
  return in;
}

bool UsesSlot(const OptimizerFormula& f, size_t s, const Attributes& attrs) {
  return f.slots[s].used == nullptr || f.slots[s].used(attrs);
}
bool UsesStep(const OptimizerFormula& f, const Attributes& attrs) {
  return f.needs_step || (f.uses_step != nullptr && f.uses_step(attrs));
}

bool Uses(const OptimizerFormula& f, const Attributes& attrs, absl::string_view name) {
  for (size_t s = 0; s < f.slots.size(); ++s) {
    if (f.slots[s].name == name) return UsesSlot(f, s, attrs);
  }
  return name != "step" || UsesStep(f, attrs);
}

bool IsDecoupled(const OptimizerFormula& f, const Attributes& attrs) {
  return f.weight_decay == WeightDecay::kDecoupled ||
         (f.weight_decay == WeightDecay::kChosen && attrs.Bool("decoupled_weight_decay"));
}

absl::Status CheckLikeParam(const InferContext& c, int i, absl::string_view what) {
  if (!c.HasInput(i) || c.Input(i) == c.Input(kParam)) return absl::OkStatus();
  return c.Error(c.Input(i).dtype == c.Input(kParam).dtype ? ErrorClass::kShape : ErrorClass::kDtype,
                 "input \"%s\" is %s, but input \"param\" is %s", what, c.Input(i).ToString(),
                 c.Input(kParam).ToString());
}

absl::Status CheckScalar(const InferContext& c, int i, absl::string_view what, DType dtype) {
  if (!c.HasInput(i)) return absl::OkStatus();
  ATH_RETURN_IF_ERROR(c.CheckDtype(i, what, dtype));
  return c.CheckRank(i, what, 0, 0);
}

absl::Status Infer(InferContext& c, const OptimizerFormula& f) {
  const Inputs in = InputsOf(f);
  ATH_RETURN_IF_ERROR(c.CheckFloating(kParam, "param"));
  ATH_RETURN_IF_ERROR(CheckLikeParam(c, kGrad, "grad"));
  ATH_RETURN_IF_ERROR(CheckScalar(c, in.lr, "lr", c.Input(kParam).dtype));
  ATH_RETURN_IF_ERROR(CheckScalar(c, in.grad_scale, "grad_scale", c.Input(kParam).dtype));
  if (in.step >= 0) ATH_RETURN_IF_ERROR(CheckScalar(c, in.step, "step", DType::kS64));
  for (size_t s = 0; s < f.slots.size(); ++s) {
    const bool used = UsesSlot(f, s, c.attrs());
    ATH_RETURN_IF_ERROR(CheckLikeParam(c, in.slots[s], f.slots[s].name));
    if (c.HasInput(in.slots[s]) != used || c.HasOutput(static_cast<int>(s) + 1) != used) {
      return c.Error(ErrorClass::kGraph, "with %s it has %s input and output \"%s\"", c.attrs().ToString(),
                     used ? "an" : "no", f.slots[s].name);
    }
    c.SetOutput(static_cast<int>(s) + 1, c.Input(kParam));
  }
  if (UsesStep(f, c.attrs()) && !c.HasInput(in.step)) {
    return c.Error(ErrorClass::kGraph, "with %s it needs the input \"step\"", c.attrs().ToString());
  }
  if (f.check != nullptr) ATH_RETURN_IF_ERROR(f.check(c));
  c.SetOutput(0, c.Input(kParam));
  return absl::OkStatus();
}

absl::Status Lower(LowerContext& c, const OptimizerFormula& f) {
  const Inputs in = InputsOf(f);
  std::vector<BufferId> inputs = {c.Input(kParam), c.Input(kGrad)}, outputs = {c.Output(0)};
  for (size_t s = 0; s < f.slots.size(); ++s) {
    inputs.push_back(c.Input(in.slots[s]));
    outputs.push_back(c.Output(static_cast<int>(s) + 1));
  }
  for (size_t i = kGrad; i < inputs.size(); ++i) c.PreferLayoutOf(inputs[i], inputs[kParam]);
  inputs.push_back(c.Input(in.lr));
  inputs.push_back(UsesStep(f, c.attrs()) ? c.Input(in.step) : kNoBuffer);
  inputs.push_back(c.Input(in.grad_scale));
  Attributes attrs = c.attrs();
  attrs.Set("algorithm", AttrValue(f.algorithm));
  attrs.Set("groups", 1);
  attrs.Set("grad_scale", c.HasInput(in.grad_scale));
  attrs.Set("decoupled_weight_decay", IsDecoupled(f, c.attrs()));
  c.Emit("optimizer_update", std::move(inputs), std::move(outputs), std::move(attrs));
  return absl::OkStatus();
}

struct Scalars {
  double lr = 0, step = 1, grad_scale = 1;  // lr: as it is given
};

// What the kernel checks when it runs.
absl::StatusOr<Scalars> ReadScalars(ReferenceContext& c, const OptimizerFormula& f) {
  const Inputs in = InputsOf(f);
  Scalars v;
  v.lr = c.Input(in.lr)[0];
  if (!(v.lr >= 0) || !std::isfinite(v.lr)) {
    return c.Error(ErrorClass::kAttr, "the learning rate \"lr\" is %g, expected a finite number >= 0", v.lr);
  }
  if (UsesStep(f, c.attrs())) v.step = c.Input(in.step)[0];
  if (!(v.step >= 1)) {
    return c.Error(ErrorClass::kAttr, "\"step\" is %g, expected 1 in the first step and more later", v.step);
  }
  if (c.HasInput(in.grad_scale)) v.grad_scale = c.Input(in.grad_scale)[0];
  if (!(v.grad_scale >= 0) || !std::isfinite(v.grad_scale)) {
    return c.Error(ErrorClass::kData, "the gradients' scale \"grad_scale\" is %g, expected a finite number >= 0",
                   v.grad_scale);
  }
  return v;
}

absl::Status Reference(ReferenceContext& c, const OptimizerFormula& f) {
  ATH_ASSIGN_OR_RETURN(Scalars scalars, ReadScalars(c, f));
  const Inputs in = InputsOf(f);
  const DoubleTensor &param = c.Input(kParam), &grad = c.Input(kGrad);
  const double lr = scalars.lr * c.attrs().Float("lr_scale"), weight_decay = c.attrs().Float("weight_decay");
  const double clip = c.attrs().Float("clip_value");
  const bool decoupled = IsDecoupled(f, c.attrs()), penalty = f.weight_decay == WeightDecay::kChosen && !decoupled;
  std::vector<double> directions(static_cast<size_t>(param.size())), slots(f.slots.size());
  double param_squares = 0, squares = 0;
  for (int64_t i = 0; i < param.size(); ++i) {
    double g = grad[i] * scalars.grad_scale;
    if (clip > 0 && std::abs(g) > clip) g = std::copysign(clip, g);
    if (penalty) g += weight_decay * param[i];
    for (size_t s = 0; s < slots.size(); ++s) slots[s] = c.HasInput(in.slots[s]) ? c.Input(in.slots[s])[i] : 0;
    directions[i] = f.direction(c.attrs(), scalars.step, param[i], g, slots);
    for (size_t s = 0; s < slots.size(); ++s) {
      if (c.HasOutput(static_cast<int>(s) + 1)) c.Output(static_cast<int>(s) + 1)[i] = slots[s];
    }
    param_squares += param[i] * param[i];
    squares += directions[i] * directions[i];
  }
  const double trust = f.layerwise && param_squares > 0 && squares > 0 ? std::sqrt(param_squares / squares) : 1;
  for (int64_t i = 0; i < param.size(); ++i) {
    c.Output(0)[i] = (decoupled ? 1 - lr * weight_decay : 1) * param[i] - lr * trust * directions[i];
  }
  return absl::OkStatus();
}

void AddPorts(const OptimizerFormula& f, OpDef* def) {
  def->inputs = {{"param", "f32, any shape"}, {"grad", "like param"}};
  auto add_slots = [&](bool late) {
    for (const OptimizerSlot& s : f.slots) {
      if (s.late != late) continue;
      def->inputs.push_back({.name = s.name, .doc = "like param, zeros at first", .optional = s.used != nullptr});
    }
  };
  add_slots(false);
  def->inputs.push_back({"lr", "f32 [], >= 0"});
  if (f.needs_step || f.uses_step != nullptr) {
    def->inputs.push_back({.name = "step", .doc = "s64 [], 1 in the first step", .optional = !f.needs_step});
  }
  def->inputs.push_back({.name = "grad_scale", .doc = "f32 [], >= 0: the gradient is multiplied by it",
                         .optional = true});
  add_slots(true);
  def->outputs = {{"param", "updated"}};
  for (const OptimizerSlot& s : f.slots) {
    def->outputs.push_back({.name = s.name, .doc = "updated", .optional = s.used != nullptr});
  }
}

void AddCommonAttributes(const OptimizerFormula& f, OpDef* def) {
  def->attributes.push_back(Hyper("weight_decay", "of the parameter, >= 0", f.default_weight_decay, 0, kLargest));
  if (f.weight_decay == WeightDecay::kChosen) {
    def->attributes.push_back(Switch("decoupled_weight_decay",
                                     "param is multiplied by 1 - lr weight_decay, and weight_decay param is not added to "
                                     "the gradient"));
  }
  def->attributes.push_back(Hyper("clip_value", "gradients are clamped to +- this; 0: they are not", 0, 0, kLargest));
  def->attributes.push_back(Hyper("lr_scale", "the learning rate is multiplied by it", 1, 0, kLargest));
}

}  // namespace

OpDef MakeOptimizer(OptimizerFormula formula) {
  const Formula f = std::make_shared<const OptimizerFormula>(std::move(formula));
  OpDef def;
  def.name = f->name;
  def.doc = f->doc;
  AddPorts(*f, &def);
  def.attributes = f->attributes;
  AddCommonAttributes(*f, &def);
  def.infer = [f](InferContext& c) { return Infer(c, *f); };
  def.kernels = "optimizer_update";
  def.lower = [f](LowerContext& c) { return Lower(c, *f); };
  def.reference = [f](ReferenceContext& c) { return Reference(c, *f); };
  def.optimizer_uses = [f](const Attributes& attrs, absl::string_view name) { return Uses(*f, attrs, name); };
  def.traits.optimizer = true;
  def.traits.in_place = {{0, kParam}};
  const Inputs in = InputsOf(*f);
  for (size_t s = 0; s < f->slots.size(); ++s) {
    def.traits.optimizer_slots.push_back(f->slots[s].name);
    def.traits.in_place.emplace_back(static_cast<int>(s) + 1, in.slots[s]);
  }
  def.traits.optimizer_scalars = {"lr"};
  if (in.step >= 0) def.traits.optimizer_scalars.push_back("step");
  return def;
}

AttrDef Hyper(const char* name, const char* doc, double otherwise, double min, double max) {
  return {.name = name, .type = AttrType::kFloat, .doc = doc, .default_value = otherwise, .min = min, .max = max};
}
AttrDef Beta(const char* name, const char* doc, double otherwise) {
  AttrDef def = Hyper(name, doc, otherwise, 0, 1);
  def.max_exclusive = true;
  return def;
}
AttrDef Epsilon(double otherwise) {
  // Zero would make 0 / 0 of elements whose gradient has always been 0.
  return Hyper("epsilon", "> 0", otherwise, std::numeric_limits<float>::min(), kLargest);
}
AttrDef Switch(const char* name, const char* doc) {
  return {.name = name, .type = AttrType::kBool, .doc = doc, .default_value = false};
}

double NumberOf(const Attributes& attrs, absl::string_view name) {
  const AttrValue* v = attrs.Find(name);
  if (v == nullptr) return 0;
  if (const auto* f = std::get_if<double>(v)) return *f;
  if (const auto* i = std::get_if<int64_t>(v)) return static_cast<double>(*i);
  return 0;
}
bool SwitchOf(const Attributes& attrs, absl::string_view name) {
  const AttrValue* v = attrs.Find(name);
  const bool* b = v == nullptr ? nullptr : std::get_if<bool>(v);
  return b != nullptr && *b;
}

}  // namespace athanor
