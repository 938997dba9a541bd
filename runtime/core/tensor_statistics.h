// What one pass over a tensor tells of it: the elements of the vector that kernel "tensor_statistics" writes.
#ifndef ATHANOR_RUNTIME_CORE_TENSOR_STATISTICS_H_
#define ATHANOR_RUNTIME_CORE_TENSOR_STATISTICS_H_

namespace athanor {

// All but the last are over the finite elements; 0 where there are none.
enum class Statistic : int {
  kNorm = 0,    // Euclidean
  kMean,
  kStd,         // of the elements, not an estimate
  kMin,
  kMax,
  kZeros,       // share of the elements that are 0
  kOutside,     // share of the elements at or outside the bounds, if there are any
  kDead,        // share of the units that are 0 in all elements, if there are units
  kNotFinite,   // how many elements are infinite or NaN
};
inline constexpr int kNumStatistics = 9;

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_TENSOR_STATISTICS_H_
