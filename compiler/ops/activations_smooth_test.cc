// ELU, SELU, CELU, GELU, SiLU, Mish, Softplus and Softsign.
#include <cmath>
#include <limits>

#include "compiler/ops/testing/elementwise_cases.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Variant {
  const char* op;
  Attributes attrs;
};
std::vector<Variant> Variants() {
  return {{"ELU", {}},
          {"ELU", {{"alpha", 0.3}}},
          {"ELU", {{"alpha", 0.0}}},
          {"SELU", {}},
          {"CELU", {}},
          {"CELU", {{"alpha", 2.5}}},
          {"GELU", {}},
          {"GELU", {{"approximate", std::string("tanh")}}},
          {"SiLU", {}},
          {"SiLU", {{"beta", 1.7}}},
          {"SiLU", {{"beta", -0.5}}},
          {"SiLU", {{"beta", 0.0}}},
          {"Mish", {}},
          {"Softplus", {}},
          {"Softplus", {{"beta", 3.0}}},
          {"Softplus", {{"beta", 2.0}, {"threshold", 1.0}}},
          {"Softplus", {{"threshold", -5.0}}},
          {"Softsign", {}}};
}

OpSpec Case(const Variant& v, const std::string& name) {
  OpSpec spec(v.op);
  spec.Name(name);
  for (const auto& [attr, value] : v.attrs.items()) spec.Attr(attr, value);
  return spec;
}

Tensor Points(std::vector<float> x) {
  const int64_t n = static_cast<int64_t>(x.size());
  return Tensor::Of<float>({n}, x);
}

// By torch.nn.functional in float64.
TEST(SmoothActivations, KnownValues) {
  auto x = [] { return Points({-3.0f, -0.5f, 1.0f, 2.5f}); };
  const auto values = [&](OpSpec spec, std::vector<double> y) {
    spec.Given(x()).ExpectOutput({4}).ExpectValues(std::move(y)).Check();
  };
  values(OpSpec("ELU"), {-0.9502129316321360, -0.3934693402873666, 1, 2.5});
  values(OpSpec("ELU").Attr("alpha", 2.0), {-1.9004258632642720, -0.7869386805747332, 1, 2.5});
  values(OpSpec("SELU"), {-1.6705687287671118, -0.6917581878028713, 1.0507009873554805, 2.6267524683887009});
  values(OpSpec("CELU").Attr("alpha", 2.0), {-1.5537396797031404, -0.4423984338571902, 1, 2.5});
  values(OpSpec("GELU"), {-0.0040496940948903, -0.1542687693629934, 0.8413447460685430, 2.4844758366855597});
  values(OpSpec("GELU").Attr("approximate", "tanh"),
         {-0.0036373920817730, -0.1542859901748561, 0.8411919906082768, 2.4849157339100012});
  values(OpSpec("SiLU"), {-0.1422776195327001, -0.1887703343990727, 0.7310585786300049, 2.3103545499468914});
  values(OpSpec("SiLU").Attr("beta", 2.0),
         {-3 / (1 + std::exp(6)), -0.5 / (1 + std::exp(1)), 1 / (1 + std::exp(-2)), 2.5 / (1 + std::exp(-5))});
  values(OpSpec("Mish"), {-3 * std::tanh(std::log1p(std::exp(-3))), -0.5 * std::tanh(std::log1p(std::exp(-0.5))),
                          std::tanh(std::log1p(std::exp(1))), 2.5 * std::tanh(std::log1p(std::exp(2.5)))});
  values(OpSpec("Softplus"), {std::log1p(std::exp(-3)), std::log1p(std::exp(-0.5)), std::log1p(std::exp(1)),
                              std::log1p(std::exp(2.5))});
  values(OpSpec("Softplus").Attr("beta", 2.0).Attr("threshold", 3.0),
         {std::log1p(std::exp(-6)) / 2, std::log1p(std::exp(-1)) / 2, std::log1p(std::exp(2)) / 2, 2.5});
  values(OpSpec("Softsign"), {-0.75, -1.0 / 3, 0.5, 2.5 / 3.5});
}

TEST(SmoothActivations, EveryShape) {
  for (const Variant& v : Variants()) {
    for (const Shape& shape : ElementwiseShapes()) {
      Case(v, "shape").Input(shape).InputRange(-4, 4).KinkFree().ExpectOutput(shape).SymbolicBatch().Check();
    }
  }
}

TEST(SmoothActivations, Wide) {
  for (const Variant& v : Variants()) {
    Case(v, "steep").Input({61}).InputRange(-30, 30).KinkFree().ExpectOutput({61}).Check();
    Case(v, "flat").Input({61}).InputRange(-0.01, 0.01).KinkFree().ExpectOutput({61}).Check();
  }
  const Shape large = LargeElementwiseShape();
  OpSpec("Mish").Name("large").Input(large).InputRange(-5, 5).ExpectOutput(large).Check();
}

// Alone in a tensor, so that each is compared with itself.
TEST(SmoothActivations, AtTheEndsOfTheRange) {
  for (const Variant& v : Variants()) {
    // Where the slope or its own slope jumps, finite differences are not exact enough.
    const std::string op = v.op;
    const bool corner = op.ends_with("ELU") ? op != "GELU" : op == "Softsign" || v.attrs.Float("threshold", 20) < 20;
    for (float x : {-1e4f, -100.0f, 0.0f, 100.0f, 1e4f}) {
      if (x == 0 && corner) continue;
      Case(v, "end").Given(Points({x})).ExpectOutput({1}).Check();
    }
  }
}

TEST(SmoothActivations, LimitsOfTheGradients) {
  const float huge = 3e38f;
  auto slope = [](const char* op, float saved, double want, const char* approximate = nullptr) {
    OpSpec spec(op);
    if (approximate != nullptr) spec.Attr("approximate", approximate);
    spec.Name("limit").Given(Points({2.0f})).Given(Points({saved})).ExpectOutput({1}).ExpectValues({2 * want})
        .NotDifferentiable().Check();
  };
  for (const char* op : {"ELUGrad", "CELUGrad"}) slope(op, -1, 0), slope(op, 0, 1), slope(op, huge, 1);
  for (const char* op : {"SiLUGrad", "MishGrad"}) slope(op, huge, 1), slope(op, -huge, 0);
  for (const char* form : {"none", "tanh"}) {
    slope("GELUGrad", huge, 1, form), slope("GELUGrad", -huge, 0, form), slope("GELUGrad", 0, 0.5, form);
  }
  slope("SoftplusGrad", 0, 0), slope("SoftplusGrad", huge, 1);
  slope("SoftsignGrad", 1e10f, 1 / ((1 + 1e10) * (1 + 1e10))), slope("SoftsignGrad", 0, 1);
  slope("SiLUGrad", 0, 0.5), slope("MishGrad", 0, 0.6);
}

TEST(SmoothActivations, RefuseBadTypesAndAttributes) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  for (const char* op : {"ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Softplus", "Softsign"}) {
    OpSpec(op).IntInput({2}, 0, 1).ExpectOutput({2}).ExpectError(ErrorClass::kDtype, "input \"x\" is s32[2]");
    OpSpec(op).Input({2}).Attr("gamma", 0.1).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "no attribute \"gamma\"");
    OpSpec(op).Input({2}).Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kGraph, "has 2 inputs, expected 1");
    const std::string grad = std::string(op) + "Grad";
    OpSpec(grad).Input({2}).Input({3}).ExpectOutput({2})
        .ExpectError(ErrorClass::kShape, "input \"saved\" is f32[3], expected f32[2] like dy");
    OpSpec(grad).IntInput({2}, 0, 1).Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kDtype, "\"dy\" is s32");
    OpSpec(grad).Input({2}).IntInput({2}, 0, 1).ExpectOutput({2}).ExpectError(ErrorClass::kDtype, "\"saved\" is s32");
  }
  auto refuse = [](const char* op, const char* attr, double value, const char* rule) {
    OpSpec(op).Input({2}).Attr(attr, value).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, rule);
  };
  for (double v : {inf, -inf, nan}) {
    for (const char* op : {"ELU", "CELU"}) refuse(op, "alpha", v, "attribute \"alpha\" = ");
    for (const char* op : {"SiLU", "Softplus"}) refuse(op, "beta", v, "attribute \"beta\" = ");
    refuse("Softplus", "threshold", v, "attribute \"threshold\" = ");
  }
  refuse("ELU", "alpha", -0.1, "is not in [0, 3.40282e+38]");
  for (double v : {0.0, -1.0, 1e-50}) {
    refuse("CELU", "alpha", v, "is not in [1.17549e-38, 3.40282e+38]");
    refuse("Softplus", "beta", v, "is not in [1.17549e-38, 3.40282e+38]");
  }
  OpSpec("GELU").Input({2}).Attr("approximate", "sigmoid").ExpectOutput({2})
      .ExpectError(ErrorClass::kAttr, "is not one of none, tanh");
  OpSpec("GELU").Input({2}).Attr("approximate", true).ExpectOutput({2})
      .ExpectError(ErrorClass::kAttr, "is of type bool, expected string");
}

}  // namespace
}  // namespace athanor
