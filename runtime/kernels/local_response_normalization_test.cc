#include <cmath>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

struct Options {
  int64_t size = 5;
  double alpha = 0.5, beta = 0.75, k = 2;
};

struct Wanted {
  std::vector<double> y, dx;
};

Wanted Compute(const Tensor& tx, const Tensor& tdy, const Options& o) {
  const float* x = tx.as<float>().data();
  const float* dy = tdy.as<float>().data();
  const Shape& shape = tx.shape();
  const int64_t channels = shape[1], elements = tx.num_elements(), area = elements / (shape[0] * channels);
  Wanted w{std::vector<double>(elements), std::vector<double>(elements)};
  const double alpha = o.alpha / static_cast<double>(o.size);
  for (int64_t i = 0; i < elements; ++i) {
    const int64_t c = i / area % channels;
    const int64_t first = std::max<int64_t>(0, c - o.size / 2), last = std::min(channels - 1, c + (o.size - 1) / 2);
    double s = o.k;
    for (int64_t j = first; j <= last; ++j) s += alpha * std::pow(x[i + (j - c) * area], 2);
    w.y[i] = x[i] * std::pow(s, -o.beta);
    w.dx[i] += dy[i] * std::pow(s, -o.beta);
    for (int64_t j = first; j <= last; ++j) {
      const int64_t at = i + (j - c) * area;
      w.dx[at] -= 2 * alpha * o.beta * dy[i] * x[i] * std::pow(s, -o.beta - 1) * x[at];
    }
  }
  return w;
}

TestCall Call(bool backward, const Options& o) {
  TestCall call(backward ? "local_response_normalization_backward" : "local_response_normalization");
  call.Attr("size", o.size).Attr("alpha", o.alpha).Attr("beta", o.beta).Attr("k", o.k);
  return call;
}

class LocalResponseNormalization : public testing::TestWithParam<int> {
 protected:
  void Check(const Shape& shape, const std::string& layout, const Options& o) {
    SCOPED_TRACE(ShapeToString(shape) + " " + layout + " size " + std::to_string(o.size) + " beta " +
                 std::to_string(o.beta));
    const Tensor x = RandomTensor(shape, 1, -2, 2), dy = RandomTensor(shape, 2);
    const Wanted want = Compute(x, dy, o);
    for (int input : {-1, 0}) {
      TestCall call = Call(false, o);
      call.In(x.Clone(), layout).Out(shape).Threads(GetParam());
      if (input >= 0) call.InPlace(0, input);
      auto run = call.Run();
      ASSERT_TRUE(run.ok()) << run.status();
      ExpectClose(run->outputs[0], want.y);
      EXPECT_EQ(run->info.outputs[0].layout, run->info.inputs[0].layout);
      EXPECT_EQ(run->info.inputs[0].layout, layout == "any" ? MemoryDesc::PlainLayout(shape.size()) : layout);
      EXPECT_TRUE(PaddedWithZeros(run->outputs[0], run->stored[0]));
    }
    for (int input : {-1, 0, 1}) {
      TestCall call = Call(true, o);
      call.In(dy.Clone()).In(x.Clone(), layout).Out(shape).Threads(GetParam());
      if (input >= 0) call.InPlace(0, input);
      auto run = call.Run();
      ASSERT_TRUE(run.ok()) << run.status();
      ExpectClose(run->outputs[0], want.dx);
      EXPECT_TRUE(PaddedWithZeros(run->outputs[0], run->stored[0]));
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Threads, LocalResponseNormalization, testing::Values(1, 2));

TEST_P(LocalResponseNormalization, EveryLayout) {
  for (const Shape& s : std::vector<Shape>{{1, 1, 1, 1}, {2, 5, 3, 4}, {2, 24, 7, 5}, {3, 16, 9, 9}, {4, 96, 13, 13}}) {
    for (const char* layout : {"abcd", "acdb", "aBcd8b", "aBcd16b", "any"}) Check(s, layout, {});
  }
  for (const char* layout : {"abc", "acb", "aBc16b"}) Check({2, 9, 33}, layout, {});
  for (const char* layout : {"abcde", "acdeb", "aBcde8b"}) Check({2, 9, 2, 3, 4}, layout, {});
  Check({7, 40}, "ab", {});
  Check({7, 1}, "ab", {});
  Check({2, 3, 2, 1, 2, 3}, "abcdef", {});
}

TEST_P(LocalResponseNormalization, SizesAndPowers) {
  for (int64_t size : {1, 2, 3, 4, 7, 12, 100}) {
    for (const Shape& s : std::vector<Shape>{{2, 6, 5, 7}, {3, 17}}) {
      Check(s, MemoryDesc::PlainLayout(s.size()), {.size = size});
    }
    Check({2, 12, 3, 3}, "aBcd8b", {.size = size});
  }
  for (double beta : {0.0, 0.3, 0.5, 0.75, 1.0, 2.5}) {
    for (double k : {0.1, 1.0, 2.0}) Check({2, 6, 5, 7}, "abcd", {.beta = beta, .k = k});
  }
  Check({2, 6, 5, 7}, "abcd", {.alpha = 0});
  Check({2, 6, 5, 7}, "abcd", {.alpha = 1000});
}

TEST(LocalResponseNormalizationEnds, TenThousand) {
  Tensor x = Tensor::Of<float>({1, 4, 1}, {1e4f, -1e4f, 0, 1e4f});
  for (double beta : {0.75, 0.6}) {
    const Options o{.alpha = 1e-4, .beta = beta};
    const Wanted want = Compute(x, x, o);
    auto run = Call(false, o).In(x.Clone()).Out(x.shape()).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    ExpectClose(run->outputs[0], want.y);
    run = Call(true, o).In(x.Clone()).In(x.Clone()).Out(x.shape()).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    ExpectClose(run->outputs[0], want.dx);
  }
}

TEST(LocalResponseNormalizationErrors, NameTheCallAndTheNumbers) {
  auto expect = [](const Options& o, const Shape& x, const Shape& y, const std::string& text) {
    for (bool backward : {false, true}) {
      TestCall call = Call(backward, o);
      if (backward) call.In(RandomTensor(x, 1));
      auto info = call.In(RandomTensor(x, 1)).Out(y).Query();
      ASSERT_FALSE(info.ok()) << text;
      EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
      EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
    }
  };
  expect({.size = 0}, {2, 3}, {2, 3}, "size = 0 is not positive");
  expect({.alpha = -1}, {2, 3}, {2, 3}, "alpha = -1");
  expect({.beta = std::nan("")}, {2, 3}, {2, 3}, "beta = nan");
  expect({.k = 0}, {2, 3}, {2, 3}, "k = 0");
  expect({.beta = 10, .k = 1e-9}, {2, 3}, {2, 3}, "k^-beta = 1e-09^-10 is too large");
  expect({}, {6}, {6}, "expected rank 2 or more");
  expect({}, {2, 3}, {3, 2}, "expected f32[2,3]");
  expect({}, {2, 0}, {2, 0}, "is empty");
}

}  // namespace
}  // namespace athanor
