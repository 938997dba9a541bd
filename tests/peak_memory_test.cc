// The peak that a plan states is what a session maps, to the byte, and what the process grows by.
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "gtest/gtest.h"
#include "tests/testing.h"

namespace athanor {
namespace {

int64_t ResidentBytes() {
  std::FILE* f = std::fopen("/proc/self/statm", "r");
  long long size = 0, resident = 0;
  int read = f == nullptr ? 0 : std::fscanf(f, "%lld %lld", &size, &resident);
  if (f != nullptr) std::fclose(f);
  return read == 2 ? resident * sysconf(_SC_PAGESIZE) : -1;
}

bool Sanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

class PeakMemoryTest : public testing::TestWithParam<const char*> {};

std::unique_ptr<Session> CreateAndTrainOneStep(std::shared_ptr<const Plan> plan) {
  auto session = Session::Create(plan);
  ATH_CHECK_OK(session);
  int entry = *(*session)->FindEntry("train");
  SetInputs(**session, entry, RandomInputs(plan->entries[0], 1));
  ATH_CHECK_OK((*session)->Run(entry));
  return *std::move(session);
}

TEST_P(PeakMemoryTest, StatedPeakIsMappedToTheByteAndResident) {
  auto plan = CompileForTest(InitializedModel(GetParam()), {.entries = {{"train", {{"N", 64}}}}});
  // The first session also pays for what lives as long as the process: oneDNN's generated code, OpenMP's threads.
  auto first = CreateAndTrainOneStep(plan);
  EXPECT_EQ(first->mapped_bytes(), plan->peak_bytes());
  if (Sanitized()) return;
  const int64_t before = ResidentBytes();
  ASSERT_GT(before, 0);
  auto second = CreateAndTrainOneStep(plan);
  const int64_t grown = ResidentBytes() - before;
  std::printf("%s: stated %lld bytes, resident memory grew by %lld\n", GetParam(),
              static_cast<long long>(plan->peak_bytes()), static_cast<long long>(grown));
  EXPECT_NEAR(static_cast<double>(grown), static_cast<double>(plan->peak_bytes()), 2 << 20);
}

INSTANTIATE_TEST_SUITE_P(Models, PeakMemoryTest, testing::Values("lenet5", "mlp"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace athanor
