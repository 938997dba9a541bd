#include <cmath>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

struct Expected {
  double loss = 0;
  std::vector<double> probabilities, dlogits;
};

Expected CrossEntropy(const Tensor& logits, const std::vector<int32_t>& labels, double dloss) {
  const int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  Expected e;
  for (int64_t n = 0; n < rows; ++n) {
    const float* x = logits.as<float>().data() + n * classes;
    double max = *std::max_element(x, x + classes), sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(x[c] - max);
    e.loss += (std::log(sum) + max - x[labels[n]]) / static_cast<double>(rows);
    for (int64_t c = 0; c < classes; ++c) {
      e.probabilities.push_back(std::exp(x[c] - max) / sum);
      e.dlogits.push_back(dloss * (e.probabilities.back() - (c == labels[n])) / static_cast<double>(rows));
    }
  }
  return e;
}

std::vector<int32_t> Labels(int64_t rows, int64_t classes) {
  std::vector<int32_t> labels;
  for (int64_t n = 0; n < rows; ++n) labels.push_back(static_cast<int32_t>((n * n + 3) % classes));
  labels[0] = static_cast<int32_t>(classes - 1);
  return labels;
}

Tensor ToTensor(const std::vector<int32_t>& v) { return Tensor::Of<int32_t>({static_cast<int64_t>(v.size())}, v); }

TestCall Call(const std::string& kernel) {
  return TestCall(kernel).Attr("axis", 1).Attr("reduction", "mean").Attr("label_smoothing", 0.0).Attr("weights", false)
      .Attr("dense", false).Attr("ignore_index", -100);
}

TestCall Forward(const Tensor& logits, const std::vector<int32_t>& labels, int threads = 1) {
  return Call("softmax_cross_entropy")
      .In(logits.Clone())
      .In(ToTensor(labels))
      .Out({})
      .Out(logits.shape())
      .Threads(threads);
}

TestCall Backward(float dloss, Tensor probabilities, const std::vector<int32_t>& labels, int threads = 1) {
  Shape shape = probabilities.shape();
  return Call("softmax_cross_entropy_backward")
      .In(Tensor::Scalar(dloss))
      .In(std::move(probabilities))
      .In(ToTensor(labels))
      .Out(shape)
      .Threads(threads);
}

TEST(SoftmaxCrossEntropy, LossProbabilitiesAndGradient) {
  for (const Shape& shape : std::vector<Shape>{{1, 1}, {1, 10}, {64, 10}, {7, 2}, {5, 16}, {3, 17}, {33, 1000}}) {
    for (int flags = 0; flags < 4; ++flags) {
      const bool in_place = flags & 1;
      const int threads = flags & 2 ? 2 : 1;
      SCOPED_TRACE(ShapeToString(shape));
      Tensor logits = RandomTensor(shape, 1, -4, 4);
      std::vector<int32_t> labels = Labels(shape[0], shape[1]);
      Expected want = CrossEntropy(logits, labels, 0.5);
      TestCall forward_call = Forward(logits, labels, threads);
      if (in_place) forward_call.InPlace(1, 0);
      auto forward = forward_call.Run();
      ASSERT_TRUE(forward.ok()) << forward.status();
      EXPECT_NEAR(forward->outputs[0].as<float>()[0], want.loss, 2e-6 * std::max(1.0, want.loss));
      ExpectClose(forward->outputs[1], want.probabilities, 1e-6);
      TestCall backward_call = Backward(0.5, forward->outputs[1].Clone(), labels, threads);
      if (in_place) backward_call.InPlace(0, 1);
      auto backward = backward_call.Run();
      ASSERT_TRUE(backward.ok()) << backward.status();
      ExpectClose(backward->outputs[0], want.dlogits, 1e-6);
    }
  }
}

// exp(1e4) overflows and exp(-1e4) vanishes, even in double: the loss of a sure error is still the distance.
TEST(SoftmaxCrossEntropy, StableForLogitsOfTenThousand) {
  Tensor logits = Tensor::Of<float>({4, 3}, {1e4f, 0, -1e4f, -1e4f, 1e4f, 0, 1e4f, 1e4f, 1e4f, -1e4f, -1e4f, -1e4f});
  std::vector<int32_t> labels = {2, 1, 0, 1};
  auto run = Forward(logits, labels).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_FLOAT_EQ(run->outputs[0].as<float>()[0], static_cast<float>((2e4 + 0 + 2 * std::log(3.0)) / 4));
  ExpectClose(run->outputs[1], CrossEntropy(logits, labels, 1).probabilities, 1e-6);
  auto grad = Backward(1, run->outputs[1].Clone(), labels).Run();
  ASSERT_TRUE(grad.ok()) << grad.status();
  ExpectClose(grad->outputs[0], CrossEntropy(logits, labels, 1).dlogits, 1e-6);
}

TEST(SoftmaxCrossEntropy, NotANumberReachesTheLoss) {
  for (int64_t classes : {3, 16, 40}) {
    Tensor logits = RandomTensor({2, classes}, 1);
    logits.as<float>()[classes + 1] = std::nanf("");
    auto run = Forward(logits, {0, 0}).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_TRUE(std::isnan(run->outputs[0].as<float>()[0]));
  }
}

TEST(SoftmaxCrossEntropy, TheNumberOfThreadsDoesNotChangeABit) {
  Tensor logits = RandomTensor({97, 501}, 1, -5, 5);
  std::vector<int32_t> labels = Labels(97, 501);
  auto one = Forward(logits, labels, 1).Run(), two = Forward(logits, labels, 2).Run();
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->stored, two->stored);
}

TEST(SoftmaxCrossEntropy, ALabelThatIsNoClassStopsTheRun) {
  Tensor logits = RandomTensor({4, 10}, 1);
  for (int32_t bad : {-1, 10, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()}) {
    const std::string text = "INDEX: \"node\": labels[2] = " + std::to_string(bad) + " is not in [0, 10)";
    auto forward = Forward(logits, {0, 9, bad, 3}, 2).Run();
    EXPECT_EQ(forward.status().message(), text);
    auto backward = Backward(1, RandomTensor({4, 10}, 1), {0, 9, bad, 3}, 2).Run();
    EXPECT_EQ(backward.status().message(), text);
  }
}

TEST(SoftmaxCrossEntropy, ErrorsNameTheCallAndTheNumbers) {
  auto expect = [](const TestCall& call, const std::string& text) {
    auto info = call.Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  expect(Forward(RandomTensor({4, 10}, 1), {1, 2, 3}), "labels is s32[3]:a, expected s32[4]");
  expect(Forward(RandomTensor({40}, 1), {1, 2, 3}), "axis = 1 is not in [0, 1)");
  expect(Call("softmax_cross_entropy").In(RandomTensor({4, 10}, 1)).In(RandomTensor({4}, 1)).Out({}).Out({4, 10}),
         "labels is f32[4]:a, expected s32[4]");
  expect(Call("softmax_cross_entropy").In(RandomTensor({1, 10}, 1)).In(ToTensor({1})).Out({1}).Out({1, 10}),
         "loss is f32[1]");
}

// A case with everything there is, against plain loops.
struct Options {
  Shape shape = {4, 10};  // [outer, classes] or [outer, classes, inner]
  std::string reduction = "mean";
  double smoothing = 0;
  bool weights = false, dense = false, ignore = false;  // label 1 counts for nothing

  int64_t inner() const { return shape.size() == 2 ? 1 : shape[2]; }
  int64_t targets() const { return shape[0] * inner(); }
  int64_t at(int64_t i, int64_t c) const { return (i / inner() * shape[1] + c) * inner() + i % inner(); }
  Shape target_shape() const { return inner() == 1 ? Shape{shape[0]} : Shape{shape[0], inner()}; }
  std::string Name() const {
    return ShapeToString(shape) + " " + reduction + " smoothing " + std::to_string(smoothing) +
           (weights ? " weights" : "") + (dense ? " dense" : "") + (ignore ? " ignore" : "");
  }
};

struct Data {
  explicit Data(const Options& o)
      : logits(RandomTensor(o.shape, 1, -4, 4)), weights(RandomTensor({o.shape[1]}, 2, 0.5, 2)),
        dloss(o.reduction == "none" ? RandomTensor(o.target_shape(), 3) : Tensor::Scalar(0.5f)) {
    std::vector<int32_t> labels(o.targets());
    for (int64_t i = 0; i < o.targets(); ++i) labels[i] = static_cast<int32_t>((i * i + 3) % o.shape[1]);
    target = o.dense ? RandomTensor(o.shape, 4, 0, 1) : Tensor::Of<int32_t>(o.target_shape(), labels);
  }
  Tensor logits, weights, dloss, target;
};

struct Wanted {
  std::vector<double> loss, probabilities, dlogits;
};

Wanted Compute(const Options& o, const Data& data) {
  const float* x = data.logits.as<float>().data();
  const int64_t classes = o.shape[1];
  Wanted want;
  want.probabilities.resize(o.targets() * classes), want.dlogits.resize(o.targets() * classes);
  std::vector<double> losses(o.targets(), 0), share(o.targets() * classes, 0);
  double denominator = 0;
  for (int64_t i = 0; i < o.targets(); ++i) {
    const int64_t label = o.dense ? -1 : data.target.as<int32_t>()[i];
    const bool ignored = o.ignore && label == 1;
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(x[o.at(i, c)]);
    for (int64_t c = 0; c < classes; ++c) {
      const int64_t at = o.at(i, c);
      const double t = o.dense ? data.target.as<float>()[at] : c == label;
      const double w = o.weights ? data.weights.as<float>()[c] : 1;
      if (!ignored) share[at] = w * ((1 - o.smoothing) * t + o.smoothing / static_cast<double>(classes));
      want.probabilities[at] = std::exp(x[at]) / sum;
      losses[i] -= share[at] * std::log(want.probabilities[at]);
      if (!o.dense && c == label && !ignored) denominator += w;
    }
  }
  if (o.dense) denominator = static_cast<double>(o.targets());
  if (o.reduction != "mean") denominator = 1;
  double sum = 0;
  for (int64_t i = 0; i < o.targets(); ++i) {
    sum += losses[i];
    double shares = 0;
    for (int64_t c = 0; c < classes; ++c) shares += share[o.at(i, c)];
    const double g = denominator == 0 ? 0 : data.dloss.as<float>()[o.reduction == "none" ? i : 0] / denominator;
    for (int64_t c = 0; c < classes; ++c) {
      want.dlogits[o.at(i, c)] = g * (want.probabilities[o.at(i, c)] * shares - share[o.at(i, c)]);
    }
  }
  want.loss = o.reduction == "none" ? losses : std::vector<double>{denominator == 0 ? 0 : sum / denominator};
  return want;
}

TestCall Call(const Options& o, const Data& data, bool backward) {
  TestCall call(backward ? "softmax_cross_entropy_backward" : "softmax_cross_entropy");
  call.Attr("axis", 1).Attr("reduction", AttrValue(o.reduction)).Attr("label_smoothing", o.smoothing);
  call.Attr("weights", o.weights).Attr("dense", o.dense).Attr("ignore_index", o.ignore ? 1 : -100);
  if (backward) call.In(data.dloss.Clone());
  return call;
}

void CheckAll(const Options& o, int threads) {
  SCOPED_TRACE(o.Name());
  const Data data(o);
  const Wanted want = Compute(o, data);
  for (bool in_place : {false, true}) {
    TestCall call = Call(o, data, false);
    call.In(data.logits.Clone()).In(data.target.Clone());
    if (o.weights) call.In(data.weights.Clone());
    call.Out(o.reduction == "none" ? o.target_shape() : Shape{}).Out(o.shape).Threads(threads);
    if (in_place) call.InPlace(1, 0);
    auto forward = call.Run();
    ASSERT_TRUE(forward.ok()) << forward.status();
    ExpectClose(forward->outputs[0], want.loss);
    ExpectClose(forward->outputs[1], want.probabilities);
    TestCall grad = Call(o, data, true);
    grad.In(forward->outputs[1].Clone()).In(data.target.Clone());
    if (o.weights) grad.In(data.weights.Clone());
    grad.Out(o.shape).Threads(threads);
    if (in_place) grad.InPlace(0, 1);
    auto backward = grad.Run();
    ASSERT_TRUE(backward.ok()) << backward.status();
    ExpectClose(backward->outputs[0], want.dlogits);
  }
}

TEST(SoftmaxCrossEntropy, EveryOption) {
  for (const Shape& shape : std::vector<Shape>{{3, 2}, {7, 3}, {5, 33}, {3, 5, 2}, {3, 5, 16}, {2, 4, 37}}) {
    for (const char* reduction : {"mean", "sum", "none"}) {
      for (int options = 0; options < 16; ++options) {
        Options o{shape, reduction, options & 1 ? 0.2 : 0, (options & 2) != 0, (options & 4) != 0, (options & 8) != 0};
        if (o.dense && o.ignore) continue;
        CheckAll(o, 1 + options % 2);
      }
    }
  }
  CheckAll({{600, 40}, "mean", 0.1, true}, 2);
  CheckAll({{4, 21, 900}, "mean", 0.1, true}, 2);
  CheckAll({{4, 21, 900}, "mean", 1.0, true, true}, 2);
  CheckAll({{1, 2}, "mean", 0.0, false, false, true}, 1);  // its only label is ignored
}

TEST(SoftmaxCrossEntropy, WhatHasNoShareMayBeInfinite) {
  const float inf = std::numeric_limits<float>::infinity();
  const Options o{{2, 3}, "mean", 0, false, true};
  auto run = Call(o, Data(o), false).In(Tensor::Of<float>({2, 3}, {0, 0, -inf, 0, 0, -inf}))
                 .In(Tensor::Of<float>({2, 3}, {1, 0, 0, 0.5, 0.5, 0})).Out({}).Out({2, 3}).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  ExpectClose(run->outputs[0], {std::log(2.0)});
}

TEST(SoftmaxCrossEntropy, ErrorsOfItsOptions) {
  auto expect = [](const TestCall& call, const std::string& text) {
    auto info = call.Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  const Tensor x = RandomTensor({4, 10}, 1);
  const std::vector<int32_t> labels = {1, 2, 3, 4};
  expect(Forward(x, labels).Attr("axis", -1), "axis = -1 is not in [0, 2)");
  expect(Forward(x, labels).Attr("reduction", "max"), "reduction = \"max\" is unknown");
  expect(Forward(x, labels).Attr("reduction", "none"), "loss is f32[]");
  for (double bad : {-0.1, 1.1, std::nan("")}) {
    expect(Forward(x, labels).Attr("label_smoothing", bad), "is not in [0, 1]");
  }
  expect(Forward(x, labels).Attr("weights", true), "has 2 inputs and 2 outputs, expected 3 and 2");
  expect(Forward(x, labels).Attr("dense", true), "targets is s32[4]:a, expected f32[4,10]");
  expect(Forward(x, labels).Attr("weights", true).In(RandomTensor({4}, 1)), "weights is f32[4]:a, expected f32[10]");
}

}  // namespace
}  // namespace athanor
