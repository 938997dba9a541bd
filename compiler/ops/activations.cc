// ReLU, Sigmoid, Tanh and their gradients, all computed from the output, so that the input need not be kept; Identity.
#include <algorithm>
#include <cmath>

#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

struct Activation {
  const char* name;
  const char* doc;
  double (*forward)(double x);
  double (*slope)(double y);  // dy/dx by the output y
  Elem (*formula)(Elem x);
  Elem (*backward)(Elem dy, Elem y);
};

constexpr Activation kActivations[] = {
    {"ReLU", "y = max(x, 0); its slope at 0 is 0.", [](double x) { return std::max(x, 0.0); },
     [](double y) { return y > 0 ? 1.0 : 0.0; }, [](Elem x) { return Max(x, 0); },
     [](Elem dy, Elem y) { return Select(Gt(y, 0), dy, 0); }},
    {"Sigmoid", "y = 1 / (1 + exp(-x)).", [](double x) { return 1 / (1 + std::exp(-x)); },
     [](double y) { return y * (1 - y); }, [](Elem x) { return Logistic(x); },
     [](Elem dy, Elem y) { return dy * (y * (1 - y)); }},
    {"Tanh", "y = tanh(x).", [](double x) { return std::tanh(x); }, [](double y) { return 1 - y * y; },
     [](Elem x) { return Tanh(x); }, [](Elem dy, Elem y) { return dy * (1 - y * y); }},
};

bool IsRelu(const Activation& a) { return std::string(a.name) == "ReLU"; }

OpDef ForwardDef(const Activation& a) {
  OpDef def;
  def.name = a.name;
  def.doc = a.doc;
  def.inputs = {{"x", "f32, any shape"}};
  def.outputs = {{"y", "like x"}};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(c.CheckFloating(0, "x"));
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.gradient = [a](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit(std::string(a.name) + "Grad", {c.OutputGrad(), c.Output()}));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  def.elementwise = [a](const Node&, absl::Span<const Elem> x) { return std::vector<Elem>{a.formula(x[0])}; };
  def.reference = [a](ReferenceContext& c) {
    const DoubleTensor& x = c.Input(0);
    for (int64_t i = 0; i < x.size(); ++i) c.Output()[i] = a.forward(x[i]);
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  def.traits.post_op_unary = true;
  def.traits.in_place = {{0, 0}};
  def.traits.is_relu = IsRelu(a);
  if (std::string(a.name) == "Sigmoid") def.traits.saturates = {0, 1};
  if (std::string(a.name) == "Tanh") def.traits.saturates = {-1, 1};
  return def;
}

OpDef BackwardDef(const Activation& a) {
  OpDef def;
  def.name = std::string(a.name) + "Grad";
  def.doc = std::string("dx = dy * slope: the gradient of ") + a.name + " by its output y.";
  def.inputs = {{"dy", "f32, any shape"}, {"y", "like dy: the forward operator's output"}};
  def.outputs = {{"dx", "like dy"}};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(c.CheckFloating(0, "dy"));
    if (!(c.Input(0) == c.Input(1))) {
      return c.Error(ErrorClass::kShape, "inputs \"dy\" %s and \"y\" %s must be of one type", c.Input(0).ToString(),
                     c.Input(1).ToString());
    }
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.elementwise = [a](const Node&, absl::Span<const Elem> x) { return std::vector<Elem>{a.backward(x[0], x[1])}; };
  def.reference = [a](ReferenceContext& c) {
    const DoubleTensor &dy = c.Input(0), &y = c.Input(1);
    for (int64_t i = 0; i < dy.size(); ++i) c.Output()[i] = dy[i] * a.slope(y[i]);
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  def.traits.in_place = {{0, 0}};
  if (IsRelu(a)) def.traits.relu_backward_grad_input = 0;
  return def;
}

OpDef IdentityDef() {
  OpDef def;
  def.name = "Identity";
  def.doc = "y = x. It vanishes when compiled.";
  def.inputs = {{"x", "any type and shape"}};
  def.outputs = {{"y", "like x"}};
  def.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.gradient = [](GradientContext& c) {
    c.SetInputGrad(0, c.OutputGrad());
    return absl::OkStatus();
  };
  def.expand = [](ExpandContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    c.Output() = c.Input(0);
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  return def;
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const Activation& a : kActivations) {
    OpRegistry::Get().Register(ForwardDef(a));
    OpRegistry::Get().Register(BackwardDef(a));
  }
  OpRegistry::Get().Register(IdentityDef());
  return true;
}();

}  // namespace
}  // namespace athanor
