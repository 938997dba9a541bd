// Encoder and decoder with attention: learns to reverse, and attends to the characters that it copies.
#include "models/seq2seq.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/testing/model_run.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kBatch = 8, kSource = 4, kTarget = 4, kSymbols = 6;
constexpr int32_t kStart = 1, kEnd = 2;

Graph Tiny() {
  absl::StatusOr<Graph> model = BuildSeq2Seq("tiny", {.vocabulary = kSymbols, .source = kSource, .target = kTarget,
                                                      .embedding = 8, .hidden = 16});
  ATH_CHECK_OK(model);
  return *std::move(model);
}

// Words of two or three of the letters 3, 4, 5 and the same reversed, padded.
Tensors Words() {
  std::vector<int32_t> source, x, labels;
  for (int64_t n = 0; n < kBatch; ++n) {
    std::vector<int32_t> word = {static_cast<int32_t>(3 + n % 3), static_cast<int32_t>(3 + (n + n / 3) % 3)};
    if (n % 2 == 0) word.push_back(static_cast<int32_t>(3 + n / 2 % 3));
    std::vector<int32_t> in = word, before = {kStart}, after(word.rbegin(), word.rend());
    before.insert(before.end(), word.rbegin(), word.rend());
    after.push_back(kEnd);
    in.resize(kSource, 0);
    before.resize(kTarget, 0);
    after.resize(kTarget, -100);
    source.insert(source.end(), in.begin(), in.end());
    x.insert(x.end(), before.begin(), before.end());
    labels.insert(labels.end(), after.begin(), after.end());
  }
  Tensors batch;
  batch.emplace("source", Ids({kBatch, kSource}, source));
  batch.emplace("x", Ids({kBatch, kTarget}, x));
  batch.emplace("labels", Ids({kBatch, kTarget}, labels));
  return batch;
}

Tensors Inputs(const Tensors& batch) {
  Tensors inputs;
  for (const char* name : {"source", "x"}) inputs.emplace(name, batch.at(name).Clone());
  return inputs;
}

TEST(Seq2Seq, LearnsToReverseWordsAndAttendsToTheSourceAlone) {
  ModelRun run(Tiny(), {.batch = kBatch, .learning_rate = 0.02f});
  const Tensors batch = Words();
  run.Step(batch);
  EXPECT_LT(run.Train(batch, 120), 0.05f);
  const Tensors out = run.Run("infer", Inputs(batch));
  ASSERT_EQ(out.at("logits").shape(), (Shape{kBatch, kTarget, kSymbols}));
  ASSERT_EQ(out.at("attention").shape(), (Shape{kBatch, kTarget, kSource}));
  for (int64_t i = 0; i < kBatch * kTarget; ++i) {
    const int32_t label = batch.at("labels").as<int32_t>()[i];
    const auto row = out.at("logits").as<float>().subspan(i * kSymbols, kSymbols);
    if (label >= 0) {
      EXPECT_EQ(std::max_element(row.begin(), row.end()) - row.begin(), label) << i;
    }
    float sum = 0;
    for (int64_t s = 0; s < kSource; ++s) {
      const float weight = out.at("attention").as<float>()[i * kSource + s];
      const bool padding = batch.at("source").as<int32_t>()[i / kTarget * kSource + s] == 0;
      if (padding) {
        EXPECT_EQ(weight, 0) << i << " " << s;
      }
      sum += weight;
    }
    EXPECT_NEAR(sum, 1, 1e-5f) << i;
  }
}

TEST(Seq2Seq, ALaterCharacterOfTheTargetChangesNoEarlierLogits) {
  ModelRun run(Tiny(), {.batch = kBatch, .entries = {"infer"}, .train = false});
  Tensors inputs = Inputs(Words());
  const Tensors before = run.Run("infer", inputs);
  for (int64_t n = 0; n < kBatch; ++n) inputs.at("x").as<int32_t>()[n * kTarget + 2] = 3 + (n + 1) % 3;
  const Tensors after = run.Run("infer", inputs);
  for (int64_t i = 0; i < kBatch * kTarget * kSymbols; ++i) {
    if (i / kSymbols % kTarget < 2) {
      EXPECT_EQ(before.at("logits").as<float>()[i], after.at("logits").as<float>()[i]) << i;
    }
  }
}

TEST(Seq2Seq, HasTheParametersOfTorch) {
  EXPECT_THAT(ParameterTypes(Tiny()),
              testing::UnorderedElementsAre(
                  "source_embedding.weight f32[6,8]", "target_embedding.weight f32[6,8]",
                  "encoder.weight_ih_l0 f32[48,8]", "encoder.weight_ih_l0_reverse f32[48,8]",
                  "encoder.weight_hh_l0 f32[48,16]", "encoder.weight_hh_l0_reverse f32[48,16]",
                  "encoder.bias_ih_l0 f32[48]", "encoder.bias_ih_l0_reverse f32[48]", "encoder.bias_hh_l0 f32[48]",
                  "encoder.bias_hh_l0_reverse f32[48]", "bridge.weight f32[16,32]", "bridge.bias f32[16]",
                  "attention.W_q.weight f32[16,16]", "attention.W_k.weight f32[16,32]", "attention.v f32[16]",
                  "decoder.weight_ih_l0 f32[48,40]", "decoder.weight_hh_l0 f32[48,16]", "decoder.bias_ih_l0 f32[48]",
                  "decoder.bias_hh_l0 f32[48]", "head.weight f32[6,48]", "head.bias f32[6]"));
}

TEST(Seq2Seq, RefusesLengthsThatCannotBe) {
  EXPECT_THAT(std::string(BuildSeq2Seq("m", {.target = 65}).status().message()),
              HasSubstr("target = 65 is not in [1, 64]"));
  EXPECT_THAT(std::string(BuildSeq2Seq("m", {.source = 0}).status().message()), HasSubstr("source = 0"));
}

}  // namespace
}  // namespace athanor
