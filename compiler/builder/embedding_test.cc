#include "compiler/builder/embedding.h"

#include <cmath>

#include "compiler/graph/initializers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

TEST(EmbeddingLayer, HasPyTorchsParameterAndStart) {
  GraphBuilder b("net");
  Var ids = b.Input("ids", DType::kS64, {"N", 7});
  Var y = Embedding(b, ids, {.num_embeddings = 100, .embedding_dim = 50, .padding_idx = 3, .name = "words"});
  EXPECT_EQ(b.TypeOf(y).ToString(), "f32[N,7,50]") << b.status();
  b.Entry("infer", {.inputs = {ids}, .outputs = {{"y", y}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  const Value& weight = graph->value(graph->FindValue("words.weight"));
  EXPECT_EQ(weight.type.ToString(), "f32[100,50]");
  EXPECT_EQ(weight.init.kind, "normal");
  ASSERT_TRUE(InitializeVariables(&*graph, 1).ok());
  const Tensor& data = *graph->value(graph->FindValue("words.weight")).data;
  double sum = 0, squares = 0;
  for (float v : data.as<float>()) sum += v, squares += v * v;
  EXPECT_NEAR(sum / 5000, 0, 0.05);
  EXPECT_NEAR(squares / 5000, 1, 0.1);
}

TEST(EmbeddingLayer, NamesItselfAndTakesOtherStarts) {
  GraphBuilder b("net");
  Var ids = b.Input("ids", DType::kS32, {});
  Var y = Embedding(b, ids, {.num_embeddings = 4, .embedding_dim = 2, .weight_init = {"zeros", {}}});
  EXPECT_EQ(b.TypeOf(y).ToString(), "f32[2]") << b.status();
  b.Entry("infer", {.inputs = {ids}, .outputs = {{"y", y}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->value(graph->FindValue("embedding.weight")).init.kind, "zeros");
}

TEST(EmbeddingLayer, ErrorsNameTheLayerAndTheCaller) {
  auto error = [](DType dtype, EmbeddingOptions options) {
    GraphBuilder b("net");
    Embedding(b, b.Input("ids", dtype, {"N"}), std::move(options));
    return std::string(b.status().message());
  };
  EXPECT_THAT(error(DType::kF32, {.num_embeddings = 4, .embedding_dim = 2, .name = "words"}),
              HasSubstr("node \"words\" (Embedding): input \"ids\" is f32[N]"));
  EXPECT_THAT(error(DType::kS32, {.num_embeddings = 4, .embedding_dim = 2, .padding_idx = 4}),
              HasSubstr("padding_idx = 4 is not a row of the weight f32[4,2]"));
  EXPECT_THAT(error(DType::kS32, {.num_embeddings = 4, .embedding_dim = 2, .padding_idx = 4}),
              HasSubstr("embedding_test.cc:"));
  EXPECT_NE(error(DType::kS32, {.num_embeddings = -4, .embedding_dim = -2}), "");
}

}  // namespace
}  // namespace athanor
