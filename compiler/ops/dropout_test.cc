#include <cmath>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

Tensor Number(int64_t n) { return Tensor::Scalar(n); }

OpSpec Training(const std::string& name, const Shape& x, double ratio, int64_t seed = 1, int64_t step = 1) {
  OpSpec spec("Dropout");
  spec.Name(name).Input(x).Given(Number(seed)).Given(Number(step)).Attr("ratio", ratio).Attr("stream", 5)
      .Attr("training", true).Training().ExpectOutput(x);
  return spec;
}

TEST(Dropout, DropsByThePhiloxStreamOfTheStep) {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<double> want;
  Philox random(42, Philox::MixStream(5, 7));
  for (int i = 0; i < 8; ++i) want.push_back(random.Uniform(i) >= 0.25 ? x[i] / 0.75 : 0);
  OpSpec("Dropout").Given(Tensor::Of<float>({2, 4}, x)).Given(Number(42)).Given(Number(7)).Attr("ratio", 0.25)
      .Attr("stream", 5).Attr("training", true).Training().ExpectOutput({2, 4}).ExpectValues(want).Check();
}

TEST(Dropout, InTraining) {
  for (double ratio : {0.0, 0.1, 0.5, 0.9, 0.999}) {
    Training("images", {3, 5, 7, 2}, ratio).Check();
    Training("scalar", {}, ratio).Check();
    Training("one", {1, 1}, ratio).Check();
    Training("wide", {3, 1001}, ratio).Check();
  }
  Training("another seed and step", {33}, 0.5, int64_t{1} << 50, 123456789).Check();
  Training("channels of a blocked layout", {2, 16, 3, 3}, 0.5).Check();
}

TEST(Dropout, OutsideOfTrainingItIsTheIdentity) {
  OpSpec("Dropout").Input({3, 5}).ExpectOutput({3, 5}).SymbolicBatch().Check();
  OpSpec("Dropout").Name("values").Given(Tensor::Of<float>({2}, {1.0f, -2.0f})).Attr("ratio", 0.9).ExpectOutput({2})
      .ExpectValues({1, -2}).Check();
  OpSpec("Dropout").Name("with numbers").Input({3}).Given(Number(1)).Given(Number(1)).ExpectOutput({3}).Check();
}

TEST(Dropout, RefusesBadAttributesAndInputs) {
  auto x = [] { return OpSpec("Dropout").Input({3}).ExpectOutput({3}); };
  for (double ratio : {-0.1, 1.0, 1.5, std::nan("")}) {
    x().Attr("ratio", ratio).ExpectError(ErrorClass::kAttr, "is not in [0, 1)");
  }
  x().Attr("stream", -2).ExpectError(ErrorClass::kAttr, "attribute \"stream\" = -2");
  OpSpec("Dropout").IntInput({3}, 0, 9).ExpectOutput({3}).ExpectError(ErrorClass::kDtype, "input \"x\" is s32[3]");
  OpSpec("Dropout").Input({3}).Input({}).ExpectOutput({3}).ExpectError(ErrorClass::kDtype, "input \"seed\" is f32[]");
  OpSpec("Dropout").Input({3}).Given(Number(1)).IntInput({2}, 0, 9, DType::kS64).ExpectOutput({3})
      .ExpectError(ErrorClass::kShape, "input \"step\" is s64[2]");
}

TEST(Dropout, InTrainingWithoutNumbersItSaysWhoGivesThem) {
  Node node{"Dropout", "drop", {0}, {1}, {{"training", true}}, {}, ""};
  const OpDef& def = **FindOp(node);
  const TensorType x(DType::kF32, {3});
  auto types = InferTypes(def, node, {x});
  ASSERT_TRUE(types.ok()) << types.status();
  DoubleTensor data(Shape{3});
  ReferenceContext context(node, {&data}, *types);
  absl::Status status = def.reference(context);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(
      std::string(status.message()),
      "GRAPH: node \"drop\" (Dropout): needs the inputs \"seed\" and \"step\" and a \"stream\" in training: the pass "
      "add_rng_inputs gives them");
}

}  // namespace
}  // namespace athanor
