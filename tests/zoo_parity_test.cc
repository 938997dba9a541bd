// A few steps of training small convolutional networks (batch normalisation, shortcuts, concatenation) from the same weights
// on the same batches give PyTorch's losses. The numbers were stored by benchmarks/peers/parity.py.
#include <algorithm>
#include <fstream>

#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "data/mnist_sample/mnist_sample.h"
#include "gtest/gtest.h"
#include "models/models.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

constexpr int64_t kBatch = 16, kSteps = 8, kSize = 28, kBorder = 2, kPadded = kSize + 2 * kBorder;

std::vector<double> StoredLosses(const std::string& model) {
  std::ifstream file("tests/fixtures/parity_" + model + "_sgd.txt");
  std::vector<double> losses;
  for (double v; file >> v;) losses.push_back(v);
  return losses;
}

std::unique_ptr<Session> Compiled(const std::string& name) {
  ModelOptions options;
  options.input = {3, kPadded, kPadded};
  options.width = 0.5;
  for (const std::string& option : FindModel(name)->options) {
    if (option == "dropout") options.dropout = 0;
  }
  absl::StatusOr<Graph> model = BuildModel(name, options);
  ATH_CHECK_OK(model);
  ATH_CHECK_OK(InitializeVariables(&*model, 1));
  CompileOptions compile;
  compile.entries = {{"train", {{"N", kBatch}}}};
  compile.threads = 2;
  compile.optimizer = OptimizerSpec{"SGD", {{"momentum", 0.9}}};
  absl::StatusOr<Plan> plan = Compile(*model, compile);
  ATH_CHECK_OK(plan);
  auto session = Session::Create(std::make_shared<const Plan>(*std::move(plan)));
  ATH_CHECK_OK(session);
  return *std::move(session);
}

// Batch `step` of the sample, normalised, its grey in three channels with zeros around; over it a pattern, so that no window of
// max pooling holds equal values, of which rounding would choose one.
void Fill(const Dataset& data, int64_t step, Session& session) {
  float* x = static_cast<float*>(session.Input(0, "x")->data);
  int32_t* labels = static_cast<int32_t*>(session.Input(0, "labels")->data);
  std::fill_n(x, kBatch * 3 * kPadded * kPadded, 0.0f);
  for (int64_t i = 0; i < kBatch; ++i) {
    const uint8_t* image = data.features.as<uint8_t>().data() + (step * kBatch + i) * kSize * kSize;
    for (int64_t row = 0; row < 3 * kSize; ++row) {
      float* to = x + ((i * 3 + row / kSize) * kPadded + row % kSize + kBorder) * kPadded + kBorder;
      const uint8_t* from = image + row % kSize * kSize;
      for (int64_t c = 0; c < kSize; ++c) to[c] = (static_cast<float>(from[c]) / 255.0f - 0.1307f) / 0.3081f;
    }
    for (int64_t p = 0; p < 3 * kPadded * kPadded; ++p) {
      x[i * 3 * kPadded * kPadded + p] += static_cast<float>(p * 7919 % 1009) / 1009.0f;
    }
    labels[i] = data.labels.as<int32_t>()[step * kBatch + i];
  }
  *static_cast<float*>(session.Input(0, "lr")->data) = 0.002f;
}

class ZooParity : public testing::TestWithParam<const char*> {};

TEST_P(ZooParity, LossesAgreeWithPyTorch) {
  const std::vector<double> expected = StoredLosses(GetParam());
  ASSERT_EQ(expected.size(), static_cast<size_t>(kSteps));
  absl::StatusOr<TrainTest> data = LoadMnistSample();
  ASSERT_TRUE(data.ok()) << data.status();
  std::unique_ptr<Session> session = Compiled(GetParam());
  for (int64_t step = 0; step < kSteps; ++step) {
    Fill(data->train, step, *session);
    ASSERT_EQ(session->Run(0), absl::OkStatus());
    const float loss = *static_cast<const float*>(session->Output(0, "loss")->data);
    EXPECT_NEAR(loss / expected[step], 1, 1e-3) << "step " << step + 1;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ZooParity,
                         testing::Values("resnet20", "densenet_cifar", "vgg_cifar", "googlenet_cifar", "nin_cifar",
                                         "alexnet_cifar"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace athanor
