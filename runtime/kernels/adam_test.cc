#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

struct Hyper {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
};

struct State {
  Tensor param, m, v;
};

State Start(const Shape& shape) {
  return {RandomTensor(shape, 1), RandomTensor(shape, 2, 0, 0), RandomTensor(shape, 3, 0, 0)};
}

TestCall Adam(const Hyper& h, const State& s, const Tensor& grad, float lr, int64_t step,
              const std::string& layout = "") {
  return TestCall("adam").Attr("beta1", h.beta1).Attr("beta2", h.beta2).Attr("epsilon", h.epsilon)
      .Attr("weight_decay", h.weight_decay).In(s.param.Clone(), layout).In(grad.Clone()).In(s.m.Clone()).In(s.v.Clone())
      .In(Tensor::Scalar(lr)).In(Tensor::Scalar(step)).Out(grad.shape()).Out(grad.shape()).Out(grad.shape());
}

// torch.optim.Adam in double, for one element.
struct Reference {
  double param, m = 0, v = 0;
  void Step(const Hyper& h, double grad, double lr, int64_t step) {
    grad += h.weight_decay * param;
    m = h.beta1 * m + (1 - h.beta1) * grad;
    v = h.beta2 * v + (1 - h.beta2) * grad * grad;
    const double denominator = std::sqrt(v) / std::sqrt(1 - std::pow(h.beta2, step)) + h.epsilon;
    param -= lr / (1 - std::pow(h.beta1, step)) * m / denominator;
  }
};

void ExpectSteps(const Hyper& h, const Shape& shape, int threads, const std::string& layout = "",
                 bool in_place = false) {
  SCOPED_TRACE(ShapeToString(shape) + " " + layout);
  State s = Start(shape);
  std::vector<Reference> want;
  for (float p : s.param.as<float>()) want.push_back({p});
  for (int64_t step = 1; step <= 4; ++step) {
    Tensor grad = RandomTensor(shape, 10 + step);
    const float lr = 0.01f * step;
    TestCall call = Adam(h, s, grad, lr, step, layout).Threads(threads);
    if (in_place) call.InPlace(0, 0).InPlace(1, 2).InPlace(2, 3);
    auto run = call.Run();
    ASSERT_TRUE(run.ok()) << run.status();
    for (size_t i = 0; i < run->stored.size(); ++i) ASSERT_TRUE(PaddedWithZeros(run->outputs[i], run->stored[i]));
    s = {std::move(run->outputs[0]), std::move(run->outputs[1]), std::move(run->outputs[2])};
    for (size_t i = 0; i < want.size(); ++i) {
      want[i].Step(h, grad.as<float>()[i], lr, step);
      ASSERT_NEAR(s.param.as<float>()[i], want[i].param, 1e-6) << "step " << step << ", element " << i;
      ASSERT_NEAR(s.m.as<float>()[i], want[i].m, 1e-6);
      ASSERT_NEAR(s.v.as<float>()[i], want[i].v, 1e-6);
    }
  }
}

constexpr Hyper kHypers[] = {
    {},
    {.weight_decay = 0.01},
    {.beta1 = 0, .beta2 = 0.5, .epsilon = 1e-3},
    {.beta1 = 0.3, .beta2 = 0, .epsilon = 1},
};

TEST(Adam, EqualsThePlainLoop) {
  for (const Hyper& h : kHypers) {
    for (int threads : {1, 2}) {
      ExpectSteps(h, {}, threads);
      ExpectSteps(h, {1}, threads);
      ExpectSteps(h, {5, 3}, threads);
      ExpectSteps(h, {17, 1, 3}, threads);
      ExpectSteps(h, {211, 97}, threads);
    }
  }
}

// Printed by PyTorch 2.13.0: torch.optim.Adam([p], lr=0.1, weight_decay=0.5) with p = [1, -2, 0.25], two steps with the
// gradients [0.5, -1, 2] and [-0.25, 3, 0].
TEST(Adam, EqualsPyTorch) {
  Hyper h{.weight_decay = 0.5};
  State s{Tensor::Of<float>({3}, {1.0f, -2.0f, 0.25f}), RandomTensor({3}, 0, 0, 0), RandomTensor({3}, 0, 0, 0)};
  const Tensor grads[] = {Tensor::Of<float>({3}, {0.5f, -1.0f, 2.0f}), Tensor::Of<float>({3}, {-0.25f, 3.0f, 0.0f})};
  for (int step : {1, 2}) {
    auto run = Adam(h, s, grads[step - 1], 0.1f, step).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    s = {std::move(run->outputs[0]), std::move(run->outputs[1]), std::move(run->outputs[2])};
  }
  const float want[] = {0.81969595f, -1.90649712f, 0.0804098696f};
  for (int i = 0; i < 3; ++i) EXPECT_FLOAT_EQ(s.param.as<float>()[i], want[i]);
}

TEST(Adam, WorksInPlace) {
  for (const Hyper& h : kHypers) ExpectSteps(h, {31, 7}, 1, "", /*in_place=*/true);
}

TEST(Adam, RunsInTheParametersLayoutAndLeavesThePaddingZero) {
  for (const Hyper& h : kHypers) {
    ExpectSteps(h, {6, 3, 5, 5}, 2, "Acdb16a");
    ExpectSteps(h, {20, 18, 3, 3}, 2, "ABcd16b16a", /*in_place=*/true);
  }
  ExpectSteps({.epsilon = std::numeric_limits<float>::min()}, {6, 3, 5, 5}, 1, "Acdb16a");
}

TEST(Adam, TheNumberOfThreadsChangesNoBit) {
  State s = Start({100003});
  Tensor grad = RandomTensor({100003}, 4);
  auto one = Adam({}, s, grad, 0.1f, 1).Threads(1).Run(), two = Adam({}, s, grad, 0.1f, 1).Threads(2).Run();
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->stored, two->stored);
}

TEST(Adam, RefusesABadLearningRateOrStepWhenItRuns) {
  State s = Start({4});
  Tensor grad = RandomTensor({4}, 4);
  auto refuse = [&](float lr, int64_t step, const std::string& text) {
    auto run = Adam({}, s, grad, lr, step).Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "ATTR") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr(text));
  };
  refuse(-0.1f, 1, "the learning rate \"lr\" is -0.1");
  refuse(std::nanf(""), 1, "the learning rate \"lr\" is nan");
  refuse(std::numeric_limits<float>::infinity(), 1, "the learning rate \"lr\" is inf");
  refuse(0.1f, 0, "\"step\" is 0");
  refuse(0.1f, -1, "\"step\" is -1");
}

TEST(Adam, RefusesADamagedCall) {
  State s = Start({4});
  Tensor grad = RandomTensor({4}, 4);
  for (const Hyper& h : {Hyper{.beta1 = 1}, Hyper{.beta1 = -0.1}, Hyper{.beta2 = 1}, Hyper{.beta2 = std::nan("")},
                         Hyper{.epsilon = 0}, Hyper{.epsilon = -1}, Hyper{.weight_decay = -1}}) {
    auto run = Adam(h, s, grad, 0.1f, 1).Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr("is not in ["));
  }
  auto other = Adam({}, s, RandomTensor({5}, 3), 0.1f, 1).Run();
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("input 1 is f32[5]:a; the parameter is f32[4]:a"));
}

}  // namespace
}  // namespace athanor
