#include <chrono>

#include "absl/strings/str_format.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr int kLength = 100000;

// Every pass on a chain of 100,000 nodes: recursion would overflow the stack, and a search of all values or nodes for
// each node would take minutes.
void ExpectSeconds(const CompileOptions& options, bool trained, size_t least_nodes) {
  Graph chain = LongChain(kLength, trained);
  std::vector<PassTime> times;
  const auto start = std::chrono::steady_clock::now();
  auto graph = RunPipeline(std::move(chain), options, &times);
  const std::chrono::duration<double> total = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_GE(graph->nodes.size(), least_nodes);
  for (const PassTime& time : times) {
    EXPECT_LT(time.seconds, 30) << time.pass;  // about 0.2 on an idle machine; sanitizers take ten times that
    ::testing::Test::RecordProperty(time.pass, absl::StrFormat("%.3f s", time.seconds));
  }
  EXPECT_LT(total.count(), 200);
}

TEST(LongChainTest, Inference) { ExpectSeconds(TestOptions(), /*trained=*/false, kLength / 2); }

TEST(LongChainTest, Training) {
  CompileOptions options = TestOptions();
  options.optimizer = OptimizerSpec{"T.Momentum", {}};
  // Forward, the backward operators of the T.Relus, and the additions of the gradients of x, of which fuse_elementwise
  // makes fewer.
  ExpectSeconds(options, /*trained=*/true, kLength / 2);
}

// The longest run of nodes that one pass takes in or makes.
TEST(LongChainTest, AllOfItFoldsAway) {
  Graph chain = LongChain(kLength, /*trained=*/true);
  chain.entries[0].training = false;
  chain.values[0].data = std::make_shared<const Tensor>(Tensor::Of<float>({2}, {1, -1}));
  CompileOptions options = TestOptions();
  options.freeze_parameters = true;
  auto graph = RunPipeline(std::move(chain), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->nodes.size(), 0);
  // x = 1 is added each second time; -1 is cut off and then added, which ends below 0 each time.
  EXPECT_EQ(graph->value(graph->entries[0].outputs[0].value).data->as<float>()[0], 1 + kLength / 2 - 1);
}

}  // namespace
}  // namespace athanor
