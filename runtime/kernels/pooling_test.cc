#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Any number of spatial dimensions; `pads` are all begins, then all ends.
struct Problem {
  std::string name;
  Shape x;  // [N,C,spatial..]
  Ints kernel, strides, pads;
  Ints dilations = {};  // empty: dense

  size_t spatial() const { return kernel.size(); }
  int64_t dilation(size_t d) const { return dilations.empty() ? 1 : dilations[d]; }
  Shape y() const {
    Shape y = {x[0], x[1]};
    for (size_t d = 0; d < spatial(); ++d) {
      const int64_t extent = (kernel[d] - 1) * dilation(d) + 1;
      y.push_back((x[2 + d] + pads[d] + pads[spatial() + d] - extent) / strides[d] + 1);
    }
    return y;
  }
  DType workspace() const { return *NumElements(kernel) < 256 ? DType::kU8 : DType::kS32; }
};

std::vector<Problem> Problems() {
  return {
      {"LeNet", {3, 6, 28, 28}, {2, 2}, {2, 2}, {0, 0, 0, 0}},
      {"blocks", {2, 32, 8, 8}, {2, 2}, {2, 2}, {0, 0, 0, 0}},
      {"one channel", {2, 1, 6, 6}, {2, 2}, {2, 2}, {0, 0, 0, 0}},
      {"overlapping", {2, 17, 9, 7}, {3, 3}, {2, 2}, {1, 1, 1, 1}},
      {"odd sizes, one-sided padding", {1, 5, 7, 10}, {3, 2}, {2, 3}, {2, 0, 0, 1}},
      {"rest left over", {2, 3, 8, 9}, {3, 3}, {3, 3}, {0, 0, 0, 0}},
      {"stride beyond the kernel", {2, 3, 9, 9}, {2, 2}, {4, 3}, {0, 0, 0, 0}},
      {"kernel 1", {2, 4, 5, 5}, {1, 1}, {2, 2}, {0, 0, 0, 0}},
      {"global", {3, 20, 7, 7}, {7, 7}, {1, 1}, {0, 0, 0, 0}},
      {"window of 255", {1, 3, 16, 18}, {15, 17}, {1, 1}, {0, 0, 0, 0}},
      {"window of 256", {1, 3, 17, 17}, {16, 16}, {1, 1}, {0, 0, 0, 0}},
      {"size 1", {1, 1, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {"one dimension", {2, 5, 17}, {4}, {3}, {1, 2}},
      {"three dimensions", {1, 3, 5, 6, 4}, {2, 3, 2}, {1, 2, 1}, {0, 1, 1, 1, 0, 0}},
      {"one dimension, blocks", {2, 16, 12}, {3}, {2}, {1, 1}},
      {"three dimensions, blocks", {1, 16, 4, 4, 4}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0, 0, 0, 0}},
      {"dilated", {2, 5, 9, 8}, {2, 3}, {1, 2}, {1, 0, 2, 3}, {3, 2}},
      {"dilated along one dimension", {2, 16, 9}, {3}, {2}, {2, 1}, {2}},
  };
}

// Calls f(x offset, y offset) for every element of every window, in order, and f(-1, y offset) for every padded one.
template <typename F>
void ForEachElement(const Problem& p, F&& f) {
  ForEachIndex(p.y(), [&](const Shape& y, int64_t y_at) {
    ForEachIndex(p.kernel, [&](const Shape& tap, int64_t) {
      Shape x = {y[0], y[1]};
      for (size_t d = 0; d < p.spatial(); ++d) {
        const int64_t at = y[2 + d] * p.strides[d] - p.pads[d] + tap[d] * p.dilation(d);
        if (at < 0 || at >= p.x[2 + d]) return f(int64_t{-1}, y_at);
        x.push_back(at);
      }
      f(RowMajorOffset(p.x, x), y_at);
    });
  });
}

// Where the maximum of each window is: the first of equals.
std::vector<int64_t> ArgMax(const Problem& p, const Tensor& x) {
  std::vector<int64_t> best(*NumElements(p.y()), -1);
  ForEachElement(p, [&](int64_t xi, int64_t yi) {
    if (xi >= 0 && (best[yi] < 0 || x.as<float>()[xi] > x.as<float>()[best[yi]])) best[yi] = xi;
  });
  return best;
}

std::vector<double> Divisors(const Problem& p, const std::string& algorithm) {
  std::vector<double> n(*NumElements(p.y()), 0);
  ForEachElement(p, [&](int64_t xi, int64_t yi) { n[yi] += xi >= 0 || algorithm == "avg_include_padding"; });
  return n;
}

std::vector<double> Forward(const Problem& p, const std::string& algorithm, const Tensor& x) {
  std::vector<double> y(*NumElements(p.y()), 0);
  if (algorithm == "max") {
    std::vector<int64_t> at = ArgMax(p, x);
    for (size_t i = 0; i < y.size(); ++i) y[i] = x.as<float>()[at[i]];
    return y;
  }
  ForEachElement(p, [&](int64_t xi, int64_t yi) { y[yi] += xi >= 0 ? x.as<float>()[xi] : 0; });
  std::vector<double> n = Divisors(p, algorithm);
  for (size_t i = 0; i < y.size(); ++i) y[i] /= n[i];
  return y;
}

std::vector<double> Backward(const Problem& p, const std::string& algorithm, const Tensor& x, const Tensor& dy) {
  std::vector<double> dx(*NumElements(p.x), 0);
  if (algorithm == "max") {
    std::vector<int64_t> at = ArgMax(p, x);
    for (size_t i = 0; i < at.size(); ++i) dx[at[i]] += dy.as<float>()[i];
    return dx;
  }
  std::vector<double> n = Divisors(p, algorithm);
  ForEachElement(p, [&](int64_t xi, int64_t yi) {
    if (xi >= 0) dx[xi] += dy.as<float>()[yi] / n[yi];
  });
  return dx;
}

TestCall Call(const std::string& kernel, const std::string& algorithm, const Problem& p, int threads) {
  TestCall call(kernel);
  call.Attr("algorithm", AttrValue(algorithm)).Attr("kernel", p.kernel).Attr("strides", p.strides).Attr("pads", p.pads);
  if (!p.dilations.empty()) call.Attr("dilations", p.dilations);
  return call.Threads(threads);
}

std::vector<std::string> Layouts(size_t rank) {
  const std::string plain = MemoryDesc::PlainLayout(rank);
  std::string blocked = plain;
  blocked[1] = 'B';
  return {"any", plain, "a" + plain.substr(2) + "b", blocked + "16b", blocked + "8b"};
}

class Pooling : public testing::TestWithParam<int> {
 protected:
  int threads() const { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Threads, Pooling, testing::Values(1, 2));

TEST_P(Pooling, InferenceInEveryLayout) {
  for (const Problem& p : Problems()) {
    Tensor x = RandomTensor(p.x, 1);
    for (const char* algorithm : {"max", "avg_include_padding", "avg_exclude_padding"}) {
      for (const std::string& layout : Layouts(p.x.size())) {
        SCOPED_TRACE(absl::StrCat(p.name, ", ", algorithm, ", x ", layout));
        auto y = Call("pooling", algorithm, p, threads()).Attr("training", false).In(x.Clone(), layout).Out(p.y())
                     .Run();
        ASSERT_TRUE(y.ok()) << y.status();
        ExpectClose(y->outputs[0], Forward(p, algorithm, x));
      }
    }
  }
}

TEST_P(Pooling, TrainingInEveryLayout) {
  for (const Problem& p : Problems()) {
    Tensor x = RandomTensor(p.x, 1), dy = RandomTensor(p.y(), 2);
    for (const std::string& layout : Layouts(p.x.size())) {
      SCOPED_TRACE(absl::StrCat(p.name, ", x ", layout));
      auto y = Call("pooling", "max", p, threads()).Attr("training", true).In(x.Clone(), layout).Out(p.y())
                   .Out(p.y(), p.workspace()).Run();
      ASSERT_TRUE(y.ok()) << y.status();
      ExpectClose(y->outputs[0], Forward(p, "max", x));
      EXPECT_EQ(y->info.outputs[1].dtype, p.workspace());

      // The gradient lies as the workspace does, wherever dy came from.
      const std::string& workspace_layout = y->info.outputs[1].layout;
      auto dx = Call("pooling_backward", "max", p, threads()).In(dy.Clone(), "any")
                    .In(y->outputs[1].Clone(), workspace_layout).Out(p.x).Run();
      ASSERT_TRUE(dx.ok()) << dx.status();
      ExpectClose(dx->outputs[0], Backward(p, "max", x, dy));
      EXPECT_EQ(dx->info.inputs[1].layout, workspace_layout);
    }
  }
}

TEST_P(Pooling, AverageBackwardInEveryLayout) {
  for (const Problem& p : Problems()) {
    Tensor dy = RandomTensor(p.y(), 2);
    for (const char* algorithm : {"avg_include_padding", "avg_exclude_padding"}) {
      for (const std::string& layout : Layouts(p.x.size())) {
        SCOPED_TRACE(absl::StrCat(p.name, ", ", algorithm, ", dy ", layout));
        auto dx = Call("pooling_backward", algorithm, p, threads()).In(dy.Clone(), layout).Out(p.x).Run();
        ASSERT_TRUE(dx.ok()) << dx.status();
        ExpectClose(dx->outputs[0], Backward(p, algorithm, Tensor(), dy));
      }
    }
  }
}

// A constant image: the gradient must go to one element a window, the first.
TEST_P(Pooling, OfEqualMaximaTheFirstCounts) {
  for (const Problem& p : Problems()) {
    Tensor x = RandomTensor(p.x, 1, -1, -1), dy = RandomTensor(p.y(), 2);
    for (const std::string& layout : Layouts(p.x.size())) {
      SCOPED_TRACE(absl::StrCat(p.name, ", x ", layout));
      auto y = Call("pooling", "max", p, threads()).Attr("training", true).In(x.Clone(), layout).Out(p.y())
                   .Out(p.y(), p.workspace()).Run();
      ASSERT_TRUE(y.ok()) << y.status();
      auto dx = Call("pooling_backward", "max", p, threads()).In(dy.Clone(), layout)
                    .In(y->outputs[1].Clone(), y->info.outputs[1].layout).Out(p.x).Run();
      ASSERT_TRUE(dx.ok()) << dx.status();
      ExpectClose(dx->outputs[0], Backward(p, "max", x, dy));
    }
  }
}

TEST_P(Pooling, AMaximumSkipsNanAndAnAverageCarriesItOn) {
  for (int64_t channels : {1, 3, 16, 20}) {
    const Problem p = {"", {1, channels, 2, 6}, {2, 2}, {2, 2}, {0, 0, 0, 0}};
    Tensor x = RandomTensor(p.x, 1);
    std::vector<double> maxima, averages;
    for (int64_t c = 0; c < channels; ++c) {
      const float image[] = {kNan, 1, 5, 2, kNan, kNan, -3, 0, 2, 7, kNan, kNan};
      std::copy(std::begin(image), std::end(image), x.as<float>().begin() + c * 12);
      maxima.insert(maxima.end(), {1, 7, std::numeric_limits<float>::lowest()});
      averages.insert(averages.end(), {kNan, 4, kNan});
    }
    for (const std::string& layout : Layouts(4)) {
      SCOPED_TRACE(absl::StrCat(channels, " channels, x ", layout));
      auto y = Call("pooling", "max", p, threads()).Attr("training", false).In(x.Clone(), layout).Out(p.y()).Run();
      ASSERT_TRUE(y.ok()) << y.status();
      ExpectClose(y->outputs[0], maxima);
      y = Call("pooling", "avg_exclude_padding", p, threads()).Attr("training", false).In(x.Clone(), layout).Out(p.y())
              .Run();
      ASSERT_TRUE(y.ok()) << y.status();
      ExpectClose(y->outputs[0], averages);
    }
  }
}

TEST(PoolingLayouts, AlwaysRunsOptimisedCode) {
  for (const Problem& p : {Problems()[0], Problems()[1], Problems()[3], Problems()[8]}) {
    for (const char* algorithm : {"max", "avg_include_padding", "avg_exclude_padding"}) {
      for (const std::string& layout : Layouts(4)) {
        SCOPED_TRACE(absl::StrCat(p.name, ", ", algorithm, ", x ", layout));
        auto info = Call("pooling", algorithm, p, 1).Attr("training", false).In(RandomTensor(p.x, 1), layout).Out(p.y())
                        .Query();
        ASSERT_TRUE(info.ok()) << info.status();
        EXPECT_TRUE(absl::StartsWith(info->impl, "jit")) << info->impl;
        if (layout == "acdb") {
          EXPECT_EQ(info->inputs[0].layout, layout);
        }
      }
    }
  }
}

TEST(PoolingLayouts, TheResultLiesAsTheInputUnlessThatIsRowMajorToo) {
  auto layouts = [](const Problem& p, const std::string& x_layout) {
    auto info = Call("pooling", "max", p, 1).Attr("training", false).In(RandomTensor(p.x, 1), x_layout).Out(p.y())
                    .Query();
    EXPECT_TRUE(info.ok()) << info.status();
    return info.ok() ? info->inputs[0].layout + " " + info->outputs[0].layout : "";
  };
  EXPECT_EQ(layouts(Problems()[0], "acdb"), "acdb acdb");
  // [N,C,1,1] is the same bytes: flattening it is free.
  EXPECT_EQ(layouts({"", {3, 20, 7, 7}, {7, 7}, {1, 1}, {0, 0, 0, 0}}, "acdb"), "acdb abcd");
}

TEST(PoolingErrors, DamagedCallsAreRefused) {
  const Problem good = {"", {2, 4, 6, 6}, {2, 2}, {2, 2}, {0, 0, 0, 0}};
  auto refused = [&](const TestCall& call, const std::string& text) {
    auto r = call.Run();
    ASSERT_FALSE(r.ok()) << text;
    EXPECT_EQ(ErrorClassOf(r.status()), "PLAN") << r.status();
    EXPECT_TRUE(absl::StrContains(r.status().message(), text)) << r.status();
    EXPECT_TRUE(absl::StrContains(r.status().message(), "\"node\"")) << r.status();
  };
  auto call = [&](Shape x, Shape y) {
    return Call("pooling", "max", good, 1).Attr("training", false).In(RandomTensor(x, 1)).Out(y);
  };
  ASSERT_TRUE(call(good.x, good.y()).Run().ok());
  refused(call(good.x, good.y()).Attr("algorithm", "median"), "unknown algorithm \"median\"");
  refused(call(good.x, good.y()).Attr("kernel", Ints{0, 2}), "kernel [0,2]");
  refused(call(good.x, good.y()).Attr("strides", Ints{2}), "strides [2]");
  refused(call(good.x, good.y()).Attr("pads", Ints{0, 0, -1, 0}), "pads [0,0,-1,0]");
  refused(call(good.x, good.y()).Attr("pads", Ints{0, 2, 0, 0}), "not smaller than the kernel");
  refused(call(good.x, good.y()).Attr("dilations", Ints{1}), "dilations [1]");
  refused(call(good.x, good.y()).Attr("dilations", Ints{1, 0}), "dilations [1,0]");
  refused(call(good.x, good.y()).Attr("dilations", Ints{1, 5}), "oneDNN");
  refused(call(good.x, {2, 4, 3}), "not of rank 4");
  refused(call(good.x, {2, 5, 3, 3}), "expected f32[2,4,3,3]");
  refused(call(good.x, {2, 4, 3, 4}), "oneDNN");
  refused(call({0, 4, 6, 6}, {0, 4, 3, 3}), "is empty");
  refused(call(good.x, good.y()).Attr("training", true), "has 1 inputs and 1 outputs");
  refused(call(good.x, good.y()).Out({2, 4, 3, 4}, DType::kU8).Attr("training", true), "workspace");
  refused(call(good.x, good.y()).Fuse({"ReLU", {}, -1}), "post-op");
  refused(Call("pooling_backward", "max", good, 1).In(RandomTensor(good.y(), 1)).Out(good.x), "has 1 inputs");
}

}  // namespace
}  // namespace athanor
