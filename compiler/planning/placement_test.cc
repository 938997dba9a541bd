#include "compiler/planning/placement.h"

#include <chrono>
#include <limits>

#include "compiler/planning/testing/random_program.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

void ExpectDisjoint(const std::vector<Block>& blocks, const Placement& p) {
  ASSERT_EQ(p.offsets.size(), blocks.size());
  int64_t top = 0, sum = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    ASSERT_GE(p.offsets[i], 0);
    ASSERT_EQ(p.offsets[i] % kAlignment, 0);
    top = std::max(top, p.offsets[i] + blocks[i].bytes);
    sum += blocks[i].bytes;
    for (size_t j = 0; j < i; ++j) {
      if (!blocks[i].life.Overlaps(blocks[j].life)) continue;
      ASSERT_TRUE(p.offsets[i] + blocks[i].bytes <= p.offsets[j] || p.offsets[j] + blocks[j].bytes <= p.offsets[i]);
    }
  }
  EXPECT_EQ(p.total_bytes, top);
  EXPECT_GE(top, LowerBound(blocks));
  EXPECT_LE(top, sum);
}

TEST(PlacementTest, BlocksOfDifferentTimesShareAPlace) {
  std::vector<Block> blocks = {{64, {0, 1}}, {128, {2, 3}}, {64, {4, 9}}};
  Placement p = PlaceBlocks(blocks);
  ExpectDisjoint(blocks, p);
  EXPECT_EQ(p.total_bytes, 128);
}

TEST(PlacementTest, NothingNeedsNothing) {
  EXPECT_EQ(PlaceBlocks({}).total_bytes, 0);
  EXPECT_EQ(LowerBound({}), 0);
}

TEST(PlacementTest, TheLowerBoundIsTheMostAliveAtOneTime) {
  EXPECT_EQ(LowerBound({{64, {0, 4}}, {128, {4, 6}}, {256, {5, 5}}, {64, {-1, 3}}}), 384);
}

// Greedy by size alone takes more: the two long blocks keep a hole between them.
TEST(PlacementTest, SeveralOrdersAreTried) {
  std::vector<Block> blocks = {{192, {0, 1}}, {128, {1, 3}}, {192, {3, 4}}, {128, {0, 0}}, {128, {4, 4}}, {64, {2, 2}}};
  Placement p = PlaceBlocks(blocks);
  ExpectDisjoint(blocks, p);
  EXPECT_EQ(p.total_bytes, LowerBound(blocks));
}

TEST(PlacementTest, LargeSizesDoNotOverflow) {
  constexpr int64_t kHuge = int64_t{1} << 61;
  std::vector<Block> blocks = {{kHuge, {0, 2}}, {kHuge, {1, 3}}, {kHuge, {0, 0}}};
  Placement p = PlaceBlocks(blocks);
  ExpectDisjoint(blocks, p);
  EXPECT_EQ(p.total_bytes, 2 * kHuge);
}

TEST(PlacementTest, RandomBlocksAreDisjointAndNearTheLowerBound) {
  Rng rng(5);
  double ratios = 0, worst = 1;
  constexpr int kRuns = 300;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<Block> blocks;
    for (int64_t n = 1 + Below(rng, 60); n > 0; --n) {
      int first = static_cast<int>(Below(rng, 40));
      blocks.push_back(
          {64 * (1 + Below(rng, 20)), {first, first + static_cast<int>(Below(rng, Chance(rng, 80) ? 4 : 30))}});
    }
    Placement p = PlaceBlocks(blocks);
    ExpectDisjoint(blocks, p);
    Placement again = PlaceBlocks(blocks);
    EXPECT_EQ(again.offsets, p.offsets);
    double ratio = 1.0 * p.total_bytes / LowerBound(blocks);
    ratios += ratio;
    worst = std::max(worst, ratio);
  }
  std::printf("arena / lower bound: %.4f on average, %.4f at worst\n", ratios / kRuns, worst);
  EXPECT_LE(ratios / kRuns, 1.03);
  EXPECT_LE(worst, 1.25);
}

TEST(PlacementTest, ThousandsOfBlocksAreQuick) {
  Rng rng(6);
  std::vector<Block> blocks;
  for (int i = 0; i < 5000; ++i) {
    blocks.push_back({64 * (1 + Below(rng, 1000)), {i, i + static_cast<int>(Below(rng, Chance(rng, 90) ? 5 : 5000))}});
  }
  auto start = std::chrono::steady_clock::now();
  Placement p = PlaceBlocks(blocks);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("5,000 blocks in %.3f s, arena / lower bound %.4f (%s)\n", seconds.count(),
              1.0 * p.total_bytes / LowerBound(blocks), p.heuristic.c_str());
  EXPECT_LT(seconds.count(), 60);
}

}  // namespace
}  // namespace athanor
