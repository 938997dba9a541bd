// Whole runs on a small generated task: that a run which is interrupted anywhere ends as one that was not, in every mode;
// early stopping, averages, checkpoints; and what is refused before the first step.
#include "training/trainer.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "compiler/builder/builder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

// Points of the square; the label is the quadrant. Each epoch sees them with noise of its own, as augmentation does.
class Quadrants : public SampleSource {
 public:
  Quadrants(int64_t size, double noise) : size_(size), noise_(noise) {}
  int64_t size() const override { return size_; }
  const std::vector<FieldSpec>& fields() const override { return fields_; }
  absl::Status Read(int64_t index, int64_t epoch, absl::Span<const TensorView> out) const override {
    const Philox place(11, index), noise(12, Philox::MixStream(index, epoch));
    absl::Span<float> x = out[0].as<float>();
    for (int i = 0; i < 2; ++i) x[i] = 2 * place.Uniform(i) - 1;
    out[1].as<int32_t>()[0] = (x[0] > 0) + 2 * (x[1] > 0);
    for (int i = 0; i < 2; ++i) x[i] += static_cast<float>(noise_) * noise.Normal(i);
    if (index == poisoned_) x[1] = std::numeric_limits<float>::quiet_NaN();
    return absl::OkStatus();
  }
  void Poison(int64_t index) { poisoned_ = index; }

 private:
  const std::vector<FieldSpec> fields_ = {{"x", DType::kF32, {2}}, {"labels", DType::kS32, {}}};
  int64_t size_;
  double noise_;
  int64_t poisoned_ = -1;
};

// With dropout and running statistics.
Graph Network(int units = 16) {
  GraphBuilder b("quadrants");
  Var x = b.Input("x", DType::kF32, {"N", 2}), labels = b.Input("labels", DType::kS32, {"N"});
  Var h = b.FullyConnected(x, {.units = units, .name = "fc1"});
  h = b.Dropout(b.Relu(b.BatchNorm(h, {.name = "bn"})), 0.2);
  Var logits = b.FullyConnected(h, {.units = 4, .name = "fc2"});
  Var loss = b.SoftmaxCrossEntropy(logits, labels);
  b.Entry("train", {.training = true, .inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b.Entry("evaluate", {.inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"logits", logits}}});
  return b.Build().value();
}

// Without dropout and statistics of a batch; NaN goes through all of it.
Graph PlainNetwork() {
  GraphBuilder b("plain");
  Var x = b.Input("x", DType::kF32, {"N", 2}), labels = b.Input("labels", DType::kS32, {"N"});
  Var logits = b.FullyConnected(b.Tanh(b.FullyConnected(x, {.units = 8, .name = "fc1"})), {.units = 4, .name = "fc2"});
  Var loss = b.SoftmaxCrossEntropy(logits, labels);
  b.Entry("train", {.training = true, .inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b.Entry("evaluate", {.inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  return b.Build().value();
}

TrainingData Data() {
  return {"quadrants", std::make_shared<Quadrants>(75, 0.2), std::make_shared<Quadrants>(40, 0.0), nullptr};
}

// 5 batches an epoch, the last of 11 samples.
TrainConfig Config(const std::string& out) {
  TrainConfig c;
  c.epochs = 3;
  c.batch = 16;
  c.threads = 1;
  c.learning_rate = 0.01;
  c.out = out;
  return c;
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Mode {
  const char* name;
  void (*set)(TrainConfig*);
};

class TrainerModesTest : public testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(testing::TempDir(), "/trainer_test/", GetParam().name);
    fs::remove_all(folder_);
  }
  TrainConfig ConfigFor(const std::string& name) const {
    TrainConfig c = Config(folder_ + "/" + name);
    GetParam().set(&c);
    return c;
  }
  std::string folder_;
  TrainListener quiet_;
};

// Runs the configuration to its end, with a stop after every step.
absl::StatusOr<TrainResult> RunInPieces(TrainConfig config) {
  TrainListener quiet;
  for (int piece = 0; piece < 1000; ++piece) {
    ATH_ASSIGN_OR_RETURN(std::unique_ptr<Trainer> trainer, Trainer::Create(Network(), Data(), config));
    config.resume = true;
    std::atomic<int> signal{15};
    ATH_ASSIGN_OR_RETURN(TrainResult result, trainer->Run(&quiet, &signal));
    if (result.end != RunEnd::kSignal) return result;
  }
  return absl::InternalError("it does not end");
}

TEST_P(TrainerModesTest, ARunInPiecesEqualsTheUninterruptedOne) {
  auto whole = Trainer::Create(Network(), Data(), ConfigFor("whole"));
  ASSERT_TRUE(whole.ok()) << whole.status();
  auto result = (*whole)->Run(&quiet_);
  ASSERT_TRUE(result.ok()) << result.status();
  auto pieces = RunInPieces(ConfigFor("pieces"));
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  EXPECT_EQ(pieces->steps, result->steps);
  EXPECT_EQ(pieces->end, result->end);
  EXPECT_EQ(pieces->best_step, result->best_step);
  // Every variable, slot and statistic; the schedule's and early stopping's state; the model.
  for (const char* file : {"last.ckpt", "best.ckpt", "model.ath"}) {
    const std::string a = ReadAll(folder_ + "/whole/" + file), b = ReadAll(folder_ + "/pieces/" + file);
    EXPECT_FALSE(a.empty()) << file;
    EXPECT_TRUE(a == b) << file;
  }
}

TEST_P(TrainerModesTest, ARunGoesOnFromAnyKeptCheckpoint) {
  TrainConfig config = ConfigFor("run");
  config.checkpoint_every = 1;
  config.keep = 1000;
  auto whole = Trainer::Create(Network(), Data(), config);
  ASSERT_TRUE(whole.ok()) << whole.status();
  ASSERT_TRUE((*whole)->Run(&quiet_).ok());
  const std::string model = ReadAll(config.out + "/model.ath"), last = ReadAll(config.out + "/last.ckpt");
  const std::vector<int64_t> steps = CheckpointFolder(config.out, 1).Steps();
  ASSERT_GE(steps.size(), 3u);
  for (int64_t step : {steps[0], steps[steps.size() / 2], steps[steps.size() - 2]}) {
    // As if the process had been killed behind that step.
    TrainConfig again = config;
    again.out = absl::StrCat(folder_, "/from", step);
    again.resume = true;
    fs::create_directories(again.out);
    CheckpointFolder kept(config.out, 1);
    fs::copy(kept.StepPath(step), again.out + "/last.ckpt");
    if (fs::exists(kept.best_path())) fs::copy(kept.best_path(), again.out + "/best.ckpt");
    auto rest = Trainer::Create(Network(), Data(), again);
    ASSERT_TRUE(rest.ok()) << rest.status();
    EXPECT_EQ((*rest)->resumed_steps(), step);
    ASSERT_TRUE((*rest)->Run(&quiet_).ok());
    EXPECT_TRUE(ReadAll(again.out + "/model.ath") == model) << step;
    EXPECT_TRUE(ReadAll(again.out + "/last.ckpt") == last) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TrainerModesTest,
    testing::Values(
        Mode{"adam", [](TrainConfig*) {}},
        Mode{"momentum_clipped",
             [](TrainConfig* c) {
               c->optimizer.name = "sgd";
               c->optimizer.momentum = 0.9;
               c->optimizer.clip_norm = 0.5;
             }},
        Mode{"accumulate", [](TrainConfig* c) { c->accumulate = 2; }},
        Mode{"ema",
             [](TrainConfig* c) {
               c->ema_decay = 0.9;
               c->ema_warmup = true;
             }},
        Mode{"cosine", [](TrainConfig* c) { c->schedule = *ParseSchedule("cosine:warmup=3"); }},
        Mode{"plateau",
             [](TrainConfig* c) {
               c->schedule = *ParseSchedule("plateau:patience=0,threshold=0.5");
               c->eval_every = {2, false};
             }},
        Mode{"early_stopping",
             [](TrainConfig* c) {
               c->epochs = 20;
               c->eval_every = {3, false};
               c->monitor = "accuracy";
               c->patience = 2;
               c->min_delta = 0.2;
             }},
        Mode{"steps", [](TrainConfig* c) { c->epochs = 0, c->steps = 7; }},
        Mode{"threads", [](TrainConfig* c) { c->loader_threads = 3; }},
        Mode{"everything",
             [](TrainConfig* c) {
               c->accumulate = 3;
               c->ema_decay = 0.8;
               c->schedule = *ParseSchedule("plateau:patience=0,threshold=0.5,warmup=2");
               c->eval_every = {1, false};
               c->patience = 4;
               c->optimizer.clip_value = 0.1;
               c->frozen = {"fc1.bias"};
               c->loader_threads = 2;
             }}),
    [](const auto& info) { return info.param.name; });

class TrainerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(testing::TempDir(), "/trainer_test/",
                           testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
  }
  std::string folder_;
  TrainListener quiet_;
};

TEST_F(TrainerTest, LearnsAndReportsEachEpoch) {
  TrainConfig config = Config("");
  config.epochs = 40;
  auto trainer = Trainer::Create(Network(), Data(), config);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  auto result = (*trainer)->Run(&quiet_);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->reports.size(), 40u);
  EXPECT_EQ(result->steps, 200);
  EXPECT_LT(result->reports.back().train_loss, 0.7 * result->reports.front().train_loss);
  EXPECT_GT(result->reports.back().validation->accuracy(), 0.85);
  EXPECT_EQ(result->reports.back().validation->samples(), 40);
}

TEST_F(TrainerTest, AccumulatedBatchesAreOneLargeBatch) {
  // Two batches of 16 make the update of one batch of 32.
  TrainConfig large = Config(""), parts = Config("");
  large.batch = 32;
  parts.accumulate = 2;
  large.optimizer.name = parts.optimizer.name = "sgd";
  auto a = Trainer::Create(PlainNetwork(), Data(), large), b = Trainer::Create(PlainNetwork(), Data(), parts);
  ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
  ASSERT_TRUE((*a)->Run(&quiet_).ok());
  ASSERT_TRUE((*b)->Run(&quiet_).ok());
  EXPECT_EQ((*a)->total_steps(), (*b)->total_steps());
  const Tensor wa = *(*a)->runner().weights().Get("fc2.weight"), wb = *(*b)->runner().weights().Get("fc2.weight");
  for (int64_t i = 0; i < wa.num_elements(); ++i) EXPECT_NEAR(wa.as<float>()[i], wb.as<float>()[i], 1e-6);
}

TEST_F(TrainerTest, SharesOfClassesTrainTheSameModel) {
  // The quadrants as shares.
  class Shares : public Quadrants {
   public:
    using Quadrants::Quadrants;
    const std::vector<FieldSpec>& fields() const override { return shares_; }
    absl::Status Read(int64_t index, int64_t epoch, absl::Span<const TensorView> out) const override {
      int32_t label = 0;
      const TensorView plain[] = {out[0], {DType::kS32, {}, &label, sizeof(label)}};
      ATH_RETURN_IF_ERROR(Quadrants::Read(index, epoch, plain));
      for (int c = 0; c < 4; ++c) out[1].as<float>()[c] = c == label ? 0.85f : 0.05f;
      return absl::OkStatus();
    }

   private:
    const std::vector<FieldSpec> shares_ = {{"x", DType::kF32, {2}}, {"labels", DType::kF32, {4}}};
  };
  TrainConfig config = Config("");
  config.epochs = 40;
  auto trainer = Trainer::Create(Network(), {"q", std::make_shared<Shares>(75, 0.2), Data().validation, nullptr}, config);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  auto result = (*trainer)->Run(&quiet_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->reports.back().validation->accuracy(), 0.85);
  EXPECT_NE((*trainer)->TrainedModel()->FindEntry("train"), nullptr);
}

TEST_F(TrainerTest, EarlyStoppingEndsWithTheBestWeights) {
  for (const std::string& out : {std::string(), folder_}) {
    TrainConfig config = Config(out);
    config.epochs = 100;
    config.patience = 2;
    config.learning_rate = 0.3;  // jumps about
    auto trainer = Trainer::Create(Network(), Data(), config);
    ASSERT_TRUE(trainer.ok()) << trainer.status();
    auto result = (*trainer)->Run(&quiet_);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->end, RunEnd::kEarlyStopping);
    EXPECT_EQ(result->steps, result->best_step + 2 * 5);
    EXPECT_NEAR((*trainer)->Evaluate(Data().validation)->loss(), result->best, 1e-12);
  }
}

TEST_F(TrainerTest, TheTrainedModelHasTheAverages) {
  TrainConfig config = Config(folder_);
  config.ema_decay = 0.9;
  auto trainer = Trainer::Create(Network(), Data(), config);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  auto result = (*trainer)->Run(&quiet_);
  ASSERT_TRUE(result.ok()) << result.status();
  const Weights& weights = (*trainer)->runner().weights();
  const Tensor parameter = *weights.Get("fc2.weight"), average = *weights.Get("fc2.weight/ema");
  EXPECT_EQ(std::memcmp(parameter.data(), average.data(), parameter.bytes()), 0);
  // The checkpoint has both.
  const auto last = CheckpointFolder(folder_, 1).LoadNewest();
  ASSERT_TRUE(last.ok()) << last.status();
  auto find = [&](const std::string& name) {
    for (const auto& [n, t] : last->checkpoint.tensors) {
      if (n == name) return t.as<float>()[0];
    }
    return -1000.0f;
  };
  EXPECT_NE(find("fc2.weight"), find("fc2.weight/ema"));
  EXPECT_EQ(find("fc2.weight/ema"), average.as<float>()[0]);
}

TEST_F(TrainerTest, FrozenParametersStayAndPatternsMustMatch) {
  TrainConfig config = Config("");
  config.frozen = {"fc1.*"};
  auto trainer = Trainer::Create(Network(), Data(), config);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  const Weights& weights = (*trainer)->runner().weights();
  const Tensor fc1 = *weights.Get("fc1.weight"), fc2 = *weights.Get("fc2.weight"), mean = *weights.Get("bn.running_mean");
  ASSERT_TRUE((*trainer)->Run(&quiet_).ok());
  auto same = [&](const char* name, const Tensor& before) {
    return std::memcmp(weights.Get(name)->data(), before.data(), before.bytes()) == 0;
  };
  EXPECT_TRUE(same("fc1.weight", fc1));
  EXPECT_FALSE(same("fc2.weight", fc2));
  EXPECT_FALSE(same("bn.running_mean", mean));  // statistics follow the data
  config.frozen = {"conv*"};
  EXPECT_THAT(std::string(Trainer::Create(Network(), Data(), config).status().message()), HasSubstr("\"conv*\""));
}

TEST_F(TrainerTest, ALossThatIsNotFiniteNamesStepAndTensorAndLeavesTheCheckpoint) {
  TrainConfig config = Config(folder_);
  config.checkpoint_every = 1;
  config.keep = 100;
  TrainingData data = Data();
  auto poisoned = std::make_shared<Quadrants>(75, 0.2);
  poisoned->Poison(30);
  data.train = poisoned;
  auto trainer = Trainer::Create(PlainNetwork(), data, config);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  absl::Status run = (*trainer)->Run(&quiet_).status();
  EXPECT_THAT(std::string(run.message()), AllOf(HasSubstr("the loss is nan at step "), HasSubstr("the data's \"x\"")));
  for (int64_t step : CheckpointFolder(folder_, 1).Steps()) {
    EXPECT_TRUE(ReadCheckpoint(CheckpointFolder(folder_, 1).StepPath(step)).ok());
  }
}

TEST_F(TrainerTest, WeightsThatAreNotFiniteAreNeverSaved) {
  // ReLU makes zeros of NaN, so the loss stays finite: the gradients are not.
  TrainConfig config = Config(folder_);
  config.checkpoint_every = 1;
  TrainingData data = Data();
  auto poisoned = std::make_shared<Quadrants>(75, 0.2);
  poisoned->Poison(30);
  data.train = poisoned;
  auto trainer = Trainer::Create(Network(), data, config);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  EXPECT_THAT(std::string((*trainer)->Run(&quiet_).status().message()), HasSubstr("is not finite after step"));
}

TEST_F(TrainerTest, ADamagedNewestCheckpointIsToldAndTheOlderOneTaken) {
  TrainConfig config = Config(folder_);
  config.checkpoint_every = 2;
  ASSERT_TRUE((*Trainer::Create(Network(), Data(), config))->Run(&quiet_).ok());
  const std::string model = ReadAll(folder_ + "/model.ath");
  fs::resize_file(folder_ + "/last.ckpt", 1000);
  config.resume = true;
  auto rest = Trainer::Create(Network(), Data(), config);
  ASSERT_TRUE(rest.ok()) << rest.status();
  ASSERT_EQ((*rest)->notes().size(), 2u);
  EXPECT_THAT((*rest)->notes()[0], HasSubstr("last.ckpt"));
  EXPECT_EQ((*rest)->resumed_steps(), 14);
  ASSERT_TRUE((*rest)->Run(&quiet_).ok());
  EXPECT_TRUE(ReadAll(folder_ + "/model.ath") == model);
}

TEST_F(TrainerTest, ALongerRunGoesOnUnlessTheScheduleDependsOnTheLength) {
  TrainConfig config = Config(folder_);
  ASSERT_TRUE((*Trainer::Create(Network(), Data(), config))->Run(&quiet_).ok());
  config.epochs = 4;
  config.resume = true;
  {
    auto longer = Trainer::Create(Network(), Data(), config);
    ASSERT_TRUE(longer.ok()) << longer.status();
    EXPECT_EQ((*longer)->Run(&quiet_)->steps, 20);
  }
  config.schedule = *ParseSchedule("cosine");
  config.resume = false;
  ASSERT_TRUE((*Trainer::Create(Network(), Data(), config))->Run(&quiet_).ok());
  config.resume = true;
  config.epochs = 5;
  EXPECT_THAT(std::string(Trainer::Create(Network(), Data(), config).status().message()),
              HasSubstr("a run of 20 steps, this run has 25"));
}

TEST_F(TrainerTest, EvaluationsKeepStepWithEpochsOfAnOddLength) {
  TrainConfig config = Config("");
  config.epochs = 4;
  config.batch = 15;  // 5 steps an epoch
  config.eval_every = {0.5, true};
  auto result = (*Trainer::Create(Network(), Data(), config))->Run(&quiet_);
  ASSERT_TRUE(result.ok()) << result.status();
  std::vector<int64_t> steps;
  for (const ReportEvent& r : result->reports) {
    if (r.validation) steps.push_back(r.step);
  }
  EXPECT_EQ(steps, (std::vector<int64_t>{3, 5, 8, 10, 13, 15, 18, 20}));
}

// Whether it can be read is seen before hours of training, not behind them.
TEST_F(TrainerTest, ADamagedBestCheckpointIsFoundWhenTheRunGoesOn) {
  TrainConfig config = Config(folder_);
  config.epochs = 2;
  config.patience = 50;
  config.min_delta = 10;  // the first stays the best
  ASSERT_TRUE((*Trainer::Create(Network(), Data(), config))->Run(&quiet_).ok());
  fs::resize_file(folder_ + "/best.ckpt", 500);
  config.resume = true;
  config.epochs = 3;
  EXPECT_THAT(std::string(Trainer::Create(Network(), Data(), config).status().message()), HasSubstr("best.ckpt"));
}

TEST_F(TrainerTest, OtherDataOrAnotherConfigurationIsRefused) {
  TrainConfig config = Config(folder_);
  ASSERT_TRUE((*Trainer::Create(Network(), Data(), config))->Run(&quiet_).ok());
  config.resume = true;
  auto error = [&](const TrainConfig& c, const TrainingData& d) {
    return std::string(Trainer::Create(Network(), d, c).status().message());
  };
  TrainConfig other = config;
  other.accumulate = 2;
  EXPECT_THAT(error(other, Data()), HasSubstr("accumulate = (none), this run has 2"));
  other = config;
  other.ema_decay = 0.5;
  EXPECT_THAT(error(other, Data()), HasSubstr("ema = (none), this run has 0.5"));
  other = config;
  other.monitor = "accuracy";
  EXPECT_THAT(error(other, Data()), HasSubstr("made with monitor = \"loss\", this run has \"accuracy\""));
  TrainingData larger = Data();
  larger.train = std::make_shared<Quadrants>(80, 0.2);
  EXPECT_THAT(error(config, larger), HasSubstr("75 training samples, this run has 80"));
  TrainingData noisier = Data();
  noisier.train = std::make_shared<Quadrants>(75, 0.3);
  EXPECT_THAT(error(config, noisier), HasSubstr("other training samples"));
}

TEST_F(TrainerTest, WhatCannotWorkIsRefusedBeforeTheFirstStep) {
  auto error = [](void (*change)(TrainConfig*), TrainingData data) {
    TrainConfig config = Config("");
    change(&config);
    return std::string(Trainer::Create(Network(), data, config).status().message());
  };
  EXPECT_THAT(error([](TrainConfig* c) { c->batch = 76; }, Data()), HasSubstr("fewer than one batch of 76"));
  EXPECT_THAT(error([](TrainConfig* c) { c->accumulate = 0; }, Data()), HasSubstr("accumulate = 0"));
  EXPECT_THAT(error([](TrainConfig* c) { c->accumulate = INT64_MAX; }, Data()), HasSubstr("is above 1000000000"));
  EXPECT_THAT(error([](TrainConfig* c) { c->learning_rate = 1e39; }, Data()), HasSubstr("that f32 holds"));
  EXPECT_THAT(error([](TrainConfig* c) { c->ema_decay = 1; }, Data()), HasSubstr("ema = 1"));
  EXPECT_THAT(error([](TrainConfig* c) { c->monitor = "joy"; }, Data()), HasSubstr("joy"));
  EXPECT_THAT(error([](TrainConfig* c) { c->resume = true; }, Data()), HasSubstr("resume"));
  EXPECT_THAT(error([](TrainConfig* c) { c->patience = 1; }, {"q", Data().train, nullptr, nullptr}), HasSubstr("validation"));
}

TEST(ParseExtentTest, TakesStepsAndEpochs) {
  EXPECT_EQ(*ParseExtent("f", "500"), (Extent{500, false}));
  EXPECT_EQ(*ParseExtent("f", "500steps"), (Extent{500, false}));
  EXPECT_EQ(*ParseExtent("f", "1epoch"), (Extent{1, true}));
  EXPECT_EQ(*ParseExtent("f", "0.5epochs"), (Extent{0.5, true}));
  for (const char* bad : {"", "x", "0", "-1", "1.5", "nan", "epochs", "5days", "1epochsteps"}) {
    EXPECT_EQ(ErrorClassOf(ParseExtent("f", bad).status()), "REQ") << bad;
  }
}

}  // namespace
}  // namespace athanor
