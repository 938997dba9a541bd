// Pad: a frame around a tensor; PadGrad, its gradient where the frame repeats what it frames.
#include <algorithm>

#include "compiler/opdef/op_def.h"
#include "runtime/core/checked.h"

namespace athanor {
namespace {

// What stands before and behind dimension d.
struct Frame {
  int64_t before = 0, behind = 0;
  bool empty() const { return before == 0 && behind == 0; }
};

Frame FrameOf(const Ints& pads, size_t d) { return {pads[d], pads[pads.size() / 2 + d]}; }
Frame FrameOf(const Attributes& attrs, size_t d) { return FrameOf(attrs.GetInts("pads"), d); }

bool IsFramed(const OpContext& c, int rank) {
  for (int d = 0; d < rank; ++d) {
    if (!FrameOf(c.attrs(), d).empty()) return true;
  }
  return false;
}

// The element of x, from `before` elements before it on, that stands at place i; -1: the constant.
int64_t Source(const std::string& mode, int64_t i, int64_t size) {
  if (mode == "reflect") {
    if (i < 0) i = -i;
    return i >= size ? 2 * (size - 1) - i : i;
  }
  if (mode == "edge") return std::clamp<int64_t>(i, 0, size - 1);
  return i < 0 || i >= size ? -1 : i;
}

absl::Status CheckFrame(const OpContext& c, const TensorType& x, int d, int64_t size) {
  const Frame f = FrameOf(c.attrs(), d);
  const std::string mode = c.attrs().String("mode");
  if (mode == "reflect" && std::max(f.before, f.behind) >= size) {
    return c.Error(ErrorClass::kAttr, "pads of dimension %d, %d and %d, must be smaller than the dimension in mode "
                                      "reflect, but input \"x\" is %s",
                   d, f.before, f.behind, x.ToString());
  }
  if (mode == "edge" && size == 0) {
    return c.Error(ErrorClass::kShape, "input \"x\" is %s: dimension %d has no edge to repeat", x.ToString(), d);
  }
  return absl::OkStatus();
}

// The type of what is framed, from input `i`.
absl::StatusOr<TensorType> Framed(const InferContext& c, int i, const char* what) {
  TensorType y = c.Input(i);
  const Ints pads = c.attrs().GetInts("pads");
  if (pads.size() != 2 * y.dims.size()) {
    return c.Error(ErrorClass::kAttr, "pads %s has %d entries, expected two a dimension of input \"%s\", %s",
                   ShapeToString(pads), pads.size(), what, y.ToString());
  }
  for (int d = 0; d < y.rank(); ++d) {
    const Frame f = FrameOf(c.attrs(), d);
    if (f.empty()) continue;
    ATH_ASSIGN_OR_RETURN(int64_t size, c.Known(i, d, what));
    ATH_RETURN_IF_ERROR(CheckFrame(c, c.Input(i), d, size));
    auto sum = CheckedAdd(f.before, f.behind);
    if (sum) sum = CheckedAdd(*sum, size);
    if (!sum) {
      return c.Error(ErrorClass::kLimit, "dimension %d, %d with %d before and %d behind, overflows", d, size, f.before,
                     f.behind);
    }
    y.dims[d] = *sum;
  }
  return y;
}

// Calls f(element of y, element of x or -1).
template <typename F>
void ForEachElement(const OpContext& c, const Shape& x, const Shape& y, const std::string& mode, const F& f) {
  const std::vector<int64_t> strides = RowMajorStrides(x);
  const Ints pads = c.attrs().GetInts("pads");
  const int64_t elements = *NumElements(y);
  for (int64_t i = 0; i < elements; ++i) {
    int64_t rest = i, from = 0;
    for (size_t d = y.size(); d-- > 0;) {
      const int64_t source = Source(mode, rest % y[d] - FrameOf(pads, d).before, x[d]);
      from = source < 0 || from < 0 ? -1 : from + source * strides[d];
      rest /= y[d];
    }
    f(i, from);
  }
}

AttrDef PadsAttr() {
  return {.name = "pads",
          .type = AttrType::kInts,
          .doc = "elements before each dimension, then behind each, as ONNX has them",
          .min = 0};
}

AttrDef ModeAttr(std::vector<std::string> modes) {
  return {.name = "mode",
          .type = AttrType::kString,
          .doc = "constant: value; reflect: mirrored about the first and the last element; edge: these repeated",
          .default_value = modes[0],
          .choices = modes};
}

namespace forward {

// For integers the value must be one of theirs.
absl::Status CheckValue(const InferContext& c, DType dtype) {
  const double value = c.attrs().Float("value");
  if (IsFloating(dtype) || DoubleTensor::From(DoubleTensor({}, value).To(dtype))[0] == value) return absl::OkStatus();
  return c.Error(ErrorClass::kAttr, "value = %g is no %s", value, DTypeName(dtype));
}

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckValue(c, c.Input(0).dtype));
  ATH_ASSIGN_OR_RETURN(TensorType y, Framed(c, 0, "x"));
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  if (!IsFramed(c, x.rank())) {
    c.SetInputGrad(0, c.OutputGrad());
    return absl::OkStatus();
  }
  absl::StatusOr<ValueId> dx;
  if (c.attrs().String("mode") == "constant") {
    Ints axes, starts, ends;
    for (int d = 0; d < x.rank(); ++d) {
      const Frame f = FrameOf(c.attrs(), d);
      if (f.empty()) continue;
      axes.push_back(d);
      starts.push_back(f.before);
      ends.push_back(f.before + x.dims[d].size);
    }
    dx = c.Emit("Slice", {c.OutputGrad()}, {{"starts", starts}, {"ends", ends}, {"axes", axes}});
  } else {
    dx = c.Emit("PadGrad", {c.OutputGrad()},
                {{"pads", c.attrs().GetInts("pads")}, {"mode", c.attrs().String("mode")}});
  }
  if (!dx.ok()) return dx.status();
  c.SetInputGrad(0, *dx);
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "Pad";
  def.doc = "x with a frame around it, as ONNX's Pad with pads that are not negative and torch.nn.functional.pad.";
  def.inputs = {{"x", "any type and shape"}};
  def.outputs = {{"y", "each dimension plus its pads"}};
  def.attributes = {PadsAttr(), ModeAttr({"constant", "reflect", "edge"}),
                    {.name = "value", .type = AttrType::kFloat, .doc = "of the frame, in mode constant",
                     .default_value = 0.0}};
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = [](ExpandContext& c) {
    if (!IsFramed(c, c.TypeOf(c.Input(0)).rank())) c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  // Kernel "pad": inputs (x), outputs (y), attributes {pads, mode, value}.
  def.kernels = "pad";
  def.lower = [](LowerContext& c) {
    c.Emit("pad", {c.Input(0)}, {c.Output()}, c.attrs());
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor& x = c.Input(0);
    const double value = c.attrs().Float("value");
    ForEachElement(c, x.shape, c.Output().shape, c.attrs().String("mode"),
                   [&](int64_t i, int64_t from) { c.Output()[i] = from < 0 ? value : x[from]; });
    return absl::OkStatus();
  };
  return def;
}

}  // namespace forward

namespace backward {

// Framing dx gives dy's type.
absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, "dy"));
  TensorType dx = c.Input(0);
  if (c.attrs().GetInts("pads").size() != 2 * dx.dims.size()) {
    return c.Error(ErrorClass::kAttr, "pads %s has %d entries, expected two a dimension of input \"dy\", %s",
                   ShapeToString(c.attrs().GetInts("pads")), c.attrs().GetInts("pads").size(), dx.ToString());
  }
  for (int d = 0; d < dx.rank(); ++d) {
    const Frame f = FrameOf(c.attrs(), d);
    if (f.empty()) continue;
    ATH_ASSIGN_OR_RETURN(int64_t size, c.Known(0, d, "dy"));
    if (f.before > size || f.behind > size - f.before) {
      return c.Error(ErrorClass::kShape, "input \"dy\" is %s: dimension %d is smaller than its pads, %d and %d",
                     dx.ToString(), d, f.before, f.behind);
    }
    dx.dims[d] = size - f.before - f.behind;
    ATH_RETURN_IF_ERROR(CheckFrame(c, dx, d, dx.dims[d].size));
  }
  c.SetOutput(0, std::move(dx));
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "PadGrad";
  def.doc = "The gradient of Pad: each element of dx is the sum of dy over its places in the frame and within.";
  def.inputs = {{"dy", "f32, any shape"}};
  def.outputs = {{"dx", "each dimension less its pads"}};
  def.attributes = {PadsAttr(), ModeAttr({"reflect", "edge"})};
  def.infer = Infer;
  def.gradient = [](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Pad", {c.OutputGrad()}, c.attrs()));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  // Kernel "pad_backward": inputs (dy), outputs (dx), attributes {pads, mode}.
  def.kernels = "pad_backward";
  def.lower = [](LowerContext& c) {
    c.Emit("pad_backward", {c.Input(0)}, {c.Output()}, c.attrs());
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor& dy = c.Input(0);
    ForEachElement(c, c.Output().shape, dy.shape, c.attrs().String("mode"),
                   [&](int64_t i, int64_t to) { c.Output()[to] += dy[i]; });
    return absl::OkStatus();
  };
  return def;
}

}  // namespace backward

ATH_REGISTER_OP(forward::Def());
ATH_REGISTER_OP(backward::Def());

}  // namespace
}  // namespace athanor
