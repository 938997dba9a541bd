#include "runtime/kernels/class_labels.h"

#include "runtime/kernels/post_op_operands.h"

namespace athanor {

absl::Status ReadReduction(const CallSpec& spec, LossReduction* reduction) {
  std::string text;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "reduction", &text));
  if (text != "none" && text != "sum" && text != "mean") return CallError(spec, "reduction = \"%s\" is unknown", text);
  *reduction = text == "none" ? LossReduction::kNone : text == "sum" ? LossReduction::kSum : LossReduction::kMean;
  return absl::OkStatus();
}

absl::StatusOr<ClassSizes> ReadClassSizes(const CallSpec& spec, const MemoryDesc& scores) {
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "scores", scores, scores.dims));
  ATH_RETURN_IF_ERROR(NumElements(scores.dims).status());
  int64_t axis = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "axis", &axis));
  if (axis < 0 || axis >= static_cast<int64_t>(scores.dims.size())) {
    return CallError(spec, "axis = %d is not in [0, %d)", axis, scores.dims.size());
  }
  ClassSizes sizes;
  for (int64_t d = 0; d < axis; ++d) sizes.outer *= scores.dims[d];
  sizes.classes = scores.dims[axis];
  for (size_t d = axis + 1; d < scores.dims.size(); ++d) sizes.inner *= scores.dims[d];
  return sizes;
}

Shape TargetShape(const CallSpec& spec, const Shape& dims) {
  Shape shape = dims;
  shape.erase(shape.begin() + spec.attrs.Int("axis"));
  return shape;
}

absl::Status CheckLoss(const CallSpec& spec, LossReduction reduction, const Shape& scores, const MemoryDesc& loss) {
  return CheckOperand(spec, "loss", loss, reduction == LossReduction::kNone ? TargetShape(spec, scores) : Shape{});
}

absl::StatusOr<ClassLabels> ClassLabels::Read(const CallSpec& spec, const MemoryDesc& scores, size_t labels) {
  ClassLabels c;
  c.name_ = spec.name;
  ATH_ASSIGN_OR_RETURN(c.sizes_, ReadClassSizes(spec, scores));
  ATH_RETURN_IF_ERROR(ReadReduction(spec, &c.reduction_));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "ignore_index", &c.ignore_index_));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "weights", &c.has_weights_));
  if (spec.inputs.size() != labels + 1 + c.has_weights_) {
    return CallError(spec, "has %d inputs, expected %d", spec.inputs.size(), labels + 1 + c.has_weights_);
  }
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "labels", spec.inputs[labels], TargetShape(spec, scores.dims), DType::kS32));
  if (c.has_weights_) ATH_RETURN_IF_ERROR(CheckOperand(spec, "weights", spec.inputs[labels + 1], {c.sizes_.classes}));
  return c;
}

absl::Status ClassLabels::Check() const {
  for (int64_t i = 0; i < sizes_.targets(); ++i) {
    if ((labels_[i] >= 0 && labels_[i] < sizes_.classes) || Ignored(i)) continue;
    return MakeError(ErrorClass::kIndex, "\"%s\": labels[%d] = %d is not in [0, %d)", name_, i, labels_[i],
                     sizes_.classes);
  }
  return absl::OkStatus();
}

double ClassLabels::Denominator() const {
  if (reduction_ != LossReduction::kMean) return 1;
  double sum = 0;
  for (int64_t i = 0; i < sizes_.targets(); ++i) sum += Weight(i);
  return sum;
}

}  // namespace athanor
