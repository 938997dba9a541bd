#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

TEST(CumSum, EveryFormWhateverTheThreads) {
  for (const auto& [outer, size, inner] : std::vector<std::array<int64_t, 3>>{{70, 300, 1}, {2, 50, 700}, {1, 9, 9}}) {
    for (bool exclusive : {false, true}) {
      for (bool reverse : {false, true}) {
        Tensor x = RandomTensor({outer, size, inner}, 1);
        for (int threads : {1, 2}) {
          auto run = TestCall("cum_sum").Attr("axis", 1).Attr("exclusive", exclusive).Attr("reverse", reverse)
                         .In(x.Clone()).Out({outer, size, inner}).Threads(threads).Run();
          ASSERT_TRUE(run.ok()) << run.status();
          for (int64_t line = 0; line < outer * inner; ++line) {
            double sum = 0;
            for (int64_t j = 0; j < size; ++j) {
              const int64_t at = (line / inner * size + (reverse ? size - 1 - j : j)) * inner + line % inner;
              const double before = sum;
              sum += x.as<float>()[at];
              ASSERT_EQ(run->outputs[0].as<float>()[at], static_cast<float>(exclusive ? before : sum));
            }
          }
        }
      }
    }
  }
  auto damaged = TestCall("cum_sum").Attr("axis", 1).Attr("exclusive", false).Attr("reverse", false)
                     .In(RandomTensor({3}, 1)).Out({3}).Query();
  EXPECT_THAT(std::string(damaged.status().message()), HasSubstr("axis 1 is not in [0, 1)"));
}

}  // namespace
}  // namespace athanor
