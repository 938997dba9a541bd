#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/core/philox.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

struct Draw {
  double std = 1;
  int64_t stream = 3, seed = 1, step = 1;
};

TestCall Noise(const Draw& draw, Tensor x) {
  Shape shape = x.shape();
  return TestCall("gaussian_noise").Attr("std", draw.std).Attr("stream", draw.stream).In(std::move(x))
      .In(Tensor::Scalar(draw.seed)).In(Tensor::Scalar(draw.step)).Out(shape);
}

Tensor Apply(const Draw& draw, Tensor x, int threads = 1) {
  auto run = Noise(draw, std::move(x)).Threads(threads).Run();
  ATH_CHECK_OK(run.status());
  return std::move(run->outputs[0]);
}

// By the scalar generator in double, number by number.
void ExpectPhiloxNormals(const Draw& draw, const Shape& shape, int threads) {
  SCOPED_TRACE(ShapeToString(shape) + " std " + std::to_string(draw.std));
  Tensor x = RandomTensor(shape, 9);
  Tensor y = Apply(draw, x.Clone(), threads);
  Philox random(draw.seed, Philox::MixStream(draw.stream, draw.step));
  for (int64_t i = 0; i < x.num_elements(); ++i) {
    const double noise = draw.std * random.Normal(i);
    ASSERT_NEAR(y.as<float>()[i], x.as<float>()[i] + noise, 2e-6 * draw.std + 1e-7) << "element " << i;
  }
}

TEST(GaussianNoise, EqualsTheScalarGeneratorNumberByNumber) {
  for (int threads : {1, 2}) {
    for (int64_t n : {0, 1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000}) {
      ExpectPhiloxNormals({}, {n}, threads);
    }
    ExpectPhiloxNormals({}, {}, threads);
    ExpectPhiloxNormals({}, {7, 3, 29, 31}, threads);
    ExpectPhiloxNormals({.std = 0.01}, {333, 777}, threads);
    ExpectPhiloxNormals({.std = 50}, {333, 777}, threads);
  }
}

TEST(GaussianNoise, UsesAllBitsOfSeedStreamAndStep) {
  for (int64_t seed : {int64_t{0}, int64_t{-1}, int64_t{1} << 40, INT64_MIN}) {
    ExpectPhiloxNormals({.seed = seed}, {200}, 1);
  }
  for (int64_t stream : {int64_t{0}, int64_t{1} << 40, INT64_MAX}) ExpectPhiloxNormals({.stream = stream}, {200}, 1);
  for (int64_t step : {int64_t{0}, int64_t{2}, int64_t{1} << 40}) ExpectPhiloxNormals({.step = step}, {200}, 1);
}

TEST(GaussianNoise, IsTheSameForEveryNumberOfThreads) {
  Tensor x = RandomTensor({333, 777}, 9);
  const Tensor one = Apply({}, x.Clone(), 1);
  for (int threads : {2, 3}) {
    const Tensor many = Apply({}, x.Clone(), threads);
    for (int64_t i = 0; i < x.num_elements(); ++i) ASSERT_EQ(many.as<float>()[i], one.as<float>()[i]) << i;
  }
}

TEST(GaussianNoise, HasTheMomentsOfANormalDistribution) {
  const int64_t n = 1 << 20;
  Tensor y = Apply({.std = 2}, RandomTensor({n}, 9, 3, 3), 2);
  double moments[5] = {};
  int beyond = 0;  // two standard deviations
  for (float v : y.as<float>()) {
    const double z = (v - 3) / 2;
    double power = 1;
    for (double& m : moments) m += power / static_cast<double>(n), power *= z;
    beyond += std::abs(z) > 2;
  }
  EXPECT_NEAR(moments[1], 0, 5 / std::sqrt(n));
  EXPECT_NEAR(moments[2], 1, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(moments[3], 0, 5 * std::sqrt(15.0 / n));
  EXPECT_NEAR(moments[4], 3, 5 * std::sqrt(96.0 / n));
  EXPECT_NEAR(static_cast<double>(beyond) / n, 0.0455003, 5 * std::sqrt(0.0455 / n));
}

TEST(GaussianNoise, OtherSeedsStepsAndNodesDrawOtherNumbers) {
  auto noise = [](const Draw& draw) { return Apply(draw, RandomTensor({4096}, 9, 0, 0)); };
  const Tensor base = noise({});
  for (const Draw& other : {Draw{.stream = 4}, Draw{.seed = 2}, Draw{.step = 2}, Draw{.stream = 2, .step = 2}}) {
    const Tensor y = noise(other);
    double product = 0;
    for (int i = 0; i < 4096; ++i) product += static_cast<double>(y.as<float>()[i]) * base.as<float>()[i];
    EXPECT_NEAR(product / 4096, 0, 5.0 / 64);  // five standard deviations of uncorrelated noise
  }
}

TEST(GaussianNoise, WorksInPlace) {
  Tensor x = RandomTensor({333, 7}, 9);
  Tensor want = Apply({}, x.Clone());
  auto run = Noise({}, x.Clone()).InPlace(0, 0).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  for (int64_t i = 0; i < x.num_elements(); ++i) ASSERT_EQ(run->outputs[0].as<float>()[i], want.as<float>()[i]);
}

TEST(GaussianNoise, RefusesADamagedCall) {
  auto refuse = [](const TestCall& call, const std::string& text) {
    auto run = call.Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr(text));
  };
  auto x = [] { return RandomTensor({4}, 1); };
  for (double std : {-0.1, std::nan(""), 1e39}) refuse(Noise({.std = std}, x()), "is not in [0, ");
  auto one = [] { return Tensor::Scalar(int64_t{1}); };
  auto call = [&] { return TestCall("gaussian_noise").Attr("std", 0.5).Attr("stream", 0).In(x()); };
  refuse(TestCall("gaussian_noise").Attr("std", 0.5).In(x()).In(one()).In(one()).Out({4}),
         "attribute \"stream\" is missing");
  refuse(call().In(Tensor::Scalar(1)).In(one()).Out({4}), "input 1 is s32[]:a, expected s64[]");
  refuse(call().Out({4}), "has 1 inputs");
  refuse(call().In(one()).In(one()).Out({5}), "expected f32 and the same dims");
}

}  // namespace
}  // namespace athanor
