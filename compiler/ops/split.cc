// Split: a tensor cut into parts along a dimension. Slices when compiled.
#include <algorithm>
#include <numeric>

#include "compiler/ops/axis.h"
#include "runtime/core/checked.h"

namespace athanor {
namespace {

// The sizes of the parts by ONNX's rules: those given, or equal ones of which the last may be smaller. ATTR errors.
absl::StatusOr<Ints> Sizes(const OpContext& c, int64_t dim) {
  const Ints split = c.attrs().GetInts("split");
  const int64_t parts = c.attrs().Int("num_outputs"), outputs = c.num_outputs();
  if (!split.empty()) {
    if (parts != -1 && parts != static_cast<int64_t>(split.size())) {
      return c.Error(ErrorClass::kAttr, "split has %d sizes, but num_outputs is %d", split.size(), parts);
    }
    if (outputs != static_cast<int64_t>(split.size())) {
      return c.Error(ErrorClass::kAttr, "split has %d sizes, but the node has %d outputs", split.size(), outputs);
    }
    int64_t sum = 0;
    for (int64_t size : split) sum = size > dim - sum ? dim + 1 : sum + size;  // beyond dim it stays there
    if (sum == dim) return split;
    return c.Error(ErrorClass::kAttr, "the sizes in split = %s do not add up to the dimension, %d",
                   ShapeToString(split), dim);
  }
  if (parts != -1 && parts != outputs) {
    return c.Error(ErrorClass::kAttr, "num_outputs is %d, but the node has %d outputs", parts, outputs);
  }
  const int64_t size = dim / outputs + (dim % outputs != 0), last = dim - size * (outputs - 1);
  if (last < 0 || (last == 0 && dim > 0)) {
    return c.Error(ErrorClass::kAttr, "a dimension of %d cannot be split into %d parts of %d, the last one smaller",
                   dim, outputs, size);
  }
  Ints sizes(outputs, size);
  sizes.back() = last;
  return sizes;
}

absl::Status Infer(InferContext& c) {
  const TensorType& x = c.Input(0);
  ATH_ASSIGN_OR_RETURN(int axis, c.Axis(c.attrs().Int("axis"), x.rank()));
  if (c.num_outputs() == 1 && c.attrs().GetInts("split").empty() && std::abs(c.attrs().Int("num_outputs")) == 1) {
    c.SetOutput(0, x);  // the whole, which may be symbolic
    return absl::OkStatus();
  }
  ATH_ASSIGN_OR_RETURN(int64_t dim, c.Known(0, axis, "x"));
  ATH_ASSIGN_OR_RETURN(Ints sizes, Sizes(c, dim));
  for (int i = 0; i < c.num_outputs(); ++i) {
    TensorType y = x;
    y.dims[axis] = sizes[i];
    c.SetOutput(i, std::move(y));
  }
  return absl::OkStatus();
}

// The parts' gradients one behind the other; zeros where there is none.
absl::Status Gradient(GradientContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  const int axis = AxisOf(c.attrs(), x.dims.size());
  std::vector<ValueId> parts;
  for (int i = 0; i < c.num_outputs(); ++i) {
    const TensorType part = c.TypeOf(c.Output(i));
    ValueId grad = c.OutputGrad(i);
    if (grad == kNoValue) {
      if (!part.concrete()) {
        return c.Error(ErrorClass::kShape, "output %d is %s: symbols must be fixed before it is differentiated", i,
                       part.ToString());
      }
      if (*NumElements(part.shape()) == 0) continue;
      const ValueId zero = c.Constant(DoubleTensor({}, 0).To(x.dtype));
      ATH_ASSIGN_OR_RETURN(grad, c.Emit("Expand", {zero}, {{"shape", part.shape()}}));
    }
    parts.push_back(grad);
  }
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Concat", std::move(parts), {{"axis", int64_t{axis}}}));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status ToSlices(ExpandContext& c) {
  const int axis = AxisOf(c.attrs(), c.TypeOf(c.Input(0)).dims.size());
  int64_t start = 0;
  for (int i = 0; i < c.num_outputs(); ++i) {
    const Dim size = c.TypeOf(c.node().outputs[i]).dims[axis];
    const int64_t end = size.symbolic() ? INT64_MAX : start + size.size;
    ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("Slice", {c.Input(0)}, {{"starts", Ints{start}},
                                                                   {"ends", Ints{end}},
                                                                   {"axes", Ints{axis}}}));
    c.SetOutput(i, y);
    start = end;
  }
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  const int axis = AxisOf(c.attrs(), x.shape.size());
  const AxisLoops from = LoopsAlong(x.shape, axis);
  int64_t offset = 0;
  for (int i = 0; i < c.num_outputs(); ++i) {
    DoubleTensor& y = c.Output(i);
    const int64_t run = y.shape[axis] * from.inner;
    for (int64_t o = 0; o < from.outer; ++o) {
      for (int64_t k = 0; k < run; ++k) y[o * run + k] = x[o * from.size * from.inner + offset + k];
    }
    offset += run;
  }
  return absl::OkStatus();
}

OpDef SplitDef() {
  OpDef def;
  def.name = "Split";
  def.doc = "x cut into parts along a dimension, as ONNX's Split: of the given sizes, or equal ones.";
  def.inputs = {{"x", "any type and shape"}};
  def.outputs = {{.name = "y", .doc = "x's dimensions but for the axis", .variadic = true}};
  def.attributes = {
      AxisAttr(int64_t{0}),
      {.name = "split", .type = AttrType::kInts, .doc = "the parts' sizes; empty: equal", .default_value = Ints{},
       .min = 0},
      {.name = "num_outputs",
       .type = AttrType::kInt,
       .doc = "equal parts, of which the last may be smaller; -1: as many as the node has outputs",
       .default_value = int64_t{-1},
       .min = 1},
  };
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = ToSlices;
  def.reference = Reference;
  return def;
}

ATH_REGISTER_OP(SplitDef());

}  // namespace
}  // namespace athanor
