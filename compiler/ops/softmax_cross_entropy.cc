// SoftmaxCrossEntropy: the loss of a classifier, and its gradient.
#include <algorithm>
#include <cmath>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

// logits or probabilities [N,C] and labels [N].
absl::Status CheckBatch(const InferContext& c, int logits, const char* name, int labels) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, logits, name));
  ATH_RETURN_IF_ERROR(c.CheckRank(logits, name, 2, 2));
  ATH_RETURN_IF_ERROR(c.Known(logits, 1, name).status());
  ATH_RETURN_IF_ERROR(c.CheckDtype(labels, "labels", DType::kS32));
  return CheckSameType(c, labels, "labels", {DType::kS32, {c.Input(logits).dims[0]}}, "the batch");
}

// The label of row n; INDEX error if it is no class.
absl::StatusOr<int64_t> Label(const ReferenceContext& c, const DoubleTensor& labels, int64_t n, int64_t classes) {
  const double label = labels[n];
  if (label >= 0 && label < static_cast<double>(classes)) return static_cast<int64_t>(label);
  return c.Error(ErrorClass::kIndex, "labels[%d] = %d is not in [0, %d)", n, static_cast<int64_t>(label), classes);
}

namespace forward {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckBatch(c, 0, "logits", 1));
  c.SetOutput(0, {c.Input(0).dtype, {}});
  c.SetOutput(1, c.Input(0));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  if (!c.HasOutput(1)) return c.Error(ErrorClass::kGraph, "its gradient needs the output \"probabilities\"");
  ValueId sum = kNoValue;
  if (c.OutputGrad(0) != kNoValue) {
    ATH_ASSIGN_OR_RETURN(sum, c.Emit("SoftmaxCrossEntropyGrad", {c.OutputGrad(0), c.Output(1), c.Input(1)}));
  }
  if (c.OutputGrad(1) != kNoValue) {
    ATH_ASSIGN_OR_RETURN(ValueId more, c.Emit("SoftmaxGrad", {c.OutputGrad(1), c.Output(1)}, {{"axis", int64_t{1}}}));
    if (sum == kNoValue) {
      sum = more;
    } else {
      ATH_ASSIGN_OR_RETURN(sum, c.Emit("Add", {sum, more}));
    }
  }
  c.SetInputGrad(0, sum);
  return absl::OkStatus();
}

// Kernel "softmax_cross_entropy": inputs (logits, labels), outputs (loss, probabilities).
absl::Status Lower(LowerContext& c) {
  BufferId probabilities = c.HasOutput(1) ? c.Output(1) : c.Temporary("probabilities", DType::kF32, c.InputShape(0));
  c.Emit("softmax_cross_entropy", {c.Input(0), c.Input(1)}, {c.Output(0), probabilities}, {});
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  const int64_t rows = x.shape[0], classes = x.shape[1];
  for (int64_t n = 0; n < rows; ++n) {
    const double* row = x.data.data() + n * classes;
    ATH_ASSIGN_OR_RETURN(int64_t label, Label(c, c.Input(1), n, classes));
    const double max = *std::max_element(row, row + classes);
    double sum = 0;
    for (int64_t k = 0; k < classes; ++k) sum += std::exp(row[k] - max);
    c.Output(0)[0] += (std::log(sum) - (row[label] - max)) / static_cast<double>(rows);
    for (int64_t k = 0; k < classes && c.HasOutput(1); ++k) c.Output(1)[n * classes + k] = std::exp(row[k] - max) / sum;
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "SoftmaxCrossEntropy";
  def.doc = "loss = the mean over the batch of log(sum(e^logits)) - logits[label], the maximum subtracted first.";
  def.inputs = {{"logits", "f32[N,C]"}, {"labels", "s32[N], each in [0, C)"}};
  def.outputs = {{"loss", "f32[]"},
                 {.name = "probabilities", .doc = "f32[N,C]: softmax of the logits", .optional = true}};
  def.infer = Infer;
  def.gradient = Gradient;
  def.lower = Lower;
  def.reference = Reference;
  def.traits.gradient_outputs = {1};
  return def;
}

}  // namespace forward

namespace backward {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckBatch(c, 1, "probabilities", 2));
  ATH_RETURN_IF_ERROR(CheckSameType(c, 0, "dloss", {c.Input(1).dtype, {}}, "the loss"));
  c.SetOutput(0, c.Input(1));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& p = c.Input(1);
  const int64_t rows = p.shape[0], classes = p.shape[1];
  const double scale = c.Input(0)[0] / static_cast<double>(rows);
  for (int64_t n = 0; n < rows; ++n) {
    ATH_ASSIGN_OR_RETURN(int64_t label, Label(c, c.Input(2), n, classes));
    for (int64_t k = 0; k < classes; ++k) c.Output()[n * classes + k] = (p[n * classes + k] - (k == label)) * scale;
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "SoftmaxCrossEntropyGrad";
  def.doc = "dlogits = dloss (probabilities - onehot(labels)) / N.";
  def.inputs = {{"dloss", "f32[]"}, {"probabilities", "f32[N,C]"}, {"labels", "s32[N], each in [0, C)"}};
  def.outputs = {{"dlogits", "f32[N,C]"}};
  def.infer = Infer;
  // Kernel "softmax_cross_entropy_backward": inputs (dloss, probabilities, labels), outputs (dlogits).
  def.lower = [](LowerContext& c) {
    c.Emit("softmax_cross_entropy_backward", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()}, {});
    return absl::OkStatus();
  };
  def.reference = Reference;
  def.traits.in_place = {{0, 1}};
  return def;
}

}  // namespace backward

ATH_REGISTER_OP(forward::Def());
ATH_REGISTER_OP(backward::Def());

}  // namespace
}  // namespace athanor
