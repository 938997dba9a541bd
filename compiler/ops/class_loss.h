// What the losses over classes share: attributes, shape rules, and the loops of their references.
#ifndef ATHANOR_COMPILER_OPS_CLASS_LOSS_H_
#define ATHANOR_COMPILER_OPS_CLASS_LOSS_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"

namespace athanor {

inline AttrDef ReductionAttr() {
  return {.name = "reduction",
          .type = AttrType::kString,
          .doc = "of the losses",
          .default_value = std::string("mean"),
          .choices = {"mean", "sum", "none"}};
}
inline AttrDef ClassAxisAttr() {
  return {.name = "axis",
          .type = AttrType::kInt,
          .doc = "of the classes; negative: from the last",
          .default_value = int64_t{1}};
}
inline AttrDef IgnoreIndexAttr() {
  return {.name = "ignore_index",
          .type = AttrType::kInt,
          .doc = "labels of this number have no loss, no gradient and no part in the mean",
          .default_value = int64_t{-100}};
}
inline AttrDef LabelSmoothingAttr() {
  return {.name = "label_smoothing",
          .type = AttrType::kFloat,
          .doc = "e: targets become (1 - e) target + e / C",
          .default_value = 0.0,
          .min = 0,
          .max = 1};
}

inline bool IsUnreduced(const OpContext& c) { return c.attrs().String("reduction") == "none"; }

inline int64_t ClassAxis(const OpContext& c, size_t rank) {
  const int64_t axis = c.attrs().Int("axis", 1);
  return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
}

// Scores of rank 2 or more, with a known number of classes.
inline absl::Status CheckScores(const InferContext& c, int i, const char* name, int max_rank = kMaxRank) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, i, name));
  ATH_RETURN_IF_ERROR(c.CheckRank(i, name, 2, max_rank));
  ATH_ASSIGN_OR_RETURN(int axis, c.Axis(c.attrs().Int("axis", 1), c.Input(i).rank()));
  return c.Known(i, axis, name).status();
}

// The shape of the scores without the classes.
inline TensorType TargetType(const InferContext& c, int scores, DType dtype) {
  TensorType type{dtype, c.Input(scores).dims};
  type.dims.erase(type.dims.begin() + ClassAxis(c, type.dims.size()));
  return type;
}

inline absl::Status CheckLabels(const InferContext& c, int scores, int labels) {
  ATH_RETURN_IF_ERROR(c.CheckDtype(labels, "labels", DType::kS32));
  return CheckSameType(c, labels, "labels", TargetType(c, scores, DType::kS32), "the scores without the classes");
}

inline absl::Status CheckClassWeights(const InferContext& c, int scores, int weights) {
  if (!c.HasInput(weights)) return absl::OkStatus();
  const TensorType& x = c.Input(scores);
  return CheckSameType(c, weights, "weights", {x.dtype, {x.dims[ClassAxis(c, x.dims.size())]}}, "the classes");
}

inline TensorType LossType(const InferContext& c, int scores) {
  return IsUnreduced(c) ? TargetType(c, scores, c.Input(scores).dtype) : TensorType{c.Input(scores).dtype, {}};
}

// The input "dloss" of a gradient's operator.
inline absl::Status CheckLossGrad(const InferContext& c, int dloss, int scores) {
  return CheckSameType(c, dloss, "dloss", LossType(c, scores), "the loss");
}

// Scores as [outer, classes, inner].
struct ClassLines {
  ClassLines(const OpContext& c, const Shape& scores) {
    const int64_t axis = ClassAxis(c, scores.size());
    for (int64_t d = 0; d < axis; ++d) outer *= scores[d];
    classes = scores[axis];
    for (size_t d = axis + 1; d < scores.size(); ++d) inner *= scores[d];
  }
  int64_t targets() const { return outer * inner; }
  int64_t at(int64_t target, int64_t label) const {
    return (target / inner * classes + label) * inner + target % inner;
  }
  int64_t outer = 1, classes = 1, inner = 1;
};

// For each target its class, or -1 where it is ignored. INDEX error for a label that is no class.
inline absl::StatusOr<std::vector<int64_t>> ReadLabels(const ReferenceContext& c, int input, int64_t classes) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < c.Input(input).size(); ++i) {
    const double label = c.Input(input)[i];
    const AttrValue* ignored = c.attrs().Find("ignore_index");
    if (ignored != nullptr && label == static_cast<double>(std::get<int64_t>(*ignored))) {
      labels.push_back(-1);
    } else if (label >= 0 && label < static_cast<double>(classes)) {
      labels.push_back(static_cast<int64_t>(label));
    } else {
      return c.Error(ErrorClass::kIndex, "labels[%d] = %d is not in [0, %d)", i, static_cast<int64_t>(label), classes);
    }
  }
  return labels;
}

inline double ClassWeight(const ReferenceContext& c, int weights, int64_t label) {
  if (label < 0) return 0;
  return c.HasInput(weights) ? c.Input(weights)[label] : 1;
}

// By what a mean divides the sum: the weights of all targets.
inline double WeightOfLabels(const ReferenceContext& c, int weights, const std::vector<int64_t>& labels) {
  double sum = 0;
  for (int64_t label : labels) sum += ClassWeight(c, weights, label);
  return sum;
}

// Fills output 0. Nothing to take the mean of: 0.
inline void ReduceLosses(ReferenceContext& c, const std::vector<double>& losses, double denominator) {
  const bool mean = c.attrs().String("reduction") == "mean";
  for (size_t i = 0; i < losses.size(); ++i) {
    if (IsUnreduced(c)) {
      c.Output(0)[static_cast<int64_t>(i)] = losses[i];
    } else if (!mean || denominator != 0) {
      c.Output(0)[0] += losses[i] / (mean ? denominator : 1);
    }
  }
}

// The gradient of target i's loss; input 0 is that of the result.
inline double LossGradOf(const ReferenceContext& c, int64_t i, double denominator) {
  if (IsUnreduced(c)) return c.Input(0)[i];
  if (c.attrs().String("reduction") == "sum") return c.Input(0)[0];
  return denominator == 0 ? 0 : c.Input(0)[0] / denominator;
}

// Attributes of the kernels of class_labels.h.
inline Attributes ClassLossKernelAttrs(const LowerContext& c, size_t rank, bool weights) {
  return {{"axis", ClassAxis(c, rank)},
          {"reduction", c.attrs().String("reduction")},
          {"ignore_index", c.attrs().Int("ignore_index", std::numeric_limits<int64_t>::min())},
          {"weights", weights}};
}

// Class weights are no trained values.
inline absl::Status RefuseWeightsGradient(const GradientContext& c, int weights) {
  if (!c.NeedsGrad(weights)) return absl::OkStatus();
  return c.Error(ErrorClass::kGraph, "its class weights cannot be trained");
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_CLASS_LOSS_H_
