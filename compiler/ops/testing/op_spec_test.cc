// OpSpec must find what is wrong: operators with one fault each.
#include "compiler/ops/testing/op_spec.h"

#include <algorithm>
#include <cmath>

#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

// y = a x^2 + (the fault). "SquareSlope" is its gradient: dx = 2 a x dy.
OpDef Square(const char* name, std::function<double(double)> wrong_value, double wrong_slope) {
  OpDef def;
  def.name = name;
  def.inputs = {{"x", ""}};
  def.outputs = {{"y", ""}};
  def.attributes = {{.name = "a", .type = AttrType::kFloat, .default_value = 1.0, .min = 0}};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(c.CheckFloating(0, "x"));
    ATH_RETURN_IF_ERROR(c.CheckRank(0, "x", 0, 2));
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = [wrong_value](ReferenceContext& c) -> absl::Status {
    for (int64_t i = 0; i < c.Input(0).size(); ++i) {
      double x = c.Input(0)[i];
      if (x > 100) return c.Error(ErrorClass::kIndex, "element %d is above 100", i);
      c.Output()[i] = c.attrs().Float("a") * x * x + wrong_value(x);
    }
    return absl::OkStatus();
  };
  if (!std::isnan(wrong_slope)) {
    def.gradient = [wrong_slope](GradientContext& c) -> absl::Status {
      ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("SquareSlope", {c.OutputGrad(), c.Input(0)},
                                              {{"factor", 2 * c.attrs().Float("a") * (1 + wrong_slope)}}));
      c.SetInputGrad(0, dx);
      return absl::OkStatus();
    };
  }
  return def;
}
double Nothing(double) { return 0; }
ATH_REGISTER_OP(Square("Square", Nothing, 0));
ATH_REGISTER_OP(Square("SquareWrongValue", [](double x) { return 1e-9 * x * x; }, 0));
ATH_REGISTER_OP(Square("SquareWrongSlope", Nothing, 1e-5));
ATH_REGISTER_OP(Square("SquareNoGradient", Nothing, NAN));

OpDef SquareSlope() {
  OpDef def;
  def.name = "SquareSlope";
  def.inputs = {{"dy", ""}, {"x", ""}};
  def.outputs = {{"dx", ""}};
  def.attributes = {{.name = "factor", .type = AttrType::kFloat}};
  def.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    for (int64_t i = 0; i < c.Input(0).size(); ++i) {
      c.Output()[i] = c.attrs().Float("factor") * c.Input(0)[i] * c.Input(1)[i];
    }
    return absl::OkStatus();
  };
  return def;
}
ATH_REGISTER_OP(SquareSlope());

TEST(OpSpec, AcceptsAGoodOperator) {
  OpSpec("Square").Name("good").Input({3, 2}).Attr("a", 3).ExpectOutput({3, 2}).SymbolicBatch().Check();
  OpSpec("Square").Given(Tensor::Of<float>({2}, {3.0f, -2.0f})).ExpectOutput({2}).ExpectValues({9, 4}).Check();
  OpSpec("SquareNoGradient").Input({3}).ExpectOutput({3}).NotDifferentiable().Check();
  OpSpec("Square").Input({3, 2, 1}).ExpectOutput({3, 2, 1}).ExpectError(ErrorClass::kShape, "expected rank 0 to 2");
  OpSpec("Square").Input({3}).InputRange(150, 200).ExpectOutput({3}).ExpectRunError(ErrorClass::kIndex, "above 100");
}

TEST(OpSpec, FindsAWrongShape) {
  EXPECT_NONFATAL_FAILURE(OpSpec("Square").Input({3}).ExpectOutput({4}).Check(),
                          "type of output 0 is f32[3], expected f32[4]");
}

TEST(OpSpec, FindsAWrongValue) {
  EXPECT_NONFATAL_FAILURE(OpSpec("SquareWrongValue").Given(Tensor::Of<float>({2}, {3.0f, -2.0f})).ExpectOutput({2})
                              .ExpectValues({9, 4}).Check(),
                          "reference of output 0");
}

TEST(OpSpec, FindsAWrongGradient) {
  EXPECT_NONFATAL_FAILURE(OpSpec("SquareWrongSlope").Input({3, 2}).ExpectOutput({3, 2}).Check(), "gradient of input 0");
}

TEST(OpSpec, FindsAMissingGradientAndAnUnexpectedOne) {
  EXPECT_FATAL_FAILURE(OpSpec("SquareNoGradient").Input({3}).ExpectOutput({3}).Check(), "has no gradient");
  EXPECT_NONFATAL_FAILURE(OpSpec("Square").Input({3}).ExpectOutput({3}).NotDifferentiable().Check(),
                          "is said not to be differentiable");
}

TEST(OpSpec, FindsAnErrorThatDoesNotCome) {
  EXPECT_FATAL_FAILURE(OpSpec("Square").Input({3}).ExpectOutput({3}).ExpectError(ErrorClass::kShape, ""),
                       "was accepted");
  EXPECT_FATAL_FAILURE(OpSpec("Square").Input({3}).ExpectOutput({3}).ExpectRunError(ErrorClass::kIndex, ""),
                       "the reference accepted it");
  EXPECT_NONFATAL_FAILURE(OpSpec("Square").Input({3, 2, 1}).ExpectOutput({3}).ExpectError(ErrorClass::kShape, "axis"),
                          "axis");
}

TEST(OpSpec, KinkFreeDataKeepsItsDistance) {
  // |x| has its kink at 0 and max at equal elements: with KinkFree neither is near.
  for (int64_t n : {1, 2, 7, 100, 1001}) {
    SCOPED_TRACE(n);
    std::vector<double> data = internal::KinkFreeFloats("case", 0, n, -1, 1);
    std::sort(data.begin(), data.end());
    double step = 2.0 / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) {
      EXPECT_GT(std::abs(data[i]), step / 5);
      if (i == 0) continue;
      EXPECT_GT(data[i] - data[i - 1], step / 2);
    }
  }
}

TEST(RelativeError, TakesNoNaNForANumber) {
  auto one = [](double v) {
    DoubleTensor t(Shape{1});
    t[0] = v;
    return t;
  };
  EXPECT_EQ(internal::RelativeError(one(NAN), one(1), 1), INFINITY);
  EXPECT_EQ(internal::RelativeError(one(1), one(NAN), 1), INFINITY);
  EXPECT_EQ(internal::RelativeError(one(INFINITY), one(INFINITY), 1), 0);
  EXPECT_EQ(internal::RelativeError(one(-INFINITY), one(INFINITY), 1), INFINITY);
  EXPECT_EQ(internal::RelativeError(one(NAN), one(NAN), 1), 0);
  EXPECT_DOUBLE_EQ(internal::RelativeError(one(11), one(10), 1), 0.1);
  EXPECT_DOUBLE_EQ(internal::RelativeError(one(0.1), one(0), 1), 0.1);
  EXPECT_EQ(internal::RelativeError(DoubleTensor({2}), one(0), 1), INFINITY);
}

}  // namespace
}  // namespace athanor
