// 20 steps of training from the same weights on the same batches give PyTorch's losses. The numbers were stored by
// benchmarks/peers/parity.py.
#include <cmath>
#include <fstream>

#include "data/mnist_sample/mnist_sample.h"
#include "data/normalize.h"
#include "data/sample_source.h"
#include "gtest/gtest.h"
#include "models/models.h"
#include "training/trainer.h"

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
  TrainConfig config;
  config.batch = kBatch;
  config.threads = 2;
  config.seed = 1;
  config.optimizer.name = optimizer;
  bool sgd = config.optimizer.name == "sgd";
  if (sgd) config.optimizer.momentum = 0.9;
  config.learning_rate = sgd ? 0.05 : 1e-3;
  config.normalization = Normalization::MeanStd({0.1307f}, {0.3081f}, 1.0f / 255.0f);
  auto trainer = Trainer::Create(*BuildModel(name), *data, config);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  auto source = MakeDatasetSource(data->train, config.normalization);
  ASSERT_TRUE(source.ok()) << source.status();
  Tensor x = *Tensor::Create(DType::kF32, {kBatch, 1, 28, 28}), labels = *Tensor::Create(DType::kS32, {kBatch});
  for (size_t step = 0; step < expected.size(); ++step) {
    for (int64_t i = 0; i < kBatch; ++i) {
      ASSERT_TRUE((*source)->Read(static_cast<int64_t>(step) * kBatch + i, x.as<float>().subspan(i * 784, 784),
                                  &labels.as<int32_t>()[i]).ok());
    }
    auto loss = (*trainer)->Step(x, labels);
    ASSERT_TRUE(loss.ok()) << loss.status();
    EXPECT_NEAR(*loss / expected[step], 1, 1e-4) << "step " << step + 1;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ParityTest,
                         testing::Combine(testing::Values("lenet5", "mlp"), testing::Values("sgd", "adam")),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param);
                         });

}  // namespace
}  // namespace athanor
