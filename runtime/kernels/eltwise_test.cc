#include <cmath>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

const std::vector<float> kX = {-3, -0.5f, 0, 0.25f, 1, 7};

Tensor X() { return Tensor::Of<float>({2, 3}, kX); }

double Forward(const std::string& algorithm, double x) {
  if (algorithm == "relu") return std::max(x, 0.0);
  if (algorithm == "tanh") return std::tanh(x);
  return 1 / (1 + std::exp(-x));
}

double Derivative(const std::string& algorithm, double y) {
  if (algorithm == "relu") return y > 0;
  if (algorithm == "tanh") return 1 - y * y;
  return y * (1 - y);
}

class EltwiseTest : public testing::TestWithParam<const char*> {};

TEST_P(EltwiseTest, ForwardAndBackwardByTheResult) {
  const std::string algorithm = GetParam();
  auto y = TestCall("eltwise").Attr("algorithm", algorithm.c_str()).In(X()).Out({2, 3}).Run();
  ASSERT_TRUE(y.ok()) << y.status();
  Tensor dy = Tensor::Of<float>({2, 3}, {1, -2, 3, 0.5f, -1, 2});
  auto dx = TestCall("eltwise_backward")
                .Attr("algorithm", (algorithm + "_dst").c_str())
                .In(dy.Clone())
                .In(y->outputs[0].Clone())
                .Out({2, 3})
                .Run();
  ASSERT_TRUE(dx.ok()) << dx.status();
  for (size_t i = 0; i < kX.size(); ++i) {
    double want = Forward(algorithm, kX[i]);
    EXPECT_NEAR(y->outputs[0].as<float>()[i], want, 1e-5) << kX[i];
    EXPECT_NEAR(dx->outputs[0].as<float>()[i], dy.as<float>()[i] * Derivative(algorithm, want), 1e-5) << kX[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Algorithms, EltwiseTest, testing::Values("relu", "tanh", "logistic"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Eltwise, KeepsTheLayoutItIsGivenAndRunsInPlace) {
  Tensor x = *Tensor::Create(DType::kF32, {2, 5, 3, 3});
  for (int64_t i = 0; i < x.num_elements(); ++i) x.as<float>()[i] = static_cast<float>(i % 7) - 3;
  for (const char* layout : {"abcd", "acdb", "aBcd8b", "aBcd16b"}) {
    auto y = TestCall("eltwise").Attr("algorithm", "relu").In(x.Clone(), layout).Out({2, 5, 3, 3}).InPlace(0, 0).Run();
    ASSERT_TRUE(y.ok()) << layout << y.status();
    EXPECT_EQ(y->info.outputs[0].layout, layout);
    for (int64_t i = 0; i < x.num_elements(); ++i) {
      ASSERT_EQ(y->outputs[0].as<float>()[i], std::max(0.0f, x.as<float>()[i])) << layout << " " << i;
    }
  }
}

TEST(Eltwise, TakesPostOps) {
  Tensor addend = Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  auto y = TestCall("eltwise").Attr("algorithm", "relu").In(X()).In(addend.Clone()).Out({2, 3}).Fuse({"Add", {}, 1}).Run();
  ASSERT_TRUE(y.ok()) << y.status();
  for (size_t i = 0; i < kX.size(); ++i) {
    EXPECT_FLOAT_EQ(y->outputs[0].as<float>()[i], std::max(0.0f, kX[i]) + addend.as<float>()[i]);
  }
}

TEST(Eltwise, CallsOfDamagedPlansAreRefused) {
  auto refused = [](const TestCall& call) { return ErrorClassOf(call.Run().status()) == "PLAN"; };
  EXPECT_TRUE(refused(TestCall("eltwise").Attr("algorithm", "sqrtt").In(X()).Out({2, 3})));
  EXPECT_TRUE(refused(TestCall("eltwise").Attr("algorithm", 3).In(X()).Out({2, 3})));
  EXPECT_TRUE(refused(TestCall("eltwise").In(X()).Out({2, 3})));
  EXPECT_TRUE(refused(TestCall("eltwise").Attr("algorithm", "relu").In(X()).Out({2, 4})));
  EXPECT_TRUE(refused(TestCall("eltwise").Attr("algorithm", "relu").In(X()).In(X()).Out({2, 3})));
  EXPECT_TRUE(refused(TestCall("eltwise_backward").Attr("algorithm", "relu_dst").In(X()).Out({2, 3})));
  EXPECT_TRUE(refused(TestCall("eltwise").Attr("algorithm", "relu").Out({2, 3})));
}

}  // namespace
}  // namespace athanor
