// One step at a time, on models made here.
#include "training/step_runner.h"

#include <limits>

#include "compiler/builder/builder.h"
#include "compiler/graph/initializers.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

Graph Classifier() {
  GraphBuilder b("tiny");
  Var x = b.Input("x", DType::kF32, {"N", 4}), labels = b.Input("labels", DType::kS32, {"N"});
  Var logits = b.FullyConnected(b.Tanh(b.FullyConnected(x, {.units = 8, .name = "fc1"})), {.units = 3, .name = "fc2"});
  Var loss = b.SoftmaxCrossEntropy(logits, labels);
  b.Entry("train", {.training = true, .inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b.Entry("evaluate", {.inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"logits", logits}}});
  Graph model = b.Build().value();
  EXPECT_TRUE(InitializeVariables(&model, 1).ok());
  return model;
}

Graph Regression() {
  GraphBuilder b("line");
  Var x = b.Input("x", DType::kF32, {"N", 4}), target = b.Input("target", DType::kF32, {"N", 1});
  Var loss = b.MeanSquaredError(b.FullyConnected(x, {.units = 1, .name = "fc"}), target);
  b.Entry("train", {.training = true, .inputs = {x, target}, .loss = loss});
  b.Entry("evaluate", {.inputs = {x, target}, .loss = loss});
  Graph model = b.Build().value();
  EXPECT_TRUE(InitializeVariables(&model, 1).ok());
  return model;
}

StepRunnerOptions Options() {
  StepRunnerOptions options;
  options.train_rows = {8, 3};
  options.evaluate_rows = {8, 0, 8, 5};
  options.compile.optimizer = OptimizerSpec{"SGD", {}};
  options.compile.threads = 1;
  return options;
}

// Rows whose label is the place of their largest number.
std::vector<Tensor> Rows(int64_t n) {
  std::vector<Tensor> fields;
  fields.push_back(*Tensor::Create(DType::kF32, {n, 4}));
  fields.push_back(*Tensor::Create(DType::kS32, {n}));
  Philox random(7, 0);
  for (int64_t i = 0; i < n * 4; ++i) fields[0].as<float>()[i] = random.Uniform(i);
  for (int64_t r = 0; r < n; ++r) {
    auto row = fields[0].as<float>().subspan(4 * r, 3);
    fields[1].as<int32_t>()[r] = static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
  }
  return fields;
}

TEST(StepRunnerTest, StepsLowerTheLossAndEvaluationsChangeNothing) {
  auto runner = StepRunner::Create(Classifier(), Options());
  ASSERT_TRUE(runner.ok()) << runner.status();
  const std::vector<Tensor> batch = Rows(8);
  const float before = (*runner)->Evaluate(batch, 8)->loss;
  EXPECT_EQ((*runner)->Evaluate(batch, 8)->loss, before);
  for (int64_t step = 1; step <= 50; ++step) {
    auto out = (*runner)->Train(batch, 8, {.lr = 0.5, .step = step});
    ASSERT_TRUE(out.ok()) << out.status();
    if (step == 1) {
      EXPECT_FLOAT_EQ(out->loss, before);  // the loss is that before the update
    }
    EXPECT_EQ(out->logits.shape, (Shape{8, 3}));
    EXPECT_EQ(out->grad_norm, -1);
  }
  EXPECT_LT((*runner)->Evaluate(batch, 8)->loss, 0.7 * before);
}

TEST(StepRunnerTest, TheLearningRateIsThatOfTheCall) {
  auto runner = StepRunner::Create(Classifier(), Options());
  ASSERT_TRUE(runner.ok()) << runner.status();
  const std::vector<Tensor> batch = Rows(8);
  const float before = (*runner)->Evaluate(batch, 8)->loss;
  ASSERT_TRUE((*runner)->Train(batch, 8, {.lr = 0}).ok());
  EXPECT_EQ((*runner)->Evaluate(batch, 8)->loss, before);
  ASSERT_TRUE((*runner)->Train(batch, 8, {.lr = 0.5}).ok());
  EXPECT_NE((*runner)->Evaluate(batch, 8)->loss, before);
}

TEST(StepRunnerTest, EachNumberOfRowsHasItsEntryOverTheSameWeights) {
  auto runner = StepRunner::Create(Classifier(), Options());
  ASSERT_TRUE(runner.ok()) << runner.status();
  const std::vector<Tensor> batch = Rows(8);
  const float before = (*runner)->Evaluate(batch, 5)->loss;
  ASSERT_TRUE((*runner)->Train(batch, 3, {.lr = 0.5}).ok());
  EXPECT_NE((*runner)->Evaluate(batch, 5)->loss, before);
  absl::Status other = (*runner)->Train(batch, 4, {}).status();
  EXPECT_EQ(other.message(), "REQ: no entry to train 4 rows; there are entries of: 8, 3");
}

TEST(StepRunnerTest, TheGradientNormIsGivenOnRequest) {
  StepRunnerOptions options = Options();
  options.compile.optimizer->grad_norm_output = true;
  auto runner = StepRunner::Create(Classifier(), options);
  ASSERT_TRUE(runner.ok()) << runner.status();
  EXPECT_GT((*runner)->Train(Rows(8), 8, {})->grad_norm, 0);
}

TEST(StepRunnerTest, AStepOfTwoPartsIsThatOfTheWholeBatch) {
  StepRunnerOptions options = Options();
  options.train_rows = {8, 4};
  auto whole = StepRunner::Create(Classifier(), options);
  options.compile.accumulate_gradients = true;
  auto parts = StepRunner::Create(Classifier(), options);
  ASSERT_TRUE(whole.ok() && parts.ok()) << whole.status() << parts.status();
  const std::vector<Tensor> batch = Rows(8);
  std::vector<Tensor> behind;
  behind.push_back(Tensor::Of<float>({4, 4}, batch[0].as<float>().subspan(16)));
  behind.push_back(Tensor::Of<int32_t>({4}, batch[1].as<int32_t>().subspan(4)));
  const float before = (*parts)->Evaluate(batch, 8)->loss;
  ASSERT_TRUE((*whole)->Train(batch, 8, {.lr = 0.5}).ok());
  ASSERT_TRUE((*parts)->Train(batch, 4, {.lr = 0.5, .share = 0.5, .last = false}).ok());
  EXPECT_EQ((*parts)->Evaluate(batch, 8)->loss, before);
  ASSERT_TRUE((*parts)->Train(behind, 4, {.lr = 0.5, .share = 0.5}).ok());
  EXPECT_NEAR((*parts)->Evaluate(batch, 8)->loss, (*whole)->Evaluate(batch, 8)->loss, 1e-6);
}

TEST(StepRunnerTest, EvaluationsReadTheAverages) {
  StepRunnerOptions options = Options();
  options.compile.ema_decay = 0.9;
  auto averaged = StepRunner::Create(Classifier(), options);
  auto plain = StepRunner::Create(Classifier(), Options());
  ASSERT_TRUE(averaged.ok() && plain.ok()) << averaged.status() << plain.status();
  const std::vector<Tensor> batch = Rows(8);
  for (int64_t step = 1; step <= 5; ++step) {
    ASSERT_TRUE((*averaged)->Train(batch, 8, {.lr = 0.1, .step = step}).ok());
    ASSERT_TRUE((*plain)->Train(batch, 8, {.lr = 0.1, .step = step}).ok());
  }
  EXPECT_GT((*averaged)->Evaluate(batch, 8)->loss, (*plain)->Evaluate(batch, 8)->loss);  // they are behind
}

TEST(StepRunnerTest, AModelWithoutLogitsIsRegression) {
  StepRunnerOptions options = Options();
  options.fields = {"x", "target"};
  auto runner = StepRunner::Create(Regression(), options);
  ASSERT_TRUE(runner.ok()) << runner.status();
  std::vector<Tensor> batch = Rows(8);
  batch[1] = *Tensor::Create(DType::kF32, {8, 1});
  for (int i = 0; i < 8; ++i) batch[1].as<float>()[i] = 2 * batch[0].as<float>()[4 * i];
  float loss = 0;
  for (int64_t step = 1; step <= 300; ++step) loss = (*runner)->Train(batch, 8, {.lr = 0.2, .step = step})->loss;
  EXPECT_LT(loss, 0.02);
  EXPECT_EQ(*TaskOf(Regression()), Task::kRegression);
  EXPECT_EQ(*TaskOf(Classifier()), Task::kClassification);
}

TEST(StepRunnerTest, WhatDoesNotFitIsNamed) {
  StepRunnerOptions options = Options();
  options.fields = {"x"};
  EXPECT_EQ(StepRunner::Create(Classifier(), options).status().message(),
            "REQ: entry \"train@N=8\" takes the input \"labels\"; the data has: x");
  options.fields = {"x", "labels", "weights"};
  EXPECT_EQ(StepRunner::Create(Classifier(), options).status().message(),
            "REQ: the data has the field \"weights\", which entry \"train@N=8\" does not take; it takes: labels, x");
  auto runner = StepRunner::Create(Classifier(), Options());
  ASSERT_TRUE(runner.ok()) << runner.status();
  std::vector<Tensor> batch = Rows(8);
  batch[0] = *Tensor::Create(DType::kF32, {8, 5});
  EXPECT_EQ((*runner)->Evaluate(batch, 8).status().message(),
            "SHAPE: field \"x\" has shape [8,5], the model takes [8,4]");
  batch = Rows(8);
  batch[1] = *Tensor::Create(DType::kF32, {8});
  EXPECT_EQ((*runner)->Evaluate(batch, 8).status().message(), "DTYPE: field \"labels\" is f32, the model takes s32");
  Graph odd = Classifier();
  odd.metadata.Set("task", "juggling");
  EXPECT_EQ(ErrorClassOf(TaskOf(odd).status()), "GRAPH");
}

TEST(StepRunnerTest, TheFirstVariableThatIsNotFiniteIsNamed) {
  auto runner = StepRunner::Create(Classifier(), Options());
  ASSERT_TRUE(runner.ok()) << runner.status();
  EXPECT_EQ(FirstNonFiniteVariable((*runner)->weights()), "");
  Tensor bias = *(*runner)->weights().Get("fc2.bias");
  bias.as<float>()[1] = std::numeric_limits<float>::infinity();
  ASSERT_TRUE((*runner)->weights().Set("fc2.bias", bias).ok());
  EXPECT_EQ(FirstNonFiniteVariable((*runner)->weights()), "fc2.bias");
  Graph with = *WithWeights(Classifier(), (*runner)->weights());
  EXPECT_EQ(with.value(with.FindValue("fc2.bias")).data->as<float>()[1], std::numeric_limits<float>::infinity());
}

}  // namespace
}  // namespace athanor
