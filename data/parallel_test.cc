#include "data/parallel.h"

#include <new>
#include <stdexcept>
#include <vector>

#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

TEST(ParallelForTest, DoesEverythingOnce) {
  for (int threads : {0, 1, 2, 7, 1000}) {
    for (int64_t n : {0, 1, 15, 16, 17, 1000}) {
      std::vector<int> done(n, 0);
      EXPECT_TRUE(ParallelFor(n, threads, [&](int64_t i) {
                    ++done[i];
                    return absl::OkStatus();
                  }).ok());
      EXPECT_EQ(done, std::vector<int>(n, 1));
    }
  }
}

TEST(ParallelForTest, GivesTheErrorOfTheLowestIndex) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    absl::Status status = ParallelFor(2000, 4, [&](int64_t i) {
      return i % 300 == 299 ? MakeError(ErrorClass::kData, "item %d.", i) : absl::OkStatus();
    });
    ExpectError(status, "DATA", "item 299.");
  }
}

TEST(ParallelForTest, ExceptionsAreErrors) {
  ExpectError(ParallelFor(3, 2, [](int64_t) -> absl::Status { throw std::runtime_error("boom"); }), "DATA", "boom");
  ExpectError(ParallelFor(3, 2, [](int64_t) -> absl::Status { throw std::bad_alloc(); }), "LIMIT", "no memory");
}

TEST(ParallelForTest, ThereIsAThread) { EXPECT_GE(DefaultThreads(), 1); }

}  // namespace
}  // namespace athanor
