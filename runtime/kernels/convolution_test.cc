#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

// Any number of spatial dimensions; `pads` are all begins, then all ends.
struct Problem {
  std::string name;
  Shape x;               // [N,I,spatial..]
  int64_t out_channels;
  Shape kernel;
  Ints strides, pads, dilations;
  int64_t groups = 1;

  size_t spatial() const { return kernel.size(); }
  Shape y() const {
    Shape y = {x[0], out_channels};
    for (size_t d = 0; d < spatial(); ++d) {
      y.push_back((x[2 + d] + pads[d] + pads[spatial() + d] - dilations[d] * (kernel[d] - 1) - 1) / strides[d] + 1);
    }
    return y;
  }
  Shape w() const {
    Shape w = {out_channels, x[1] / groups};
    w.insert(w.end(), kernel.begin(), kernel.end());
    return w;
  }
};

std::vector<Problem> Problems() {
  return {
      {"LeNet 1", {2, 1, 28, 28}, 6, {5, 5}, {1, 1}, {2, 2, 2, 2}, {1, 1}},
      {"LeNet 2", {3, 6, 14, 14}, 16, {5, 5}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {"blocks", {2, 32, 9, 9}, 48, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {"1x1", {2, 16, 5, 7}, 24, {1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {"1x1 strided", {2, 17, 6, 7}, 5, {1, 1}, {2, 3}, {0, 0, 0, 0}, {1, 1}},
      {"size 1", {1, 1, 1, 1}, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {"odd sizes, one-sided padding", {1, 3, 7, 5}, 7, {3, 2}, {2, 1}, {1, 0, 0, 1}, {1, 1}},
      {"dilated", {2, 4, 11, 10}, 8, {3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}},
      {"dilated apart", {1, 5, 12, 9}, 3, {2, 3}, {2, 1}, {0, 3, 1, 0}, {4, 3}},
      {"stride beyond the kernel", {2, 3, 9, 9}, 4, {2, 2}, {4, 3}, {0, 0, 0, 0}, {1, 1}},
      {"kernel as large as the input", {2, 3, 4, 5}, 6, {4, 5}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {"padding beyond the kernel", {1, 2, 3, 3}, 3, {2, 2}, {1, 1}, {3, 3, 3, 3}, {1, 1}},
      {"groups", {2, 8, 6, 6}, 12, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 4},
      {"groups of blocks", {1, 32, 6, 6}, 32, {3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 2},
      {"groups of small blocks", {1, 16, 6, 6}, 16, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 2},
      {"groups of one output", {2, 32, 5, 5}, 16, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 16},
      {"depthwise of blocks", {1, 32, 7, 7}, 32, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 32},
      {"depthwise", {2, 19, 7, 7}, 19, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 19},
      {"depthwise, two a channel", {2, 6, 7, 7}, 12, {3, 3}, {2, 2}, {0, 1, 1, 0}, {1, 1}, 6},
      {"depthwise, dilated", {2, 19, 9, 8}, 19, {3, 2}, {1, 2}, {2, 0, 1, 3}, {2, 3}, 19},
      {"depthwise, wide", {2, 16, 9, 11}, 16, {5, 7}, {1, 1}, {2, 3, 2, 3}, {1, 1}, 16},
      {"depthwise, wide and strided", {3, 7, 11, 12}, 7, {6, 5}, {2, 3}, {0, 4, 5, 1}, {1, 1}, 7},
      {"depthwise, three dimensions", {2, 17, 4, 5, 6}, 17, {3, 2, 3}, {1, 2, 1}, {1, 1, 1, 1, 0, 2}, {1, 1, 2}, 17},
      {"depthwise, one dimension, wide", {2, 5, 30}, 5, {9}, {2}, {4, 3}, {1}, 5},
      {"one dimension", {2, 5, 17}, 9, {4}, {3}, {1, 2}, {2}},
      {"one dimension, blocks", {2, 32, 11}, 16, {3}, {1}, {1, 1}, {1}},
      {"one dimension, depthwise", {2, 16, 9}, 16, {3}, {2}, {0, 1}, {1}, 16},
      {"one dimension, groups", {2, 6, 9}, 8, {3}, {1}, {2, 0}, {2}, 2},
      {"three dimensions", {1, 3, 5, 6, 4}, 4, {2, 3, 2}, {1, 2, 1}, {0, 1, 1, 1, 0, 0}, {1, 1, 2}},
  };
}

// Calls f(x offset, w offset, y offset) for every product in the convolution.
template <typename F>
void ForEachProduct(const Problem& p, F&& f) {
  const Shape y_dims = p.y(), w_dims = p.w();
  const int64_t group_in = p.x[1] / p.groups, group_out = p.out_channels / p.groups;
  Shape taps = {group_in};
  taps.insert(taps.end(), p.kernel.begin(), p.kernel.end());
  ForEachIndex(y_dims, [&](const Shape& y, int64_t y_at) {
    ForEachIndex(taps, [&](const Shape& tap, int64_t) {
      const int64_t group = y[1] / group_out;
      Shape x = {y[0], group * group_in + tap[0]};
      Shape w = {y[1], tap[0]};
      for (size_t d = 0; d < p.spatial(); ++d) {
        const int64_t at = y[2 + d] * p.strides[d] - p.pads[d] + tap[1 + d] * p.dilations[d];
        if (at < 0 || at >= p.x[2 + d]) return;
        x.push_back(at);
        w.push_back(tap[1 + d]);
      }
      f(RowMajorOffset(p.x, x), RowMajorOffset(w_dims, w), y_at);
    });
  });
}

int64_t ChannelOf(const Shape& y, int64_t offset) {
  for (size_t d = y.size(); d-- > 2;) offset /= y[d];
  return offset % y[1];
}

std::vector<double> Forward(const Problem& p, const Tensor& x, const Tensor& w, const Tensor* bias) {
  std::vector<double> y(*NumElements(p.y()), 0);
  for (size_t i = 0; i < y.size() && bias; ++i) y[i] = bias->as<float>()[ChannelOf(p.y(), i)];
  auto xs = x.as<float>(), ws = w.as<float>();
  ForEachProduct(p, [&](int64_t xi, int64_t wi, int64_t yi) { y[yi] += double{xs[xi]} * ws[wi]; });
  return y;
}

std::vector<double> BackwardData(const Problem& p, const Tensor& dy, const Tensor& w) {
  std::vector<double> dx(*NumElements(p.x), 0);
  auto dys = dy.as<float>(), ws = w.as<float>();
  ForEachProduct(p, [&](int64_t xi, int64_t wi, int64_t yi) { dx[xi] += double{dys[yi]} * ws[wi]; });
  return dx;
}

std::vector<double> BackwardWeights(const Problem& p, const Tensor& x, const Tensor& dy) {
  std::vector<double> dw(*NumElements(p.w()), 0);
  auto xs = x.as<float>(), dys = dy.as<float>();
  ForEachProduct(p, [&](int64_t xi, int64_t wi, int64_t yi) { dw[wi] += double{xs[xi]} * dys[yi]; });
  return dw;
}

std::vector<double> BackwardBias(const Problem& p, const Tensor& dy) {
  std::vector<double> db(p.out_channels, 0);
  for (int64_t i = 0; i < dy.num_elements(); ++i) db[ChannelOf(p.y(), i)] += dy.as<float>()[i];
  return db;
}

TestCall Call(const std::string& kernel, const Problem& p, int threads) {
  TestCall call(kernel);
  call.Attr("strides", p.strides).Attr("pads", p.pads).Attr("dilations", p.dilations);
  return call.Attr("groups", AttrValue(p.groups)).Threads(threads);
}

std::vector<std::string> ActivationLayouts(size_t rank) {
  const std::string plain = MemoryDesc::PlainLayout(rank);
  std::string blocked = plain;
  blocked[1] = 'B';
  return {"any", plain, "a" + plain.substr(2) + "b", blocked + "16b", blocked + "8b"};
}

// The area that blocks of channels are padded with must hold zeros: later kernels compute on it.
void ExpectZeroPadding(const TestCall::Result& r, int output) {
  const auto* stored = reinterpret_cast<const float*>(r.stored[output].data());
  double sum_stored = 0, sum = 0;
  for (size_t i = 0; i < r.stored[output].size() / sizeof(float); ++i) sum_stored += std::abs(stored[i]);
  for (float v : r.outputs[output].as<float>()) sum += std::abs(v);
  EXPECT_NEAR(sum_stored, sum, 1e-9 * sum) << r.info.outputs[output].ToString() << " by " << r.info.impl;
}

class Convolution : public testing::TestWithParam<int> {
 protected:
  int threads() const { return GetParam(); }
  // The choice of layouts does not depend on the threads: one of them says enough about a second thread.
  std::vector<std::string> Layouts(size_t rank) const {
    std::vector<std::string> all = ActivationLayouts(rank);
    if (threads() > 1) all.resize(1);
    return all;
  }
};
INSTANTIATE_TEST_SUITE_P(Threads, Convolution, testing::Values(1, 2));

TEST_P(Convolution, ForwardInEveryLayout) {
  for (const Problem& p : Problems()) {
    Tensor x = RandomTensor(p.x, 1), w = RandomTensor(p.w(), 2), b = RandomTensor({p.out_channels}, 3);
    for (const std::string& layout : Layouts(p.x.size())) {
      SCOPED_TRACE(absl::StrCat(p.name, ", x ", layout));
      auto y = Call("convolution", p, threads()).Attr("bias", true).In(x.Clone(), layout).In(w.Clone(), "any")
                   .In(b.Clone()).Out(p.y()).Run();
      ASSERT_TRUE(y.ok()) << y.status();
      ExpectClose(y->outputs[0], Forward(p, x, w, &b));
      ExpectZeroPadding(*y, 0);
    }
    for (const std::string& layout : Layouts(p.x.size())) {
      SCOPED_TRACE(absl::StrCat(p.name, ", y ", layout));
      auto y = Call("convolution", p, threads()).Attr("bias", false).In(x.Clone(), "any").In(w.Clone())
                   .Out(p.y(), DType::kF32, layout == "any" ? "" : layout).Run();
      ASSERT_TRUE(y.ok()) << y.status();
      ExpectClose(y->outputs[0], Forward(p, x, w, nullptr));
    }
  }
}

TEST_P(Convolution, BackwardDataInEveryLayout) {
  for (const Problem& p : Problems()) {
    Tensor dy = RandomTensor(p.y(), 1), w = RandomTensor(p.w(), 2);
    for (const std::string& layout : Layouts(p.x.size())) {
      SCOPED_TRACE(absl::StrCat(p.name, ", dy ", layout));
      auto dx = Call("convolution_backward_data", p, threads()).In(dy.Clone(), layout).In(w.Clone(), "any").Out(p.x)
                    .Run();
      ASSERT_TRUE(dx.ok()) << dx.status();
      ExpectClose(dx->outputs[0], BackwardData(p, dy, w));
      ExpectZeroPadding(*dx, 0);
    }
  }
}

TEST_P(Convolution, BackwardWeightsInEveryLayout) {
  for (const Problem& p : Problems()) {
    Tensor x = RandomTensor(p.x, 1), dy = RandomTensor(p.y(), 2);
    for (const std::string& layout : Layouts(p.x.size())) {
      SCOPED_TRACE(absl::StrCat(p.name, ", x and dy ", layout));
      auto dw = Call("convolution_backward_weights", p, threads()).Attr("bias", true).In(x.Clone(), layout)
                    .In(dy.Clone(), layout).Out(p.w()).Out({p.out_channels}).Run();
      ASSERT_TRUE(dw.ok()) << dw.status();
      ExpectClose(dw->outputs[0], BackwardWeights(p, x, dy));
      ExpectClose(dw->outputs[1], BackwardBias(p, dy));
      ExpectZeroPadding(*dw, 0);
      dw = Call("convolution_backward_weights", p, threads()).Attr("bias", false).In(x.Clone(), "any")
               .In(dy.Clone(), layout).Out(p.w(), DType::kF32, MemoryDesc::PlainLayout(p.w().size())).Run();
      ASSERT_TRUE(dw.ok()) << dw.status();
      ExpectClose(dw->outputs[0], BackwardWeights(p, x, dy));
    }
  }
}

// A transposed convolution: dx + bias.
TEST_P(Convolution, BackwardDataWithBiasInEveryLayout) {
  for (const Problem& p : Problems()) {
    Tensor dy = RandomTensor(p.y(), 1), w = RandomTensor(p.w(), 2), b = RandomTensor({p.x[1]}, 3);
    std::vector<double> want = BackwardData(p, dy, w);
    for (size_t i = 0; i < want.size(); ++i) want[i] += b.as<float>()[ChannelOf(p.x, i)];
    for (const std::string& layout : Layouts(p.x.size())) {
      SCOPED_TRACE(absl::StrCat(p.name, ", dx ", layout));
      auto dx = Call("convolution_backward_data", p, threads()).Attr("bias", true).In(dy.Clone(), "any")
                    .In(w.Clone(), "any").In(b.Clone()).Out(p.x, DType::kF32, layout == "any" ? "" : layout).Run();
      ASSERT_TRUE(dx.ok()) << dx.status();
      ExpectClose(dx->outputs[0], want);
      ExpectZeroPadding(*dx, 0);
    }
  }
}

// y = sigmoid(relu(conv(x) + bias) * scale[channel] + residual): the last leaves something in padding if it can.
TEST_P(Convolution, FusedOperations) {
  for (const Problem& p : Problems()) {
    Shape channels(p.spatial() + 1, 1);
    channels[0] = p.out_channels;
    Tensor x = RandomTensor(p.x, 1), w = RandomTensor(p.w(), 2), b = RandomTensor({p.out_channels}, 3);
    Tensor scale = RandomTensor(channels, 4), residual = RandomTensor(p.y(), 5);
    std::vector<double> want = Forward(p, x, w, &b);
    for (size_t i = 0; i < want.size(); ++i) {
      double v = std::max(want[i], 0.0) * scale.as<float>()[ChannelOf(p.y(), i)] + residual.as<float>()[i];
      want[i] = 1 / (1 + std::exp(-v));
    }
    for (const std::string& layout : Layouts(p.x.size())) {
      SCOPED_TRACE(absl::StrCat(p.name, ", residual ", layout));
      auto y = Call("convolution", p, threads()).Attr("bias", true)
                   .Fuse({"ReLU", {}, -1}).Fuse({"Mul", {}, 3}).Fuse({"Add", {}, 4}).Fuse({"Sigmoid", {}, -1})
                   .In(x.Clone()).In(w.Clone(), "any").In(b.Clone()).In(scale.Clone()).In(residual.Clone(), layout)
                   .Out(p.y()).Run();
      ASSERT_TRUE(y.ok()) << y.status();
      ExpectClose(y->outputs[0], want);
      ExpectZeroPadding(*y, 0);
      EXPECT_EQ(y->info.inputs[4].layout, y->info.outputs[0].layout);
    }
  }
}

// Layers whose speed the policy was made for.
std::vector<Problem> Layers() {
  return {
      {"LeNet 1", {64, 1, 28, 28}, 6, {5, 5}, {1, 1}, {2, 2, 2, 2}, {1, 1}},
      {"LeNet 1, batch 1", {1, 1, 28, 28}, 6, {5, 5}, {1, 1}, {2, 2, 2, 2}, {1, 1}},
      {"LeNet 2", {64, 6, 14, 14}, 16, {5, 5}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {"LeNet 2, batch 1", {1, 6, 14, 14}, 16, {5, 5}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {"ResNet", {8, 64, 56, 56}, 64, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {"ResNet 1x1", {8, 64, 28, 28}, 256, {1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {"ResNet stem", {8, 3, 112, 112}, 64, {7, 7}, {2, 2}, {3, 3, 3, 3}, {1, 1}},
      {"depthwise", {8, 64, 56, 56}, 64, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 64},
      {"grouped", {8, 64, 28, 28}, 64, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 4},
      {"one dimension", {16, 64, 512}, 64, {3}, {1}, {1, 1}, {1}},
      {"one dimension, depthwise", {16, 64, 512}, 64, {3}, {1}, {1, 1}, {1}, 64},
      {"depthwise, wide", {4, 96, 28, 28}, 96, {7, 7}, {1, 1}, {3, 3, 3, 3}, {1, 1}, 96},
      {"depthwise, dilated", {4, 64, 28, 28}, 64, {3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}, 64},
      {"depthwise, three dimensions", {2, 32, 8, 14, 14}, 32, {3, 3, 3}, {1, 1, 1}, {1, 1, 1, 1, 1, 1}, {1, 1, 1}, 32},
  };
}

KernelInfo Ask(const std::string& kernel, const Problem& p, std::vector<MemoryDesc> inputs,
               std::vector<MemoryDesc> outputs) {
  CallSpec spec = Call(kernel, p, 1).Attr("bias", false).spec();
  if (kernel == "convolution_backward_data") spec.attrs.Erase("bias");
  spec.inputs = std::move(inputs);
  spec.outputs = std::move(outputs);
  auto info = KernelRegistry::Get().Find(kernel)->query(spec);
  EXPECT_TRUE(info.ok()) << info.status();
  return info.ok() ? *info : KernelInfo{spec.inputs, spec.outputs, 0, "ref", 0, 0};
}

// A training step as the compiler asks for it, from a row-major x.
TEST(ConvolutionLayouts, ATrainingStepRunsOptimisedCode) {
  for (const Problem& p : Layers()) {
    SCOPED_TRACE(p.name);
    const MemoryDesc any_y{DType::kF32, p.y(), ""}, any_w{DType::kF32, p.w(), ""}, any_x{DType::kF32, p.x, ""};
    KernelInfo forward = Ask("convolution", p, {MemoryDesc::Plain(DType::kF32, p.x), any_w}, {any_y});
    MemoryDesc w = forward.inputs[1], y = forward.outputs[0];
    KernelInfo weights = Ask("convolution_backward_weights", p, {forward.inputs[0], y}, {w});
    KernelInfo data = Ask("convolution_backward_data", p, {y, w}, {any_x});
    for (const KernelInfo* info : {&forward, &weights, &data}) {
      EXPECT_FALSE(absl::StartsWith(info->impl, "ref")) << info->impl;
      const double products = static_cast<double>(*NumElements(p.y()) * *NumElements(p.w()) / p.out_channels);
      EXPECT_EQ(info->flops, 2 * products);
    }
    if (p.kernel != Shape{1, 1}) {  // a 1x1 convolution is a matrix product
      EXPECT_FALSE(absl::StrContains(forward.impl, "gemm:")) << forward.impl;
      EXPECT_FALSE(absl::StrContains(weights.impl, "gemm:")) << weights.impl;
    }
    if (absl::StrContains(EffectiveIsa(), "avx512")) {
      EXPECT_EQ(weights.outputs[0], w) << "the gradient of the weights lies as the weights do";
    }
  }
}

TEST(ConvolutionLayouts, TheModelsPlainInputIsReadAsItIs) {
  for (const Problem& p : Layers()) {
    if (p.x[1] > 4) continue;
    SCOPED_TRACE(p.name);
    KernelInfo info = Ask("convolution", p, {MemoryDesc::Plain(DType::kF32, p.x), {DType::kF32, p.w(), ""}},
                          {{DType::kF32, p.y(), ""}});
    EXPECT_EQ(info.inputs[0].layout, "abcd");
    EXPECT_NE(info.inputs[1].layout, "abcd");
    EXPECT_NE(info.outputs[0].layout, "abcd");
  }
}

TEST(ConvolutionLayouts, WeightsAndActivationsStayWhereTheyAreFast) {
  for (const Problem& p : Layers()) {
    SCOPED_TRACE(p.name);
    const MemoryDesc any_y{DType::kF32, p.y(), ""}, any_w{DType::kF32, p.w(), ""}, any_x{DType::kF32, p.x, ""};
    KernelInfo first = Ask("convolution", p, {any_x, any_w}, {any_y});
    KernelInfo again = Ask("convolution", p, {first.inputs[0], first.inputs[1]}, {any_y});
    EXPECT_EQ(again.inputs, first.inputs);
    EXPECT_EQ(again.outputs, first.outputs);
    EXPECT_EQ(again.impl, first.impl);
  }
}

TEST(ConvolutionErrors, DamagedCallsAreRefused) {
  const Problem good = {"", {2, 4, 5, 5}, 6, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}};
  auto refused = [&](TestCall call, const std::string& text) {
    auto r = call.Run();
    ASSERT_FALSE(r.ok()) << text;
    EXPECT_EQ(ErrorClassOf(r.status()), "PLAN") << r.status();
    EXPECT_TRUE(absl::StrContains(r.status().message(), text)) << r.status();
    EXPECT_TRUE(absl::StrContains(r.status().message(), "\"node\"")) << r.status();
  };
  auto with = [&](TestCall call, Shape x, Shape w, Shape y) {
    return call.In(RandomTensor(x, 1)).In(RandomTensor(w, 2)).Out(y);
  };
  auto call = [&] { return Call("convolution", good, 1).Attr("bias", false); };
  ASSERT_TRUE(with(call(), good.x, good.w(), good.y()).Run().ok());
  refused(with(call(), {2, 4, 5, 5}, {6, 3, 3, 3}, good.y()), "x is f32[2,4,5,5]:abcd, expected f32[2,3,5,5]");
  refused(with(call(), {2, 4, 5, 5}, good.w(), {2, 7, 5, 5}), "expected f32[2,6,5,5]");
  refused(with(call(), {2, 4, 5, 5}, good.w(), {2, 6, 5, 4}), "oneDNN");
  refused(with(call(), {0, 4, 5, 5}, good.w(), {0, 6, 5, 5}), "is empty");
  refused(with(call(), {2, 4}, good.w(), good.y()), "expected spatial dimensions");
  refused(with(call(), {2, 4, 5}, good.w(), good.y()), "not for 1 spatial dimensions");
  refused(with(call().Attr("strides", Ints{0, 1}), good.x, good.w(), good.y()), "strides [0,1]");
  refused(with(call().Attr("pads", Ints{1, 1, 1, int64_t{1} << 40}), good.x, good.w(), good.y()), "pads");
  refused(with(call().Attr("dilations", Ints{1}), good.x, good.w(), good.y()), "dilations [1]");
  refused(with(call().Attr("groups", 0), good.x, good.w(), good.y()), "0 groups");
  refused(with(call().Attr("groups", 4), good.x, good.w(), good.y()), "4 groups");
  refused(with(call().Attr("groups", 2), good.x, good.w(), good.y()), "expected f32[2,8,5,5]");
  refused(with(call().Attr("bias", true), good.x, good.w(), good.y()), "has 2 inputs, expected 3");
  refused(with(Call("convolution", good, 1), good.x, good.w(), good.y()), "\"bias\" is missing");
  refused(with(call().Attr("bias", true).In(RandomTensor({6}, 3)), {6}, good.w(), good.y()), "");
  refused(with(call().Fuse({"Add", {}, 2}), good.x, good.w(), good.y()), "reads input 2");
  refused(call().In(CountingTensor(DType::kS32, good.x)).In(RandomTensor(good.w(), 1)).Out(good.y()), "expected f32");
  refused(Call("convolution_backward_data", good, 1).In(RandomTensor(good.y(), 1)).Out(good.x), "has 1 inputs");
  auto data = [&](bool bias) {
    return Call("convolution_backward_data", good, 1).Attr("bias", bias).In(RandomTensor(good.y(), 1))
        .In(RandomTensor(good.w(), 2));
  };
  refused(data(true).Out(good.x), "has 2 inputs");
  refused(data(true).In(RandomTensor({6}, 3)).Out(good.x), "bias is f32[6]:a, expected f32[4]");
  refused(data(false).In(RandomTensor({4}, 3)).Out(good.x), "has 3 inputs");
  refused(data(false).Attr("bias", 1).Out(good.x), "\"bias\" is of the wrong type");

  const Problem line = {"", {2, 4, 5}, 6, {3}, {1}, {1, 1}, {1}};
  auto on_line = [&] { return Call("convolution", line, 1).Attr("bias", false); };
  ASSERT_TRUE(with(on_line(), line.x, line.w(), line.y()).Run().ok());
  refused(with(on_line().Attr("strides", Ints{1, 1}), line.x, line.w(), line.y()), "not for 1 spatial dimensions");
  refused(with(on_line().Attr("pads", Ints{1}), line.x, line.w(), line.y()), "pads [1]");
  refused(with(on_line().Attr("groups", 4), line.x, line.w(), line.y()), "4 groups");
  refused(with(on_line(), line.x, line.w(), {2, 6, 4}), "oneDNN");
  refused(with(on_line(), line.x, {6, 4}, line.y()), "do not fit");
}

TEST(ConvolutionErrors, ACallOfOtherLayoutsThanItsPlanWasMadeForIsRefused) {
  const Problem p = {"", {2, 4, 5, 5}, 6, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}};
  CallSpec spec = Call("convolution", p, 1).Attr("bias", false).Fuse({"Add", {}, 2}).spec();
  spec.inputs = {MemoryDesc::Plain(DType::kF32, p.x), MemoryDesc::Plain(DType::kF32, p.w()),
                 MemoryDesc::Plain(DType::kF32, p.y())};
  spec.outputs = {MemoryDesc{DType::kF32, p.y(), "aBcd16b"}};
  EXPECT_FALSE(KernelRegistry::Get().Find("convolution")->create(spec).ok());
  spec.inputs[2].layout = "aBcd16b";
  spec.inputs[0].layout = "nonsense";
  EXPECT_FALSE(KernelRegistry::Get().Find("convolution")->create(spec).ok());
  spec.inputs[0].layout = "";
  EXPECT_FALSE(KernelRegistry::Get().Find("convolution")->create(spec).ok());
}

}  // namespace
}  // namespace athanor
