#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(KLDivergence, KnownValues) {
  const float half = static_cast<float>(std::log(0.5));
  auto pred = [&] { return Tensor::Of<float>({2, 2}, {half, half, half, half}); };
  // KL([1/4, 3/4] | [1/2, 1/2]), and 0.
  const double kl = 0.25 * std::log(0.5) + 0.75 * std::log(1.5);
  auto target = [] { return Tensor::Of<float>({2, 2}, {0.25, 0.75, 0.5, 0.5}); };
  OpSpec("KLDivergence").Given(pred()).Given(target()).ExpectOutput({}).ExpectValues({kl / 2}, 1e-7).Check();
  OpSpec("KLDivergence").Attr("reduction", "sum").Given(pred()).Given(target()).ExpectOutput({})
      .ExpectValues({kl}, 1e-7).Check();
  OpSpec("KLDivergence").Attr("reduction", "mean").Given(pred()).Given(target()).ExpectOutput({})
      .ExpectValues({kl / 4}, 1e-7).Check();
}

TEST(KLDivergence, TargetsMayBeLogarithms) {
  for (const char* reduction : {"batchmean", "mean", "sum", "none"}) {
    for (bool log_target : {false, true}) {
      OpSpec("KLDivergence").Name(absl::StrCat(reduction, log_target)).Attr("reduction", reduction)
          .Attr("log_target", log_target).Input({4, 33}).InputRange(-5, 0).Input({4, 33})
          .InputRange(log_target ? -5 : 0.1, log_target ? 0 : 1)
          .ExpectOutput(std::string(reduction) == "none" ? Shape{4, 33} : Shape{}).SymbolicBatch().Check();
    }
  }
}

// A class that the target has not costs nothing, however unlikely the prediction finds it.
TEST(KLDivergence, EndsOfTheRange) {
  const float inf = std::numeric_limits<float>::infinity();
  OpSpec("KLDivergence").Attr("reduction", "none").Given(Tensor::Of<float>({4}, {-1e4f, 0, -1e4f, -1}))
      .Given(Tensor::Of<float>({4}, {1, 1, 0, 0})).NoGradient(1).ExpectOutput({4}).ExpectValues({1e4, 0, 0, 0}).Check();
  OpSpec("KLDivergenceGrad").Given(Tensor::Scalar(1.0f)).Given(Tensor::Of<float>({4}, {-1e4f, 0, -inf, -1e4f}))
      .Given(Tensor::Of<float>({4}, {1, 1, 0, 0})).ExpectOutput({4}).ExpectValues({-1, -1, 0, 0})
      .ExpectOutput({4}).ExpectValues({10001, 1, 0, 0}).NotDifferentiable().Check();
  OpSpec("KLDivergenceGrad").Attr("log_target", true).Given(Tensor::Scalar(1.0f))
      .Given(Tensor::Of<float>({4}, {-1e4f, 0, -inf, -1e4f})).Given(Tensor::Of<float>({4}, {0, 0, -inf, -1e4f}))
      .ExpectOutput({4}).ExpectValues({-1, -1, 0, 0}).ExpectOutput({4}).ExpectValues({10001, 1, 0, 0})
      .NotDifferentiable().Check();
}

}  // namespace
}  // namespace athanor
