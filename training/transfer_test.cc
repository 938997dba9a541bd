// Fine-tuning: what a new head takes over and what it does not.
#include "training/transfer.h"

#include "absl/strings/str_cat.h"
#include "compiler/builder/builder.h"
#include "compiler/graph/initializers.h"
#include "compiler/graph/model_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/container/checkpoint_io.h"

namespace athanor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Graph Net(int64_t classes, const std::string& head) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", 4});
  Var h = b.Relu(b.FullyConnected(x, {.units = 8, .name = "body"}));
  b.Entry("infer", {.inputs = {x}, .outputs = {{"logits", b.FullyConnected(h, {.units = classes, .name = head})}}});
  return b.Build().value();
}

class TransferTest : public testing::Test {
 protected:
  const std::string path_ = testing::TempDir() + "/trained.ath";
  void SetUp() override {
    Graph trained = Net(10, "head");
    ASSERT_TRUE(InitializeVariables(&trained, 7).ok());
    ASSERT_TRUE(WriteModel(trained, path_).ok());
  }
};

TEST_F(TransferTest, TakesTheBodyAndLeavesAHeadOfAnotherShape) {
  auto weights = ReadWeights(path_);
  ASSERT_TRUE(weights.ok()) << weights.status();
  Graph model = Net(3, "head");
  auto report = TransferWeights(path_, *weights, &model);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->matched, ElementsAre("body.weight", "body.bias"));
  EXPECT_EQ(report->other_shape.size(), 2u);
  EXPECT_EQ(TransferText("trained.ath", *report),
            "weights from trained.ath: 2 of 4 tensors\n"
            "  other shape  head.weight: [10,8] there, [3,8] here; starts anew\n"
            "  other shape  head.bias: [10] there, [3] here; starts anew\n");
  const Value& body = model.value(model.FindValue("body.weight"));
  ASSERT_NE(body.data, nullptr);
  Graph trained = *ReadModel(path_);
  EXPECT_EQ(body.data->as<float>()[5], trained.value(trained.FindValue("body.weight")).data->as<float>()[5]);
  EXPECT_EQ(model.value(model.FindValue("head.weight")).data, nullptr);
}

TEST_F(TransferTest, ListsWhatIsMissingAndWhatIsNotUsed) {
  Graph model = Net(10, "classifier");
  auto report = TransferWeights("t", *ReadWeights(path_), &model);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->missing, ElementsAre("classifier.weight", "classifier.bias"));
  EXPECT_THAT(report->unused, ElementsAre("head.weight", "head.bias"));
}

TEST_F(TransferTest, NothingInCommonIsAnError) {
  GraphBuilder b("other");
  Var x = b.Input("x", DType::kF32, {"N", 4});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", b.FullyConnected(x, {.units = 2, .name = "layer"})}}});
  Graph model = b.Build().value();
  absl::Status none = TransferWeights("t.ath", *ReadWeights(path_), &model).status();
  EXPECT_EQ(ErrorClassOf(none), "REQ");
  EXPECT_THAT(std::string(none.message()), HasSubstr("it has body.weight, body.bias, head.weight, ..."));
}

TEST_F(TransferTest, ACheckpointGivesItsAveragesAndNoSlots) {
  Checkpoint c;
  c.model_name = "net";
  const float weight[] = {1}, slot[] = {2}, average[] = {3};
  c.tensors.emplace_back("w", Tensor::Of<float>({1}, weight));
  c.tensors.emplace_back("w/adam.m", Tensor::Of<float>({1}, slot));
  c.tensors.emplace_back("w/ema", Tensor::Of<float>({1}, average));
  const std::string path = testing::TempDir() + "/c.ckpt";
  ASSERT_TRUE(WriteCheckpoint(c, path).ok());
  auto weights = ReadWeights(path);
  ASSERT_TRUE(weights.ok()) << weights.status();
  ASSERT_EQ(weights->size(), 1u);
  EXPECT_EQ((*weights)[0].first, "w");
  EXPECT_EQ((*weights)[0].second->as<float>()[0], 3);
}

}  // namespace
}  // namespace athanor
