#include "data/sampler.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace athanor {
namespace {

std::vector<int64_t> Permutation(uint64_t seed, uint64_t epoch, int64_t n) {
  std::vector<int64_t> order(n, -1);
  RandomPermutation(seed, epoch, absl::MakeSpan(order));
  return order;
}

// These come from a program of its own: they must never change, or resumed trainings would see other batches.
TEST(RandomPermutationTest, IsTheSameForever) {
  EXPECT_EQ(Permutation(0, 0, 10), (std::vector<int64_t>{4, 1, 2, 3, 0, 7, 5, 8, 9, 6}));
  EXPECT_EQ(Permutation(12345678901234, 7, 12), (std::vector<int64_t>{2, 6, 0, 4, 9, 7, 5, 11, 3, 10, 1, 8}));
  uint64_t hash = 0xcbf29ce484222325;
  for (int64_t i : Permutation(42, 3, 60000)) hash = (hash ^ i) * 0x100000001b3;
  EXPECT_EQ(hash, 0xf820c501babf86fb);
}

TEST(RandomPermutationTest, HoldsEveryNumberOnce) {
  for (int64_t n : {0, 1, 2, 3, 1000}) {
    std::vector<int64_t> order = Permutation(1, 2, n), all(n);
    std::sort(order.begin(), order.end());
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(order, all);
  }
}

TEST(RandomPermutationTest, SeedAndEpochBothMatter) {
  EXPECT_EQ(Permutation(1, 1, 50), Permutation(1, 1, 50));
  EXPECT_NE(Permutation(1, 1, 50), Permutation(1, 2, 50));
  EXPECT_NE(Permutation(1, 1, 50), Permutation(2, 1, 50));
}

TEST(RandomPermutationTest, AllPermutationsAreAsLikely) {
  std::map<std::vector<int64_t>, int> counts;
  constexpr int kDraws = 24000;
  for (int seed = 0; seed < kDraws; ++seed) ++counts[Permutation(seed, 0, 4)];
  ASSERT_EQ(counts.size(), 24u);
  double chi_squared = 0;
  for (const auto& [order, count] : counts) chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi_squared, 49.7);  // 23 degrees of freedom, p = 0.001
}

}  // namespace
}  // namespace athanor
