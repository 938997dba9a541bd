// The zoo as graphs: sizes that are known, forms that options ask for, and what is refused.
#include "models/models.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

int64_t Parameters(const Graph& graph) {
  int64_t total = 0;
  for (const Value& v : graph.values) {
    if (v.kind == ValueKind::kParameter) total += *NumElements(v.type.shape());
  }
  return total;
}

Graph Built(const std::string& name, const ModelOptions& options = {}) {
  absl::StatusOr<Graph> graph = BuildModel(name, options);
  EXPECT_EQ(graph.status(), absl::OkStatus());
  return graph.ok() ? *std::move(graph) : Graph();
}

std::string ErrorOf(const std::string& name, const ModelOptions& options) {
  return std::string(BuildModel(name, options).status().message());
}

Shape ShapeOf(const Graph& graph, const std::string& value) {
  const ValueId id = graph.FindValue(value);
  return id == kNoValue ? Shape{} : graph.type(id).shape();
}

class EveryModel : public testing::TestWithParam<std::string> {};

TEST_P(EveryModel, HasTheParametersThatOthersCount) {
  const ModelInfo& info = *FindModel(GetParam());
  EXPECT_EQ(Parameters(Built(info.name)), info.parameters) << "counted by: " << info.counted_by;
  EXPECT_FALSE(info.doc.empty());
  EXPECT_FALSE(info.paper.empty());
  EXPECT_FALSE(info.counted_by.empty());
}

TEST_P(EveryModel, HasThreeEntriesOfItsName) {
  const Graph graph = Built(GetParam());
  EXPECT_EQ(graph.name, GetParam());
  for (const char* entry : {"train", "evaluate", "infer"}) ASSERT_NE(graph.FindEntry(entry), nullptr) << entry;
  EXPECT_TRUE(graph.FindEntry("train")->training);
  EXPECT_FALSE(graph.FindEntry("evaluate")->training);
  EXPECT_NE(graph.FindEntry("train")->loss, kNoValue);
  EXPECT_NE(graph.FindEntry("evaluate")->loss, kNoValue);
  EXPECT_EQ(graph.FindEntry("infer")->loss, kNoValue);
  EXPECT_EQ(graph.metadata.String("task"), FindModel(GetParam())->task);
}

TEST_P(EveryModel, HasAsManyLogitsAsClasses) {
  if (FindModel(GetParam())->task != "classification") return;
  ModelOptions options;
  options.classes = 7;
  const Graph graph = Built(GetParam(), options);
  for (const NamedValue& out : graph.FindEntry("infer")->outputs) {
    EXPECT_EQ(graph.type(out.value).ToString(), "f32[N,7]") << out.name;
  }
}

TEST_P(EveryModel, TakesTheOptionsThatItNames) {
  const ModelInfo& info = *FindModel(GetParam());
  auto takes = [&](const char* option) {
    return std::find(info.options.begin(), info.options.end(), option) != info.options.end();
  };
  ModelOptions half, none;
  half.width = 0.5;
  none.dropout = 0;
  EXPECT_EQ(BuildModel(info.name, half).ok(), takes("width"));
  EXPECT_EQ(BuildModel(info.name, none).ok(), takes("dropout"));
  if (takes("width")) {
    EXPECT_LT(Parameters(Built(info.name, half)), info.parameters);
  }
  if (!takes("dropout")) return;
  for (const Node& node : Built(info.name, none).nodes) EXPECT_NE(node.op, "Dropout") << node.name;
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const ModelInfo& info : AllModels()) names.push_back(info.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Zoo, EveryModel, testing::ValuesIn(Names()), [](const auto& info) { return info.param; });

TEST(Zoo, NamesAreUnique) {
  const std::vector<std::string> names = Names();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

TEST(Zoo, NetworksTakeOtherImages) {
  ModelOptions options;
  options.classes = 10;
  options.input = {1, 96, 80};
  for (const char* name : {"alexnet", "vgg11", "vgg16", "googlenet", "resnet18", "resnet50", "densenet121", "mobilenet_v2",
                           "mlp", "lenet5", "nin", "resnet20", "densenet_cifar", "googlenet_cifar"}) {
    const Graph graph = Built(name, options);
    ASSERT_NE(graph.FindEntry("infer"), nullptr) << name;
    EXPECT_EQ(graph.type(graph.FindEntry("infer")->outputs[0].value).ToString(), "f32[N,10]") << name;
  }
}

TEST(Zoo, ParametersAreNamedLikeTorchvisions) {
  const Graph resnet = Built("resnet50");
  EXPECT_EQ(ShapeOf(resnet, "layer2.0.downsample.0.weight"), (Shape{512, 256, 1, 1}));
  EXPECT_EQ(ShapeOf(resnet, "layer4.2.bn3.running_var"), (Shape{2048}));
  EXPECT_EQ(ShapeOf(Built("vgg16"), "features.28.weight"), (Shape{512, 512, 3, 3}));
  EXPECT_EQ(ShapeOf(Built("vgg16"), "classifier.6.weight"), (Shape{1000, 4096}));
  EXPECT_EQ(ShapeOf(Built("alexnet"), "features.10.weight"), (Shape{256, 256, 3, 3}));
  EXPECT_EQ(ShapeOf(Built("densenet121"), "features.denseblock4.denselayer16.conv2.weight"), (Shape{32, 128, 3, 3}));
  EXPECT_EQ(ShapeOf(Built("mobilenet_v2"), "features.1.conv.1.weight"), (Shape{16, 32, 1, 1}));
  EXPECT_EQ(ShapeOf(Built("mobilenet_v2"), "features.17.conv.2.weight"), (Shape{320, 960, 1, 1}));
}

TEST(Zoo, AuxiliaryHeadsAreInTheTrainingEntryOnly) {
  ModelOptions options;
  options.auxiliary = true;
  const Graph graph = Built("googlenet", options);
  EXPECT_EQ(ShapeOf(graph, "aux1.fc1.weight"), (Shape{1024, 2048}));
  // Two heads of a 1x1 convolution to 128 channels, 2048 -> 1024 and 1024 -> 1000, as in Caffe's.
  const int64_t heads = (512 + 528 + 2) * 128 + 2 * (2049 * 1024 + 1025 * 1000);
  EXPECT_EQ(Parameters(graph), FindModel("googlenet")->parameters + heads);
  const GraphEntry *train = graph.FindEntry("train"), *evaluate = graph.FindEntry("evaluate");
  EXPECT_NE(train->loss, evaluate->loss);
  const Graph without = Built("googlenet");
  EXPECT_EQ(without.FindEntry("train")->loss, without.FindEntry("evaluate")->loss);
}

TEST(Zoo, PerceptronsTakeTheirLayersFromTheOptions) {
  ModelOptions options;
  options.hidden = {20, 30, 40};
  options.activation = "sigmoid";
  options.batch_norm = true;
  options.input = {5};
  const Graph graph = Built("mlp", options);
  EXPECT_EQ(ShapeOf(graph, "fc1.weight"), (Shape{20, 5}));
  EXPECT_EQ(ShapeOf(graph, "fc4.weight"), (Shape{10, 40}));
  EXPECT_EQ(ShapeOf(graph, "bn3.weight"), (Shape{40}));
  int sigmoids = 0;
  for (const Node& node : graph.nodes) sigmoids += node.op == "Sigmoid";
  EXPECT_EQ(sigmoids, 3);
}

TEST(Zoo, ClassNamesCountTheClassesAndAreKept) {
  ModelOptions options;
  options.class_names = {"cat", "dog", "newt"};
  const Graph graph = Built("lenet5", options);
  EXPECT_EQ(ShapeOf(graph, "fc3.bias"), (Shape{3}));
  EXPECT_EQ(graph.metadata.GetStrings("classes"), options.class_names);
  options.classes = 4;
  EXPECT_EQ(ErrorOf("lenet5", options), "REQ: 3 class names for 4 classes");
}

TEST(Zoo, WidthsAreRoundedToBlocks) {
  ModelOptions options;
  options.width = 0.35;
  EXPECT_EQ(ShapeOf(Built("resnet18", options), "layer4.0.conv1.weight"), (Shape{176, 88, 3, 3}));  // 179.2, 89.6
  EXPECT_EQ(ShapeOf(Built("lenet5", options), "conv1.weight"), (Shape{2, 1, 5, 5}));                // 2.1
}

TEST(Zoo, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(ErrorOf("resnet19", {}), HasSubstr("REQ: no model \"resnet19\"; there are: perceptron, xor, mlp, lenet5"));
  ModelOptions options;
  options.auxiliary = true;
  EXPECT_EQ(ErrorOf("resnet18", options), "REQ: network \"resnet18\" has no option \"auxiliary\"; it has: width, dropout");
  EXPECT_THAT(ErrorOf("perceptron", options), HasSubstr("it has: none"));
  options = {};
  options.classes = -1;
  EXPECT_EQ(ErrorOf("mlp", options), "REQ: classes = -1 is not in [1, 16777216]");
  options = {};
  options.input = {28, 28};
  EXPECT_EQ(ErrorOf("lenet5", options),
            "REQ: network \"lenet5\" takes samples like [1,28,28], of sizes of at least 1, not [28,28]");
  options.input = {3, 8, 0};
  EXPECT_THAT(ErrorOf("vgg11", options), HasSubstr("not [3,8,0]"));
  options.input = {3, 8, 8};
  EXPECT_THAT(ErrorOf("vgg11", options), HasSubstr("SHAPE: network \"vgg11\" of [3,8,8]: "));
  EXPECT_THAT(ErrorOf("vgg11", options), HasSubstr("MaxPool"));
  options = {};
  for (double width : {0.0, -1.0, 17.0, std::nan("")}) {
    options.width = width;
    EXPECT_THAT(ErrorOf("vgg11", options), HasSubstr("is not above 0 and at most 16"));
  }
  options = {};
  options.dropout = 1;
  EXPECT_EQ(ErrorOf("vgg11", options), "REQ: dropout = 1 is not in [0, 1)");
  options = {};
  options.hidden = {3, 0};
  EXPECT_THAT(ErrorOf("mlp", options), HasSubstr("has a layer below 1 unit"));
  options.hidden = {3};
  options.activation = "step";
  EXPECT_THAT(ErrorOf("mlp", options), HasSubstr("activation = \"step\" is none of relu, sigmoid, tanh"));
}

}  // namespace
}  // namespace athanor
