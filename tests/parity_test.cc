// 20 steps of training from the same weights on the same batches give PyTorch's losses. The numbers were stored by
// benchmarks/peers/parity.py.
#include <cmath>
#include <fstream>

#include "data/mnist_sample/mnist_sample.h"
#include "data/normalize.h"
#include "data/sample_source.h"
#include "gtest/gtest.h"
#include "models/models.h"
#include "tests/testing.h"
#include "training/optimizers.h"
#include "training/step_runner.h"

namespace athanor {
namespace {

constexpr int64_t kBatch = 64;

std::vector<double> StoredLosses(const std::string& model, const std::string& optimizer) {
  std::ifstream file("tests/fixtures/parity_" + model + "_" + optimizer + ".txt");
  std::vector<double> losses;
  for (double v; file >> v;) losses.push_back(v);
  return losses;
}

class ParityTest : public testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(ParityTest, LossesAgreeWithPyTorch) {
  auto [name, optimizer] = GetParam();
  std::vector<double> expected = StoredLosses(name, optimizer);
  ASSERT_EQ(expected.size(), 20u);
  auto data = LoadMnistSample();
  ASSERT_TRUE(data.ok()) << data.status();
  const bool sgd = std::string(optimizer) == "sgd";
  OptimizerFlags flags;
  flags.name = optimizer;
  if (sgd) flags.momentum = 0.9;
  StepRunnerOptions options;
  options.train_rows = {kBatch};
  options.compile.optimizer = *MakeOptimizer(flags);
  options.compile.threads = 2;
  auto runner = StepRunner::Create(InitializedModel(name), options);
  ASSERT_TRUE(runner.ok()) << runner.status();
  auto source = MakeDatasetSource(data->train, Normalization::MeanStd({0.1307f}, {0.3081f}, 1.0f / 255.0f));
  ASSERT_TRUE(source.ok()) << source.status();
  std::vector<Tensor> batch;
  batch.push_back(*Tensor::Create(DType::kF32, {kBatch, 1, 28, 28}));
  batch.push_back(*Tensor::Create(DType::kS32, {kBatch}));
  Tensor &x = batch[0], &labels = batch[1];
  for (size_t step = 0; step < expected.size(); ++step) {
    for (int64_t i = 0; i < kBatch; ++i) {
      const TensorView sample[] = {{DType::kF32, {1, 28, 28}, x.as<float>().data() + i * 784, 784 * sizeof(float)},
                                   {DType::kS32, {}, labels.as<int32_t>().data() + i, sizeof(int32_t)}};
      ASSERT_TRUE((*source)->Read(static_cast<int64_t>(step) * kBatch + i, 0, sample).ok());
    }
    auto output = (*runner)->Train(batch, kBatch, {.lr = sgd ? 0.05 : 1e-3, .step = static_cast<int64_t>(step) + 1});
    ASSERT_TRUE(output.ok()) << output.status();
    EXPECT_NEAR(output->loss / expected[step], 1, 1e-4) << "step " << step + 1;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ParityTest,
                         testing::Combine(testing::Values("lenet5", "mlp"), testing::Values("sgd", "adam")),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param);
                         });

}  // namespace
}  // namespace athanor
