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
  double momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;
  bool has_buffer() const { return momentum != 0; }
  bool has_step() const { return has_buffer() && dampening != 0; }
};

struct State {
  Tensor param, buffer;
};

State Start(const Shape& shape) { return {RandomTensor(shape, 1), RandomTensor(shape, 2, 0, 0)}; }

TestCall Sgd(const Hyper& h, const State& s, const Tensor& grad, float lr, int64_t step,
             const std::string& layout = "") {
  TestCall call("sgd");
  call.Attr("momentum", h.momentum).Attr("dampening", h.dampening).Attr("weight_decay", h.weight_decay);
  call.Attr("nesterov", h.nesterov).In(s.param.Clone(), layout).In(grad.Clone());
  if (h.has_buffer()) call.In(s.buffer.Clone());
  call.In(Tensor::Scalar(lr));
  if (h.has_step()) call.In(Tensor::Scalar(step));
  call.Out(grad.shape());
  if (h.has_buffer()) call.Out(grad.shape());
  return call;
}

// torch.optim.SGD in double, for one element.
struct Reference {
  double param, buffer = 0;
  void Step(const Hyper& h, double grad, double lr, int64_t step) {
    grad += h.weight_decay * param;
    if (h.has_buffer()) {
      buffer = step == 1 ? grad : h.momentum * buffer + (1 - h.dampening) * grad;
      grad = h.nesterov ? grad + h.momentum * buffer : buffer;
    }
    param -= lr * grad;
  }
};

void ExpectSteps(const Hyper& h, const Shape& shape, int threads, const std::string& layout = "",
                 bool in_place = false) {
  SCOPED_TRACE(ShapeToString(shape) + " " + layout);
  State s = Start(shape);
  std::vector<Reference> want;
  for (float p : s.param.as<float>()) want.push_back({p});
  for (int64_t step = 1; step <= 3; ++step) {
    Tensor grad = RandomTensor(shape, 10 + step);
    const float lr = 0.1f * step;
    TestCall call = Sgd(h, s, grad, lr, step, layout).Threads(threads);
    if (in_place) call.InPlace(0, 0);
    if (in_place && h.has_buffer()) call.InPlace(1, 2);
    auto run = call.Run();
    ASSERT_TRUE(run.ok()) << run.status();
    for (size_t i = 0; i < run->stored.size(); ++i) ASSERT_TRUE(PaddedWithZeros(run->outputs[i], run->stored[i]));
    s.param = std::move(run->outputs[0]);
    if (h.has_buffer()) s.buffer = std::move(run->outputs[1]);
    for (size_t i = 0; i < want.size(); ++i) {
      want[i].Step(h, grad.as<float>()[i], lr, step);
      ASSERT_NEAR(s.param.as<float>()[i], want[i].param, 1e-6) << "step " << step << ", element " << i;
      if (!h.has_buffer()) continue;
      ASSERT_NEAR(s.buffer.as<float>()[i], want[i].buffer, 1e-6);
    }
  }
}

constexpr Hyper kHypers[] = {
    {},
    {.weight_decay = 0.01},
    {.momentum = 0.9},
    {.momentum = 0.9, .weight_decay = 0.01},
    {.momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
    {.momentum = 0.5, .dampening = 0.25},
    {.momentum = 1, .dampening = 1},
};

TEST(Sgd, EqualsThePlainLoop) {
  for (const Hyper& h : kHypers) {
    for (int threads : {1, 2}) {
      ExpectSteps(h, {}, threads);
      ExpectSteps(h, {1}, threads);
      ExpectSteps(h, {5, 3}, threads);
      ExpectSteps(h, {17, 1, 3}, threads);
      ExpectSteps(h, {311, 97}, threads);
    }
  }
}

// Printed by PyTorch 2.13.0: torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.5, ...) with p = [1, -2, 0.25],
// three steps.
TEST(Sgd, EqualsPyTorch) {
  const Tensor grads[] = {Tensor::Of<float>({3}, {0.5f, -1.0f, 2.0f}), Tensor::Of<float>({3}, {-0.25f, 3.0f, 0.0f}),
                          Tensor::Of<float>({3}, {1.0f, 1.0f, -1.0f})};
  auto expect = [&](const Hyper& h, const std::vector<float>& want) {
    State s{Tensor::Of<float>({3}, {1.0f, -2.0f, 0.25f}), RandomTensor({3}, 0, 0, 0)};
    for (int step : {1, 2, 3}) {
      auto run = Sgd(h, s, grads[step - 1], 0.1f, step).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      s = {std::move(run->outputs[0]), std::move(run->outputs[1])};
    }
    for (int i = 0; i < 3; ++i) EXPECT_FLOAT_EQ(s.param.as<float>()[i], want[i]);
  };
  expect({.momentum = 0.9, .weight_decay = 0.5, .nesterov = true}, {0.357637793f, -1.91765046f, -0.240383834f});
  expect({.momentum = 0.9, .dampening = 0.25, .weight_decay = 0.5}, {0.595687449f, -1.76559365f, -0.247728512f});
}

TEST(Sgd, WorksInPlace) {
  for (const Hyper& h : kHypers) ExpectSteps(h, {31, 7}, 1, "", /*in_place=*/true);
}

TEST(Sgd, RunsInTheParametersLayoutAndLeavesThePaddingZero) {
  for (const Hyper& h : kHypers) {
    ExpectSteps(h, {6, 3, 5, 5}, 2, "Acdb16a");
    ExpectSteps(h, {20, 18, 3, 3}, 2, "ABcd16b16a", /*in_place=*/true);
  }
}

TEST(Sgd, TheNumberOfThreadsChangesNoBit) {
  const Hyper h{.momentum = 0.9, .weight_decay = 0.01};
  State s = Start({100003});
  Tensor grad = RandomTensor({100003}, 3);
  auto one = Sgd(h, s, grad, 0.1f, 1).Threads(1).Run(), two = Sgd(h, s, grad, 0.1f, 1).Threads(2).Run();
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->stored, two->stored);
}

TEST(Sgd, RefusesABadLearningRateOrStepWhenItRuns) {
  State s = Start({4});
  Tensor grad = RandomTensor({4}, 3);
  for (float lr : {-0.1f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    auto run = Sgd({}, s, grad, lr, 1).Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "ATTR") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr("node \"node\": the learning rate"));
  }
  auto run = Sgd({.momentum = 0.9, .dampening = 0.1}, s, grad, 0.1f, 0).Run();
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(ErrorClassOf(run.status()), "ATTR") << run.status();
}

TEST(Sgd, RefusesADamagedCall) {
  State s = Start({4});
  Tensor grad = RandomTensor({4}, 3);
  for (const Hyper& h : {Hyper{.momentum = -0.1}, Hyper{.momentum = std::nan("")},
                         Hyper{.momentum = 0.5, .dampening = 2}, Hyper{.weight_decay = -1}}) {
    auto run = Sgd(h, s, grad, 0.1f, 1).Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr("is not in ["));
  }
  auto other = Sgd({}, s, RandomTensor({5}, 3), 0.1f, 1).Run();
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("input 1 is f32[5]:a; the parameter is f32[4]:a"));
  auto few = TestCall("sgd").In(grad.Clone()).Out({4}).Run();
  EXPECT_FALSE(few.ok());
}

}  // namespace
}  // namespace athanor
