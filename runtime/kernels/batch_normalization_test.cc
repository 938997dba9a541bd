#include <cmath>
#include <functional>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"
#include "runtime/onednn/dnnl.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

constexpr double kEpsilon = 1e-3, kMomentum = 0.25;

// Channels, and elements of a channel, of [N,C,...].
struct Dims {
  explicit Dims(const Shape& s) : n(s[0]), c(s[1]), area(*NumElements(s) / (n * c)) {}
  int64_t n, c, area;
  int64_t count() const { return n * area; }
  template <typename F>
  void ForEach(F&& f) const {  // f(element, channel)
    for (int64_t i = 0; i < n * c * area; ++i) f(i, i / area % c);
  }
};

struct Statistics {
  std::vector<double> mean, var;
};

Statistics OfBatch(const Tensor& x) {
  const Dims d(x.shape());
  const float* p = x.as<float>().data();
  Statistics s{std::vector<double>(d.c, 0), std::vector<double>(d.c, 0)};
  d.ForEach([&](int64_t i, int64_t c) { s.mean[c] += p[i] / static_cast<double>(d.count()); });
  d.ForEach([&](int64_t i, int64_t c) { s.var[c] += std::pow(p[i] - s.mean[c], 2) / static_cast<double>(d.count()); });
  return s;
}

Statistics Given(const Tensor& mean, const Tensor& var) {
  return {{mean.as<float>().begin(), mean.as<float>().end()}, {var.as<float>().begin(), var.as<float>().end()}};
}

std::vector<double> Normalize(const Tensor& x, const Tensor& scale, const Tensor& shift, const Statistics& s,
                              bool relu) {
  const float* p = x.as<float>().data();
  std::vector<double> y(x.num_elements());
  Dims(x.shape()).ForEach([&](int64_t i, int64_t c) {
    y[i] = (p[i] - s.mean[c]) / std::sqrt(s.var[c] + kEpsilon) * scale.as<float>()[c] + shift.as<float>()[c];
    if (relu) y[i] = std::max(y[i], 0.0);
  });
  return y;
}

struct Gradients {
  std::vector<double> dx, dscale, dshift;
};

// dx = scale / sqrt(var + epsilon) (dy - mean(dy) - x_hat mean(dy x_hat)); without the means for given statistics.
Gradients Backward(const Tensor& x, const std::vector<double>& dy, const Tensor& scale, const Statistics& s,
                   bool batch) {
  const Dims d(x.shape());
  const float* p = x.as<float>().data();
  Gradients g{std::vector<double>(dy.size()), std::vector<double>(d.c, 0), std::vector<double>(d.c, 0)};
  auto x_hat = [&](int64_t i, int64_t c) { return (p[i] - s.mean[c]) / std::sqrt(s.var[c] + kEpsilon); };
  d.ForEach([&](int64_t i, int64_t c) { g.dscale[c] += dy[i] * x_hat(i, c), g.dshift[c] += dy[i]; });
  d.ForEach([&](int64_t i, int64_t c) {
    double means = (g.dshift[c] + x_hat(i, c) * g.dscale[c]) / static_cast<double>(d.count());
    g.dx[i] = scale.as<float>()[c] / std::sqrt(s.var[c] + kEpsilon) * (dy[i] - (batch ? means : 0));
  });
  return g;
}

struct Case {
  Shape shape;
  std::string layout;
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const Shape& s : std::vector<Shape>{{2, 1}, {7, 5}, {64, 120}, {64, 128}}) cases.push_back({s, "ab"});
  for (const Shape& s :
       std::vector<Shape>{{1, 1, 1, 2}, {2, 3, 4, 5}, {8, 6, 14, 14}, {4, 16, 5, 5}, {4, 24, 7, 3}, {3, 33, 2, 2}}) {
    for (const char* layout : {"abcd", "acdb", "aBcd16b", "aBcd8b"}) cases.push_back({s, layout});
  }
  for (const char* layout : {"abc", "acb", "aBc16b"}) cases.push_back({{4, 5, 7}, layout});
  for (const char* layout : {"abcde", "aBcde8b"}) cases.push_back({{2, 16, 3, 2, 3}, layout});
  return cases;
}

class BatchNormalization : public testing::TestWithParam<int> {
 protected:
  void ForEachCase(const std::function<void(const Case&)>& f) {
    for (const Case& c : Cases()) {
      SCOPED_TRACE(ShapeToString(c.shape) + " " + c.layout);
      const int64_t channels = c.shape[1];
      x_ = RandomTensor(c.shape, 1, -1, 3);
      scale_ = RandomTensor({channels}, 2, 0.5, 2);
      shift_ = RandomTensor({channels}, 3);
      mean_ = RandomTensor({channels}, 4);
      var_ = RandomTensor({channels}, 5, 0.5, 2);
      dy_ = RandomTensor(c.shape, 6);
      f(c);
      if (HasFatalFailure()) return;
    }
  }

  TestCall Training(const Case& c, bool fuse_relu) {
    const Shape channel = {c.shape[1]};
    TestCall call("batch_normalization");
    call.Attr("epsilon", kEpsilon).Attr("momentum", kMomentum).Attr("fuse_relu", fuse_relu).Threads(GetParam());
    call.In(x_.Clone(), c.layout).In(scale_.Clone()).In(shift_.Clone()).In(mean_.Clone()).In(var_.Clone());
    call.Out(c.shape).Out(channel).Out(channel).Out(channel).Out(channel);
    if (fuse_relu) call.Out(c.shape, DType::kU8);
    return call;
  }

  Tensor x_, scale_, shift_, mean_, var_, dy_;
};
INSTANTIATE_TEST_SUITE_P(Threads, BatchNormalization, testing::Values(1, 2));

TEST_P(BatchNormalization, TrainingNormalizesByTheBatchAndMovesTheRunningStatistics) {
  ForEachCase([&](const Case& c) {
    for (bool in_place : {false, true}) {
      TestCall call = Training(c, false);
      if (in_place) call.InPlace(1, 3).InPlace(2, 4);
      auto run = call.Run();
      ASSERT_TRUE(run.ok()) << run.status();
      Statistics batch = OfBatch(x_);
      ExpectClose(run->outputs[0], Normalize(x_, scale_, shift_, batch, false));
      ExpectClose(run->outputs[3], batch.mean);
      ExpectClose(run->outputs[4], batch.var);
      Statistics next = Given(mean_, var_);
      const double count = static_cast<double>(Dims(c.shape).count());
      for (size_t i = 0; i < next.mean.size(); ++i) {
        next.mean[i] = (1 - kMomentum) * next.mean[i] + kMomentum * batch.mean[i];
        next.var[i] = (1 - kMomentum) * next.var[i] + kMomentum * batch.var[i] * count / (count - 1);
      }
      ExpectClose(run->outputs[1], next.mean);
      ExpectClose(run->outputs[2], next.var);
    }
  });
}

TEST_P(BatchNormalization, Inference) {
  ForEachCase([&](const Case& c) {
    for (bool relu : {false, true}) {
      TestCall call("batch_normalization_inference");
      call.Attr("epsilon", kEpsilon).Threads(GetParam());
      call.In(x_.Clone(), c.layout)
          .In(scale_.Clone())
          .In(shift_.Clone())
          .In(mean_.Clone())
          .In(var_.Clone())
          .Out(c.shape);
      if (relu) call.Fuse({"ReLU", {}, -1});
      auto run = call.Run();
      ASSERT_TRUE(run.ok()) << run.status();
      ExpectClose(run->outputs[0], Normalize(x_, scale_, shift_, Given(mean_, var_), relu));
      run = call.InPlace(0, 0).Run();
      if (run.ok()) {  // where the layout was to its liking
        ExpectClose(run->outputs[0], Normalize(x_, scale_, shift_, Given(mean_, var_), relu));
      }
    }
  });
}

TEST_P(BatchNormalization, Backward) {
  ForEachCase([&](const Case& c) {
    const Shape channel = {c.shape[1]};
    for (bool batch : {true, false}) {
      Statistics s = batch ? OfBatch(x_) : Given(mean_, var_);
      auto to_tensor = [&](const std::vector<double>& v) {
        std::vector<float> f(v.begin(), v.end());
        return Tensor::Of<float>(channel, f);
      };
      auto run = TestCall("batch_normalization_backward").Attr("epsilon", kEpsilon).Attr("fuse_relu", false)
                     .Attr("training", batch).In(dy_.Clone()).In(x_.Clone(), c.layout).In(scale_.Clone())
                     .In(to_tensor(s.mean)).In(to_tensor(s.var)).Out(c.shape).Out(channel).Out(channel)
                     .Threads(GetParam()).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      std::vector<double> dy(dy_.as<float>().begin(), dy_.as<float>().end());
      Gradients g = Backward(x_, dy, scale_, s, batch);
      // Two elements a channel cancel to almost nothing: the error is one of what is subtracted.
      ExpectClose(run->outputs[0], g.dx, Dims(c.shape).count() > 2 ? 1e-5 : 1e-2);
      ExpectClose(run->outputs[1], g.dscale);
      ExpectClose(run->outputs[2], g.dshift);
    }
  });
}

// The workspace goes from the forward to the backward call in whatever layout x lies.
TEST_P(BatchNormalization, FusedReluIsRememberedByTheWorkspace) {
  ForEachCase([&](const Case& c) {
    if (Dims(c.shape).count() <= 2) return;
    const Shape channel = {c.shape[1]};
    auto forward = Training(c, true).Run();
    ASSERT_TRUE(forward.ok()) << forward.status();
    Statistics batch = OfBatch(x_);
    std::vector<double> y = Normalize(x_, scale_, shift_, batch, true);
    ExpectClose(forward->outputs[0], y);
    TestCall call("batch_normalization_backward");
    call.Attr("epsilon", kEpsilon).Attr("fuse_relu", true).Attr("training", true).Threads(GetParam());
    call.In(dy_.Clone()).In(x_.Clone(), c.layout).In(scale_.Clone());
    call.In(forward->outputs[3].Clone()).In(forward->outputs[4].Clone());
    call.In(forward->outputs[5].Clone(), forward->info.outputs[5].layout).Out(c.shape).Out(channel).Out(channel);
    auto backward = call.Run();
    ASSERT_TRUE(backward.ok()) << backward.status();
    EXPECT_EQ(backward->info.inputs[5], forward->info.outputs[5]);
    EXPECT_EQ(backward->info.inputs[1], forward->info.inputs[0]);
    std::vector<double> dy(y.size());
    for (size_t i = 0; i < dy.size(); ++i) dy[i] = y[i] > 0 ? dy_.as<float>()[i] : 0;
    Gradients g = Backward(x_, dy, scale_, batch, true);
    ExpectClose(backward->outputs[0], g.dx);
    ExpectClose(backward->outputs[1], g.dscale);
    ExpectClose(backward->outputs[2], g.dshift);
  });
}

// Row-major images cost ten times as much as blocked ones, and a wrong block a thousand times.
TEST_P(BatchNormalization, RunsInVectorCodeWhateverTheLayoutOfImages) {
  for (const char* layout : {"abcd", "acdb", "aBcd16b", "aBcd8b", "any"}) {
    auto info = TestCall("batch_normalization")
                    .Attr("epsilon", kEpsilon)
                    .Attr("momentum", kMomentum)
                    .Attr("fuse_relu", false)
                    .In(RandomTensor({4, 24, 7, 3}, 1), layout)
                    .In(RandomTensor({24}, 1))
                    .In(RandomTensor({24}, 1))
                    .In(RandomTensor({24}, 1))
                    .In(RandomTensor({24}, 1))
                    .Out({4, 24, 7, 3})
                    .Out({24})
                    .Out({24})
                    .Out({24})
                    .Out({24})
                    .Threads(GetParam())
                    .Query();
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_TRUE(info->impl.starts_with("bnorm_")) << layout << ": " << info->impl;
  }
}

TEST(BatchNormalizationErrors, NameTheCallAndTheNumbers) {
  auto expect = [](double epsilon, double momentum, const Shape& x, int64_t channels, const std::string& text) {
    TestCall call("batch_normalization");
    call.Attr("epsilon", epsilon).Attr("momentum", momentum).Attr("fuse_relu", false).In(RandomTensor(x, 1));
    for (int i = 0; i < 4; ++i) call.In(RandomTensor({channels}, 1));
    call.Out(x);
    for (int i = 0; i < 4; ++i) call.Out({channels});
    auto info = call.Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  expect(0, 0.1, {2, 3}, 3, "epsilon = 0 is not positive");
  expect(std::nan(""), 0.1, {2, 3}, 3, "epsilon = nan");
  expect(1e-5, 1.5, {2, 3}, 3, "momentum = 1.5 is not in [0, 1]");
  expect(1e-5, 0.1, {2, 3}, 4, "expected f32[3]");
  expect(1e-5, 0.1, {1, 3}, 3, "one element a channel");
  expect(1e-5, 0.1, {2}, 2, "expected rank 2 to 5");
  expect(1e-5, 0.1, {2, 0}, 0, "is empty");
}

}  // namespace
}  // namespace athanor
