#include <cmath>
#include <limits>

#include "compiler/ops/testing/elementwise_cases.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

Tensor Number(int64_t n) { return Tensor::Scalar(n); }

OpSpec Training(const std::string& name, const Shape& x, double std, int64_t seed = 1, int64_t step = 1) {
  OpSpec spec("GaussianNoise");
  spec.Name(name).Input(x).Given(Number(seed)).Given(Number(step)).Attr("std", std).Attr("stream", 5)
      .Attr("training", true).Training().ExpectOutput(x);
  return spec;
}

TEST(GaussianNoise, AddsThePhiloxStreamOfTheStep) {
  const std::vector<float> x = {1, 2, 3, 4, 5};
  std::vector<double> want;
  Philox random(42, Philox::MixStream(5, 7));
  for (int i = 0; i < 5; ++i) want.push_back(x[i] + 0.5 * random.Normal(i));
  OpSpec("GaussianNoise").Given(Tensor::Of<float>({5}, x)).Given(Number(42)).Given(Number(7)).Attr("std", 0.5)
      .Attr("stream", 5).Attr("training", true).Training().ExpectOutput({5}).ExpectValues(want).Check();
}

TEST(GaussianNoise, InTraining) {
  for (double std : {0.0, 0.01, 1.0, 30.0}) {
    for (const Shape& shape : ElementwiseShapes()) Training("shape", shape, std).Check();
    Training("wide", {3, 1001}, std).Check();
  }
  Training("another seed and step", {33}, 1, int64_t{1} << 50, 123456789).Check();
  Training("channels of a blocked layout", {2, 16, 3, 3}, 0.5).Check();
  Training("large", LargeElementwiseShape(), 0.1).Check();
}

TEST(GaussianNoise, OutsideOfTrainingItIsTheIdentity) {
  OpSpec("GaussianNoise").Input({3, 5}).ExpectOutput({3, 5}).SymbolicBatch().Check();
  OpSpec("GaussianNoise").Name("values").Given(Tensor::Of<float>({2}, {1.0f, -2.0f})).Attr("std", 9.0).ExpectOutput({2})
      .ExpectValues({1, -2}).Check();
  OpSpec("GaussianNoise").Name("with numbers").Input({3}).Given(Number(1)).Given(Number(1)).ExpectOutput({3}).Check();
}

TEST(GaussianNoise, RefusesBadAttributesAndInputs) {
  auto x = [] { return OpSpec("GaussianNoise").Input({3}).ExpectOutput({3}); };
  for (double std : {-0.1, -1e30, std::nan(""), std::numeric_limits<double>::infinity()}) {
    x().Attr("std", std).ExpectError(ErrorClass::kAttr, "is not in [0, 3.40282e+38]");
  }
  x().Attr("stream", -2).ExpectError(ErrorClass::kAttr, "attribute \"stream\" = -2");
  OpSpec("GaussianNoise").IntInput({3}, 0, 9).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "input \"x\" is s32[3]");
  x().Input({}).ExpectError(ErrorClass::kDtype, "input \"seed\" is f32[]");
  x().Given(Number(1)).IntInput({2}, 0, 9, DType::kS64).ExpectError(ErrorClass::kShape, "input \"step\" is s64[2]");
}

TEST(GaussianNoise, InTrainingWithoutNumbersItSaysWhoGivesThem) {
  Node node{"GaussianNoise", "noise", {0}, {1}, {{"training", true}}, {}, ""};
  const OpDef& def = **FindOp(node);
  auto types = InferTypes(def, node, {TensorType(DType::kF32, {3})});
  ASSERT_TRUE(types.ok()) << types.status();
  DoubleTensor data(Shape{3});
  ReferenceContext context(node, {&data}, *types);
  const absl::Status status = def.reference(context);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(std::string(status.message()),
            "GRAPH: node \"noise\" (GaussianNoise): needs the inputs \"seed\" and \"step\" and a \"stream\" in "
            "training: the pass add_rng_inputs gives them");
}

}  // namespace
}  // namespace athanor
