// Language models: their parameters, that they learn a text by heart, and that they see only what came before.
#include "models/language.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/testing/model_run.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kBatch = 4, kSteps = 8, kCharacters = 5;

Graph Tiny(const std::string& kind) {
  absl::StatusOr<Graph> model =
      kind == "gpt" || kind == "tied"
          ? BuildGpt("tiny", {.vocabulary = kCharacters, .sequence = kSteps, .width = 16, .heads = 2, .layers = 2,
                              .tied = kind == "tied"})
          : BuildRecurrentLanguageModel("tiny", {.cell = kind, .vocabulary = kCharacters, .sequence = kSteps,
                                                 .embedding = 6, .hidden = 12, .layers = 2});
  ATH_CHECK_OK(model);
  return *std::move(model);
}

// Windows of the text "01102 01102 ...", which needs two characters of memory.
Tensors Windows() {
  const std::vector<int32_t> text = {0, 1, 1, 0, 2};
  std::vector<int32_t> x, labels;
  for (int64_t n = 0; n < kBatch; ++n) {
    for (int64_t t = 0; t < kSteps; ++t) {
      x.push_back(text[(n + t) % 5]);
      labels.push_back(text[(n + t + 1) % 5]);
    }
  }
  Tensors batch;
  batch.emplace("x", Ids({kBatch, kSteps}, x));
  batch.emplace("labels", Ids({kBatch, kSteps}, labels));
  return batch;
}

Tensors Only(const Tensors& batch, const std::string& name) {
  Tensors one;
  one.emplace(name, batch.at(name).Clone());
  return one;
}

class LanguageModel : public testing::TestWithParam<const char*> {};

TEST_P(LanguageModel, LearnsATextByHeart) {
  ModelRun run(Tiny(GetParam()), {.batch = kBatch, .learning_rate = 0.02f, .entries = {"train", "evaluate", "infer"}});
  const Tensors batch = Windows();
  EXPECT_NEAR(run.Step(batch), std::log(double{kCharacters}), 0.7);
  run.Train(batch, 150);
  // The first character does not tell what follows, the others do: 1 -> 1 or 0, 0 -> 1 or 2.
  Tensors evaluated = run.Run("evaluate", batch);
  EXPECT_LT(evaluated.at("loss").as<float>()[0], 0.15f);
  EXPECT_EQ(evaluated.at("logits").shape(), (Shape{kBatch, kSteps, kCharacters}));
  Tensors inferred = run.Run("infer", Only(batch, "x"));
  const auto logits = inferred.at("logits").as<float>();
  for (int64_t i = 0; i < kBatch * kSteps; ++i) {
    if (i % kSteps < 2) continue;
    const auto row = logits.subspan(i * kCharacters, kCharacters);
    EXPECT_EQ(std::max_element(row.begin(), row.end()) - row.begin(), batch.at("labels").as<int32_t>()[i]) << i;
  }
}

TEST_P(LanguageModel, ALaterCharacterChangesNoEarlierLogits) {
  ModelRun run(Tiny(GetParam()), {.batch = kBatch, .entries = {"infer"}, .train = false});
  Tensors input = Only(Windows(), "x");
  const Tensors before = run.Run("infer", input);
  constexpr int64_t kChanged = 5;
  for (int64_t n = 0; n < kBatch; ++n) input.at("x").as<int32_t>()[n * kSteps + kChanged] = 4;
  const Tensors after = run.Run("infer", input);
  for (int64_t i = 0; i < kBatch * kSteps; ++i) {
    float difference = 0;
    for (int64_t k = i * kCharacters; k < (i + 1) * kCharacters; ++k) {
      const float change = before.at("logits").as<float>()[k] - after.at("logits").as<float>()[k];
      difference = std::max(difference, std::abs(change));
    }
    if (i % kSteps < kChanged) {
      EXPECT_EQ(difference, 0) << i;
    } else {
      EXPECT_GT(difference, 1e-5f) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cells, LanguageModel, testing::Values("rnn", "lstm", "gru", "gpt", "tied"),
                         [](const auto& info) { return std::string(info.param); });

class RecurrentLanguageModel : public testing::TestWithParam<const char*> {};

TEST_P(RecurrentLanguageModel, StepByStepGivesTheLogitsOfTheWindow) {
  ModelRun run(Tiny(GetParam()), {.batch = kBatch, .entries = {"infer", "step"}, .train = false});
  const Tensors window = Only(Windows(), "x");
  const Tensors whole = run.Run("infer", window);
  const bool lstm = std::string(GetParam()) == "lstm";
  Tensor h = *Tensor::Create(DType::kF32, {2, kBatch, 12}), c = h.Clone();
  for (int64_t t = 0; t < kSteps; ++t) {
    std::vector<int32_t> ids;
    for (int64_t n = 0; n < kBatch; ++n) ids.push_back(window.at("x").as<int32_t>()[n * kSteps + t]);
    Tensors inputs;
    inputs.emplace("x", Ids({kBatch, 1}, ids));
    inputs.emplace("h0", std::move(h));
    if (lstm) inputs.emplace("c0", std::move(c));
    Tensors out = run.Run("step", inputs);
    ASSERT_EQ(out.at("logits").shape(), (Shape{kBatch, 1, kCharacters}));
    for (int64_t n = 0; n < kBatch; ++n) {
      for (int64_t k = 0; k < kCharacters; ++k) {
        EXPECT_NEAR(out.at("logits").as<float>()[n * kCharacters + k],
                    whole.at("logits").as<float>()[(n * kSteps + t) * kCharacters + k], 1e-5f)
            << n << " " << t << " " << k;
      }
    }
    h = std::move(out.at("h_n"));
    if (lstm) c = std::move(out.at("c_n"));
  }
}

INSTANTIATE_TEST_SUITE_P(Cells, RecurrentLanguageModel, testing::Values("rnn", "lstm", "gru"),
                         [](const auto& info) { return std::string(info.param); });

TEST(RecurrentLanguageModel, HasTheParametersOfTorch) {
  EXPECT_THAT(ParameterTypes(Tiny("lstm")),
              ElementsAre("embedding.weight f32[5,6]", "rnn.weight_ih_l0 f32[48,6]", "rnn.weight_hh_l0 f32[48,12]",
                          "rnn.bias_ih_l0 f32[48]", "rnn.bias_hh_l0 f32[48]", "rnn.weight_ih_l1 f32[48,12]",
                          "rnn.weight_hh_l1 f32[48,12]", "rnn.bias_ih_l1 f32[48]", "rnn.bias_hh_l1 f32[48]",
                          "head.weight f32[5,12]", "head.bias f32[5]"));
}

TEST(Gpt, HasAsManyParametersAsItsSizesSay) {
  constexpr int64_t d = 16, layer = 12 * d * d + 13 * d;  // attention 4 d^2 + 4 d, feed-forward 8 d^2 + 5 d, norms 4 d
  EXPECT_EQ(ParameterCount(Tiny("gpt")), (kCharacters + kSteps) * d + 2 * layer + 2 * d + kCharacters * d);
  EXPECT_EQ(ParameterCount(Tiny("tied")), (kCharacters + kSteps) * d + 2 * layer + 2 * d);
}

TEST(LanguageModels, DropOutInTrainingOnly) {
  absl::StatusOr<Graph> model = BuildGpt("gpt", {.vocabulary = 5, .sequence = 8, .width = 16, .heads = 2, .layers = 1,
                                                 .dropout = 0.5});
  ASSERT_TRUE(model.ok()) << model.status();
  ModelRun run(*std::move(model), {.batch = kBatch, .learning_rate = 0, .entries = {"train", "evaluate"}});
  const Tensors batch = Windows();
  const float first = run.Step(batch), second = run.Step(batch);
  EXPECT_NE(first, second);  // the same weights, another step
  const float evaluated = run.Run("evaluate", batch).at("loss").as<float>()[0];
  EXPECT_EQ(evaluated, run.Run("evaluate", batch).at("loss").as<float>()[0]);
}

TEST(LanguageModels, RefuseWhatCannotBe) {
  auto error = [](const absl::StatusOr<Graph>& model) { return std::string(model.status().message()); };
  EXPECT_THAT(error(BuildRecurrentLanguageModel("m", {.cell = "elman"})), HasSubstr("cell = \"elman\" is not rnn"));
  EXPECT_THAT(error(BuildRecurrentLanguageModel("m", {.hidden = 0})), HasSubstr("hidden = 0"));
  EXPECT_THAT(error(BuildGpt("m", {.width = 30, .heads = 4})), HasSubstr("heads = 4 does not divide the 30 features"));
}

}  // namespace
}  // namespace athanor
