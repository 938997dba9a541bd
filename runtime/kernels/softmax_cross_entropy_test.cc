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

TestCall Forward(const Tensor& logits, const std::vector<int32_t>& labels, int threads = 1) {
  return TestCall("softmax_cross_entropy")
      .In(logits.Clone())
      .In(ToTensor(labels))
      .Out({})
      .Out(logits.shape())
      .Threads(threads);
}

TestCall Backward(float dloss, Tensor probabilities, const std::vector<int32_t>& labels, int threads = 1) {
  Shape shape = probabilities.shape();
  return TestCall("softmax_cross_entropy_backward")
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
  expect(Forward(RandomTensor({40}, 1), {1, 2, 3}), "not of rank 2");
  expect(TestCall("softmax_cross_entropy").In(RandomTensor({4, 10}, 1)).In(RandomTensor({4}, 1)).Out({}).Out({4, 10}),
         "labels is f32[4]:a, expected s32[4]");
  expect(TestCall("softmax_cross_entropy").In(RandomTensor({1, 10}, 1)).In(ToTensor({1})).Out({1}).Out({1, 10}),
         "loss is f32[1]");
}

}  // namespace
}  // namespace athanor
