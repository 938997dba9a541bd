// Random graphs of up to 40 nodes: the compiled plan (fused, laid out, planned, its arena poisoned) against the double
// interpreter, forward and gradient. A seed that fails prints the smallest graph that still does.
#include <map>

#include "absl/strings/str_cat.h"
#include "compiler/graph/verify.h"
#include "gtest/gtest.h"
#include "tests/random/differential.h"

namespace athanor {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kGraphs = 160;
#else
constexpr int kGraphs = 2400;
#endif
constexpr int kShards = 8;  // tests, so that Bazel may run them side by side
constexpr double kMostIllConditioned = 0.03;

void PrintShrunk(uint64_t seed, int threads, const Verdict& verdict) {
  RandomCase small = Shrink(MakeRandomCase(seed),
                            [&](const RandomCase& c) { return CompareCompiled(c, threads).kind == verdict.kind; });
  ADD_FAILURE() << "seed " << seed << ", " << threads << " threads: " << verdict.failure << "\nshrunk to "
                << small.graph.nodes.size() << " nodes: " << CompareCompiled(small, threads).failure << "\n"
                << CaseToText(small);
}

class RandomPlans : public testing::TestWithParam<int> {};

TEST_P(RandomPlans, AgreeWithTheInterpreter) {
  int ill_conditioned = 0, failures = 0;
  for (int seed = GetParam(); seed < kGraphs; seed += kShards) {
    const int threads = 1 + seed / kShards % 3;
    const Verdict verdict = CompareCompiled(MakeRandomCase(seed), threads);
    ill_conditioned += verdict.ill_conditioned;
    if (verdict.failure.empty()) continue;
    PrintShrunk(seed, threads, verdict);
    if (++failures == 3) break;
  }
  EXPECT_LE(ill_conditioned, kMostIllConditioned * kGraphs / kShards);
}

INSTANTIATE_TEST_SUITE_P(Shards, RandomPlans, testing::Range(0, kShards));

TEST(RandomGraph, IsValidVariedAndTheSameForTheSameSeed) {
  std::map<std::string, int> used;
  int largest = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const RandomCase c = MakeRandomCase(seed);
    ASSERT_TRUE(VerifyGraph(c.graph).ok()) << VerifyGraph(c.graph);
    ASSERT_LE(c.graph.nodes.size(), size_t{kMaxRandomNodes});
    largest = std::max(largest, static_cast<int>(c.graph.nodes.size()));
    for (const Node& node : c.graph.nodes) ++used[node.op];
    if (seed < 8) {
      EXPECT_EQ(CaseToText(MakeRandomCase(seed)), CaseToText(c));
    }
  }
  EXPECT_GE(largest, kMaxRandomNodes - 4);
  for (const RandomMaker& maker : RandomMakers()) EXPECT_GE(used[maker.op], 3) << maker.op << " is hardly ever used";
}

// An operator whose compiled form is wrong: by a quarter of its largest element.
OpDef WrongWhenCompiled() {
  OpDef def;
  def.name = "Test.Wrong";
  def.inputs = {{"x", ""}};
  def.outputs = {{"y", ""}};
  def.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.gradient = [](GradientContext& c) {
    c.SetInputGrad(0, c.OutputGrad());
    return absl::OkStatus();
  };
  def.lower = [](LowerContext& c) {
    c.Emit("elementwise", {c.Input(0)}, {c.Output()}, {{"program", std::string("tanh x0 -> t0")}});
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    c.Output() = c.Input(0);
    return absl::OkStatus();
  };
  return def;
}
ATH_REGISTER_OP(WrongWhenCompiled());

TEST(Shrink, FindsTheOneWrongOperatorInALargeGraph) {
  int tried = 0;
  for (uint64_t seed = 0; tried < 5 && seed < 200; ++seed) {
    RandomCase c = MakeRandomCase(seed);
    if (c.graph.nodes.size() < 25) continue;
    Node* victim = nullptr;  // one that may become y = x of the same type
    for (Node& node : c.graph.nodes) {
      if (node.inputs.size() == 1 && node.outputs.size() == 1 && node.attrs.empty() &&
          c.graph.type(node.inputs[0]) == c.graph.type(node.outputs[0])) {
        victim = &node;
      }
    }
    if (victim == nullptr) continue;
    victim->op = "Test.Wrong";
    auto fails = [](const RandomCase& candidate) { return CompareCompiled(candidate, 1).kind == "values"; };
    if (!fails(c)) continue;  // nothing that is seen depends on it
    ++tried;
    const RandomCase small = Shrink(std::move(c), fails);
    EXPECT_LE(small.graph.nodes.size(), 4u) << CaseToText(small);
    EXPECT_NE(CaseToText(small).find("Test.Wrong"), std::string::npos);
  }
  EXPECT_EQ(tried, 5);
}

}  // namespace
}  // namespace athanor
