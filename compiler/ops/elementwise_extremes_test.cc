// Elementwise operators where finite differences cannot follow: at the ends of f32, at corners, of infinity and NaN.
// Compiled plans against the references, element by element, each by its own size.
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/run_graph.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kMax = std::numeric_limits<float>::max();

const std::vector<double>& Points() {
  static const auto* points = new std::vector<double>{
      0,    -0.0, 0.5,   -0.5, 1.5,  -1.5, 2.5,  -2.5, 1,     -1,    3,     -3,         6,    20,   -20,
      88,   -88,  104,   -104, 1e4,  -1e4, 1e15, -1e15, 3e38, -3e38, kMax, -kMax, 1e-30, -1e-30, 1e-5, -1e-5};
  return *points;
}

DoubleTensor TensorOf(const std::vector<double>& data) {
  DoubleTensor t(Shape{static_cast<int64_t>(data.size())});
  t.data = data;
  for (double& v : t.data) v = static_cast<float>(v);
  return t;
}

// What f32 makes of a double result.
double AsFloat(double v) { return std::abs(v) > kMax ? std::copysign(kInf, v) : v; }

void ExpectEqual(const std::string& op, const DoubleTensor& x, const DoubleTensor& got, const DoubleTensor& want,
                 double absolute) {
  for (int64_t i = 0; i < x.size(); ++i) {
    const double expected = AsFloat(want[i]);
    if (got[i] == expected || (std::isnan(got[i]) && std::isnan(expected))) continue;
    EXPECT_LE(std::abs(got[i] - expected), absolute + 1e-5 * std::abs(expected))
        << op << " of " << x[i] << " is " << got[i] << ", expected " << expected;
  }
}

// y = op(x), and with "Grad" dx = opGrad(1, y or x).
void CheckPoints(const std::string& op, const std::string& attrs, const std::string& grad_by, double absolute) {
  const DoubleTensor x = TensorOf(Points());
  const std::string type = absl::StrCat("f32[", x.size(), "]");
  std::string lines = absl::StrCat("%x : input ", type, "\n%dy : input ", type, "\n%y = ", op, "(%x) ", attrs,
                                   " @\"y\" : ", type, "\n");
  if (!grad_by.empty()) {
    absl::StrAppend(&lines, "%dx = ", op, "Grad(%dy, %", grad_by, ") ", attrs, " @\"dx\" : ", type, "\n");
  }
  absl::StrAppend(&lines, "entry \"e\" (x=%x, dy=%dy) -> (y=%y", grad_by.empty() ? "" : ", dx=%dx", ")");
  auto run = RunGraphText(lines, {{"x", x}, {"dy", DoubleTensor(x.shape, 1)}});
  ASSERT_TRUE(run.ok()) << run.status() << "\n" << lines;
  ExpectEqual(op, x, run->got["y"], run->want["y"], absolute);
  if (!grad_by.empty()) ExpectEqual(op + "Grad", x, run->got["dx"], run->want["dx"], absolute);
}

TEST(ElementwiseExtremes, Activations) {
  // 1e-6: of a slope or value near 1 that f32 computes as a difference.
  CheckPoints("ELU", "{alpha=0.7}", "y", 1e-6);
  CheckPoints("SELU", "", "y", 1e-6);
  CheckPoints("CELU", "{alpha=2.0}", "y", 1e-6);
  CheckPoints("GELU", "", "x", 1e-6);
  CheckPoints("GELU", "{approximate=\"tanh\"}", "x", 1e-6);
  CheckPoints("SiLU", "", "x", 1e-6);
  CheckPoints("SiLU", "{beta=2.0}", "x", 1e-6);
  CheckPoints("Mish", "", "x", 1e-6);
  CheckPoints("Softplus", "", "y", 1e-37);
  CheckPoints("Softplus", "{beta=2.0, threshold=3.0}", "y", 1e-37);
  CheckPoints("Softsign", "", "x", 1e-37);
  CheckPoints("HardSigmoid", "", "y", 1e-6);
  CheckPoints("HardSwish", "", "x", 1e-6);
  CheckPoints("ReLU6", "", "y", 0);
  CheckPoints("LeakyReLU", "{alpha=0.25}", "y", 0);
  CheckPoints("ThresholdedReLU", "", "x", 0);
  CheckPoints("Clip", "{min=-1.0, max=2.5}", "x", 0);
  CheckPoints("Step", "", "", 0);
}

TEST(ElementwiseExtremes, Functions) {
  for (const char* op : {"Neg", "Abs", "Sign", "Floor", "Ceil", "Round", "ZerosLike"}) CheckPoints(op, "", "", 0);
  CheckPoints("Sqrt", "", "y", 0);
  CheckPoints("Reciprocal", "", "", 1e-37);  // denormal results may become 0
  CheckPoints("Square", "", "x", 1e-37);
  CheckPoints("Exp", "", "", 1e-37);
  CheckPoints("Expm1", "", "", 1e-37);
  CheckPoints("Log", "", "", 0);
  CheckPoints("Log1p", "", "x", 1e-37);
  CheckPoints("Erf", "", "x", 1e-37);
}

// NaN in gives NaN out: a loss that went wrong is seen.
TEST(ElementwiseExtremes, NaNPasses) {
  const DoubleTensor x = TensorOf({std::nan(""), 1});
  const char* const kOps[] = {"ELU",  "SELU",       "CELU",      "GELU",   "SiLU", "Mish", "Softplus", "Softsign",
                              "Clip", "LeakyReLU",  "ReLU6",     "Neg",    "Abs",  "Sign", "Floor",    "Ceil",
                              "Log",  "HardSwish",  "Round",     "Sqrt",   "Sin",  "Exp",  "Rsqrt",    "Erf",
                              "Cos",  "Reciprocal", "Expm1",     "Square", "Log1p", "HardSigmoid"};
  for (const char* op : kOps) {
    auto run = RunGraphText(absl::StrCat("%x : input f32[2]\n%y = ", op, "(%x) @\"y\" : f32[2]\n",
                                         "entry \"e\" (x=%x) -> (y=%y)"),
                            {{"x", x}});
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_TRUE(std::isnan(run->got["y"][0])) << op << " of NaN is " << run->got["y"][0];
    EXPECT_FALSE(std::isnan(run->got["y"][1])) << op;
  }
}

}  // namespace
}  // namespace athanor
