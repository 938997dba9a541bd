// Session::Run allocates nothing: the process's calls of malloc are counted over steps of training and inference.
#include "gtest/gtest.h"
#include "runtime/session/malloc_counter.h"
#include "runtime/session/step_heap.h"
#include "tests/testing.h"

namespace athanor {
namespace {

struct Case {
  const char* model;
  const char* entry;
  int64_t batch;
  int threads;
};

class AllocationTest : public testing::TestWithParam<Case> {};

TEST_P(AllocationTest, RunCallsMallocNotOnceAfterTheFirst) {
  if (!MallocCounterActive()) GTEST_SKIP() << "sanitizers bring an allocator of their own";
  ASSERT_TRUE(StepHeapLinked());
  const Case& c = GetParam();
  auto plan = CompileForTest(InitializedModel(c.model), {.entries = {{c.entry, {{"N", c.batch}}}}, .threads = c.threads});
  auto session = Session::Create(plan);
  ASSERT_TRUE(session.ok()) << session.status();
  int entry = *(*session)->FindEntry(c.entry);
  SetInputs(**session, entry, RandomInputs(plan->entries[0], 1));
  ASSERT_TRUE((*session)->Run(entry).ok());
  const int64_t before = MallocCount();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE((*session)->Run(entry).ok());
  EXPECT_EQ(MallocCount() - before, 0);
}

// The counter itself must count, or the test above says nothing.
TEST(MallocCounter, CountsNewAndMalloc) {
  if (!MallocCounterActive()) GTEST_SKIP() << "sanitizers bring an allocator of their own";
  const int64_t before = MallocCount();
  auto* volatile p = new int[1000];
  delete[] p;
  EXPECT_GE(MallocCount() - before, 1);
}

INSTANTIATE_TEST_SUITE_P(Models, AllocationTest,
                         testing::Values(Case{"lenet5", "train", 64, 2}, Case{"lenet5", "train", 16, 1},
                                         Case{"lenet5", "infer", 1, 2}, Case{"lenet5", "infer", 8, 1},
                                         Case{"lenet5", "evaluate", 64, 2}, Case{"mlp", "train", 64, 2},
                                         Case{"mlp", "infer", 1, 1}),
                         [](const auto& info) {
                           return std::string(info.param.model) + "_" + info.param.entry + "_batch" +
                                  std::to_string(info.param.batch) + "_threads" + std::to_string(info.param.threads);
                         });

}  // namespace
}  // namespace athanor
