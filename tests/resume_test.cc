// Same seed, same threads: same bits, from run to run and over an interruption.
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "data/mnist_sample/mnist_sample.h"
#include "data/sample_source.h"
#include "gtest/gtest.h"
#include "models/models.h"
#include "tests/testing.h"
#include "training/trainer.h"

namespace athanor {
namespace {

// The first samples only: three batches and a smaller fourth an epoch.
TrainTest SmallData() {
  TrainTest data = *LoadMnistSample();
  for (Dataset* d : {&data.train, &data.test}) {
    const int64_t n = 200;
    Tensor features = *Tensor::Create(DType::kU8, {n, 1, 28, 28}), labels = *Tensor::Create(DType::kS32, {n});
    std::copy_n(d->features.as<uint8_t>().begin(), features.num_elements(), features.as<uint8_t>().begin());
    std::copy_n(d->labels.as<int32_t>().begin(), n, labels.as<int32_t>().begin());
    d->features = std::move(features);
    d->labels = std::move(labels);
  }
  return data;
}

TrainingData Sources(const TrainTest& data) {
  const Normalization normalization = Normalization::MeanStd({0.1307f}, {0.3081f}, 1.0f / 255.0f);
  return {"sample", *MakeDatasetSource(data.train, normalization), *MakeDatasetSource(data.test, normalization), nullptr};
}

TrainConfig Config(const std::string& out) {
  TrainConfig config;
  config.epochs = 3;
  config.threads = 2;
  config.out = out;
  return config;
}

std::map<std::string, Tensor> AllVariables(Trainer& trainer) {
  std::map<std::string, Tensor> all;
  for (const Variable& v : trainer.plan().variables) {
    if (v.kind != VariableKind::kConstant) all.emplace(v.name, *trainer.runner().weights().Get(v.name));
  }
  return all;
}

void ExpectSameBits(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) EXPECT_TRUE(SameBits(tensor, b.at(name))) << name;
}

class ResumeTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(folder_); }
  std::string folder_ = testing::TempDir() + "/resume_test";
  const TrainTest loaded_ = SmallData();
  const TrainingData data_ = Sources(loaded_);
  TrainListener quiet_;
};

TEST_F(ResumeTest, TwoRunsGiveTheSameBits) {
  auto a = Trainer::Create(*BuildModel("lenet5"), data_, Config(""));
  auto b = Trainer::Create(*BuildModel("lenet5"), data_, Config(""));
  ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
  ASSERT_TRUE((*a)->Run(&quiet_).ok());
  ASSERT_TRUE((*b)->Run(&quiet_).ok());
  ExpectSameBits(AllVariables(**a), AllVariables(**b));
}

TEST_F(ResumeTest, AResumedRunEqualsTheUninterruptedOne) {
  auto whole = Trainer::Create(*BuildModel("lenet5"), data_, Config(folder_ + "/whole"));
  ASSERT_TRUE(whole.ok()) << whole.status();
  ASSERT_TRUE((*whole)->Run(&quiet_).ok());

  // A signal that is there from the start ends each run after one step: in mid-epoch, then at other places.
  std::atomic<int> signal{15};
  TrainConfig config = Config(folder_ + "/parts");
  for (int part = 0; part < 6; ++part) {
    config.resume = part > 0;
    auto trainer = Trainer::Create(*BuildModel("lenet5"), data_, config);
    ASSERT_TRUE(trainer.ok()) << trainer.status();
    auto result = (*trainer)->Run(&quiet_, &signal);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->end, RunEnd::kSignal);
    EXPECT_EQ(result->signal, 15);
    EXPECT_EQ(result->steps, part + 1);
  }
  config.resume = true;
  auto rest = Trainer::Create(*BuildModel("lenet5"), data_, config);
  ASSERT_TRUE(rest.ok()) << rest.status();
  auto result = (*rest)->Run(&quiet_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->steps, 12);
  ExpectSameBits(AllVariables(**whole), AllVariables(**rest));
}

TEST_F(ResumeTest, ACheckpointOfAnotherConfigurationIsRefused) {
  TrainConfig config = Config(folder_);
  config.epochs = 1;
  auto first = Trainer::Create(*BuildModel("lenet5"), data_, config);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE((*first)->Run(&quiet_).ok());
  config.resume = true;
  config.seed = 2;
  auto other_seed = Trainer::Create(*BuildModel("lenet5"), data_, config);
  EXPECT_EQ(ErrorClassOf(other_seed.status()), "CKPT");
  EXPECT_NE(other_seed.status().message().find("seed"), absl::string_view::npos) << other_seed.status();
  config.seed = 1;
  auto other_model = Trainer::Create(*BuildModel("mlp"), data_, config);
  EXPECT_EQ(ErrorClassOf(other_model.status()), "CKPT") << other_model.status();
}

}  // namespace
}  // namespace athanor
