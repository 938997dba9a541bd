// Activations without corners, or with one at 0: ELU, SELU, CELU, GELU, SiLU, Mish, Softplus, Softsign.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "compiler/ops/unary.h"

namespace athanor {
namespace {

constexpr double kSeluScale = 1.0507009873554804934, kSeluAlpha = 1.6732632423543772848;
constexpr double kSqrtHalf = std::numbers::sqrt2 / 2;
constexpr double kNormalDensity = 0.39894228040143267794;  // 1 / sqrt(2 pi)
constexpr double kGeluTanh = 0.79788456080286535588;       // sqrt(2 / pi)
constexpr double kGeluCubic = 0.044715;

double Sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

double LogOnePlusExp(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

Elem Clamped(Elem x, double limit) { return Min(Max(x, -limit), limit); }

UnaryOp Elu() {
  UnaryOp op{.name = "ELU",
             .doc = "y = x where x > 0, else alpha (exp(x) - 1) (Clevert et al., 2016; torch.nn.ELU).",
             .attributes = {FiniteAttr("alpha", "what y tends to is -alpha; not negative", 1.0, 0)},
             .formula = [](const Attributes& a, Elem x) { return Select(Gt(x, 0), x, a.Float("alpha") * Expm1(x)); },
             .reference = [](const Attributes& a, double x) { return x > 0 ? x : a.Float("alpha") * std::expm1(x); }};
  op.slope = [](const Attributes& a, Elem y) { return Select(Gt(y, 0), 1, y + a.Float("alpha")); };
  op.slope_reference = [](const Attributes& a, double y) { return y > 0 ? 1 : y + a.Float("alpha"); };
  op.by_output = ByOutput;
  op.post_op = true;
  return op;
}

UnaryOp Selu() {
  UnaryOp op{.name = "SELU",
             .doc = "y = scale (x where x > 0, else alpha (exp(x) - 1)), scale = 1.0507009873554805, alpha = "
                    "1.6732632423543772 (Klambauer et al., 2017; torch.nn.SELU).",
             .formula = [](const Attributes&, Elem x) {
               return Select(Gt(x, 0), kSeluScale * x, kSeluScale * kSeluAlpha * Expm1(x));
             },
             .reference = [](const Attributes&, double x) {
               return kSeluScale * (x > 0 ? x : kSeluAlpha * std::expm1(x));
             }};
  op.slope = [](const Attributes&, Elem y) { return Select(Gt(y, 0), kSeluScale, y + kSeluScale * kSeluAlpha); };
  op.slope_reference = [](const Attributes&, double y) { return y > 0 ? kSeluScale : y + kSeluScale * kSeluAlpha; };
  op.by_output = ByOutput;
  return op;
}

UnaryOp Celu() {
  UnaryOp op{.name = "CELU",
             .doc = "y = x where x > 0, else alpha (exp(x / alpha) - 1) (Barron, 2017; torch.nn.CELU).",
             .attributes = {PositiveAttr("alpha", "what y tends to is -alpha; above 0", 1.0)},
             .formula = [](const Attributes& a, Elem x) {
               return Select(Gt(x, 0), x, a.Float("alpha") * Expm1(x / a.Float("alpha")));
             },
             .reference = [](const Attributes& a, double x) {
               return x > 0 ? x : a.Float("alpha") * std::expm1(x / a.Float("alpha"));
             }};
  op.slope = [](const Attributes& a, Elem y) { return Select(Gt(y, 0), 1, y / a.Float("alpha") + 1); };
  op.slope_reference = [](const Attributes& a, double y) { return y > 0 ? 1 : y / a.Float("alpha") + 1; };
  op.by_output = ByOutput;
  return op;
}

bool IsTanhForm(const Attributes& a) { return a.String("approximate") == "tanh"; }

// The tanh form is x / (1 + exp(-2 u)) with u = sqrt(2 / pi) (x + 0.044715 x^3): without 1 + tanh, which cancels.
Elem GeluFormula(const Attributes& a, Elem x) {
  if (!IsTanhForm(a)) return 0.5 * x * (1 + Erf(kSqrtHalf * x));
  return x * Logistic(2 * kGeluTanh * x * (1 + kGeluCubic * x * x));
}

double GeluReference(const Attributes& a, double x) {
  if (!IsTanhForm(a)) return 0.5 * x * std::erfc(-kSqrtHalf * x);
  return 0.5 * x * (1 + std::tanh(kGeluTanh * (x + kGeluCubic * x * x * x)));
}

// Behind |x| = 20 both forms are straight: x is held there, so that no square overflows.
Elem GeluSlope(const Attributes& a, Elem x) {
  const Elem z = Clamped(x, 20);
  const Elem square = z * z;
  if (!IsTanhForm(a)) return 0.5 * (1 + Erf(kSqrtHalf * z)) + z * kNormalDensity * Exp(-0.5 * square);
  const Elem u = 2 * kGeluTanh * z * (1 + kGeluCubic * square);
  const Elem rising = Logistic(u);
  return rising + z * rising * Logistic(-u) * (2 * kGeluTanh) * (1 + 3 * kGeluCubic * square);
}

double GeluSlopeReference(const Attributes& a, double x) {
  if (!IsTanhForm(a)) return 0.5 * std::erfc(-kSqrtHalf * x) + x * kNormalDensity * std::exp(-0.5 * x * x);
  const double z = std::clamp(x, -100.0, 100.0);  // tanh is +-1 long before
  const double t = std::tanh(kGeluTanh * (z + kGeluCubic * z * z * z));
  return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * kGeluTanh * (1 + 3 * kGeluCubic * z * z);
}

UnaryOp Gelu() {
  UnaryOp op{.name = "GELU",
             .doc = "y = x P(X <= x) of a standard normal X: x (1 + erf(x / sqrt(2))) / 2, or with \"tanh\" x (1 + "
                    "tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 (Hendrycks and Gimpel, 2016; torch.nn.GELU).",
             .attributes = {{.name = "approximate",
                             .type = AttrType::kString,
                             .doc = "\"none\": by erf; \"tanh\"",
                             .default_value = std::string("none"),
                             .choices = {"none", "tanh"}}},
             .formula = GeluFormula,
             .reference = GeluReference};
  op.slope = GeluSlope;
  op.slope_reference = GeluSlopeReference;
  op.post_op = true;
  return op;
}

UnaryOp Silu() {
  UnaryOp op{.name = "SiLU",
             .doc = "Swish: y = x / (1 + exp(-beta x)) (Ramachandran et al., 2017; beta = 1: torch.nn.SiLU).",
             .attributes = {FiniteAttr("beta", "1: SiLU", 1.0)},
             .formula = [](const Attributes& a, Elem x) { return x * Logistic(a.Float("beta") * x); },
             .reference = [](const Attributes& a, double x) { return x * Sigmoid(a.Float("beta") * x); }};
  // Behind 100 the second term is 0: z is held there, so that it is not infinite times 0.
  op.slope = [](const Attributes& a, Elem x) {
    const Elem z = Clamped(a.Float("beta") * x, 100);
    return Logistic(z) * (1 + z * Logistic(-z));
  };
  op.slope_reference = [](const Attributes& a, double x) {
    const double z = a.Float("beta") * x;
    return Sigmoid(z) * (1 + z * Sigmoid(-z));
  };
  op.post_op = true;
  return op;
}

// tanh(softplus(x)) = n / (n + q), where with w = exp(-|x|): n = 1 + 2 w and q = 2 w^2 for x >= 0, n = w (w + 2) and
// q = 2 below: nothing overflows and nothing cancels.
struct MishParts {
  explicit MishParts(Elem x)
      : w(Exp(-Abs(x))), n(Select(Ge(x, 0), 1 + 2 * w, w * (w + 2))), q(Select(Ge(x, 0), 2 * w * w, 2)) {}
  Elem w, n, q;
};

UnaryOp Mish() {
  UnaryOp op{.name = "Mish",
             .doc = "y = x tanh(log(1 + exp(x))) (Misra, 2019; torch.nn.Mish).",
             .formula = [](const Attributes&, Elem x) {
               const MishParts p(x);
               return x * (p.n / (p.n + p.q));
             },
             .reference = [](const Attributes&, double x) { return x * std::tanh(LogOnePlusExp(x)); }};
  op.slope = [](const Attributes&, Elem x) {
    const MishParts p(x);
    const Elem sum = p.n + p.q;
    return p.n / sum + x * Logistic(x) * (p.q * (p.n + sum) / (sum * sum));
  };
  op.slope_reference = [](const Attributes&, double x) {
    const double t = std::tanh(LogOnePlusExp(x));
    return t + x * Sigmoid(x) * (1 - t * t);
  };
  op.post_op = true;
  return op;
}

UnaryOp Softsign() {
  UnaryOp op{.name = "Softsign",
             .doc = "y = x / (1 + |x|) (torch.nn.Softsign).",
             .formula = [](const Attributes&, Elem x) { return x / (1 + Abs(x)); },
             .reference = [](const Attributes&, double x) { return x / (1 + std::abs(x)); }};
  // By the input: 1 - |y| would cancel. Divided twice: the square overflows.
  op.slope = [](const Attributes&, Elem x) { return Reciprocal(1 + Abs(x)) / (1 + Abs(x)); };
  op.slope_reference = [](const Attributes&, double x) { return 1 / ((1 + std::abs(x)) * (1 + std::abs(x))); };
  return op;
}

[[maybe_unused]] const bool kRegistered =
    RegisterUnary({Elu(), Selu(), Celu(), Gelu(), Silu(), Mish(), Softsign()});

}  // namespace
}  // namespace athanor
