// Functions of one number: signs, roots, powers, exponentials, logarithms, waves, rounding, tests for NaN and infinity.
#include <cmath>
#include <limits>
#include <numbers>

#include "compiler/ops/unary.h"

namespace athanor {
namespace {

constexpr double kErfSlope = 2 / 1.77245385090551602730;  // 2 / sqrt(pi)
constexpr double kLargest = std::numeric_limits<float>::max();

using A = Attributes;

// dx = op(dy, v).
absl::Status BinaryGradient(GradientContext& c, const char* op, ValueId v) {
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit(op, {c.OutputGrad(), v}));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status NegGradient(GradientContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Neg", {c.OutputGrad()}));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status AbsGradient(GradientContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId sign, c.Emit("Sign", {c.Input(0)}));
  return BinaryGradient(c, "Mul", sign);
}

absl::Status ExpGradient(GradientContext& c) { return BinaryGradient(c, "Mul", c.Output()); }
absl::Status LogGradient(GradientContext& c) { return BinaryGradient(c, "Div", c.Input(0)); }

absl::Status SinGradient(GradientContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId cos, c.Emit("Cos", {c.Input(0)}));
  return BinaryGradient(c, "Mul", cos);
}

double SignOf(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }  // of 0 and NaN themselves

std::vector<UnaryOp> SignsAndSteps() {
  return {
      {.name = "Neg", .doc = "y = -x.",
       .formula = [](const A&, Elem x) { return -x; },
       .reference = [](const A&, double x) { return -x; },
       .gradient = NegGradient, .post_op = true},
      {.name = "Abs", .doc = "y = |x|; its slope at 0 is 0.",
       .formula = [](const A&, Elem x) { return Abs(x); },
       .reference = [](const A&, double x) { return std::abs(x); },
       .gradient = AbsGradient, .post_op = true},
      {.name = "Sign", .doc = "y = 1, 0 or -1 as x is above, at or below 0; NaN of NaN. Its gradient is zero.",
       .formula = [](const A&, Elem x) { return Sign(x); },
       .reference = [](const A&, double x) { return SignOf(x); },
       .gradient = ZeroGradient},
      {.name = "Floor", .doc = "The largest integer not above x. Its gradient is zero.",
       .formula = [](const A&, Elem x) { return Floor(x); },
       .reference = [](const A&, double x) { return std::floor(x); },
       .gradient = ZeroGradient},
      {.name = "Ceil", .doc = "The least integer not below x. Its gradient is zero.",
       .formula = [](const A&, Elem x) { return Ceil(x); },
       .reference = [](const A&, double x) { return std::ceil(x); },
       .gradient = ZeroGradient},
      {.name = "Round", .doc = "The nearest integer, of two the even one (torch.round). Its gradient is zero.",
       .formula = [](const A&, Elem x) { return Round(x); },
       .reference = [](const A&, double x) { return std::nearbyint(x); },
       .gradient = ZeroGradient, .post_op = true},
      {.name = "ZerosLike", .doc = "y = 0, of x's shape.",
       .formula = [](const A&, Elem) { return Elem(0); },
       .reference = [](const A&, double) { return 0.0; },
       .gradient = ZeroGradient},
      {.name = "IsNaN", .doc = "Whether x is NaN.",
       .formula = [](const A&, Elem x) { return Ne(x, x); },
       .reference = [](const A&, double x) { return std::isnan(x) ? 1.0 : 0.0; },
       .predicate = true},
      {.name = "IsInf", .doc = "Whether x is infinite, of either sign.",
       .formula = [](const A&, Elem x) { return Gt(Abs(x), kLargest); },
       .reference = [](const A&, double x) { return std::isinf(x) ? 1.0 : 0.0; },
       .predicate = true},
      {.name = "IsFinite", .doc = "Whether x is neither infinite nor NaN.",
       .formula = [](const A&, Elem x) { return Le(Abs(x), kLargest); },
       .reference = [](const A&, double x) { return std::isfinite(x) ? 1.0 : 0.0; },
       .predicate = true},
  };
}

std::vector<UnaryOp> RootsAndPowers() {
  return {
      {.name = "Sqrt", .doc = "y = sqrt(x); NaN below 0.",
       .formula = [](const A&, Elem x) { return Sqrt(x); },
       .reference = [](const A&, double x) { return std::sqrt(x); },
       .slope = [](const A&, Elem y) { return 0.5 / y; },
       .slope_reference = [](const A&, double y) { return 0.5 / y; },
       .by_output = ByOutput, .post_op = true},
      {.name = "Rsqrt", .doc = "y = 1 / sqrt(x); NaN below 0.",
       .formula = [](const A&, Elem x) { return Reciprocal(Sqrt(x)); },
       .reference = [](const A&, double x) { return 1 / std::sqrt(x); },
       .slope = [](const A&, Elem y) { return -0.5 * y * y * y; },
       .slope_reference = [](const A&, double y) { return -0.5 * y * y * y; },
       .by_output = ByOutput},
      {.name = "Reciprocal", .doc = "y = 1 / x.",
       .formula = [](const A&, Elem x) { return Reciprocal(x); },
       .reference = [](const A&, double x) { return 1 / x; },
       .slope = [](const A&, Elem y) { return -(y * y); },
       .slope_reference = [](const A&, double y) { return -y * y; },
       .by_output = ByOutput},
      {.name = "Square", .doc = "y = x^2.",
       .formula = [](const A&, Elem x) { return x * x; },
       .reference = [](const A&, double x) { return x * x; },
       .slope = [](const A&, Elem x) { return 2 * x; },
       .slope_reference = [](const A&, double x) { return 2 * x; },
       .post_op = true},
  };
}

std::vector<UnaryOp> Transcendental() {
  return {
      {.name = "Exp", .doc = "y = exp(x).",
       .formula = [](const A&, Elem x) { return Exp(x); },
       .reference = [](const A&, double x) { return std::exp(x); },
       .gradient = ExpGradient, .post_op = true},
      {.name = "Expm1", .doc = "y = exp(x) - 1, exact near 0.",
       .formula = [](const A&, Elem x) { return Expm1(x); },
       .reference = [](const A&, double x) { return std::expm1(x); },
       .slope = [](const A&, Elem y) { return y + 1; },
       .slope_reference = [](const A&, double y) { return y + 1; },
       .by_output = ByOutput},
      {.name = "Log", .doc = "y = log(x), the natural logarithm: -inf at 0, NaN below.",
       .formula = [](const A&, Elem x) { return Log(x); },
       .reference = [](const A&, double x) { return std::log(x); },
       .gradient = LogGradient, .post_op = true},
      {.name = "Log1p", .doc = "y = log(1 + x), exact near 0.",
       .formula = [](const A&, Elem x) { return Log1p(x); },
       .reference = [](const A&, double x) { return std::log1p(x); },
       .slope = [](const A&, Elem x) { return Reciprocal(1 + x); },
       .slope_reference = [](const A&, double x) { return 1 / (1 + x); }},
      {.name = "Erf", .doc = "The error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.",
       .formula = [](const A&, Elem x) { return Erf(x); },
       .reference = [](const A&, double x) { return std::erf(x); },
       .slope = [](const A&, Elem x) { return kErfSlope * Exp(-(x * x)); },
       .slope_reference = [](const A&, double x) { return kErfSlope * std::exp(-x * x); }},
      {.name = "Sin", .doc = "y = sin(x), x in radians.",
       .formula = [](const A&, Elem x) { return Sin(x); },
       .reference = [](const A&, double x) { return std::sin(x); },
       .gradient = SinGradient},
      {.name = "Cos", .doc = "y = cos(x), x in radians.",
       .formula = [](const A&, Elem x) { return Cos(x); },
       .reference = [](const A&, double x) { return std::cos(x); },
       .slope = [](const A&, Elem x) { return -Sin(x); },
       .slope_reference = [](const A&, double x) { return -std::sin(x); }},
  };
}

[[maybe_unused]] const bool kRegistered =
    RegisterUnary(SignsAndSteps()) && RegisterUnary(RootsAndPowers()) && RegisterUnary(Transcendental());

}  // namespace
}  // namespace athanor
