// Small forms of the networks, compiled: a step of training lowers the loss of its batch, and the three entries agree on what
// they compute.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/models.h"
#include "runtime/core/philox.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

constexpr int64_t kBatch = 4, kClasses = 3;

struct Case {
  const char* name;
  Shape input;
  double width;
};

std::unique_ptr<Session> Compiled(const Case& c) {
  const ModelInfo& info = *FindModel(c.name);
  ModelOptions options;
  options.classes = kClasses;
  options.input = c.input;
  options.width = c.width;
  for (const std::string& option : info.options) {
    if (option == "dropout") options.dropout = 0;
    if (option == "auxiliary") options.auxiliary = true;
  }
  absl::StatusOr<Graph> graph = BuildModel(c.name, options);
  ATH_CHECK_OK(graph);
  ATH_CHECK_OK(InitializeVariables(&*graph, 1));
  CompileOptions compile;
  for (const char* entry : {"train", "evaluate", "infer"}) compile.entries.push_back({entry, {{"N", kBatch}}});
  compile.threads = 1;
  compile.optimizer = OptimizerSpec{"SGD", {}};
  absl::StatusOr<Plan> plan = Compile(*graph, compile);
  ATH_CHECK_OK(plan);
  auto session = Session::Create(std::make_shared<const Plan>(*std::move(plan)));
  ATH_CHECK_OK(session);
  return *std::move(session);
}

void Fill(Session& session, int entry) {
  TensorView x = *session.Input(entry, "x");
  const Philox rng(7, 1);
  for (int64_t i = 0; i < static_cast<int64_t>(x.bytes / sizeof(float)); ++i) {
    static_cast<float*>(x.data)[i] = 2 * rng.Uniform(i) - 1;
  }
  if (auto labels = session.Input(entry, "labels"); labels.ok()) {
    for (int64_t i = 0; i < kBatch; ++i) static_cast<int32_t*>(labels->data)[i] = static_cast<int32_t>(i % kClasses);
  }
  if (auto lr = session.Input(entry, "lr"); lr.ok()) *static_cast<float*>(lr->data) = 0.005f;
}

std::vector<float> RunEntry(Session& session, const char* name, const char* output) {
  const int entry = *session.FindEntry(name);
  Fill(session, entry);
  ATH_CHECK_OK(session.Run(entry));
  TensorView view = *session.Output(entry, output);
  std::vector<float> values(view.bytes / sizeof(float));
  std::memcpy(values.data(), view.data, view.bytes);
  return values;
}

class SmallModel : public testing::TestWithParam<Case> {};

TEST_P(SmallModel, LearnsOneBatch) {
  std::unique_ptr<Session> session = Compiled(GetParam());
  const std::vector<float> logits = RunEntry(*session, "infer", "logits");
  ASSERT_EQ(logits.size(), static_cast<size_t>(kBatch * kClasses));
  EXPECT_THAT(RunEntry(*session, "evaluate", "logits"), testing::Pointwise(testing::FloatNear(1e-5f), logits));
  const float first = RunEntry(*session, "train", "loss")[0];
  ASSERT_TRUE(std::isfinite(first));
  float best = first;
  for (int step = 0; step < 6; ++step) best = std::min(best, RunEntry(*session, "train", "loss")[0]);
  EXPECT_LT(best, first);
  EXPECT_NE(RunEntry(*session, "infer", "logits"), logits);
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, SmallModel,
    testing::Values(Case{"perceptron", {2}, 1}, Case{"xor", {2}, 1}, Case{"mlp", {1, 5, 7}, 0.1},
                    Case{"lenet5", {1, 28, 28}, 0.5}, Case{"alexnet", {3, 64, 64}, 0.1},
                    Case{"alexnet_cifar", {3, 16, 16}, 0.1}, Case{"vgg11", {3, 32, 32}, 0.1},
                    Case{"vgg_cifar", {3, 32, 32}, 0.1}, Case{"nin", {3, 96, 96}, 0.1}, Case{"nin_cifar", {3, 16, 16}, 0.1},
                    Case{"googlenet", {3, 32, 32}, 0.1}, Case{"googlenet_cifar", {3, 16, 16}, 0.1},
                    Case{"resnet18", {3, 32, 32}, 0.1}, Case{"resnet50", {3, 32, 32}, 0.1},
                    Case{"resnet18_cifar", {3, 8, 8}, 0.1}, Case{"resnet20", {3, 8, 8}, 0.5}, Case{"plain20", {3, 8, 8}, 0.5},
                    Case{"densenet_cifar", {3, 8, 8}, 0.5}, Case{"densenet40", {3, 8, 8}, 0.5},
                    Case{"mobilenet_v2", {3, 64, 64}, 0.1}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace athanor
