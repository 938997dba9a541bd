#include <cmath>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

constexpr double kEpsilon = 1e-3;

struct Case {
  int64_t samples, groups, channels, area;
  bool center = true, scale = true, bias = true;

  int64_t row_size() const { return channels * area; }
  int64_t elements() const { return samples * groups * channels * area; }
  Shape shape() const { return {samples, groups, channels, area}; }
  Shape affine() const { return {groups, channels}; }
  int64_t Row(int64_t i) const { return i / row_size(); }
  int64_t Channel(int64_t i) const { return i / area % (groups * channels); }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (int64_t n : {1, 2, 7, 16, 17, 64, 300, 2048, 2049, 5000}) cases.push_back({3, 1, n, 1});
  for (int64_t samples : {1, 31, 33, 600}) cases.push_back({samples, 1, 24, 1});
  cases.push_back({5, 1, 40, 1, false});
  cases.push_back({5, 1, 2100, 1, false, true, false});
  cases.push_back({5, 3, 10, 1});
  for (int64_t area : {2, 9, 16, 49, 100, 3000}) cases.push_back({3, 4, 3, area});
  cases.push_back({4, 6, 1, 25});
  cases.push_back({1, 1, 5, 25});
  for (int64_t area : {1, 10}) {
    for (int options = 0; options < 4; ++options) {
      cases.push_back({4, 2, 6, area, true, (options & 1) != 0, (options & 2) != 0});
    }
  }
  cases.push_back({600, 8, 4, 6});
  return cases;
}

struct Data {
  Data(const Case& c, double low, double high)
      : x(RandomTensor(c.shape(), 1, low, high)), dy(RandomTensor(c.shape(), 2)),
        scale(RandomTensor(c.affine(), 3, 0.5, 2)), bias(RandomTensor(c.affine(), 4)) {}
  Tensor x, dy, scale, bias;
};

struct Wanted {
  std::vector<double> y, dx, dscale, dbias;
};

Wanted Compute(const Case& c, const Data& data) {
  const float* x = data.x.as<float>().data();
  const float* dy = data.dy.as<float>().data();
  const int64_t rows = c.samples * c.groups;
  const double n = static_cast<double>(c.row_size());
  std::vector<double> mean(rows, 0), var(rows, 0), g_mean(rows, 0), g_mean_hat(rows, 0);
  for (int64_t i = 0; i < c.elements() && c.center; ++i) mean[c.Row(i)] += x[i] / n;
  for (int64_t i = 0; i < c.elements(); ++i) var[c.Row(i)] += std::pow(x[i] - mean[c.Row(i)], 2) / n;
  auto slope = [&](int64_t i) { return 1 / std::sqrt(var[c.Row(i)] + kEpsilon); };
  auto x_hat = [&](int64_t i) { return (x[i] - mean[c.Row(i)]) * slope(i); };
  auto scale = [&](int64_t i) { return c.scale ? data.scale.as<float>()[c.Channel(i)] : 1.0; };
  Wanted w;
  w.y.resize(c.elements()), w.dx.resize(c.elements());
  w.dscale.resize(c.groups * c.channels), w.dbias.resize(c.groups * c.channels);
  for (int64_t i = 0; i < c.elements(); ++i) {
    w.y[i] = scale(i) * x_hat(i) + (c.bias ? data.bias.as<float>()[c.Channel(i)] : 0);
    w.dscale[c.Channel(i)] += dy[i] * x_hat(i);
    w.dbias[c.Channel(i)] += dy[i];
    if (c.center) g_mean[c.Row(i)] += dy[i] * scale(i) / n;
    g_mean_hat[c.Row(i)] += dy[i] * scale(i) * x_hat(i) / n;
  }
  for (int64_t i = 0; i < c.elements(); ++i) {
    w.dx[i] = slope(i) * (dy[i] * scale(i) - g_mean[c.Row(i)] - x_hat(i) * g_mean_hat[c.Row(i)]);
  }
  return w;
}

TestCall Sized(const std::string& kernel, const Case& c) {
  TestCall call(kernel);
  call.Attr("groups", c.groups).Attr("channels", c.channels).Attr("area", c.area).Attr("center", c.center);
  call.Attr("epsilon", kEpsilon).Attr("scale", c.scale);
  return call;
}

TestCall Forward(const Case& c, const Data& data) {
  TestCall call = Sized("row_normalization", c);
  call.Attr("bias", c.bias).In(data.x.Clone());
  if (c.scale) call.In(data.scale.Clone());
  if (c.bias) call.In(data.bias.Clone());
  call.Out(c.shape());
  return call;
}

TestCall Backward(const Case& c, const Data& data, bool dscale, bool dbias) {
  TestCall call = Sized("row_normalization_backward", c);
  call.Attr("dscale", dscale).Attr("dbias", dbias).In(data.dy.Clone()).In(data.x.Clone());
  if (c.scale) call.In(data.scale.Clone());
  call.Out(c.shape());
  if (dscale) call.Out(c.affine());
  if (dbias) call.Out(c.affine());
  return call;
}

std::string NameOf(const Case& c) {
  return ShapeToString(c.shape()) + (c.center ? "" : " not centred") + (c.scale ? "" : " no scale") +
         (c.bias ? "" : " no bias");
}

class RowNormalization : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, RowNormalization, testing::Values(1, 2));

TEST_P(RowNormalization, Forward) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(NameOf(c));
    const Data data(c, -1, 3);
    auto run = Forward(c, data).Threads(GetParam()).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    ExpectClose(run->outputs[0], Compute(c, data).y);
    run = Forward(c, data).Threads(GetParam()).InPlace(0, 0).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    ExpectClose(run->outputs[0], Compute(c, data).y);
  }
}

TEST_P(RowNormalization, Backward) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(NameOf(c));
    const Data data(c, -1, 3);
    const Wanted want = Compute(c, data);
    // Of two elements the gradient is what is left of terms that cancel.
    const double tolerance = c.row_size() > 2 ? 1e-5 : 1e-3;
    for (int wanted = 0; wanted < 4; ++wanted) {
      const bool dscale = wanted & 1, dbias = wanted & 2;
      auto run = Backward(c, data, dscale, dbias).Threads(GetParam()).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      if (c.row_size() > 1) ExpectClose(run->outputs[0], want.dx, tolerance);
      if (dscale && c.row_size() > 1) ExpectClose(run->outputs[1], want.dscale);
      if (dbias) ExpectClose(run->outputs.back(), want.dbias);
    }
    for (int input : {0, 1}) {
      auto run = Backward(c, data, true, true).Threads(GetParam()).InPlace(0, input).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      if (c.row_size() > 1) ExpectClose(run->outputs[0], want.dx, tolerance);
    }
  }
}

// x_hat is what remains after a mean 10,000 times as large is subtracted.
TEST_P(RowNormalization, LargeMeans) {
  for (Case c : {Case{4, 1, 768, 1}, Case{3, 1, 5000, 1}, Case{3, 4, 3, 49}, Case{2, 2, 2, 4000}}) {
    for (double mean : {1e4, -1e4}) {
      SCOPED_TRACE(NameOf(c));
      const Data data(c, mean - 1, mean + 1);
      const Wanted want = Compute(c, data);
      auto forward = Forward(c, data).Threads(GetParam()).Run();
      ASSERT_TRUE(forward.ok()) << forward.status();
      ExpectClose(forward->outputs[0], want.y);
      auto backward = Backward(c, data, true, true).Threads(GetParam()).Run();
      ASSERT_TRUE(backward.ok()) << backward.status();
      ExpectClose(backward->outputs[0], want.dx);
      ExpectClose(backward->outputs[1], want.dscale);
      ExpectClose(backward->outputs[2], want.dbias);
    }
  }
}

TEST(RowNormalizationThreads, DoNotChangeTheResult) {
  for (const Case& c : {Case{600, 1, 333, 1}, Case{37, 4, 8, 100}}) {
    const Data data(c, -1, 3);
    auto one = Backward(c, data, true, true).Threads(1).Run(), two = Backward(c, data, true, true).Threads(2).Run();
    ASSERT_TRUE(one.ok() && two.ok());
    for (int i = 0; i < 3; ++i) {
      for (int64_t j = 0; j < one->outputs[i].num_elements(); ++j) {
        ASSERT_EQ(ElementBits(one->outputs[i], j), ElementBits(two->outputs[i], j)) << i << " " << j;
      }
    }
  }
}

TEST(RowNormalizationNaN, StaysInItsRow) {
  for (bool center : {true, false}) {
    Case c{2, 1, 40, 1, center};
    Data data(c, -1, 1);
    data.x.as<float>()[3] = std::nanf("");
    auto run = Forward(c, data).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    for (int64_t i = 0; i < c.elements(); ++i) EXPECT_EQ(std::isnan(run->outputs[0].as<float>()[i]), i < 40) << i;
  }
}

TEST(RowNormalizationErrors, NameTheCallAndTheNumbers) {
  auto expect = [](const TestCall& call, const std::string& text) {
    auto info = call.Query();
    ASSERT_FALSE(info.ok()) << text;
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  const Case c{2, 3, 4, 5};
  const Data data(c, -1, 1);
  for (int64_t bad : {int64_t{0}, int64_t{-1}, int64_t{7}, int64_t{1} << 62}) {
    for (const char* attr : {"groups", "channels", "area"}) {
      expect(Forward(c, data).Attr(attr, bad), "do not divide x of 120 elements");
      expect(Backward(c, data, true, true).Attr(attr, bad), "do not divide x of 120 elements");
    }
  }
  for (double epsilon : {0.0, -1.0, std::nan(""), 1e300}) {
    expect(Forward(c, data).Attr("epsilon", epsilon), "is not positive");
    expect(Backward(c, data, true, true).Attr("epsilon", epsilon), "is not positive");
  }
  expect(Forward(c, data).Attr("groups", 6), "expected 24 elements");
  expect(Backward(c, data, true, true).Attr("channels", 2), "expected 6 elements");
  expect(Forward(c, data).Attr("scale", false), "has 3 inputs");
  expect(Forward(c, data).In(RandomTensor({1}, 1)), "has 4 inputs");
  expect(Backward(c, data, true, true).Attr("dbias", false), "3 outputs");
  expect(Sized("row_normalization", c).Attr("bias", true), "has 0 inputs and 0 outputs");
  expect(Sized("row_normalization", c), "attribute \"bias\" is missing");
  TestCall odd = Sized("row_normalization_backward", c);
  odd.Attr("dscale", false).Attr("dbias", false).In(RandomTensor({2, 60}, 1)).In(RandomTensor({120}, 1));
  expect(odd.In(RandomTensor({12}, 1)).Out({120}), "expected f32[120]");
}

}  // namespace
}  // namespace athanor
