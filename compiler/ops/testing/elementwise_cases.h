// Shapes that every elementwise operator is tried with.
#ifndef ATHANOR_COMPILER_OPS_TESTING_ELEMENTWISE_CASES_H_
#define ATHANOR_COMPILER_OPS_TESTING_ELEMENTWISE_CASES_H_

#include <vector>

#include "compiler/ops/testing/op_spec.h"

namespace athanor {

// Scalars, odd sizes, every rank up to 5, sizes of 1, and none at all.
inline std::vector<Shape> ElementwiseShapes() {
  return {{}, {1}, {7}, {3, 5}, {4, 1, 3}, {2, 3, 4, 5}, {1, 2, 1, 3, 2}, {0}, {2, 0, 3}};
}

// Several vectors and a rest, enough for two threads.
inline Shape LargeElementwiseShape() { return {257, 129}; }

struct BroadcastCase {
  const char* name;
  Shape a, b, y;
};

inline std::vector<BroadcastCase> BroadcastCases() {
  return {{"scalars", {}, {}, {}},
          {"one element", {1, 1}, {1}, {1, 1}},
          {"the same", {3, 5}, {3, 5}, {3, 5}},
          {"the same, rank 5", {2, 1, 3, 2, 2}, {2, 1, 3, 2, 2}, {2, 1, 3, 2, 2}},
          {"by a scalar", {2, 3}, {}, {2, 3}},
          {"scalar by a tensor", {}, {2, 3}, {2, 3}},
          {"by a row", {3, 5}, {5}, {3, 5}},
          {"row by a matrix", {5}, {3, 5}, {3, 5}},
          {"by a column", {4, 7}, {4, 1}, {4, 7}},
          {"column by row", {7, 1}, {1, 9}, {7, 9}},
          {"by channels", {2, 3, 5, 4}, {3, 1, 1}, {2, 3, 5, 4}},
          {"by channels of 16", {2, 16, 3, 3}, {16, 1, 1}, {2, 16, 3, 3}},
          {"by an image", {2, 3, 4, 5}, {1, 1, 4, 5}, {2, 3, 4, 5}},
          {"1 on both sides", {3, 1, 4}, {5, 1}, {3, 5, 4}},
          {"every other dimension", {2, 1, 3, 1}, {1, 4, 1, 5}, {2, 4, 3, 5}}};
}

// Where sums of gradients are not asked for, also nothing at all.
inline std::vector<BroadcastCase> EmptyBroadcastCases() {
  return {{"nothing", {0}, {0}, {0}},
          {"no rows", {0, 3}, {0, 3}, {0, 3}},
          {"nothing in the middle", {2, 0, 3}, {2, 0, 3}, {2, 0, 3}}};
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_TESTING_ELEMENTWISE_CASES_H_
