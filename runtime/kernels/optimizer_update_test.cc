// What the operators' tests do not reach: groups, memory in place, blocked layouts, threads, damaged calls. The numbers
// are checked by compiler/ops and tests/optimizer_fixtures_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

struct Algorithm {
  const char* name;
  int slots;
  bool step;
  Attributes attrs;
};

const std::vector<Algorithm>& Algorithms() {
  auto adam = [](double epsilon) { return Attributes{{"beta1", 0.9}, {"beta2", 0.99}, {"epsilon", epsilon}}; };
  auto with = [](Attributes a, const Attributes& more) {
    for (const auto& [name, value] : more.items()) a.Set(name, value);
    return a;
  };
  const Attributes sgd = {{"momentum", 0.0}, {"dampening", 0.0}, {"nesterov", false}};
  const Attributes rms = {{"alpha", 0.9}, {"epsilon", 1e-3}, {"momentum", 0.0}, {"centered", false}};
  static const std::vector<Algorithm> all = {
      {"sgd", 0, false, sgd},
      {"sgd", 1, false, with(sgd, {{"momentum", 0.9}})},
      {"sgd", 1, true, with(sgd, {{"momentum", 0.9}, {"dampening", 0.5}})},
      {"sgd", 1, false, with(sgd, {{"momentum", 0.9}, {"nesterov", true}})},
      {"adagrad", 1, false, {{"lr_decay", 0.0}, {"initial_accumulator_value", 0.5}, {"epsilon", 1e-10}}},
      {"adagrad", 1, true, {{"lr_decay", 0.5}, {"initial_accumulator_value", 0.0}, {"epsilon", 1e-10}}},
      {"rmsprop", 1, false, rms},
      {"rmsprop", 2, false, with(rms, {{"centered", true}})},
      {"rmsprop", 2, false, with(rms, {{"momentum", 0.5}})},
      {"rmsprop", 3, false, with(rms, {{"centered", true}, {"momentum", 0.5}})},
      {"adam", 2, true, with(adam(1e-8), {{"amsgrad", false}})},
      {"adam", 3, true, with(adam(std::numeric_limits<float>::min()), {{"amsgrad", true}})},
      {"adadelta", 2, false, {{"rho", 0.9}, {"epsilon", 1e-6}}},
      {"adamax", 2, true, adam(1e-8)},
      {"nadam", 2, true, with(adam(1e-8), {{"momentum_decay", 4e-3}})},
      {"lion", 1, false, {{"beta1", 0.9}, {"beta2", 0.99}}},
      {"lamb", 2, true, adam(1e-6)},
  };
  return all;
}

struct Options {
  float lr = 0.05f;
  int64_t step = 2;
  float grad_scale = 0.5f;
  int threads = 1;
  std::string layout = "";
  bool in_place = false;
  Attributes attrs = {};  // in place of the algorithm's
};

TestCall CallOf(const Algorithm& a, const std::vector<Shape>& shapes, const Options& o) {
  TestCall call("optimizer_update");
  call.Attr("algorithm", a.name).Attr("groups", static_cast<int64_t>(shapes.size())).Attr("grad_scale", true)
      .Attr("weight_decay", 0.25).Attr("decoupled_weight_decay", false).Attr("clip_value", 0.25).Attr("lr_scale", 0.5)
      .Threads(o.threads);
  for (const auto& [name, value] : a.attrs.items()) call.Attr(name, value);
  for (const auto& [name, value] : o.attrs.items()) call.Attr(name, value);
  int input = 0, output = 0;
  for (size_t g = 0; g < shapes.size(); ++g) {
    const uint64_t seed = 100 * (shapes[g].size() + 1);
    if (o.in_place) call.InPlace(output, input);
    call.In(RandomTensor(shapes[g], seed), o.layout).In(RandomTensor(shapes[g], seed + 1)).Out(shapes[g]);
    ++output;
    input += 2;
    for (int s = 0; s < a.slots; ++s, ++input, ++output) {
      if (o.in_place) call.InPlace(output, input);
      call.In(RandomTensor(shapes[g], seed + 2 + s, 0.5, 1)).Out(shapes[g]);
    }
  }
  call.In(Tensor::Scalar(o.lr));
  if (a.step) call.In(Tensor::Scalar(o.step));
  call.In(Tensor::Scalar(o.grad_scale));
  return call;
}

std::vector<std::vector<std::byte>> Stored(const Algorithm& a, const std::vector<Shape>& shapes, const Options& o) {
  auto run = CallOf(a, shapes, o).Run();
  EXPECT_TRUE(run.ok()) << a.name << ": " << run.status();
  if (!run.ok()) return {};
  for (size_t i = 0; i < run->stored.size(); ++i) EXPECT_TRUE(PaddedWithZeros(run->outputs[i], run->stored[i])) << a.name;
  return run->stored;
}

const std::vector<Shape> kShapes = {{}, {7}, {31, 7}, {6, 1, 5, 5}, {3, 5, 1, 7, 131}};

TEST(OptimizerUpdate, AGroupIsUpdatedAsItWouldBeAlone) {
  for (const Algorithm& a : Algorithms()) {
    const auto together = Stored(a, kShapes, {});
    size_t next = 0;
    for (const Shape& shape : kShapes) {
      for (const auto& alone : Stored(a, {shape}, {})) EXPECT_EQ(together[next++], alone) << a.name;
    }
    EXPECT_EQ(next, together.size());
  }
}

TEST(OptimizerUpdate, InPlaceGivesTheSameBits) {
  for (const Algorithm& a : Algorithms()) EXPECT_EQ(Stored(a, kShapes, {}), Stored(a, kShapes, {.in_place = true})) << a.name;
}

TEST(OptimizerUpdate, TheNumberOfThreadsChangesNoBit) {
  for (const Algorithm& a : Algorithms()) {
    const std::vector<Shape> shapes = {{100003}, {7}, {64, 129}};
    EXPECT_EQ(Stored(a, shapes, {.threads = 1}), Stored(a, shapes, {.threads = 3})) << a.name;
  }
}

TEST(OptimizerUpdate, RunsInTheParametersLayoutAndLeavesThePaddingZero) {
  for (const Algorithm& a : Algorithms()) {
    Stored(a, {{6, 3, 5, 5}}, {.layout = "Acdb16a"});
    Stored(a, {{20, 18, 3, 3}, {4, 2, 1, 1}}, {.threads = 2, .layout = "ABcd16b16a", .in_place = true});
  }
}

TEST(OptimizerUpdate, EmptyParametersAreNoError) {
  for (const Algorithm& a : Algorithms()) {
    Stored(a, {{0}}, {});
    Stored(a, {{3}, {2, 0}}, {.in_place = true});
  }
}

TEST(OptimizerUpdate, NaNStaysNaN) {
  for (const Algorithm& a : Algorithms()) {
    TestCall call = CallOf(a, {{3}}, {});
    CallSpec spec = call.spec();
    TestCall bad("optimizer_update");
    for (const auto& [name, value] : spec.attrs.items()) bad.Attr(name, value);
    bad.In(Tensor::Of<float>({3}, {1, 2, 3})).In(Tensor::Of<float>({3}, {std::nanf(""), 1, 1}));
    bad.Out({3});
    for (int s = 0; s < a.slots; ++s) bad.In(RandomTensor({3}, 5, 0.5, 1)).Out({3});
    bad.In(Tensor::Scalar(0.5f));
    if (a.step) bad.In(Tensor::Scalar(int64_t{2}));
    auto run = bad.In(Tensor::Scalar(1.0f)).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_TRUE(std::isnan(run->outputs[0].as<float>()[0])) << a.name;
    if (std::string(a.name) != "lamb") {
      EXPECT_FALSE(std::isnan(run->outputs[0].as<float>()[1])) << a.name;
    }
  }
}

TEST(OptimizerUpdate, RefusesBadScalarsWhenItRuns) {
  auto refuse = [](const Options& o, const char* error_class, const std::string& text) {
    for (const Algorithm& a : Algorithms()) {
      if (!a.step && o.step < 1) continue;
      auto run = CallOf(a, {{4}}, o).Run();
      ASSERT_FALSE(run.ok());
      EXPECT_EQ(ErrorClassOf(run.status()), error_class) << run.status();
      EXPECT_THAT(std::string(run.status().message()), HasSubstr(text));
    }
  };
  refuse({.lr = -0.1f}, "ATTR", "the learning rate \"lr\" is -0.1");
  refuse({.lr = std::nanf("")}, "ATTR", "the learning rate \"lr\" is nan");
  refuse({.lr = std::numeric_limits<float>::infinity()}, "ATTR", "the learning rate \"lr\" is inf");
  refuse({.step = 0}, "ATTR", "\"step\" is 0");
  refuse({.step = INT64_MIN}, "ATTR", "\"step\" is -9223372036854775808");
  refuse({.grad_scale = -1}, "DATA", "\"grad_scale\" is -1");
  refuse({.grad_scale = std::nanf("")}, "DATA", "\"grad_scale\" is nan");
}

TEST(OptimizerUpdate, TheLargestNumbersAreNoError) {
  for (const Algorithm& a : Algorithms()) {
    Options o{.lr = 3e38f, .step = INT64_MAX};
    o.attrs = {{"lr_scale", 3e38}, {"weight_decay", 3e38}, {"decoupled_weight_decay", true}};
    EXPECT_TRUE(CallOf(a, {{4}}, o).Query().ok());
    Stored(a, {{4}}, {.step = INT64_MAX});
  }
}

TEST(OptimizerUpdate, RefusesADamagedCall) {
  auto refuse = [](const Algorithm& a, const Attributes& attrs, const std::string& text) {
    auto run = CallOf(a, {{4}, {2, 2}}, {.attrs = attrs}).Run();
    ASSERT_FALSE(run.ok()) << attrs.ToString();
    EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr(text));
  };
  for (const Algorithm& a : Algorithms()) {
    for (const auto& [name, value] : a.attrs.items()) {
      if (!std::holds_alternative<double>(value)) continue;
      for (double bad : {-1.0, std::nan(""), HUGE_VAL}) refuse(a, {{name, bad}}, "is not in [");
      refuse(a, {{name, std::string("much")}}, "is of the wrong type");
    }
    refuse(a, {{"lr_scale", -1.0}}, "is not in [");
    refuse(a, {{"clip_value", std::nan("")}}, "is not in [");
    refuse(a, {{"algorithm", std::string("magic")}}, "there is no algorithm \"magic\"");
    for (int64_t groups : {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{3}, INT64_MAX}) {
      refuse(a, {{"groups", groups}}, "has ");
    }
    refuse(a, {{"grad_scale", false}}, "has ");
  }
  const Algorithm& sgd = Algorithms()[0];
  refuse(sgd, {{"momentum", 0.5}}, "has 6 inputs and 2 outputs, expected 8 and 4");
  TestCall other = CallOf(sgd, {{4}}, {});
  auto wrong = TestCall("optimizer_update");
  for (const auto& [name, value] : other.spec().attrs.items()) wrong.Attr(name, value);
  auto run = wrong.In(RandomTensor({4}, 1)).In(RandomTensor({5}, 2)).In(Tensor::Scalar(1.0f)).In(Tensor::Scalar(1.0f))
                 .Out({4}).Run();
  EXPECT_THAT(std::string(run.status().message()), HasSubstr("input 1 is f32[5]:a; its parameter is f32[4]:a"));
}

TEST(OptimizerUpdate, InPlacePairsFollowTheGroups) {
  const KernelDef& def = *KernelRegistry::Get().Find("optimizer_update");
  using Pairs = std::vector<std::pair<int, int>>;
  EXPECT_EQ(def.InPlace({{"groups", int64_t{1}}}, 3, 1), (Pairs{{0, 0}}));
  EXPECT_EQ(def.InPlace({{"groups", int64_t{2}}}, 5, 2), (Pairs{{0, 0}, {1, 2}}));
  EXPECT_EQ(def.InPlace({{"groups", int64_t{2}}}, 10, 6), (Pairs{{0, 0}, {1, 2}, {2, 3}, {3, 4}, {4, 6}, {5, 7}}));
  // Damaged.
  EXPECT_EQ(def.InPlace({}, 10, 6), Pairs());
  EXPECT_EQ(def.InPlace({{"groups", 2.0}}, 10, 6), Pairs());
  for (int64_t groups : {int64_t{0}, int64_t{-2}, int64_t{4}, int64_t{7}, INT64_MAX}) {
    EXPECT_EQ(def.InPlace({{"groups", groups}}, 10, 6), Pairs());
  }
  EXPECT_EQ(def.InPlace({{"groups", int64_t{2}}}, 2, 6), (Pairs{{0, 0}}));
}

}  // namespace
}  // namespace athanor
