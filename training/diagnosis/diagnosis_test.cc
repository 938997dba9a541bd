// The diagnosis of networks that are known to be ill, and of the healthy version of each.
#include "training/diagnosis/diagnosis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/builder/builder.h"
#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kFeatures = 64, kClasses = 4, kSteps = 30;

Graph Built(GraphBuilder& b) {
  auto graph = b.Build();
  ATH_CHECK_OK(graph.status());
  return *std::move(graph);
}

Initializer He() { return {"kaiming_normal", {}}; }

enum class Activation { kSigmoid, kRelu };

// 20 hidden layers of 64 units.
Graph DeepMlp(Activation activation, Initializer weights) {
  GraphBuilder b("deep");
  Var x = b.Input("x", DType::kF32, {"N", kFeatures}), labels = b.Input("labels", DType::kS32, {"N"}), h = x;
  for (int i = 1; i <= 20; ++i) {
    h = b.FullyConnected(h, {.units = 64, .name = absl::StrCat("fc", i), .weight_init = weights,
                             .bias_init = {"zeros", {}}});
    h = activation == Activation::kSigmoid ? b.Sigmoid(h) : b.Relu(h);
  }
  Var logits = b.FullyConnected(h, {.units = kClasses, .name = "head", .weight_init = weights});
  b.Entry("train", {.training = true, .inputs = {x, labels}, .loss = b.SoftmaxCrossEntropy(logits, labels)});
  return Built(b);
}

// h = f(h W + x U), 24 times over the same W and U, f being tanh or none; the class by the last h.
Graph Recurrent(bool tanh, Initializer recurrent) {
  GraphBuilder b("recurrent");
  Var x = b.Input("x", DType::kF32, {"N", kFeatures}), labels = b.Input("labels", DType::kS32, {"N"});
  Var w = b.Parameter("recurrent.weight", {32, 32}, recurrent);
  Var u = b.Parameter("input.weight", {kFeatures, 32}, {"xavier_normal", {}});
  Var h = b.MatMul(x, u, "step0");
  for (int t = 1; t <= 24; ++t) {
    h = b.MatMul(h, w, absl::StrCat("step", t));
    if (tanh) h = b.Tanh(h);
  }
  Var logits = b.FullyConnected(h, {.units = kClasses, .name = "head"});
  b.Entry("train", {.training = true, .inputs = {x, labels}, .loss = b.SoftmaxCrossEntropy(logits, labels)});
  return Built(b);
}

// Classes by the quarter in which the largest of the first four features lies.
absl::Status FillRandom(int64_t step, const std::map<std::string, TensorView>& inputs) {
  Philox rng(5, static_cast<uint64_t>(step));
  auto x = inputs.at("x").as<float>();
  auto labels = inputs.at("labels").as<int32_t>();
  for (size_t i = 0; i < x.size(); ++i) x[i] = 3.46f * (rng.Uniform(i) - 0.5f);  // mean 0, deviation 1
  for (size_t i = 0; i < labels.size(); ++i) {
    auto row = x.subspan(i * kFeatures, kClasses);
    labels[i] = static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
  }
  return absl::OkStatus();
}

DiagnosisConfig Config(double lr, double clip_norm = 0) {
  DiagnosisConfig config;
  config.optimizer = {"SGD", {{"momentum", 0.9}}};
  config.optimizer.clip_norm = clip_norm;
  config.symbols = {{"N", 128}};
  config.learning_rate = lr;
  config.steps = kSteps;
  config.threads = 2;
  return config;
}

DiagnosisResult Diagnosed(Graph model, const DiagnosisConfig& config, const FillBatch& fill = FillRandom) {
  auto result = RunDiagnosis(std::move(model), config, fill);
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return {};
  std::printf("%s\n%s\n", CostText(result->cost).c_str(), result->report.c_str());
  return *std::move(result);
}

const Finding* Find(const DiagnosisResult& result, Problem problem) {
  for (const Finding& f : result.findings) {
    if (f.problem == problem) return &f;
  }
  return nullptr;
}

TEST(DiagnosisTest, TheGradientOfTwentySigmoidsVanishes) {
  const DiagnosisResult result = Diagnosed(DeepMlp(Activation::kSigmoid, {"xavier_normal", {}}), Config(0.01));
  ASSERT_EQ(result.profile.steps.size(), static_cast<size_t>(kSteps));
  ASSERT_EQ(result.profile.layers.size(), 21u);
  EXPECT_EQ(result.profile.layers[0].name, "fc1");
  EXPECT_TRUE(result.profile.layers[0].saturates);
  const Finding* vanishing = Find(result, Problem::kVanishing);
  ASSERT_NE(vanishing, nullptr);
  EXPECT_EQ(vanishing->where[0], "fc1");
  EXPECT_GT(vanishing->where.size(), 10u);
  EXPECT_THAT(vanishing->text, HasSubstr("a factor of 0."));
  EXPECT_THAT(vanishing->advice, HasSubstr("ReLU"));
  EXPECT_NE(Find(result, Problem::kUpdatesTooSmall), nullptr);
  EXPECT_EQ(Find(result, Problem::kExploding), nullptr);
  EXPECT_THAT(result.report, HasSubstr("VANISHING: The gradient falls from "));
}

TEST(DiagnosisTest, WithReluAndHeInitialisationItDoesNot) {
  DiagnosisConfig config = Config(5e-4);
  config.optimizer = {"Adam", {}};
  const DiagnosisResult result = Diagnosed(DeepMlp(Activation::kRelu, He()), config);
  ASSERT_EQ(result.profile.layers.size(), 21u);
  EXPECT_LT(result.profile.losses.back(), result.profile.losses.front());
  for (const Finding& f : result.findings) ADD_FAILURE() << f.text;
  EXPECT_THAT(result.report, HasSubstr("Nothing stands out."));
}

TEST(DiagnosisTest, ABadlyScaledRecurrentNetworkExplodes) {
  const DiagnosisResult result = Diagnosed(Recurrent(false, {"orthogonal", {{"gain", 3.0}}}), Config(0.01));
  const Finding* exploding = Find(result, Problem::kExploding);
  ASSERT_NE(exploding, nullptr);
  EXPECT_THAT(exploding->text, HasSubstr("The gradient grows from "));
  EXPECT_THAT(exploding->text, HasSubstr("towards the loss"));
  EXPECT_THAT(exploding->advice, HasSubstr("orthogonal"));
  EXPECT_EQ(Find(result, Problem::kVanishing), nullptr);
  // It does not live long.
  ASSERT_NE(Find(result, Problem::kNotFinite), nullptr);
  EXPECT_LT(result.profile.steps.size(), static_cast<size_t>(kSteps));
}

TEST(DiagnosisTest, WithOrthogonalWeightsAndClippingItDoesNot) {
  const DiagnosisResult result = Diagnosed(Recurrent(true, {"orthogonal", {}}), Config(0.003, 1));
  for (const Finding& f : result.findings) ADD_FAILURE() << f.text;
  EXPECT_EQ(result.profile.steps.size(), static_cast<size_t>(kSteps));
}

TEST(DiagnosisTest, TheFirstValueThatIsNotFiniteIsNamed) {
  auto fill = [](int64_t step, const std::map<std::string, TensorView>& inputs) {
    ATH_RETURN_IF_ERROR(FillRandom(step, inputs));
    if (step == 4) inputs.at("x").as<float>()[7] = std::numeric_limits<float>::quiet_NaN();
    return absl::OkStatus();
  };
  for (double clip_norm : {0.0, 1.0}) {  // which refuses the step, and it is looked at all the same
    const DiagnosisResult result = Diagnosed(DeepMlp(Activation::kRelu, He()), Config(0.001, clip_norm), fill);
    const Finding* f = Find(result, Problem::kNotFinite);
    ASSERT_NE(f, nullptr);
    EXPECT_EQ(f->text, "Step 5 is the first with values that are not finite, and the input x is the first of them.");
    EXPECT_EQ(result.profile.steps.back(), 5);
  }
}

TEST(DiagnosisTest, UnitsThatNeverFireAreDead) {
  GraphBuilder b("dead");
  Var x = b.Input("x", DType::kF32, {"N", kFeatures}), labels = b.Input("labels", DType::kS32, {"N"});
  Var h = b.Relu(b.FullyConnected(x, {.units = 40, .name = "fc1", .weight_init = He(),
                                      .bias_init = {"constant", {{"value", -100.0}}}}));
  Var logits = b.FullyConnected(h, {.units = kClasses, .name = "head"});
  b.Entry("train", {.training = true, .inputs = {x, labels}, .loss = b.SoftmaxCrossEntropy(logits, labels)});
  const DiagnosisResult result = Diagnosed(Built(b), Config(0.01));
  const Finding* dead = Find(result, Problem::kDeadUnits);
  ASSERT_NE(dead, nullptr);
  EXPECT_THAT(dead->where, testing::ElementsAre("fc1"));
  EXPECT_THAT(dead->text, HasSubstr("fc1 100 %"));
}

TEST(DiagnosisTest, LargeWeightsSaturateSigmoids) {
  const DiagnosisResult result =
      Diagnosed(DeepMlp(Activation::kSigmoid, {"normal", {{"mean", 0.0}, {"std", 3.0}}}), Config(0.01));
  const Finding* saturated = Find(result, Problem::kSaturated);
  ASSERT_NE(saturated, nullptr);
  EXPECT_EQ(saturated->where[0], "fc1");
}

TEST(DiagnosisTest, UpdatesOfAHighLearningRateAreLarge) {
  const DiagnosisResult result = Diagnosed(Recurrent(true, {"orthogonal", {}}), Config(1.0, 1));
  ASSERT_NE(Find(result, Problem::kUpdatesTooLarge), nullptr);
}

// One step of it leaves a network that does not move any more.
TEST(DiagnosisTest, AStepThatKillsTheNetworkIsSeenBehindIt) {
  const DiagnosisResult result = Diagnosed(DeepMlp(Activation::kRelu, He()), Config(1e4));
  ASSERT_NE(Find(result, Problem::kUpdatesTooLarge), nullptr);
  EXPECT_EQ(Find(result, Problem::kUpdatesTooSmall), nullptr);
}

TEST(DiagnosisTest, TheCostIsKnownBeforeTheFirstStep) {
  bool told = false;
  auto fill = [&](int64_t step, const std::map<std::string, TensorView>& inputs) {
    EXPECT_TRUE(told);
    return FillRandom(step, inputs);
  };
  auto result = RunDiagnosis(DeepMlp(Activation::kRelu, He()), Config(0.01), fill, [&](const DiagnosisCost& cost) {
    told = true;
    // Weights, gradients and updates of 42 parameters, 21 activations, and their gradients.
    EXPECT_GE(cost.calls, 3 * 42 + 2 * 21);
    EXPECT_GT(cost.bytes, 4.0 * 4 * 20 * 64 * 64);
    EXPECT_GT(cost.plain_bytes, 0);
    EXPECT_GT(cost.plain_memory, 0);
    EXPECT_THAT(CostText(cost), HasSubstr("a diagnosed step has "));
  });
  ASSERT_TRUE(result.ok()) << result.status();
}

TEST(DiagnosisTest, RequestsOutOfRangeAreRefused) {
  DiagnosisConfig config = Config(0.01);
  config.steps = 0;
  EXPECT_EQ(RunDiagnosis(DeepMlp(Activation::kRelu, He()), config, FillRandom).status().message(),
            "REQ: steps = 0 is below 1");
  for (double lr : {0.0, -1.0, std::nan("")}) {
    EXPECT_THAT(RunDiagnosis(DeepMlp(Activation::kRelu, He()), Config(lr), FillRandom).status().message(),
                HasSubstr("is not a positive number"));
  }
}

// The diagnosed entry trains as the plain one does.
TEST(DiagnosisTest, ATrainingIsTheSameWithIt) {
  Graph model = DeepMlp(Activation::kRelu, He());
  ATH_CHECK_OK(InitializeVariables(&model, 1));
  CompileOptions options;
  EntryRequest plain{"train", {{"N", 32}}}, diagnosed = plain;
  diagnosed.diagnose = true;
  options.entries = {plain, diagnosed};
  options.optimizer = Config(0.01).optimizer;
  options.threads = 2;
  auto plan = Compile(model, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  auto shared = std::make_shared<const Plan>(*std::move(plan));
  std::vector<Tensor> weights;
  for (const char* name : {"train", "train.diagnose"}) {
    auto session = Session::Create(shared, SessionOptions{.poison = true});
    ASSERT_TRUE(session.ok()) << session.status();
    const int entry = *(*session)->FindEntry(name);
    for (int64_t step = 0; step < 3; ++step) {
      ATH_CHECK_OK(FillRandom(step, {{"x", *(*session)->Input(entry, "x")}, {"labels", *(*session)->Input(entry, "labels")}}));
      *static_cast<float*>((*session)->Input(entry, "lr")->data) = 0.01f;
      ASSERT_TRUE((*session)->Run(entry).ok());
    }
    weights.push_back(*(*session)->weights().Get("fc3.weight"));
  }
  for (int64_t i = 0; i < weights[0].num_elements(); ++i) {
    ASSERT_NEAR(weights[0].as<float>()[i], weights[1].as<float>()[i], 1e-5);
  }
}

}  // namespace
}  // namespace athanor
