// Concat: tensors one behind the other along a dimension.
#include "compiler/ops/axis.h"
#include "runtime/core/checked.h"

namespace athanor {
namespace {

// SHAPE error unless input i has the dimensions of input 0 but for the axis.
absl::Status CheckFits(const InferContext& c, int i, int axis) {
  const TensorType &first = c.Input(0), &other = c.Input(i);
  bool fits = other.rank() == first.rank();
  for (int d = 0; d < first.rank() && fits; ++d) fits = d == axis || other.dims[d] == first.dims[d];
  if (fits) return absl::OkStatus();
  return c.Error(ErrorClass::kShape,
                 "input %d is %s, which does not fit input 0, %s: all dimensions but %d must be equal", i,
                 other.ToString(), first.ToString(), axis);
}

absl::Status Infer(InferContext& c) {
  TensorType y = c.Input(0);
  ATH_ASSIGN_OR_RETURN(int axis, c.Axis(c.attrs().Int("axis"), y.rank()));
  for (int i = 1; i < c.num_inputs(); ++i) {
    ATH_RETURN_IF_ERROR(c.CheckDtype(i, "x", y.dtype));
    ATH_RETURN_IF_ERROR(CheckFits(c, i, axis));
    ATH_ASSIGN_OR_RETURN(int64_t sum, i == 1 ? c.Known(0, axis, "x") : absl::StatusOr<int64_t>(y.dims[axis].size));
    ATH_ASSIGN_OR_RETURN(int64_t next, c.Known(i, axis, "x"));
    auto total = CheckedAdd(sum, next);
    if (!total) return c.Error(ErrorClass::kShape, "the sum of dimension %d over the inputs overflows", axis);
    y.dims[axis] = *total;
  }
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

// Each input's gradient is its part of the output's.
absl::Status Gradient(GradientContext& c) {
  if (c.num_inputs() == 1) {
    c.SetInputGrad(0, c.OutputGrad());
    return absl::OkStatus();
  }
  const int axis = AxisOf(c.attrs(), c.TypeOf(c.Output()).dims.size());
  int64_t offset = 0;
  for (int i = 0; i < c.num_inputs(); ++i) {
    const int64_t size = c.TypeOf(c.Input(i)).dims[axis].size;
    if (c.NeedsGrad(i)) {
      ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Slice", {c.OutputGrad()}, {{"starts", Ints{offset}},
                                                                          {"ends", Ints{offset + size}},
                                                                          {"axes", Ints{axis}}}));
      c.SetInputGrad(i, dx);
    }
    offset += size;
  }
  return absl::OkStatus();
}

// Kernel "concat": inputs (x0, x1, ...), outputs (y), attributes {axis}.
absl::Status Lower(LowerContext& c) {
  std::vector<BufferId> inputs;
  for (int i = 0; i < c.num_inputs(); ++i) inputs.push_back(c.Input(i));
  const int64_t axis = AxisOf(c.attrs(), c.OutputShape().size());
  c.Emit("concat", std::move(inputs), {c.Output()}, {{"axis", axis}});
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  DoubleTensor& y = c.Output();
  const int axis = AxisOf(c.attrs(), y.shape.size());
  const AxisLoops loops = LoopsAlong(y.shape, axis);
  int64_t offset = 0;
  for (int i = 0; i < c.num_inputs(); ++i) {
    const DoubleTensor& x = c.Input(i);
    const int64_t run = x.shape[axis] * loops.inner;
    for (int64_t o = 0; o < loops.outer; ++o) {
      for (int64_t k = 0; k < run; ++k) y[o * loops.size * loops.inner + offset + k] = x[o * run + k];
    }
    offset += run;
  }
  return absl::OkStatus();
}

OpDef ConcatDef() {
  OpDef def;
  def.name = "Concat";
  def.doc = "The inputs one behind the other along a dimension, as ONNX's Concat.";
  def.inputs = {{.name = "x", .doc = "any type, one rank; equal dimensions but for the axis", .variadic = true}};
  def.outputs = {{"y", "the inputs' dimensions, added up along the axis"}};
  def.attributes = {AxisAttr()};
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = [](ExpandContext& c) {
    if (c.num_inputs() == 1) c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.kernels = "concat";
  def.lower = Lower;
  def.reference = Reference;
  return def;
}

ATH_REGISTER_OP(ConcatDef());

}  // namespace
}  // namespace athanor
