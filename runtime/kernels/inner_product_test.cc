#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"
#include "runtime/onednn/dnnl.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

struct Problem {
  Shape x, w;  // [N,K..], [O,K..]
  int64_t batch() const { return x[0]; }
  int64_t out() const { return w[0]; }
  int64_t in() const { return *NumElements(w) / w[0]; }
  std::string Name() const { return ShapeToString(x) + " by " + ShapeToString(w); }
};

std::vector<Problem> Problems() {
  return {{{1, 1}, {1, 1}},
          {{3, 5}, {7, 5}},
          {{1, 400}, {120, 400}},
          {{64, 400}, {120, 400}},
          {{64, 120}, {84, 120}},
          {{64, 84}, {10, 84}},
          {{64, 784}, {512, 784}},
          {{5, 17}, {1, 17}},
          {{2, 3, 4}, {6, 3, 4}},
          {{4, 16, 5, 5}, {120, 16, 5, 5}},
          {{3, 5, 2, 3}, {9, 5, 2, 3}},
          {{2, 3, 2, 2, 2}, {4, 3, 2, 2, 2}}};
}

std::vector<double> Forward(const Problem& p, const Tensor& x, const Tensor& w, const Tensor* bias) {
  const float *px = x.as<float>().data(), *pw = w.as<float>().data();
  const int64_t depth = p.in();
  std::vector<double> y(p.batch() * p.out());
  for (int64_t n = 0; n < p.batch(); ++n) {
    for (int64_t o = 0; o < p.out(); ++o) {
      double sum = bias ? bias->as<float>()[o] : 0;
      for (int64_t k = 0; k < depth; ++k) sum += double{px[n * depth + k]} * pw[o * depth + k];
      y[n * p.out() + o] = sum;
    }
  }
  return y;
}

std::vector<double> BackwardData(const Problem& p, const Tensor& dy, const Tensor& w) {
  const int64_t depth = p.in();
  const float* pw = w.as<float>().data();
  std::vector<double> dx(p.batch() * depth, 0);
  for (int64_t n = 0; n < p.batch(); ++n) {
    for (int64_t o = 0; o < p.out(); ++o) {
      double g = dy.as<float>()[n * p.out() + o];
      for (int64_t k = 0; k < depth; ++k) dx[n * depth + k] += g * pw[o * depth + k];
    }
  }
  return dx;
}

void BackwardWeights(const Problem& p, const Tensor& x, const Tensor& dy, std::vector<double>* dw,
                     std::vector<double>* db) {
  const int64_t depth = p.in();
  const float* px = x.as<float>().data();
  dw->assign(p.out() * depth, 0);
  db->assign(p.out(), 0);
  for (int64_t n = 0; n < p.batch(); ++n) {
    for (int64_t o = 0; o < p.out(); ++o) {
      double g = dy.as<float>()[n * p.out() + o];
      (*db)[o] += g;
      for (int64_t k = 0; k < depth; ++k) (*dw)[o * depth + k] += g * px[n * depth + k];
    }
  }
}

class InnerProduct : public testing::TestWithParam<int> {
 protected:
  int threads() const { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Threads, InnerProduct, testing::Values(1, 2));

TEST_P(InnerProduct, ForwardWithAndWithoutBias) {
  for (const Problem& p : Problems()) {
    SCOPED_TRACE(p.Name());
    Tensor x = RandomTensor(p.x, 1), w = RandomTensor(p.w, 2), b = RandomTensor({p.out()}, 3);
    for (const char* w_layout : {"", "any"}) {
      auto y = TestCall("inner_product").Attr("bias", true).In(x.Clone()).In(w.Clone(), w_layout).In(b.Clone())
                   .Out({p.batch(), p.out()}).Threads(threads()).Run();
      ASSERT_TRUE(y.ok()) << y.status();
      ExpectClose(y->outputs[0], Forward(p, x, w, &b));
      y = TestCall("inner_product").Attr("bias", false).In(x.Clone()).In(w.Clone(), w_layout)
              .Out({p.batch(), p.out()}).Threads(threads()).Run();
      ASSERT_TRUE(y.ok()) << y.status();
      ExpectClose(y->outputs[0], Forward(p, x, w, nullptr));
    }
  }
}

TEST_P(InnerProduct, PostOpsFollowTheBias) {
  Problem p{{7, 33}, {20, 33}};
  Tensor x = RandomTensor(p.x, 1), w = RandomTensor(p.w, 2), b = RandomTensor({p.out()}, 3);
  Tensor residual = RandomTensor({7, 20}, 4), scale = RandomTensor({20}, 5);
  auto y = TestCall("inner_product").Attr("bias", true).In(x.Clone()).In(w.Clone(), "any").In(b.Clone())
               .In(residual.Clone()).In(scale.Clone()).Fuse({"Add", {}, 3}).Fuse({"ReLU", {}, -1}).Fuse({"Mul", {}, 4})
               .Out({7, 20}).Threads(threads()).Run();
  ASSERT_TRUE(y.ok()) << y.status();
  std::vector<double> want = Forward(p, x, w, &b);
  for (size_t i = 0; i < want.size(); ++i) {
    want[i] = std::max(0.0, want[i] + residual.as<float>()[i]) * scale.as<float>()[i % 20];
  }
  ExpectClose(y->outputs[0], want);
}

TEST_P(InnerProduct, Backward) {
  for (const Problem& p : Problems()) {
    SCOPED_TRACE(p.Name());
    Tensor x = RandomTensor(p.x, 1), w = RandomTensor(p.w, 2), dy = RandomTensor({p.batch(), p.out()}, 3);
    for (const char* w_layout : {"", "any"}) {
      auto dx = TestCall("inner_product_backward_data").In(dy.Clone()).In(w.Clone(), w_layout).Out(p.x)
                    .Threads(threads()).Run();
      ASSERT_TRUE(dx.ok()) << dx.status();
      ExpectClose(dx->outputs[0], BackwardData(p, dy, w));
    }
    std::vector<double> dw, db;
    BackwardWeights(p, x, dy, &dw, &db);
    auto grads = TestCall("inner_product_backward_weights").Attr("bias", true).In(x.Clone()).In(dy.Clone()).Out(p.w)
                     .Out({p.out()}).Threads(threads()).Run();
    ASSERT_TRUE(grads.ok()) << grads.status();
    ExpectClose(grads->outputs[0], dw);
    ExpectClose(grads->outputs[1], db);
    grads = TestCall("inner_product_backward_weights").Attr("bias", false).In(x.Clone()).In(dy.Clone())
                .Out(p.w, DType::kF32, MemoryDesc::PlainLayout(p.w.size())).Threads(threads()).Run();
    ASSERT_TRUE(grads.ok()) << grads.status();
    ExpectClose(grads->outputs[0], dw);
  }
}

// The layout that the forward call chooses for a parameter serves the whole training step, in optimised code.
TEST_P(InnerProduct, OneLayoutOfTheWeightsServesForwardBackwardAndUpdate) {
  for (const Problem& p : Problems()) {
    SCOPED_TRACE(p.Name());
    const MemoryDesc x = MemoryDesc::Plain(DType::kF32, p.x), y = MemoryDesc::Plain(DType::kF32, {p.batch(), p.out()});
    MemoryDesc w{DType::kF32, p.w, ""};
    const auto& kernels = KernelRegistry::Get();
    CallSpec forward{"inner_product", "fc", {{"bias", false}}, {}, {x, w}, {y}, threads()};
    auto info = kernels.Find("inner_product")->query(forward);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_FALSE(IsReferenceImpl(info->impl)) << info->impl;
    w = info->inputs[1];
    CallSpec data{"inner_product_backward_data", "fc", {}, {}, {y, w}, {{DType::kF32, p.x, ""}}, threads()};
    info = kernels.Find("inner_product_backward_data")->query(data);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_FALSE(IsReferenceImpl(info->impl)) << info->impl;
    EXPECT_EQ(info->inputs[1], w);
    CallSpec weights{"inner_product_backward_weights", "fc", {{"bias", false}}, {}, {x, y}, {w}, threads()};
    info = kernels.Find("inner_product_backward_weights")->query(weights);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_FALSE(IsReferenceImpl(info->impl)) << info->impl;
    EXPECT_EQ(info->outputs[0], w);
  }
}

// What a convolution before it leaves is taken as it lies.
TEST_P(InnerProduct, TakesBlockedImages) {
  const std::string blocked = EffectiveIsa().starts_with("avx512") ? "aBcd16b" : "aBcd8b";
  Problem p{{8, 32, 5, 5}, {24, 32, 5, 5}};
  Tensor x = RandomTensor(p.x, 1), w = RandomTensor(p.w, 2);
  auto call = TestCall("inner_product").Attr("bias", false).In(x.Clone(), blocked).In(w.Clone(), "any").Out({8, 24})
                  .Threads(threads());
  auto y = call.Run();
  ASSERT_TRUE(y.ok()) << y.status();
  EXPECT_FALSE(IsReferenceImpl(y->info.impl)) << y->info.impl;
  ExpectClose(y->outputs[0], Forward(p, x, w, nullptr));
}

TEST(InnerProductErrors, NameTheCallAndTheNumbers) {
  auto expect = [](const TestCall& call, const std::string& text) {
    auto info = call.Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  Tensor x = RandomTensor({2, 3}, 1), w = RandomTensor({4, 3}, 2);
  expect(TestCall("inner_product").In(x.Clone()).In(w.Clone()).Out({2, 4}), "\"bias\" is missing");
  expect(TestCall("inner_product").Attr("bias", 1).In(x.Clone()).In(w.Clone()).Out({2, 4}), "of the wrong type");
  expect(TestCall("inner_product").Attr("bias", true).In(x.Clone()).In(w.Clone()).Out({2, 4}),
         "has 2 inputs, expected 3");
  expect(TestCall("inner_product").Attr("bias", false).In(x.Clone()).In(RandomTensor({4, 5}, 2)).Out({2, 4}),
         "x is f32[2,3]:ab, expected f32[2,5]");
  expect(TestCall("inner_product").Attr("bias", false).In(x.Clone()).In(w.Clone()).Out({2, 5}), "expected f32[2,4]");
  expect(TestCall("inner_product").Attr("bias", false).In(RandomTensor({0, 3}, 1)).In(w.Clone()).Out({0, 4}),
         "is empty");
  expect(TestCall("inner_product").Attr("bias", true).In(x.Clone()).In(w.Clone()).In(RandomTensor({3}, 1)).Out({2, 4}),
         "bias is f32[3]:a, expected f32[4]");
  expect(TestCall("inner_product").Attr("bias", false).In(x.Clone()).In(w.Clone()).In(RandomTensor({3}, 1))
             .Fuse({"Add", {}, 2}).Out({2, 4}), "does not broadcast");
  expect(TestCall("inner_product").Attr("bias", false).In(x.Clone()).In(w.Clone()).Fuse({"Add", {}, 5}).Out({2, 4}),
         "reads input 5");
  expect(TestCall("inner_product_backward_data").In(x.Clone()).In(w.Clone()).Out({2, 3}), "y is f32[2,3]:ab");
}

}  // namespace
}  // namespace athanor
