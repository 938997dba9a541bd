// The arithmetic of PlanMemory: blocks with lifetimes into one arena (dynamic storage allocation).
#ifndef ATHANOR_COMPILER_PLANNING_PLACEMENT_H_
#define ATHANOR_COMPILER_PLANNING_PLACEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/planning/liveness.h"

namespace athanor {

struct Block {
  int64_t bytes = 0;  // a multiple of kAlignment, above 0; all together fit an int64_t
  Lifetime life;      // not empty
};

struct Placement {
  std::vector<int64_t> offsets;  // by block
  int64_t total_bytes = 0;
  std::string heuristic;
};

// The most bytes alive at one time.
int64_t LowerBound(const std::vector<Block>& blocks);

// Blocks whose lifetimes overlap get disjoint places. Tries greedy orders, each by best fit, then mends the best of
// them; stops as soon as the lower bound is reached. Never above the sum of all bytes. Deterministic. O(blocks^2) a
// try, with a small constant: 20,000 blocks take about a second.
Placement PlaceBlocks(const std::vector<Block>& blocks);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PLANNING_PLACEMENT_H_
