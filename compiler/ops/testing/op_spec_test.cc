// OpSpec must find what is wrong: operators with one fault each.
#include "compiler/ops/testing/op_spec.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

struct Faults {
  double value = 0, slope = 0;                  // relative, of the reference and of the gradient's reference
  const char* program = "logistic x0 -> t0";    // of the kernel
  bool has_gradient = true;
};

// The logistic function. Its gradient is the operator `name`Slope of (dy, y).
OpDef Logistic(const std::string& name, Faults faults) {
  OpDef def;
  def.name = name;
  def.inputs = {{"x", ""}};
  def.outputs = {{"y", ""}};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(c.CheckFloating(0, "x"));
    ATH_RETURN_IF_ERROR(c.CheckRank(0, "x", 0, 2));
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = [faults](ReferenceContext& c) -> absl::Status {
    for (int64_t i = 0; i < c.Input(0).size(); ++i) {
      if (c.Input(0)[i] > 100) return c.Error(ErrorClass::kIndex, "element %d is above 100", i);
      c.Output()[i] = (1 + faults.value) / (1 + std::exp(-c.Input(0)[i]));
    }
    return absl::OkStatus();
  };
  def.lower = [faults](LowerContext& c) {
    c.Emit("elementwise", {c.Input(0)}, {c.Output()}, {{"program", std::string(faults.program)}});
    return absl::OkStatus();
  };
  if (faults.has_gradient) {
    def.gradient = [name](GradientContext& c) -> absl::Status {
      ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit(name + "Slope", {c.OutputGrad(), c.Output()}));
      c.SetInputGrad(0, dx);
      return absl::OkStatus();
    };
  }
  return def;
}

OpDef Slope(const std::string& name, Faults faults) {
  OpDef def;
  def.name = name + "Slope";
  def.inputs = {{"dy", ""}, {"y", ""}};
  def.outputs = {{"dx", ""}};
  def.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = [faults](ReferenceContext& c) {
    for (int64_t i = 0; i < c.Input(0).size(); ++i) {
      double y = c.Input(1)[i];
      c.Output()[i] = c.Input(0)[i] * y * (1 - y) * (1 + faults.slope);
    }
    return absl::OkStatus();
  };
  def.lower = [](LowerContext& c) {
    c.Emit("elementwise", {c.Input(0), c.Input(1)}, {c.Output()},
           {{"program", std::string("sub 1 x1; mul x1 t0; mul x0 t1 -> t2")}});
    return absl::OkStatus();
  };
  return def;
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const auto& [name, faults] : std::vector<std::pair<std::string, Faults>>{
           {"Good", {}},
           {"WrongValue", {.value = 1e-8}},
           {"WrongSlope", {.slope = 4e-6}},  // less than the kernels' tolerance
           {"WrongKernel", {.program = "tanh x0 -> t0"}},
           {"NoGradient", {.has_gradient = false}},
       }) {
    OpRegistry::Get().Register(Logistic(name, faults));
    OpRegistry::Get().Register(Slope(name, faults));
  }
  return true;
}();

// What a case reports instead of failing this test.
std::string FailuresOf(const std::function<void()>& check) {
  ::testing::TestPartResultArray results;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
    check();
  }
  std::string text;
  for (int i = 0; i < results.size(); ++i) absl::StrAppend(&text, results.GetTestPartResult(i).message(), "\n");
  return text;
}

Tensor TwoPoints() { return Tensor::Of<float>({2}, {0.0f, 3.0f}); }
const std::vector<double> kTwoValues = {0.5, 0.95257412682243336};

TEST(OpSpec, AcceptsAGoodOperator) {
  OpSpec("Good").Name("good").Input({3, 2}).ExpectOutput({3, 2}).SymbolicBatch().Check();
  OpSpec("Good").Given(TwoPoints()).ExpectOutput({2}).ExpectValues(kTwoValues).Check();
  OpSpec("NoGradient").Input({3}).ExpectOutput({3}).NotDifferentiable().Check();
  OpSpec("Good").Input({3, 2, 1}).ExpectOutput({3, 2, 1}).ExpectError(ErrorClass::kShape, "expected rank 0 to 2");
}

TEST(OpSpec, FindsAWrongType) {
  EXPECT_THAT(FailuresOf([] { OpSpec("Good").Input({3}).ExpectOutput({4}).Check(); }),
              HasSubstr("type of output 0 is f32[3], expected f32[4]"));
}

TEST(OpSpec, FindsAWrongReference) {
  EXPECT_THAT(FailuresOf([] {
                OpSpec("WrongValue").Given(TwoPoints()).ExpectOutput({2}).ExpectValues(kTwoValues).Check();
              }),
              HasSubstr("reference of output 0"));
}

TEST(OpSpec, FindsAWrongGradient) {
  std::string failures = FailuresOf([] { OpSpec("WrongSlope").Input({3, 2}).ExpectOutput({3, 2}).Check(); });
  EXPECT_THAT(failures, HasSubstr("gradient of input 0"));
  EXPECT_THAT(failures, HasSubstr("finite differences give"));
}

TEST(OpSpec, FindsAWrongKernel) {
  std::string failures = FailuresOf([] { OpSpec("WrongKernel").Input({3, 2}).ExpectOutput({3, 2}).Check(); });
  EXPECT_THAT(failures, HasSubstr("the reference gives"));
  EXPECT_THAT(failures, HasSubstr("compiled with 3 threads"));
}

TEST(OpSpec, FindsAMissingGradientAndAnUnexpectedOne) {
  EXPECT_THAT(FailuresOf([] { OpSpec("NoGradient").Input({3}).ExpectOutput({3}).Check(); }),
              HasSubstr("has no gradient; say NotDifferentiable()"));
  EXPECT_THAT(FailuresOf([] { OpSpec("Good").Input({3}).ExpectOutput({3}).NotDifferentiable().Check(); }),
              HasSubstr("is said not to be differentiable"));
}

TEST(OpSpec, FindsAnErrorThatDoesNotCome) {
  auto three = [] { return OpSpec("Good").Input({3}).ExpectOutput({3}); };
  EXPECT_THAT(FailuresOf([&] { three().ExpectError(ErrorClass::kShape, ""); }), HasSubstr("was accepted"));
  EXPECT_THAT(FailuresOf([&] { three().ExpectRunError(ErrorClass::kIndex, ""); }),
              HasSubstr("the reference accepted it"));
  EXPECT_THAT(FailuresOf([&] {
                OpSpec("Good").Input({3}).InputRange(101, 110).ExpectOutput({3}).ExpectRunError(ErrorClass::kIndex,
                                                                                                "above 100");
              }),
              HasSubstr("the kernel accepted it"));
  EXPECT_THAT(FailuresOf([] {
                OpSpec("Good").Input({3, 2, 1}).ExpectOutput({3}).ExpectError(ErrorClass::kShape, "no such words");
              }),
              HasSubstr("no such words"));
  EXPECT_THAT(FailuresOf([] {
                OpSpec("Good").Input({3, 2, 1}).ExpectOutput({3}).ExpectError(ErrorClass::kDtype, "expected rank");
              }),
              HasSubstr("DTYPE"));
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
