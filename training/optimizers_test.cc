#include "training/optimizers.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;

TEST(Optimizers, AllOperatorsByTheirNames) {
  EXPECT_THAT(OptimizerNames(), ElementsAre("adadelta", "adagrad", "adam", "adamax", "adamw", "lamb", "lion", "nadam",
                                            "rmsprop", "sgd"));
  for (const std::string& name : OptimizerNames()) {
    OptimizerFlags flags;
    flags.name = name;
    auto spec = MakeOptimizer(flags);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_TRUE(spec->attrs.empty()) << name;
  }
  EXPECT_THAT(OptimizersWith("amsgrad"), ElementsAre("adam", "adamw"));
  EXPECT_EQ(OptimizersWith("weight_decay"), OptimizerNames());
}

TEST(Optimizers, WhatIsGivenIsSet) {
  OptimizerFlags flags{"rmsprop", 0.5};
  flags.alpha = 0.9;
  flags.centered = true;
  flags.clip_norm = 2;
  auto spec = MakeOptimizer(flags);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->op, "RMSProp");
  EXPECT_EQ(spec->attrs, (Attributes{{"momentum", 0.5}, {"alpha", 0.9}, {"centered", true}}));
  EXPECT_EQ(spec->clip_norm, 2);
}

TEST(Optimizers, EveryFlagBelongsToSomeOptimizer) {
  for (const OptimizerNumber& n : OptimizerNumbers()) EXPECT_FALSE(OptimizersWith(n.name).empty()) << n.name;
  for (const OptimizerSwitch& s : OptimizerSwitches()) EXPECT_FALSE(OptimizersWith(s.name).empty()) << s.name;
  EXPECT_EQ(OptimizerDefault("adamw", "weight_decay"), 0.01);
  EXPECT_EQ(OptimizerDefault("sgd", "beta1"), std::nullopt);
  EXPECT_EQ(OptimizerDefault("none", "beta1"), std::nullopt);
}

TEST(Optimizers, ErrorsNameTheRule) {
  auto error = [](const OptimizerFlags& flags) { return std::string(MakeOptimizer(flags).status().message()); };
  EXPECT_EQ(error({"adams"}), "REQ: no optimizer \"adams\"; there are: adadelta, adagrad, adam, adamax, adamw, lamb, "
                              "lion, nadam, rmsprop, sgd");
  EXPECT_EQ(error({"Adam"}).substr(0, 25), "REQ: no optimizer \"Adam\";");
  EXPECT_EQ(error({"sgd", 1.5}), "ATTR: optimizer sgd: momentum = 1.5 is not in [0, 1]");
  EXPECT_EQ(error({"sgd", std::nan("")}), "ATTR: optimizer sgd: momentum = nan is not in [0, 1]");
  EXPECT_EQ(error({"lion", 0.9}), "ATTR: optimizer lion has no momentum; it has: weight_decay, beta1, beta2, clip_value");
  OptimizerFlags flags;
  flags.beta1 = 1;
  EXPECT_EQ(error(flags), "ATTR: optimizer adam: beta1 = 1 is not in [0, 1)");
  flags = {};
  flags.nesterov = true;
  EXPECT_EQ(error(flags).substr(0, 37), "ATTR: optimizer adam has no nesterov;");
  flags = {};
  flags.clip_norm = -1;
  EXPECT_EQ(error(flags), "ATTR: optimizer clip_norm = -1 is no finite number >= 0");
}

}  // namespace
}  // namespace athanor
