// The classifiers of sequences: their parameters, and that they learn.
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/models.h"
#include "models/testing/model_run.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;

Graph Built(const std::string& name) {
  absl::StatusOr<Graph> model = BuildModel(name);
  ATH_CHECK_OK(model);
  return *std::move(model);
}

TEST(LstmClassifier, HasTheParametersOfTorch) {
  Graph model = Built("lstm");
  EXPECT_THAT(ParameterTypes(model),
              ElementsAre("rnn.weight_ih_l0 f32[1024,128]", "rnn.weight_hh_l0 f32[1024,256]", "rnn.bias_ih_l0 f32[1024]",
                          "rnn.bias_hh_l0 f32[1024]", "head.weight f32[10,256]", "head.bias f32[10]"));
  EXPECT_EQ(ParameterCount(model), 4 * 256 * (128 + 256 + 2) + 2570);
}

TEST(Encoder, HasTheParametersOfTorch) {
  Graph model = Built("encoder");
  constexpr int64_t d = 256, layer = 3 * d * (d + 1) + d * (d + 1) + 4 * d + 4 * d * (d + 1) + d * (4 * d + 1);
  EXPECT_EQ(ParameterCount(model), 4 * layer + 2 * d + 2570);
  EXPECT_THAT(ParameterTypes(model), testing::IsSupersetOf({"layers.3.qkv.weight f32[768,256]", "layers.0.qkv.bias f32[768]",
                                                            "layers.1.n1.weight f32[256]", "layers.1.n2.bias f32[256]",
                                                            "layers.2.up.weight f32[1024,256]",
                                                            "layers.2.down.weight f32[256,1024]", "norm.weight f32[256]",
                                                            "head.weight f32[10,256]"}));
}

// A picture whose first row, or last one, decides.
Tensors Edges(int64_t row) {
  Tensor x = *Tensor::Create(DType::kF32, {8, 1, 6, 5});
  std::vector<int32_t> labels;
  for (int64_t n = 0; n < 8; ++n) {
    labels.push_back(n % 2);
    for (int64_t i = 0; i < 30; ++i) x.as<float>()[n * 30 + i] = 0.3f * std::sin(1.7f * static_cast<float>(n * 30 + i));
    for (int64_t c = 0; c < 5; ++c) x.as<float>()[n * 30 + row * 5 + c] = n % 2 == 0 ? 1.0f : -1.0f;
  }
  Tensors batch;
  batch.emplace("x", std::move(x));
  batch.emplace("labels", Ids({8}, labels));
  return batch;
}

TEST(ImageRows, RecurrentNetworksLearnFromEitherEnd) {
  for (const char* name : {"rnn_rows", "lstm_rows", "gru_rows", "birnn_rows", "bilstm_rows", "bigru_rows", "encoder_rows"}) {
    for (int64_t row : {0, 5}) {
      ModelOptions options;
      options.classes = 2;
      options.input = {1, 6, 5};
      options.width = 0.25;
      absl::StatusOr<Graph> model = BuildModel(name, options);
      ASSERT_TRUE(model.ok()) << model.status();
      ModelRun run(*std::move(model), {.batch = 8, .learning_rate = 0.01f});
      EXPECT_LT(run.Train(Edges(row), 60), 0.1f) << name << " row " << row;
    }
  }
}

TEST(ImageRows, TheSecondDirectionBeginsAtTheLastRow) {
  ModelOptions options;
  options.input = {1, 6, 5};
  absl::StatusOr<Graph> model = BuildModel("birnn_rows", options);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(ParameterTypes(*model), testing::IsSupersetOf({"rnn.weight_ih_l0 f32[128,5]",
                                                             "rnn.weight_ih_l0_reverse f32[128,5]",
                                                             "head.weight f32[10,256]"}));
}

TEST(SequenceClassifiers, TakeMoreLayersAndOtherSizes) {
  ModelOptions options;
  options.hidden = {16, 16};
  options.input = {7, 3};
  absl::StatusOr<Graph> model = BuildModel("lstm", options);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(ParameterCount(*model), 4 * 16 * (3 + 16 + 2) + 4 * 16 * (16 + 16 + 2) + 10 * 17);
  options.hidden = {16, 8};
  EXPECT_THAT(std::string(BuildModel("lstm", options).status().message()), testing::HasSubstr("hidden = [16,8]"));
}

TEST(SequenceClassifiers, LearnABatchByHeart) {
  for (const char* name : {"lstm", "encoder"}) {
    ModelRun run(Built(name), {.batch = 2, .learning_rate = 1e-3f});
    const Value& x = run.model().value(run.model().FindValue("x"));
    Shape shape = {2};
    for (size_t d = 1; d < x.type.dims.size(); ++d) shape.push_back(x.type.dims[d].size);
    Tensors batch;
    batch.emplace("x", Waves(shape));
    batch.emplace("labels", Ids({2}, {3, 1}));
    const float first = run.Step(batch);
    EXPECT_NEAR(first, std::log(10.0f), 0.8f) << name;
    EXPECT_LT(run.Train(batch, 15), 1.2f) << name << " from " << first;
  }
}

}  // namespace
}  // namespace athanor
