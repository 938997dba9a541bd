#include "models/flops.h"

#include <functional>

#include "compiler/builder/attention.h"
#include "compiler/builder/convolution.h"
#include "compiler/builder/recurrent.h"
#include "gtest/gtest.h"
#include "models/models.h"

namespace athanor {
namespace {

double FlopsOf(const std::function<Var(GraphBuilder&)>& build) {
  GraphBuilder b("net");
  Var y = build(b);
  b.Entry("infer", {.outputs = {{"y", y}}});
  absl::StatusOr<Graph> graph = b.Build();
  EXPECT_EQ(graph.status(), absl::OkStatus());
  return graph.ok() ? TotalFlops(*graph) : -1;
}

Var Image(GraphBuilder& b) { return b.Input("x", DType::kF32, {"N", 8, 10, 6}); }
Var Sequence(GraphBuilder& b) { return b.Input("x", DType::kF32, {"N", 5, 12}); }

TEST(Flops, AreTwoAMultiplyAdd) {
  EXPECT_EQ(FlopsOf([](GraphBuilder& b) {
              return b.Conv2d(Image(b), {.out_channels = 4, .kernel = {3, 3}, .strides = {2, 1}, .groups = 2});
            }),
            2.0 * (4 * 4 * 4) * (4 * 3 * 3));
  EXPECT_EQ(FlopsOf([](GraphBuilder& b) {
              return ConvTranspose2d(b, Image(b), {.out_channels = 4, .kernel = {2, 2}, .strides = {2, 2}});
            }),
            2.0 * (8 * 10 * 6) * (4 * 2 * 2));
  EXPECT_EQ(FlopsOf([](GraphBuilder& b) { return b.FullyConnected(b.Flatten(Image(b)), {.units = 7}); }),
            2.0 * 480 * 7);
  EXPECT_EQ(FlopsOf([](GraphBuilder& b) { return b.MatMul(Sequence(b), b.Parameter("w", {12, 9}, {"ones", {}})); }),
            2.0 * 5 * 12 * 9);
  // 7 units see 12 inputs and 7 states through 4 gates, in each of 5 steps.
  EXPECT_EQ(FlopsOf([](GraphBuilder& b) {
              return Lstm(b, b.Transpose(Sequence(b), {1, 0, 2}), {.hidden = 7}).y;
            }),
            2.0 * 5 * 4 * 7 * (12 + 7));
  // Four projections, and for each of 5 queries 5 keys: a product of 12 and a sum of 12.
  EXPECT_EQ(FlopsOf([](GraphBuilder& b) { return MultiHeadAttention(b, Sequence(b), {.heads = 3}); }),
            2.0 * 5 * 12 * 12 * 4 + 2.0 * 5 * 5 * (12 + 12));
}

TEST(Flops, OfOtherLayersAndOtherEntriesDoNotCount) {
  EXPECT_EQ(FlopsOf([](GraphBuilder& b) {
              Var x = Image(b);
              b.Conv2d(x, {.out_channels = 4, .kernel = {3, 3}});  // nobody reads it
              return b.Relu(b.BatchNorm(b.MaxPool(x, {.kernel = {2, 2}})));
            }),
            0);
  EXPECT_EQ(TotalFlops(*BuildModel("lenet5"), "no such entry"), 0);
}

TEST(Flops, OfKnownNetworks) {
  // Multiply-adds as torchvision's documentation lists them, in units of 1e9 with two or three digits.
  auto giga = [](const char* name) { return TotalFlops(*BuildModel(name)) / 2e9; };
  EXPECT_NEAR(giga("alexnet"), 0.71, 0.005);
  EXPECT_NEAR(giga("vgg16"), 15.47, 0.005);
  EXPECT_NEAR(giga("resnet18"), 1.81, 0.005);
  EXPECT_NEAR(giga("resnet50"), 4.09, 0.005);
  EXPECT_NEAR(giga("resnet101"), 7.80, 0.005);
  EXPECT_NEAR(giga("densenet121"), 2.83, 0.005);
  EXPECT_NEAR(giga("mobilenet_v2"), 0.30, 0.005);
  EXPECT_NEAR(giga("resnet20"), 0.041, 0.0005);  // the widely used figure
}

TEST(Flops, OfDepthGrowWithTheLayersThatTrain) {
  ModelOptions options;
  options.auxiliary = true;
  absl::StatusOr<Graph> graph = BuildModel("googlenet", options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_GT(TotalFlops(*graph, "train"), TotalFlops(*graph, "evaluate"));
  EXPECT_EQ(TotalFlops(*graph, "infer"), TotalFlops(*graph, "evaluate"));
}

}  // namespace
}  // namespace athanor
