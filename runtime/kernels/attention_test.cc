#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

// One attention: q [G,T,E], k [G,S,E], v [G,S,V], in the operands' order.
struct Problem {
  int64_t groups, queries, keys, size, value_size;
  bool causal = false;
  double scale = 0.5;
  int threads = 1;

  Tensor Q() const { return RandomTensor({groups, queries, size}, 1, -2, 2); }
  Tensor K() const { return RandomTensor({groups, keys, size}, 2, -2, 2); }
  Tensor V() const { return RandomTensor({groups, keys, value_size}, 3); }
  Tensor Dy() const { return RandomTensor({groups, queries, value_size}, 4); }
  Shape Y() const { return {groups, queries, value_size}; }
  Shape Stats() const { return {groups, queries, 2}; }
};

TestCall WithAttrs(TestCall call, const Problem& p, bool mask, bool bias) {
  call.Attr("causal", p.causal).Attr("scale", p.scale).Attr("interleaved", false).Attr("mask", mask)
      .Attr("bias", bias).Threads(p.threads);
  return call;
}

TestCall Forward(const Problem& p) {
  TestCall call("attention");
  call.In(p.Q()).In(p.K()).In(p.V()).Out(p.Y()).Out(p.Stats()).Attr("stats", true);
  return WithAttrs(std::move(call), p, false, false);
}

TestCall Backward(const Problem& p, const TestCall::Result& forward, bool dscores = false) {
  TestCall call("attention_backward");
  call.In(p.Dy()).In(p.Q()).In(p.K()).In(p.V()).In(forward.outputs[0].Clone()).In(forward.outputs[1].Clone());
  call.Out({p.groups, p.queries, p.size}).Out({p.groups, p.keys, p.size}).Out({p.groups, p.keys, p.value_size});
  if (dscores) call.Out({p.groups, p.queries, p.keys});
  call.Attr("dscores", dscores);
  return WithAttrs(std::move(call), p, false, false);
}

struct Expected {
  std::vector<double> y, dq, dk, dv, dscores;
};

Expected Compute(const Problem& p) {
  const Tensor tq = p.Q(), tk = p.K(), tv = p.V(), tdy = p.Dy();
  auto q = tq.as<float>(), k = tk.as<float>(), v = tv.as<float>(), dy = tdy.as<float>();
  Expected e;
  e.y.assign(dy.size(), 0), e.dq.assign(q.size(), 0), e.dk.assign(k.size(), 0), e.dv.assign(v.size(), 0);
  e.dscores.assign(p.groups * p.queries * p.keys, 0);
  std::vector<double> prob(p.keys), dp(p.keys);
  for (int64_t row = 0; row < p.groups * p.queries; ++row) {
    const int64_t first = row / p.queries * p.keys, end = p.causal ? std::min(p.keys, row % p.queries + 1) : p.keys;
    double max = -1e300, sum = 0, weighted = 0;
    for (int64_t s = 0; s < end; ++s) {
      prob[s] = dp[s] = 0;
      for (int64_t i = 0; i < p.size; ++i) prob[s] += p.scale * q[row * p.size + i] * k[(first + s) * p.size + i];
      max = std::max(max, prob[s]);
    }
    for (int64_t s = 0; s < end; ++s) sum += prob[s] = std::exp(prob[s] - max);
    for (int64_t s = 0; s < end; ++s) {
      prob[s] /= sum;
      for (int64_t i = 0; i < p.value_size; ++i) {
        e.y[row * p.value_size + i] += prob[s] * v[(first + s) * p.value_size + i];
        e.dv[(first + s) * p.value_size + i] += prob[s] * dy[row * p.value_size + i];
        dp[s] += dy[row * p.value_size + i] * v[(first + s) * p.value_size + i];
      }
      weighted += prob[s] * dp[s];
    }
    for (int64_t s = 0; s < end; ++s) {
      const double ds = prob[s] * (dp[s] - weighted);
      e.dscores[row * p.keys + s] = ds;
      for (int64_t i = 0; i < p.size; ++i) {
        e.dq[row * p.size + i] += p.scale * ds * k[(first + s) * p.size + i];
        e.dk[(first + s) * p.size + i] += p.scale * ds * q[row * p.size + i];
      }
    }
  }
  return e;
}

TEST(Attention, ForwardAndBackward) {
  for (Problem p : std::vector<Problem>{{1, 1, 1, 1, 1}, {1, 64, 64, 16, 16}, {2, 65, 63, 7, 9}, {1, 17, 200, 33, 20},
                                        {3, 130, 129, 64, 64}, {1, 1, 300, 8, 5}, {1, 300, 1, 3, 2}, {4, 9, 10, 1, 31},
                                        {1, 200, 500, 10, 12}}) {
    for (bool causal : {false, true}) {
      for (int threads : {1, 2, 3}) {
        p.causal = causal;
        p.threads = threads;
        SCOPED_TRACE(testing::Message() << p.groups << " " << p.queries << " " << p.keys << " causal " << causal);
        const Expected want = Compute(p);
        auto forward = Forward(p).Run();
        ASSERT_TRUE(forward.ok()) << forward.status();
        ExpectClose(forward->outputs[0], want.y, 3e-6);
        for (bool dscores : {false, true}) {
          auto backward = Backward(p, *forward, dscores).Run();
          ASSERT_TRUE(backward.ok()) << backward.status();
          ExpectClose(backward->outputs[0], want.dq);
          ExpectClose(backward->outputs[1], want.dk);
          ExpectClose(backward->outputs[2], want.dv);
          if (dscores) ExpectClose(backward->outputs[3], want.dscores);
        }
      }
    }
  }
}

TEST(Attention, TheNumberOfThreadsDoesNotChangeABit) {
  for (int64_t groups : {1, 3, 8}) {
    Problem one{groups, 200, 700, 24, 40, /*causal=*/groups != 3};
    auto forward = Forward(one).Run();
    ASSERT_TRUE(forward.ok()) << forward.status();
    auto backward = Backward(one, *forward, true).Run();
    ASSERT_TRUE(backward.ok()) << backward.status();
    for (int threads : {2, 3, 4}) {  // some share out the groups, some the keys and queries
      Problem many = one;
      many.threads = threads;
      auto forward_again = Forward(many).Run();
      ASSERT_TRUE(forward_again.ok());
      EXPECT_EQ(forward->stored, forward_again->stored);
      auto backward_again = Backward(many, *forward, true).Run();
      ASSERT_TRUE(backward_again.ok());
      EXPECT_EQ(backward->stored, backward_again->stored);
    }
  }
}

TEST(Attention, NotANumberReachesTheResult) {
  for (int64_t keys : {3, 100}) {
    Tensor k = RandomTensor({keys, 4}, 2);
    k.as<float>()[4] = std::nanf("");
    auto run = WithAttrs(TestCall("attention")
                             .In(RandomTensor({2, 4}, 1))
                             .In(std::move(k))
                             .In(RandomTensor({keys, 3}, 3))
                             .Out({2, 3})
                             .Attr("stats", false),
                         {}, false, false)
                   .Run();
    ASSERT_TRUE(run.ok()) << run.status();
    for (float y : run->outputs[0].as<float>()) EXPECT_TRUE(std::isnan(y));
  }
}

TEST(Attention, ScratchGrowsWithThreadsAndNotWithTheSequence) {
  auto scratch = [](int64_t length, int threads) {
    Problem p{1, length, length, 64, 64};
    p.threads = threads;
    return Forward(p).Query()->scratch_bytes;
  };
  EXPECT_EQ(scratch(1024, 1), scratch(128, 1));
  EXPECT_EQ(scratch(1024, 2), 2 * scratch(128, 1));
  EXPECT_LE(scratch(1024, 1), 64 * 1024);
}

void ExpectPlanError(const TestCall& call, const std::string& text) {
  auto info = call.Query();
  ASSERT_FALSE(info.ok());
  EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
  EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
}

TEST(Attention, DamagedCallsAreRefused) {
  const Problem p{2, 3, 4, 5, 6};
  auto call = [&](Shape q, Shape k, Shape v, Shape y, Shape stats) {
    TestCall c("attention");
    c.In(RandomTensor(q, 1)).In(RandomTensor(k, 1)).In(RandomTensor(v, 1)).Out(y).Out(stats).Attr("stats", true);
    return WithAttrs(std::move(c), p, false, false);
  };
  const Shape q = {2, 3, 5}, k = {2, 4, 5}, v = {2, 4, 6};
  ASSERT_TRUE(call(q, k, v, p.Y(), p.Stats()).Query().ok());
  ExpectPlanError(call({5}, {5}, {5}, {5}, {2}), "their ranks are not equal and from 2 to 8");
  ExpectPlanError(call(q, {4, 5}, v, p.Y(), p.Stats()), "their ranks are not equal");
  ExpectPlanError(call(q, {2, 4, 6}, v, p.Y(), p.Stats()), "k is f32[2,4,6]");
  ExpectPlanError(call(q, {1, 4, 5}, v, p.Y(), p.Stats()), "k is f32[1,4,5]");
  ExpectPlanError(call(q, k, {2, 5, 6}, p.Y(), p.Stats()), "v is f32[2,5,6]");
  ExpectPlanError(call(q, k, v, {2, 3, 5}, p.Stats()), "y is f32[2,3,5]");
  ExpectPlanError(call(q, k, v, p.Y(), {2, 3}), "stats is f32[2,3]");
  ExpectPlanError(call(q, k, v, p.Y(), p.Stats()).Attr("scale", std::nan("")), "scale = nan");
  ExpectPlanError(call(q, k, v, p.Y(), p.Stats()).Attr("scale", -1.0), "scale = -1");
  ExpectPlanError(call(q, k, v, p.Y(), p.Stats()).Attr("causal", 1), "\"causal\" is of the wrong type");
  ExpectPlanError(call(q, k, v, p.Y(), p.Stats()).Attr("mask", true), "expected 4 and 2");
  ExpectPlanError(call(q, k, v, p.Y(), p.Stats()).Attr("mask", true).In(RandomTensor({4}, 1)), "mask is f32[4]");
  ExpectPlanError(call(q, k, v, p.Y(), p.Stats()).Attr("bias", true).In(RandomTensor({3}, 1)),
                  "bias is f32[3]:a, which does not broadcast to [2,3,4]");
  ExpectPlanError(call(q, k, v, p.Y(), p.Stats()).Attr("bias", true).In(RandomTensor({1, 2, 3, 4}, 1)),
                  "which does not broadcast");
}

TEST(Attention, DamagedBackwardCallsAreRefused) {
  const Problem p{2, 3, 4, 5, 6};
  auto forward = Forward(p).Run();
  ASSERT_TRUE(forward.ok()) << forward.status();
  ASSERT_TRUE(Backward(p, *forward).Query().ok());
  ExpectPlanError(Backward(p, *forward).Attr("dscores", true), "expected 6 and 4");
  ExpectPlanError(Backward(p, *forward).Attr("dscores", true).Out({2, 3, 3}), "dscores is f32[2,3,3]");
  ExpectPlanError(Backward({2, 3, 5, 5, 6}, *forward).Attr("interleaved", true), "k is");
  TestCall::Result wrong = *std::move(forward);
  std::swap(wrong.outputs[0], wrong.outputs[1]);
  ExpectPlanError(Backward(p, wrong), "y is f32[2,3,2]");
}

}  // namespace
}  // namespace athanor
