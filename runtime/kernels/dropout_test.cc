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
  double ratio = 0.5;
  int64_t stream = 3, seed = 1, step = 1;
};

TestCall Dropout(const Draw& draw, Tensor x) {
  Shape shape = x.shape();
  return TestCall("dropout").Attr("ratio", draw.ratio).Attr("stream", draw.stream).In(std::move(x))
      .In(Tensor::Scalar(draw.seed)).In(Tensor::Scalar(draw.step)).Out(shape);
}

Tensor Apply(const Draw& draw, Tensor x, int threads = 1) {
  auto run = Dropout(draw, std::move(x)).Threads(threads).Run();
  ATH_CHECK_OK(run.status());
  return std::move(run->outputs[0]);
}

// By the scalar generator, number by number.
void ExpectPhiloxMask(const Draw& draw, const Shape& shape, int threads) {
  SCOPED_TRACE(ShapeToString(shape) + " ratio " + std::to_string(draw.ratio));
  Tensor x = RandomTensor(shape, 9, 1, 2);  // nowhere zero
  Tensor y = Apply(draw, x.Clone(), threads);
  Philox random(draw.seed, Philox::MixStream(draw.stream, draw.step));
  const float scale = static_cast<float>(1 / (1 - draw.ratio));
  for (int64_t i = 0; i < x.num_elements(); ++i) {
    const float want = random.Uniform(i) >= draw.ratio ? x.as<float>()[i] * scale : 0.0f;
    ASSERT_EQ(y.as<float>()[i], want) << "element " << i;
  }
}

TEST(Dropout, EqualsTheScalarGeneratorNumberByNumber) {
  for (int threads : {1, 2}) {
    for (int64_t n : {0, 1, 3, 4, 5, 15, 16, 31, 32, 33, 63, 64, 65, 127, 1000}) ExpectPhiloxMask({}, {n}, threads);
    ExpectPhiloxMask({}, {}, threads);
    ExpectPhiloxMask({}, {7, 3, 29, 31}, threads);
    ExpectPhiloxMask({.ratio = 0.1}, {333, 777}, threads);
    ExpectPhiloxMask({.ratio = 0.9}, {333, 777}, threads);
  }
}

TEST(Dropout, UsesAllBitsOfSeedStreamAndStep) {
  for (int64_t seed : {int64_t{0}, int64_t{-1}, int64_t{1} << 40, INT64_MIN})
    ExpectPhiloxMask({.seed = seed}, {200}, 1);
  for (int64_t stream : {int64_t{0}, int64_t{1} << 40, INT64_MAX}) ExpectPhiloxMask({.stream = stream}, {200}, 1);
  for (int64_t step : {int64_t{0}, int64_t{2}, int64_t{1} << 40}) ExpectPhiloxMask({.step = step}, {200}, 1);
}

TEST(Dropout, OtherSeedsStepsAndNodesDropOtherElements) {
  auto mask = [](const Draw& draw) {
    Tensor y = Apply(draw, RandomTensor({4096}, 9, 1, 2));
    std::vector<bool> kept;
    for (float v : y.as<float>()) kept.push_back(v != 0);
    return kept;
  };
  const std::vector<bool> base = mask({});
  EXPECT_EQ(base, mask({}));
  for (const Draw& other : {Draw{.stream = 4}, Draw{.seed = 2}, Draw{.step = 2}, Draw{.stream = 2, .step = 2}}) {
    const std::vector<bool> kept = mask(other);
    int equal = 0;
    for (size_t i = 0; i < base.size(); ++i) equal += base[i] == kept[i];
    EXPECT_NEAR(equal, 2048, 5 * 32);  // five standard deviations of 4096 fair coins
  }
}

TEST(Dropout, DropsTheRatioAndKeepsTheMean) {
  const int64_t n = 1 << 20;
  for (double ratio : {0.0, 0.1, 0.5, 0.75}) {
    Tensor y = Apply({.ratio = ratio}, RandomTensor({n}, 9, 1, 1), 2);
    double dropped = 0, sum = 0;
    for (float v : y.as<float>()) {
      dropped += v == 0;
      sum += v;
    }
    const double deviation = std::sqrt(ratio * (1 - ratio) / n);
    EXPECT_NEAR(dropped / n, ratio, 5 * deviation);
    EXPECT_NEAR(sum / n, 1, 5 * deviation / (1 - ratio) + 1e-6);
  }
}

TEST(Dropout, BackwardIsTheSameCallOnTheGradient) {
  Tensor ones = RandomTensor({999}, 9, 1, 1);
  Tensor y = Apply({}, ones.Clone());
  Tensor dy = RandomTensor({999}, 10, 1, 2);
  Tensor dx = Apply({}, dy.Clone());
  for (int i = 0; i < 999; ++i) EXPECT_EQ(dx.as<float>()[i], y.as<float>()[i] * dy.as<float>()[i]);
}

TEST(Dropout, WorksInPlace) {
  Tensor x = RandomTensor({333, 7}, 9);
  Tensor want = Apply({}, x.Clone());
  auto run = Dropout({}, x.Clone()).InPlace(0, 0).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  for (int64_t i = 0; i < x.num_elements(); ++i) ASSERT_EQ(run->outputs[0].as<float>()[i], want.as<float>()[i]);
}

TEST(Dropout, WhatIsDroppedIsZeroWhateverItWas) {
  Tensor x = RandomTensor({100}, 9);
  for (float& v : x.as<float>()) v = std::nanf("");
  Tensor y = Apply({}, std::move(x));
  int zeros = 0;
  for (float v : y.as<float>()) zeros += v == 0;
  EXPECT_GT(zeros, 0);
  EXPECT_LT(zeros, 100);
}

TEST(Dropout, RefusesADamagedCall) {
  auto refuse = [](const TestCall& call, const std::string& text) {
    auto run = call.Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr(text));
  };
  auto x = [] { return RandomTensor({4}, 1); };
  for (double ratio : {-0.1, 1.0, std::nan("")}) refuse(Dropout({.ratio = ratio}, x()), "is not in [0, 1)");
  auto one = [] { return Tensor::Scalar(int64_t{1}); };
  auto call = [&] { return TestCall("dropout").Attr("ratio", 0.5).Attr("stream", 0).In(x()); };
  refuse(TestCall("dropout").Attr("ratio", 0.5).In(x()).In(one()).In(one()).Out({4}),
         "attribute \"stream\" is missing");
  refuse(call().In(Tensor::Scalar(1)).In(one()).Out({4}), "input 1 is s32[]:a, expected s64[]");
  refuse(call().Out({4}), "has 1 inputs");
  refuse(call().In(one()).In(one()).Out({5}), "expected f32 and the same dims");
}

}  // namespace
}  // namespace athanor
