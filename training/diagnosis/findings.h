// What a profile shows that usually keeps a network from learning.
#ifndef ATHANOR_TRAINING_DIAGNOSIS_FINDINGS_H_
#define ATHANOR_TRAINING_DIAGNOSIS_FINDINGS_H_

#include <string>
#include <vector>

#include "training/diagnosis/profile.h"

namespace athanor {

enum class Problem {
  kNotFinite,       // infinite or NaN
  kExploding,       // gradients or activations grow by orders of magnitude along the network
  kVanishing,       // gradients fall by orders towards the input
  kDeadUnits,       // the same units are 0 for every sample of every step
  kSaturated,       // a bounded activation lies at its bounds
  kUpdatesTooLarge,  // of a weight, by norm, relative to the weight
  kUpdatesTooSmall,
};

struct Finding {
  Problem problem;
  std::vector<std::string> where;  // layers or parameters
  std::string text;                // one or two sentences with names and numbers
  std::string advice;              // what usually helps
};

// The limits behind which something is found.
inline constexpr double kVanishingRatio = 1e-3, kExplodingRatio = 1e3;
inline constexpr double kDeadShare = 0.5, kSaturatedElements = 0.5;
// Typically. Adam starts a layer of 1/sqrt(inputs) at about 0.05 with its usual rate of 1e-3, which is no fault.
inline constexpr double kLargeUpdate = 1e-1, kSmallUpdate = 1e-4;
inline constexpr double kHugeUpdate = 0.5;  // in any step

// In the order of the problems above; at most one of a kind.
std::vector<Finding> FindProblems(const Profile& profile);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_DIAGNOSIS_FINDINGS_H_
