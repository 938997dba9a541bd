#include <cmath>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

struct Problem {
  Shape x;
  Ints axes;
  bool keepdims = false;
  bool Reduces(size_t d) const { return std::count(axes.begin(), axes.end(), static_cast<int64_t>(d)) > 0; }
  Shape result() const {
    Shape y;
    for (size_t d = 0; d < x.size(); ++d) {
      if (!Reduces(d) || keepdims) y.push_back(Reduces(d) ? 1 : x[d]);
    }
    return y;
  }
  // The element of the result that the element of x at this index goes into.
  int64_t ResultOf(const Shape& index) const {
    int64_t offset = 0;
    for (size_t d = 0; d < x.size(); ++d) {
      if (!Reduces(d)) offset = offset * x[d] + index[d];
    }
    return offset;
  }
  std::string Name() const { return ShapeToString(x) + " over " + ShapeToString(axes); }
};

std::vector<Problem> Problems() {
  std::vector<Problem> problems = {{{}, {}},
                                   {{1}, {0}},
                                   {{7}, {}},
                                   {{7}, {0}, true},
                                   {{64, 512}, {0}},
                                   {{64, 512}, {1}},
                                   {{64, 512}, {0, 1}},
                                   {{300, 3}, {0}},
                                   {{3, 300}, {0}},
                                   {{100000}, {0}},
                                   {{2, 40000}, {1}},
                                   {{5000, 2, 8}, {0, 2}},
                                   {{64, 6, 14, 14}, {0, 2, 3}},
                                   {{64, 16, 5, 5}, {2, 3}},
                                   {{2, 1, 3, 1, 2}, {1, 2}}};
  for (int mask = 0; mask < 16; ++mask) {
    Problem p{{3, 4, 5, 6}, {}, mask % 3 == 0};
    for (int64_t d = 0; d < 4; ++d) {
      if (mask & (1 << d)) p.axes.push_back(d);
    }
    problems.push_back(p);
    p.x = {3, 1, 5, 40};
    problems.push_back(p);
    p.x = {2, 3, 2, 1};
    problems.push_back(p);
  }
  return problems;
}

std::vector<double> Reduce(const Problem& p, const Tensor& x, const std::string& algorithm) {
  std::vector<double> y(*NumElements(p.result()), algorithm == "max" ? -INFINITY : 0);
  const double count = static_cast<double>(x.num_elements()) / static_cast<double>(y.size());
  const float* values = x.as<float>().data();
  ForEachIndex(p.x, [&](const Shape& index, int64_t i) {
    double& to = y[p.ResultOf(index)];
    to = algorithm == "max" ? std::max<double>(to, values[i]) : to + values[i] / (algorithm == "mean" ? count : 1);
  });
  return y;
}

TestCall Forward(const Problem& p, const Tensor& x, const std::string& algorithm, int threads) {
  return TestCall("reduction").Attr("algorithm", AttrValue(algorithm)).Attr("axes", AttrValue(p.axes))
      .Attr("keepdims", p.keepdims).In(x.Clone()).Out(p.result()).Threads(threads);
}

TEST(Reduction, OverEverySetOfAxes) {
  for (const Problem& p : Problems()) {
    for (const char* algorithm : {"sum", "mean", "max"}) {
      SCOPED_TRACE(p.Name() + " " + algorithm);
      Tensor x = RandomTensor(p.x, 1, -1, 3);
      auto one = Forward(p, x, algorithm, 1).Run(), two = Forward(p, x, algorithm, 2).Run();
      ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
      ExpectClose(one->outputs[0], Reduce(p, x, algorithm), 2e-6);
      EXPECT_EQ(one->stored, two->stored);
    }
  }
}

// A sum of a million equal numbers in float would stop growing, or be off by a percent.
TEST(Reduction, LongSumsStayExact) {
  for (const Problem& p : std::vector<Problem>{{{1 << 20}, {0}}, {{1 << 18, 3}, {0}}, {{1 << 10, 2, 1 << 7}, {0, 2}}}) {
    std::vector<float> values(*NumElements(p.x), 0.1f);
    Tensor x = Tensor::Of<float>(p.x, values);
    auto run = Forward(p, x, "sum", 2).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    ExpectClose(run->outputs[0], Reduce(p, x, "sum"), 5e-6);
  }
}

TEST(Reduction, TheMaximumWithNotANumberIsNotANumber) {
  for (int axis : {0, 1}) {
    for (int64_t at : {0, 20, 39}) {
      Tensor x = RandomTensor({40, 40}, 1);
      x.as<float>()[axis == 0 ? at * 40 : at] = std::nanf("");
      auto run = Forward({{40, 40}, {axis}}, x, "max", 1).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      EXPECT_TRUE(std::isnan(run->outputs[0].as<float>()[0]));
      EXPECT_FALSE(std::isnan(run->outputs[0].as<float>()[1]));
    }
  }
}

TEST(ReductionMaxBackward, EqualMaximaShareTheGradient) {
  for (const Problem& p : Problems()) {
    SCOPED_TRACE(p.Name());
    Tensor x = RandomTensor(p.x, 1), dy = RandomTensor(p.result(), 2);
    for (float& v : x.as<float>()) v = std::round(v * 2);  // many are equal
    std::vector<double> max = Reduce(p, x, "max"), ties(max.size(), 0), want(x.num_elements());
    std::vector<float> y(max.begin(), max.end());
    ForEachIndex(p.x, [&](const Shape& index, int64_t i) {
      ties[p.ResultOf(index)] += x.as<float>()[i] == max[p.ResultOf(index)];
    });
    ForEachIndex(p.x, [&](const Shape& index, int64_t i) {
      const int64_t to = p.ResultOf(index);
      want[i] = x.as<float>()[i] == max[to] ? dy.as<float>()[to] / ties[to] : 0;
    });
    for (int threads : {1, 2}) {
      auto run = TestCall("reduction_max_backward")
                     .Attr("axes", AttrValue(p.axes))
                     .Attr("keepdims", p.keepdims)
                     .In(dy.Clone())
                     .In(x.Clone())
                     .In(Tensor::Of<float>(p.result(), y))
                     .Out(p.x)
                     .Threads(threads)
                     .Run();
      ASSERT_TRUE(run.ok()) << run.status();
      ExpectClose(run->outputs[0], want, 1e-6);
    }
  }
}

TEST(ReductionErrors, NameTheCallAndTheNumbers) {
  auto expect = [](const Shape& x, const Ints& axes, const Shape& y, const std::string& text) {
    auto info = TestCall("reduction").Attr("algorithm", "sum").Attr("axes", AttrValue(axes)).Attr("keepdims", false)
                    .In(RandomTensor(x, 1)).Out(y).Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  expect({2, 3}, {2}, {2, 3}, "axes = [2] are not ascending numbers in [0, 2)");
  expect({2, 3}, {-1}, {2}, "axes = [-1]");
  expect({2, 3}, {1, 1}, {2}, "axes = [1,1]");
  expect({2, 3}, {1, 0}, {}, "axes = [1,0]");
  expect({2, 3}, {1}, {3}, "y is f32[3]:any, expected f32[2]");
  expect({2, 0}, {1}, {2}, "is empty");
}

}  // namespace
}  // namespace athanor
