// One plan and one set of weights, many threads: each session gives, bit for bit, what a lone one gives.
#include <atomic>
#include <thread>

#include "gtest/gtest.h"
#include "tests/testing.h"

namespace athanor {
namespace {

constexpr int kThreads = 8;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kRuns = 100;
#else
constexpr int kRuns = 1000;
#endif

TEST(SharedPlan, EightThreadsGiveTheBitsOfOne) {
  auto plan = CompileForTest(InitializedModel("lenet5"), {.entries = {{"infer", {{"N", 4}}}}, .threads = 1});
  auto weights = Weights::Create(plan);
  ASSERT_TRUE(weights.ok()) << weights.status();
  auto alone = Session::Create(plan, *weights);
  ASSERT_TRUE(alone.ok()) << alone.status();
  const int entry = *(*alone)->FindEntry("infer");
  std::vector<std::map<std::string, Tensor>> inputs;
  std::vector<Tensor> expected;
  for (int i = 0; i < 16; ++i) {
    inputs.push_back(RandomInputs(plan->entries[0], 100 + i));
    SetInputs(**alone, entry, inputs.back());
    ASSERT_TRUE((*alone)->Run(entry).ok());
    expected.push_back(CopyOutput(**alone, entry, "logits"));
  }
  ASSERT_FALSE(SameBits(expected[0], expected[1]));

  std::atomic<int> different{0}, failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto session = Session::Create(plan, *weights);
      if (!session.ok()) {
        ++failed;
        return;
      }
      for (int run = 0; run < kRuns; ++run) {
        size_t which = static_cast<size_t>(t * 7 + run) % inputs.size();
        SetInputs(**session, entry, inputs[which]);
        if (!(*session)->Run(entry).ok()) ++failed;
        if (!SameBits(CopyOutput(**session, entry, "logits"), expected[which])) ++different;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(different, 0);
}

}  // namespace
}  // namespace athanor
