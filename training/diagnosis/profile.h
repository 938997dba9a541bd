// What the statistics of a diagnosed training entry (EntryRequest::diagnose) were over some steps.
#ifndef ATHANOR_TRAINING_DIAGNOSIS_PROFILE_H_
#define ATHANOR_TRAINING_DIAGNOSIS_PROFILE_H_

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/tensor_statistics.h"
#include "runtime/session/session.h"

namespace athanor {

// Of one tensor: an element a step.
struct TensorProfile {
  std::vector<std::array<float, kNumStatistics>> steps;

  bool empty() const { return steps.empty(); }
  double At(size_t step, Statistic s) const { return steps[step][static_cast<size_t>(s)]; }
  double Last(Statistic s) const { return empty() ? 0 : At(steps.size() - 1, s); }
  double Mean(Statistic s) const;
  double Min(Statistic s) const;
  // The geometric mean of the norms, 0 if one of them is.
  double TypicalNorm() const;
};

struct LayerProfile {
  std::string name;
  TensorProfile activation;
  TensorProfile gradient;  // empty: none reaches it
  bool saturates = false;  // its activation has bounds, which Statistic::kOutside is about
};

struct ParameterProfile {
  std::string name;
  int rank = 0;
  TensorProfile weight, gradient, update;
  // The geometric mean over the steps of the update's norm over the weight's; 0 for a weight of zeros.
  double UpdateRatio() const;
  // The largest of them, over the steps whose weight is not 0.
  double LargestUpdateRatio() const;
};

// Layers from the input to the loss, parameters in the order of their updates.
struct Profile {
  std::vector<int64_t> steps;
  std::vector<double> losses;
  std::vector<std::string> bad_inputs;  // of each step: the first input that is not finite; empty: all are
  std::vector<LayerProfile> layers;
  std::vector<ParameterProfile> parameters;

  // The steps of another profile of the same network behind these.
  void Append(const Profile& more);
  // The steps before the first that has a value which is not finite; all of them if that is the first.
  Profile FiniteSteps() const;
};

// Reads the outputs of one entry behind each of its runs.
class ProfileCollector {
 public:
  // The session must outlive it. REQ error for an entry that the session has not or that is not diagnosed.
  static absl::StatusOr<ProfileCollector> Create(const Session& session, absl::string_view entry = "train.diagnose");

  // The session's number of the entry: to run it.
  int entry() const { return entry_; }
  // Takes what the run just done left. True: everything was finite, the loss too.
  bool Collect(int64_t step);
  const Profile& profile() const { return profile_; }
  Profile TakeProfile() { return std::move(profile_); }
  // Names and values of the last step for logs: "gradient_norm/fc1.weight", "update_ratio/fc1.weight",
  // "activation_std/fc1", "dead_units/fc1", ...
  std::vector<std::pair<std::string, double>> Scalars() const;

 private:
  absl::Status Bind(const Session& session, absl::string_view entry);

  int entry_ = 0;
  TensorView loss_;
  std::vector<std::pair<std::string, TensorView>> inputs_;  // of f32
  Profile profile_;
  // Where profile_ takes them from: its layers' activations and gradients, its parameters' weights, gradients and updates.
  // A view without data: there is none.
  std::vector<std::array<TensorView, 2>> layer_views_;
  std::vector<std::array<TensorView, 3>> parameter_views_;
};

}  // namespace athanor

#endif  // ATHANOR_TRAINING_DIAGNOSIS_PROFILE_H_
