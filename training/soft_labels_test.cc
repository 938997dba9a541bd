// Training with mixed labels.
#include "training/soft_labels.h"

#include "compiler/builder/builder.h"
#include "compiler/graph/initializers.h"
#include "gtest/gtest.h"
#include "training/step_runner.h"

namespace athanor {
namespace {

// Two losses of the same labels, as networks with auxiliary heads have.
Graph Net() {
  GraphBuilder b("two_heads");
  Var x = b.Input("x", DType::kF32, {"N", 4}), labels = b.Input("labels", DType::kS32, {"N"});
  Var h = b.Tanh(b.FullyConnected(x, {.units = 8, .name = "body"}));
  Var logits = b.FullyConnected(h, {.units = 3, .name = "head"}), more = b.FullyConnected(h, {.units = 3, .name = "aux"});
  Var loss = b.SoftmaxCrossEntropy(logits, labels);
  Var both = b.Add(loss, b.SoftmaxCrossEntropy(more, labels));
  b.Entry("train", {.training = true, .inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = both});
  b.Entry("evaluate", {.inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  Graph model = b.Build().value();
  EXPECT_TRUE(InitializeVariables(&model, 1).ok());
  return model;
}

std::unique_ptr<StepRunner> Runner(const Graph& model) {
  StepRunnerOptions options;
  options.train_rows = options.evaluate_rows = {2};
  options.compile.optimizer = OptimizerSpec{"SGD", {}};
  options.compile.threads = 1;
  auto runner = StepRunner::Create(model, options);
  EXPECT_TRUE(runner.ok()) << runner.status();
  return runner.ok() ? *std::move(runner) : nullptr;
}

std::vector<Tensor> Batch(Tensor labels) {
  const float x[] = {0.1f, -0.5f, 0.8f, 0.3f, -0.2f, 0.9f, 0.4f, -0.7f};
  std::vector<Tensor> fields;
  fields.push_back(Tensor::Of<float>({2, 4}, x));
  fields.push_back(std::move(labels));
  return fields;
}

TEST(SoftLabelsTest, WholeSharesTrainAsClassesDo) {
  auto soft_model = WithSoftLabels(Net());
  ASSERT_TRUE(soft_model.ok()) << soft_model.status();
  auto hard = Runner(Net()), soft = Runner(*soft_model);
  ASSERT_TRUE(hard != nullptr && soft != nullptr);
  const int32_t classes[] = {2, 0};
  const float shares[] = {0, 0, 1, 1, 0, 0};
  for (int64_t step = 1; step <= 3; ++step) {
    auto a = hard->Train(Batch(Tensor::Of<int32_t>({2}, classes)), 2, {.lr = 0.5, .step = step});
    const float expected = a->loss;
    auto b = soft->Train(Batch(Tensor::Of<float>({2, 3}, shares)), 2, {.lr = 0.5, .step = step});
    ASSERT_TRUE(b.ok()) << b.status();
    EXPECT_NEAR(b->loss, expected, 1e-5);
  }
  // Evaluation takes classes as before.
  EXPECT_NEAR(soft->Evaluate(Batch(Tensor::Of<int32_t>({2}, classes)), 2)->loss,
              hard->Evaluate(Batch(Tensor::Of<int32_t>({2}, classes)), 2)->loss, 1e-5);
}

TEST(SoftLabelsTest, LabelsThatGoElsewhereAreRefused) {
  GraphBuilder b("one_hot");
  Var x = b.Input("x", DType::kF32, {"N", 3}), labels = b.Input("labels", DType::kF32, {"N", 3});
  Var loss = b.MeanSquaredError(b.FullyConnected(x, {.units = 3, .name = "fc"}), labels);
  b.Entry("train", {.training = true, .inputs = {x, labels}, .loss = loss});
  EXPECT_EQ(ErrorClassOf(WithSoftLabels(b.Build().value()).status()), "GRAPH");
}

}  // namespace
}  // namespace athanor
