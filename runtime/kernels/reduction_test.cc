#include <algorithm>
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
                                   {{20000, 5}, {0}},
                                   {{70000, 2}, {0}},
                                   {{3, 9000, 20}, {1}},
                                   {{2000, 300}, {0}},
                                   {{5000, 4}, {1}},
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

constexpr const char* kAlgorithms[] = {"sum",   "mean",  "max",        "min",      "prod",
                                       "norm1", "norm2", "sum_square", "logsumexp"};

std::vector<double> Reduce(const Problem& p, const Tensor& x, const std::string& algorithm) {
  std::vector<std::vector<double>> terms(*NumElements(p.result()));
  ForEachIndex(p.x, [&](const Shape& index, int64_t i) { terms[p.ResultOf(index)].push_back(x.as<float>()[i]); });
  std::vector<double> y;
  for (const std::vector<double>& t : terms) {
    double sum = 0, product = 1, absolute = 0, squares = 0, exps = 0;
    for (double v : t) sum += v, product *= v, absolute += std::abs(v), squares += v * v, exps += std::exp(v);
    y.push_back(algorithm == "sum"          ? sum
                : algorithm == "mean"       ? sum / static_cast<double>(t.size())
                : algorithm == "max"        ? *std::max_element(t.begin(), t.end())
                : algorithm == "min"        ? *std::min_element(t.begin(), t.end())
                : algorithm == "prod"       ? product
                : algorithm == "norm1"      ? absolute
                : algorithm == "norm2"      ? std::sqrt(squares)
                : algorithm == "sum_square" ? squares
                                            : std::log(exps));
  }
  return y;
}

TestCall Forward(const Problem& p, const Tensor& x, const std::string& algorithm, int threads) {
  return TestCall("reduction").Attr("algorithm", AttrValue(algorithm)).Attr("axes", AttrValue(p.axes))
      .Attr("keepdims", p.keepdims).In(x.Clone()).Out(p.result()).Threads(threads);
}

TEST(Reduction, OverEverySetOfAxes) {
  for (const Problem& p : Problems()) {
    for (const std::string algorithm : kAlgorithms) {
      SCOPED_TRACE(p.Name() + " " + algorithm);
      // A long product neither vanishes nor overflows.
      Tensor x = algorithm == "prod" ? RandomTensor(p.x, 1, 0.99, 1.01) : RandomTensor(p.x, 1, -1, 3);
      auto one = Forward(p, x, algorithm, 1).Run(), two = Forward(p, x, algorithm, 2).Run();
      ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
      ExpectClose(one->outputs[0], Reduce(p, x, algorithm), algorithm == "prod" ? 1e-4 : 2e-6);
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

TEST(Reduction, NotANumberStays) {
  for (const char* algorithm : kAlgorithms) {
    for (int axis : {0, 1}) {
      for (int64_t at : {0, 20, 39}) {
        Tensor x = RandomTensor({40, 40}, 1);
        x.as<float>()[axis == 0 ? at * 40 : at] = std::nanf("");
        auto run = Forward({{40, 40}, {axis}}, x, algorithm, 1).Run();
        ASSERT_TRUE(run.ok()) << run.status();
        EXPECT_TRUE(std::isnan(run->outputs[0].as<float>()[0])) << algorithm;
        EXPECT_FALSE(std::isnan(run->outputs[0].as<float>()[1])) << algorithm;
      }
    }
  }
}

TEST(Reduction, LogSumExpAtTheEnds) {
  const float inf = INFINITY;
  for (int64_t n : {3, 40}) {
    std::vector<float> x(4 * n, -inf);
    for (int64_t i = 0; i < n; ++i) x[n + i] = 1e4f, x[2 * n + i] = -1e4f;
    x[3 * n + 1] = inf;
    const double log_n = std::log(static_cast<double>(n));
    auto run = Forward({{4, n}, {1}}, Tensor::Of<float>({4, n}, x), "logsumexp", 1).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    ExpectClose(run->outputs[0], {-inf, 1e4 + log_n, -1e4 + log_n, inf}, 1e-7);
  }
}

TestCall Backward(const Problem& p, const std::string& algorithm, const Tensor& dy, const Tensor& x, const Tensor& y) {
  return TestCall("reduction_backward").Attr("algorithm", AttrValue(algorithm)).Attr("axes", AttrValue(p.axes))
      .Attr("keepdims", p.keepdims).In(dy.Clone()).In(x.Clone()).In(y.Clone()).Out(p.x);
}

TEST(ReductionBackward, EqualExtremesShareTheGradient) {
  for (const Problem& p : Problems()) {
    for (const char* algorithm : {"max", "min"}) {
      SCOPED_TRACE(p.Name() + " " + algorithm);
      Tensor x = RandomTensor(p.x, 1), dy = RandomTensor(p.result(), 2);
      for (float& v : x.as<float>()) v = std::round(v * 2);  // many are equal
      std::vector<double> best = Reduce(p, x, algorithm), ties(best.size(), 0), want(x.num_elements());
      ForEachIndex(p.x, [&](const Shape& index, int64_t i) {
        ties[p.ResultOf(index)] += x.as<float>()[i] == best[p.ResultOf(index)];
      });
      ForEachIndex(p.x, [&](const Shape& index, int64_t i) {
        const int64_t to = p.ResultOf(index);
        want[i] = x.as<float>()[i] == best[to] ? dy.as<float>()[to] / ties[to] : 0;
      });
      Tensor y = Tensor::Of<float>(p.result(), std::vector<float>(best.begin(), best.end()));
      for (int threads : {1, 2}) {
        auto run = Backward(p, algorithm, dy, x, y).Threads(threads).Run();
        ASSERT_TRUE(run.ok()) << run.status();
        ExpectClose(run->outputs[0], want, 1e-6);
      }
    }
  }
}

TEST(ReductionBackward, ProductsOfTheOthers) {
  for (const Problem& p : Problems()) {
    SCOPED_TRACE(p.Name());
    Tensor x = RandomTensor(p.x, 1, 0.99, 1.01), dy = RandomTensor(p.result(), 2);
    x.as<float>()[0] = 0;
    if (x.num_elements() > 8) x.as<float>()[7] = 0;
    std::vector<double> zeros(dy.num_elements(), 0), rest(dy.num_elements(), 1), want(x.num_elements());
    ForEachIndex(p.x, [&](const Shape& index, int64_t i) {
      const float v = x.as<float>()[i];
      v == 0 ? (void)(zeros[p.ResultOf(index)] += 1) : (void)(rest[p.ResultOf(index)] *= v);
    });
    ForEachIndex(p.x, [&](const Shape& index, int64_t i) {
      const int64_t to = p.ResultOf(index);
      const double v = x.as<float>()[i], others = zeros[to] - (v == 0);
      want[i] = others > 0 ? 0 : dy.as<float>()[to] * rest[to] / (v == 0 ? 1 : v);
    });
    auto run = Backward(p, "prod", dy, x, dy).Threads(2).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    ExpectClose(run->outputs[0], want, 1e-5);
  }
}

TEST(ReductionLogic, AnyAndAll) {
  for (const Problem& p : Problems()) {
    for (const std::string algorithm : {"any", "all"}) {
      SCOPED_TRACE(p.Name() + " " + algorithm);
      Tensor numbers = RandomTensor(p.x, 1);
      Tensor x = *Tensor::Create(DType::kBool, p.x);
      // Rare, so that short results differ.
      for (int64_t i = 0; i < x.num_elements(); ++i) {
        x.as<bool>()[i] = (numbers.as<float>()[i] > 0.8f) == (algorithm == "any");
      }
      std::vector<bool> want(*NumElements(p.result()), algorithm == "all");
      ForEachIndex(p.x, [&](const Shape& index, int64_t i) {
        if (x.as<bool>()[i] == (algorithm == "any")) want[p.ResultOf(index)] = algorithm == "any";
      });
      auto run = TestCall("reduction_logic").Attr("algorithm", AttrValue(algorithm)).Attr("axes", AttrValue(p.axes))
                     .Attr("keepdims", p.keepdims).In(x.Clone()).Out(p.result(), DType::kBool).Threads(2).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(run->outputs[0].as<bool>()[i], want[i]) << i;
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
  auto unknown = [](TestCall call) {
    auto info = call.Attr("algorithm", "median").Attr("axes", AttrValue(Ints{})).Attr("keepdims", false).Query();
    ASSERT_FALSE(info.ok());
    EXPECT_NE(info.status().message().find("unknown algorithm \"median\""), std::string::npos) << info.status();
  };
  unknown(TestCall("reduction").In(RandomTensor({2}, 1)).Out({2}));
  unknown(TestCall("reduction_logic").In(RandomTensor({2}, 1)).Out({2}));
  unknown(TestCall("reduction_backward").In(RandomTensor({2}, 1)).In(RandomTensor({2}, 1)).In(RandomTensor({2}, 1))
              .Out({2}));
}

}  // namespace
}  // namespace athanor
