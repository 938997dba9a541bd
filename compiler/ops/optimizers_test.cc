// What all optimizers owe: the compiled update is the reference's, in every shape and with every attribute, and every
// wrong operand or number is refused. Values known by hand are in sgd_test.cc and adam_test.cc, those of PyTorch in
// tests/optimizer_fixtures_test.cc.
#include <cmath>
#include <limits>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Variant {
  const char* op;
  Attributes attrs = {};
};

const std::vector<Variant>& Variants() {
  static const std::vector<Variant> all = {
      {"SGD"},
      {"SGD", {{"momentum", 0.9}}},
      {"SGD", {{"momentum", 0.9}, {"dampening", 0.5}}},
      {"SGD", {{"momentum", 0.9}, {"nesterov", true}}},
      {"Adam"},
      {"Adam", {{"amsgrad", true}}},
      {"AdamW"},
      {"AdamW", {{"amsgrad", true}, {"weight_decay", 0.5}}},
      {"Adamax"},
      {"Adamax", {{"beta1", 0.0}, {"beta2", 0.5}}},
      {"NAdam"},
      {"NAdam", {{"momentum_decay", 0.0}}},
      {"NAdam", {{"momentum_decay", 100.0}}},
      {"LAMB"},
      {"LAMB", {{"weight_decay", 0.0}}},
      {"AdaGrad"},
      {"AdaGrad", {{"lr_decay", 0.5}, {"initial_accumulator_value", 0.25}}},
      {"RMSProp"},
      {"RMSProp", {{"centered", true}}},
      {"RMSProp", {{"momentum", 0.9}}},
      {"RMSProp", {{"centered", true}, {"momentum", 0.5}, {"alpha", 0.5}}},
      {"AdaDelta"},
      {"AdaDelta", {{"rho", 0.5}, {"epsilon", 1e-3}}},
      {"Lion"},
      {"Lion", {{"weight_decay", 0.1}, {"beta1", 0.5}}},
  };
  return all;
}

const OpDef& DefOf(const Variant& v) { return *OpRegistry::Get().Find(v.op); }

// What the operands are, where a test wants others.
struct Operands {
  Shape shape = {3, 5};
  float lr = 0.01f;
  int64_t step = 3;
  std::optional<float> grad_scale = {};
  std::string wrong = "";  // the input that is of another shape
};

OpSpec CaseOf(const Variant& v, const Operands& operands) {
  const OpDef& def = DefOf(v);
  OpSpec spec(v.op);
  spec.Name(v.attrs.ToString()).NotDifferentiable();
  for (const auto& [name, value] : v.attrs.items()) spec.Attr(name, value);
  int absent = 0;
  auto add = [&](auto&& input) {
    for (; absent > 0; --absent) spec.Absent();
    input();
  };
  for (const PortDef& port : def.inputs) {
    const bool is_slot = std::count(def.traits.optimizer_slots.begin(), def.traits.optimizer_slots.end(), port.name) > 0;
    Shape shape = port.name == operands.wrong ? Shape{2} : operands.shape;
    if (port.name == "lr") {
      add([&] { port.name == operands.wrong ? spec.Input({1}) : spec.Given(Tensor::Scalar(operands.lr)); });
    } else if (port.name == "step" && def.optimizer_uses(v.attrs, "step")) {
      add([&] { port.name == operands.wrong ? spec.Input({}) : spec.Given(Tensor::Scalar(operands.step)); });
    } else if (port.name == "grad_scale" && operands.grad_scale) {
      add([&] { port.name == operands.wrong ? spec.Input({1}) : spec.Given(Tensor::Scalar(*operands.grad_scale)); });
    } else if (port.name == "step" || port.name == "grad_scale" ||
               (is_slot && !def.optimizer_uses(v.attrs, port.name))) {
      ++absent;
    } else if (port.name == "grad_avg") {  // smaller than the root of the mean square
      add([&] { spec.Parameter(shape).InputRange(-0.25, 0.25); });
    } else if (is_slot) {
      add([&] { spec.Parameter(shape).InputRange(0.25, 1); });
    } else {
      add([&] { spec.Parameter(shape); });
    }
  }
  int omitted = 0;
  for (const PortDef& port : def.outputs) {
    if (port.name != "param" && !def.optimizer_uses(v.attrs, port.name)) {
      ++omitted;
      continue;
    }
    for (; omitted > 0; --omitted) spec.OmitOutput();
    spec.ExpectOutput(operands.shape);
  }
  return spec;
}

TEST(Optimizers, EveryOneIsThere) {
  std::string names;
  for (const OpDef* def : OpRegistry::Get().All()) names += def->traits.optimizer ? def->name + " " : "";
  EXPECT_EQ(names, "AdaDelta AdaGrad Adam AdamW Adamax LAMB Lion NAdam RMSProp SGD ");
}

TEST(Optimizers, AnyShape) {
  for (const Variant& v : Variants()) {
    for (const Shape& shape : {Shape{}, Shape{1}, Shape{7}, Shape{6, 1, 5, 3}, Shape{3, 333}}) {
      CaseOf(v, {.shape = shape}).Check();
    }
  }
}

TEST(Optimizers, AtTheFirstStepAndMuchLater) {
  for (const Variant& v : Variants()) {
    if (!DefOf(v).optimizer_uses(v.attrs, "step")) continue;
    for (int64_t step : {1, 2, 1000, 1000000000}) CaseOf(v, {.step = step}).Check();
  }
}

TEST(Optimizers, CommonAttributes) {
  for (const Variant& v : Variants()) {
    CaseOf(v, {.lr = 0}).Check();
    CaseOf(v, {.grad_scale = 0.25f}).Check();
    CaseOf(v, {.grad_scale = 0.0f}).Check();
    CaseOf(v, {}).Attr("weight_decay", 0.125).Check();
    CaseOf(v, {}).Attr("clip_value", 0.25).Attr("lr_scale", 0.5).Check();
    CaseOf(v, {.grad_scale = 2}).Attr("clip_value", 1.0).Attr("weight_decay", 0.5).Check();
    const auto& attributes = DefOf(v).attributes;
    const bool choice = std::any_of(attributes.begin(), attributes.end(),
                                    [](const AttrDef& a) { return a.name == "decoupled_weight_decay"; });
    if (choice) CaseOf(v, {}).Attr("weight_decay", 0.125).Attr("decoupled_weight_decay", true).Check();
  }
}

TEST(Optimizers, RefuseAttributesOutOfTheirRange) {
  for (const Variant& v : Variants()) {
    for (const AttrDef& a : DefOf(v).attributes) {
      if (a.type != AttrType::kFloat) {
        CaseOf(v, {}).Attr(a.name, 1.0).ExpectError(ErrorClass::kAttr, "attribute \"" + a.name + "\" = 1.0 is of type");
        continue;
      }
      for (double bad : {-1.0, std::nan(""), HUGE_VAL}) {
        CaseOf(v, {}).Attr(a.name, bad).ExpectError(ErrorClass::kAttr, "attribute \"" + a.name + "\" = ");
      }
      if (a.max_exclusive) CaseOf(v, {}).Attr(a.name, 1.0).ExpectError(ErrorClass::kAttr, "is not in [0, 1)");
      if (a.name == "epsilon") CaseOf(v, {}).Attr(a.name, 0.0).ExpectError(ErrorClass::kAttr, "\"epsilon\" = 0.0");
    }
    CaseOf(v, {}).Attr("speed", 1.0).ExpectError(ErrorClass::kAttr, "has no attribute \"speed\"");
  }
}

TEST(Optimizers, RefuseOperandsThatDoNotFit) {
  for (const Variant& v : Variants()) {
    for (const PortDef& port : DefOf(v).inputs) {
      if (port.name == "param") continue;
      const bool is_scalar = port.name == "lr" || port.name == "grad_scale", is_step = port.name == "step";
      if (port.name != "grad" && !is_scalar && !DefOf(v).optimizer_uses(v.attrs, port.name)) continue;
      CaseOf(v, {.grad_scale = 1, .wrong = port.name})
          .ExpectError(is_step ? ErrorClass::kDtype : ErrorClass::kShape, "input \"" + port.name + "\" is ");
    }
  }
}

TEST(Optimizers, RefuseASlotTooManyOrTooFew) {
  auto more = [](const char* op) {
    OpSpec spec(op);
    spec.Input({3}).Input({3});
    return spec;
  };
  more("SGD").Input({3}).Input({}).ExpectOutput({3}).ExpectOutput({3})
      .ExpectError(ErrorClass::kGraph, "it has no input and output \"momentum_buffer\"");
  more("RMSProp").Input({3}).Absent().Absent().Input({}).Attr("centered", true).ExpectOutput({3}).ExpectOutput({3})
      .ExpectError(ErrorClass::kGraph, "it has an input and output \"grad_avg\"");
  more("RMSProp").Input({3}).Input({3}).Absent().Input({}).ExpectOutput({3}).ExpectOutput({3})
      .ExpectError(ErrorClass::kGraph, "it has no input and output \"grad_avg\"");
  more("RMSProp").Input({3}).Absent().Input({3}).Input({}).Attr("momentum", 0.5).ExpectOutput({3}).ExpectOutput({3})
      .ExpectError(ErrorClass::kGraph, "it has an input and output \"momentum_buffer\"");
  more("AdaGrad").Input({3}).Input({}).Attr("lr_decay", 0.5).ExpectOutput({3}).ExpectOutput({3})
      .ExpectError(ErrorClass::kGraph, "it needs the input \"step\"");
  for (const char* op : {"Adam", "AdamW", "NAdam", "Adamax", "LAMB", "AdaDelta", "Lion", "AdaGrad", "RMSProp"}) {
    more(op).ExpectOutput({3}).ExpectError(ErrorClass::kGraph, "has 2 inputs, expected");
  }
}

TEST(Optimizers, RefuseBadScalarsWhenTheyRun) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  for (const Variant& v : Variants()) {
    for (float lr : {-0.1f, nan, inf}) {
      CaseOf(v, {.lr = lr}).ExpectRunError(ErrorClass::kAttr, "the learning rate \"lr\" is");
    }
    for (float scale : {-0.1f, nan, inf}) {
      CaseOf(v, {.grad_scale = scale}).ExpectRunError(ErrorClass::kData, "\"grad_scale\" is");
    }
    if (!DefOf(v).optimizer_uses(v.attrs, "step")) continue;
    for (int64_t step : {int64_t{0}, int64_t{-1}, INT64_MIN}) {
      CaseOf(v, {.step = step}).ExpectRunError(ErrorClass::kAttr, "\"step\" is");
    }
  }
}

TEST(Optimizers, SlotsByTheirUse) {
  auto uses = [](const char* op, const Attributes& attrs) {
    const OpDef& def = *OpRegistry::Get().Find(op);
    std::string used;
    for (const std::string& slot : def.traits.optimizer_slots) used += def.optimizer_uses(attrs, slot) ? slot + " " : "";
    return used;
  };
  EXPECT_EQ(uses("Adam", {}), "m v ");
  EXPECT_EQ(uses("AdamW", {{"amsgrad", true}}), "m v v_max ");
  EXPECT_EQ(uses("RMSProp", {}), "square_avg ");
  EXPECT_EQ(uses("RMSProp", {{"centered", true}, {"momentum", int64_t{1}}}), "square_avg grad_avg momentum_buffer ");
  EXPECT_EQ(uses("RMSProp", {{"centered", std::string("yes")}}), "square_avg ");  // refused later
  EXPECT_EQ(uses("Lion", {}), "m ");
}

}  // namespace
}  // namespace athanor
