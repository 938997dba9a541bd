// Unary post-ops behind a product: what runtime/onednn/post_ops.cc makes of operators and their attributes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

double Logistic(double x) { return 1 / (1 + std::exp(-x)); }
double Softplus(double x) { return std::log1p(std::exp(x)); }

struct Case {
  const char* op;
  Attributes attrs;
  double (*want)(double x);
};
std::vector<Case> Cases() {
  return {
      {"ReLU", {}, [](double x) { return std::max(x, 0.0); }},
      {"Sigmoid", {}, Logistic},
      {"Tanh", {}, [](double x) { return std::tanh(x); }},
      {"ELU", {}, [](double x) { return x > 0 ? x : std::expm1(x); }},
      {"ELU", {{"alpha", 0.5}}, [](double x) { return x > 0 ? x : 0.5 * std::expm1(x); }},
      {"GELU", {}, [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2)); }},
      {"GELU", {{"approximate", std::string("tanh")}},
       [](double x) { return x * Logistic(1.5957691216057308 * (x + 0.044715 * x * x * x)); }},
      {"SiLU", {}, [](double x) { return x * Logistic(x); }},
      {"SiLU", {{"beta", 2.0}}, [](double x) { return x * Logistic(2 * x); }},
      {"Mish", {}, [](double x) { return x * std::tanh(Softplus(x)); }},
      {"Softplus", {}, Softplus},
      {"Softplus", {{"beta", 2.0}, {"threshold", 20.0}}, [](double x) { return Softplus(2 * x) / 2; }},
      {"HardSigmoid", {}, [](double x) { return std::min(1.0, std::max(0.0, 0.2 * x + 0.5)); }},
      {"HardSigmoid", {{"alpha", 0.5}, {"beta", 0.25}},
       [](double x) { return std::min(1.0, std::max(0.0, 0.5 * x + 0.25)); }},
      {"HardSwish", {}, [](double x) { return x * std::min(1.0, std::max(0.0, x / 6 + 0.5)); }},
      {"ReLU6", {}, [](double x) { return std::min(6.0, std::max(0.0, x)); }},
      {"LeakyReLU", {}, [](double x) { return x > 0 ? x : 0.01 * x; }},
      {"LeakyReLU", {{"alpha", -2.0}}, [](double x) { return x > 0 ? x : -2 * x; }},
      {"Clip", {}, [](double x) { return x; }},
      {"Clip", {{"min", -1.0}}, [](double x) { return std::max(x, -1.0); }},
      {"Clip", {{"min", -1.0}, {"max", 0.5}}, [](double x) { return std::min(0.5, std::max(x, -1.0)); }},
      {"Neg", {}, [](double x) { return -x; }},
      {"Abs", {}, [](double x) { return std::abs(x); }},
      {"Round", {}, [](double x) { return std::nearbyint(x); }},
      {"Square", {}, [](double x) { return x * x; }},
      {"Exp", {}, [](double x) { return std::exp(x); }},
  };
}

// x times the identity: the product is x to the bit.
TestCall Product(Tensor x) {
  Tensor identity = *Tensor::Create(DType::kF32, {5, 5});
  for (int i = 0; i < 5; ++i) identity.as<float>()[6 * i] = 1;
  const Shape shape = x.shape();
  return TestCall("inner_product").Attr("bias", false).In(std::move(x)).In(std::move(identity)).Out(shape);
}

TEST(PostOps, ComputeWhatTheOperatorDoes) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.op + c.attrs.ToString());
    Tensor x = RandomTensor({33, 5}, 1, -8, 8);
    auto run = Product(x.Clone()).Fuse({c.op, c.attrs, -1}).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    for (int64_t i = 0; i < x.num_elements(); ++i) {
      const double want = c.want(x.as<float>()[i]);
      ASSERT_NEAR(run->outputs[0].as<float>()[i], want, 2e-6 * std::max(1.0, std::abs(want))) << x.as<float>()[i];
    }
  }
}

TEST(PostOps, OfNumbersAboveZero) {
  Tensor x = RandomTensor({33, 5}, 1, 0.01, 8);
  for (const char* op : {"Sqrt", "Log"}) {
    auto run = Product(x.Clone()).Fuse({op, {}, -1}).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    for (int64_t i = 0; i < x.num_elements(); ++i) {
      const double v = x.as<float>()[i];
      ASSERT_NEAR(run->outputs[0].as<float>()[i], op[0] == 'S' ? std::sqrt(v) : std::log(v), 5e-6) << op << " " << v;
    }
  }
}

// All but those that oneDNN makes of max, min and exp, see post_ops.cc.
TEST(PostOps, PassNaNOn) {
  const std::set<std::string> stops = {"ReLU", "ReLU6", "Clip", "HardSigmoid", "Exp"};
  for (const Case& c : Cases()) {
    if (stops.contains(c.op)) continue;
    Tensor x = RandomTensor({1, 5}, 1);
    for (float& v : x.as<float>()) v = std::numeric_limits<float>::quiet_NaN();
    auto run = Product(std::move(x)).Fuse({c.op, c.attrs, -1}).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    for (float v : run->outputs[0].as<float>()) EXPECT_TRUE(std::isnan(v)) << c.op << " of NaN is " << v;
  }
}

TEST(PostOps, DamagedOnesAreRefused) {
  auto refuse = [](const std::string& op, const Attributes& attrs, const std::string& error, const std::string& text) {
    auto run = Product(RandomTensor({3, 5}, 1)).Fuse({op, attrs, -1}).Run();
    ASSERT_FALSE(run.ok()) << op;
    EXPECT_EQ(ErrorClassOf(run.status()), error) << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr(text));
  };
  refuse("Sin", {}, "ATTR", "no eltwise post-op for Sin");
  refuse("Conv2d", {}, "ATTR", "no eltwise post-op for Conv2d");
  refuse("GELU", {{"approximate", std::string("sigmoid")}}, "ATTR", "no eltwise post-op for GELU");
  refuse("GELU", {{"approximate", 1.0}}, "PLAN", "attribute \"approximate\" = 1.0 is of the wrong type");
  refuse("ELU", {{"alpha", std::string("1")}}, "PLAN", "attribute \"alpha\" = \"1\" is of the wrong type");
  refuse("Clip", {{"max", int64_t{1}}}, "PLAN", "attribute \"max\" = 1 is of the wrong type");
}

}  // namespace
}  // namespace athanor
