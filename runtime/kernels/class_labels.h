// What losses over class labels share: scores [.., C, ..], labels s32 [.., ..] without the class dimension, weights [C]
// of the classes, a label that counts for nothing, and the reduction of one loss a label. Does not include oneDNN's
// header.
#ifndef ATHANOR_RUNTIME_KERNELS_CLASS_LABELS_H_
#define ATHANOR_RUNTIME_KERNELS_CLASS_LABELS_H_

#include <cstdint>
#include <string>

#include "runtime/kernels/own_loop.h"

namespace athanor {

enum class LossReduction { kNone, kSum, kMean };

// PLAN error for another text than "none", "sum" or "mean".
absl::Status ReadReduction(const CallSpec& spec, LossReduction* reduction);

// Scores seen as [outer, classes, inner].
struct ClassSizes {
  int64_t outer = 1, classes = 1, inner = 1;
  int64_t targets() const { return outer * inner; }
  // Of class 0 for target number i; classes are `inner` apart.
  int64_t First(int64_t i) const { return i / inner * classes * inner + i % inner; }
};

// Reads the attribute "axis" (not negative). PLAN error for scores that are empty, not f32 or have no such dimension.
absl::StatusOr<ClassSizes> ReadClassSizes(const CallSpec& spec, const MemoryDesc& scores);
// `dims` without the class dimension; with "none" also the shape of the loss.
Shape TargetShape(const CallSpec& spec, const Shape& dims);
// PLAN error unless `loss` is [] or, unreduced, like the targets.
absl::Status CheckLoss(const CallSpec& spec, LossReduction reduction, const Shape& scores, const MemoryDesc& loss);

class ClassLabels {
 public:
  // Reads the attributes "reduction", "ignore_index" (int) and "weights" (bool: the input behind the labels). Labels are
  // input number `labels`. PLAN errors.
  static absl::StatusOr<ClassLabels> Read(const CallSpec& spec, const MemoryDesc& scores, size_t labels);

  void Bind(const void* labels, const void* weights) {
    labels_ = static_cast<const int32_t*>(labels);
    weights_ = static_cast<const float*>(weights);
  }
  // INDEX error for a label that is neither a class nor ignored. To be called before anything is written.
  absl::Status Check() const;

  const ClassSizes& sizes() const { return sizes_; }
  LossReduction reduction() const { return reduction_; }
  bool has_weights() const { return has_weights_; }
  const int32_t* labels() const { return labels_; }
  const float* weights() const { return weights_; }
  bool Ignored(int64_t i) const { return labels_[i] == ignore_index_; }
  // The weight of target i's class; 0 where it is ignored.
  double Weight(int64_t i) const { return Ignored(i) ? 0.0 : weights_ == nullptr ? 1.0 : weights_[labels_[i]]; }
  // By what the sum of the losses is divided: for a mean the sum of the targets' weights. Where that is 0 (all targets
  // are ignored) the loss is 0 and has no gradient.
  double Denominator() const;
  // The sum, divided.
  double Reduce(double sum) const {
    const double denominator = Denominator();
    return denominator == 0 ? 0 : sum / denominator;
  }
  // The gradient of target i's loss, given that of the result and Denominator().
  double Gradient(const float* dloss, double denominator, int64_t i) const {
    if (reduction_ == LossReduction::kNone) return dloss[i];
    return denominator == 0 ? 0 : static_cast<double>(*dloss) / denominator;
  }

 private:
  ClassSizes sizes_;
  LossReduction reduction_ = LossReduction::kMean;
  int64_t ignore_index_ = -100;
  bool has_weights_ = false;
  std::string name_;  // of the call
  const int32_t* labels_ = nullptr;
  const float* weights_ = nullptr;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_CLASS_LABELS_H_
