#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

// Calls f(first element, distance of elements, count) for every line of `shape` along `axis`.
template <typename F>
void ForEachLine(const Shape& shape, int axis, F&& f) {
  const int64_t stride = RowMajorStrides(shape)[axis], n = shape[axis];
  for (int64_t i = 0; i < *NumElements(shape); ++i) {
    if (i / stride % n == 0) f(i, stride, n);
  }
}

std::vector<double> Softmax(const Tensor& x, int axis, bool log) {
  std::vector<double> y(x.num_elements());
  ForEachLine(x.shape(), axis, [&](int64_t first, int64_t stride, int64_t n) {
    double max = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t k = 0; k < n; ++k) max = std::max<double>(max, x.as<float>()[first + k * stride]);
    for (int64_t k = 0; k < n; ++k) sum += std::exp(x.as<float>()[first + k * stride] - max);
    for (int64_t k = 0; k < n; ++k) {
      double v = x.as<float>()[first + k * stride] - max;
      y[first + k * stride] = log ? v - std::log(sum) : std::exp(v) / sum;
    }
  });
  return y;
}

std::vector<double> SoftmaxBackward(const Tensor& dy, const Tensor& y, int axis, bool log) {
  std::vector<double> dx(dy.num_elements());
  ForEachLine(dy.shape(), axis, [&](int64_t first, int64_t stride, int64_t n) {
    double sum = 0;
    for (int64_t k = 0; k < n; ++k) {
      const int64_t i = first + k * stride;
      sum += double{dy.as<float>()[i]} * (log ? 1 : y.as<float>()[i]);
    }
    for (int64_t k = 0; k < n; ++k) {
      const int64_t i = first + k * stride;
      double g = dy.as<float>()[i], v = y.as<float>()[i];
      dx[i] = log ? g - std::exp(v) * sum : v * (g - sum);
    }
  });
  return dx;
}

TestCall Forward(const Tensor& x, int axis, bool log, int threads) {
  return TestCall("softmax").Attr("axis", axis).Attr("log", log).In(x.Clone()).Out(x.shape()).Threads(threads);
}

std::vector<Shape> Shapes() {
  return {{1},      {7},       {1000},       {64, 10},       {3, 1},      {1, 3},    {5, 17},
          {33, 32}, {2, 3, 4}, {4, 5, 6, 7}, {2, 16, 3, 16}, {3, 40, 37}, {64, 1000}};
}

TEST(Softmax, AlongEveryAxis) {
  for (const Shape& shape : Shapes()) {
    for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis) {
      for (int flags = 0; flags < 8; ++flags) {
        const bool log = flags & 1, in_place = flags & 2;
        SCOPED_TRACE(ShapeToString(shape) + " axis " + std::to_string(axis) + (log ? " log" : ""));
        Tensor x = RandomTensor(shape, 1, -5, 5);
        TestCall call = Forward(x, axis, log, flags & 4 ? 2 : 1);
        if (in_place) call.InPlace(0, 0);
        auto run = call.Run();
        ASSERT_TRUE(run.ok()) << run.status();
        ExpectClose(run->outputs[0], Softmax(x, axis, log), 1e-6);
      }
    }
  }
}

TEST(Softmax, BackwardAlongEveryAxis) {
  for (const Shape& shape : Shapes()) {
    for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis) {
      for (int flags = 0; flags < 12; ++flags) {
        const bool log = flags & 1;
        SCOPED_TRACE(ShapeToString(shape) + " axis " + std::to_string(axis) + (log ? " log" : ""));
        Tensor dy = RandomTensor(shape, 1), y = RandomTensor(shape, 2, log ? -5 : 0, log ? 0 : 1);
        TestCall call("softmax_backward");
        call.Attr("axis", axis).Attr("log", log).In(dy.Clone()).In(y.Clone()).Out(shape).Threads(flags & 2 ? 2 : 1);
        if (flags / 4 > 0) call.InPlace(0, flags / 4 - 1);
        auto run = call.Run();
        ASSERT_TRUE(run.ok()) << run.status();
        ExpectClose(run->outputs[0], SoftmaxBackward(dy, y, axis, log));
      }
    }
  }
}

TEST(Softmax, LargeLogitsNeitherOverflowNorVanish) {
  for (float size : {1e4f, 1e30f, -1e4f}) {
    for (int axis : {0, 1}) {
      std::vector<float> values(20 * 20);
      for (size_t i = 0; i < values.size(); ++i) values[i] = size * static_cast<float>(i % 7) / 7;
      Tensor x = Tensor::Of<float>({20, 20}, values);
      for (bool log : {false, true}) {
        auto run = Forward(x, axis, log, 1).Run();
        ASSERT_TRUE(run.ok()) << run.status();
        ExpectClose(run->outputs[0], Softmax(x, axis, log), 1e-6);
      }
    }
  }
}

// What is masked out by minus infinity has no probability; NaN, and infinity, are never made into numbers.
TEST(Softmax, InfinitiesAndNaN) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  for (int64_t n : {3, 16, 37}) {
    for (int axis : {0, 1}) {
      for (float special : {-inf, inf, nan}) {
        SCOPED_TRACE(special);
        Tensor x = RandomTensor(axis == 1 ? Shape{2, n} : Shape{n, 2}, 1);
        x.as<float>()[axis == 1 ? n + n - 1 : 2 * n - 1] = special;  // the last of line 1
        auto run = Forward(x, axis, false, 1).Run();
        ASSERT_TRUE(run.ok()) << run.status();
        std::vector<double> want = Softmax(x, axis, false);
        if (special != -inf) {
          for (int64_t k = 0; k < n; ++k) want[axis == 1 ? n + k : 2 * k + 1] = std::nan("");
        }
        ExpectClose(run->outputs[0], want, 1e-6);
      }
    }
  }
}

TEST(Softmax, TheNumberOfThreadsDoesNotChangeABit) {
  Tensor x = RandomTensor({97, 501}, 1, -5, 5);
  auto one = Forward(x, 1, false, 1).Run(), two = Forward(x, 1, false, 2).Run();
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->stored, two->stored);
}

TEST(Softmax, ErrorsNameTheCallAndTheNumbers) {
  auto expect = [](const TestCall& call, const std::string& text) {
    auto info = call.Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  expect(Forward(RandomTensor({2, 3}, 1), 2, false, 1), "axis = 2 is not in [0, 2)");
  expect(Forward(RandomTensor({2, 3}, 1), -1, false, 1), "axis = -1");
  expect(Forward(RandomTensor({}, 1), 0, false, 1), "axis = 0 is not in [0, 0)");
  expect(Forward(RandomTensor({2, 0}, 1), 0, false, 1), "is empty");
  expect(TestCall("softmax").Attr("axis", 0).Attr("log", false).In(RandomTensor({2, 3}, 1)).Out({3, 2}),
         "expected f32[2,3]");
  expect(TestCall("softmax").Attr("log", false).In(RandomTensor({2, 3}, 1)).Out({2, 3}), "\"axis\" is missing");
}

}  // namespace
}  // namespace athanor
