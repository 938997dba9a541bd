// MaxPool, AvgPool and their gradients as operators of their own; GlobalAvgPool, which is an AvgPool.
#include <algorithm>
#include <limits>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"
#include "compiler/ops/window.h"

namespace athanor {
namespace {

// y's type for images x; the padding is smaller than the kernel, so that every window holds an element of x.
absl::StatusOr<TensorType> OutputType(const InferContext& c, const TensorType& x) {
  const Window window(c.attrs());
  for (int side = 0; side < 4; ++side) {
    if (window.pads[side] < window.kernel[side % 2]) continue;
    return c.Error(ErrorClass::kAttr, "pads = %s must each be smaller than the kernel %s", AttrToString(window.pads),
                   AttrToString(window.kernel));
  }
  ATH_ASSIGN_OR_RETURN(int64_t height, window.Positions(c, 0, x.dims[2].size));
  ATH_ASSIGN_OR_RETURN(int64_t width, window.Positions(c, 1, x.dims[3].size));
  return TensorType(x.dtype, {x.dims[0], x.dims[1], height, width});
}

// For the gradient operators: x's type by dy and the attribute input_size.
absl::StatusOr<TensorType> InputType(const InferContext& c) {
  ATH_RETURN_IF_ERROR(Window(c.attrs()).Check(c));
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "dy"));
  const TensorType& dy = c.Input(0);
  const Ints size = c.attrs().GetInts("input_size");
  TensorType x(dy.dtype, {dy.dims[0], dy.dims[1], size[0], size[1]});
  ATH_ASSIGN_OR_RETURN(TensorType y, OutputType(c, x));
  ATH_RETURN_IF_ERROR(CheckSameType(c, 0, "dy", y, "the forward operator's output"));
  return x;
}

// Where in its window each maximum lies: as oneDNN stores it.
TensorType WorkspaceType(const Attributes& attrs, TensorType y) {
  const Ints kernel = attrs.GetInts("kernel");
  y.dtype = kernel[0] * kernel[1] < 256 ? DType::kU8 : DType::kS32;
  return y;
}

// f(tap, x offset, y offset) for every element of every window in order; x's is -1 for an element of the padding.
template <typename F>
void ForEachElement(const Window& w, const Shape& x, const Shape& y, F&& f) {
  auto taps = [&](int64_t plane, int64_t oh, int64_t ow, int64_t at) {
    for (int64_t tap = 0; tap < w.kernel[0] * w.kernel[1]; ++tap) {
      const int64_t h = oh * w.strides[0] - w.pads[0] + tap / w.kernel[1];
      const int64_t v = ow * w.strides[1] - w.pads[1] + tap % w.kernel[1];
      const bool inside = h >= 0 && h < x[2] && v >= 0 && v < x[3];
      f(tap, inside ? (plane * x[2] + h) * x[3] + v : -1, at);
    }
  };
  int64_t at = 0;
  for (int64_t plane = 0; plane < y[0] * y[1]; ++plane) {
    for (int64_t oh = 0; oh < y[2]; ++oh) {
      for (int64_t ow = 0; ow < y[3]; ++ow) taps(plane, oh, ow, at++);
    }
  }
}

std::vector<AttrDef> PoolAttributes() { return {KernelAttr(), StridesAttr(), PadsAttr()}; }

AttrDef CountIncludePadAttr() {
  return {.name = "count_include_pad",
          .type = AttrType::kBool,
          .doc = "padding counts in the divisor: it is always the kernel's size",
          .default_value = true};
}

// The attributes of `c` with these names, for a gradient operator or a kernel.
Attributes Take(const OpContext& c, std::initializer_list<const char*> names) {
  Attributes attrs;
  for (const char* name : names) attrs.Set(name, *c.attrs().Find(name));
  return attrs;
}

Ints SizeOf(const TensorType& x) { return {x.dims[2].size, x.dims[3].size}; }

// Of kernels "pooling" and "pooling_backward".
Attributes KernelAttributes(const OpContext& c, std::string algorithm) {
  Attributes attrs = Take(c, {"kernel", "strides", "pads"});
  attrs.Set("algorithm", std::move(algorithm));
  return attrs;
}

std::string AverageAlgorithm(const OpContext& c) {
  return c.attrs().Bool("count_include_pad") ? "avg_include_padding" : "avg_exclude_padding";
}

namespace max_pool {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(Window(c.attrs()).Check(c));
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "x"));
  ATH_ASSIGN_OR_RETURN(TensorType y, OutputType(c, c.Input(0)));
  c.SetOutput(0, y);
  c.SetOutput(1, WorkspaceType(c.attrs(), y));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  if (!c.HasOutput(1)) return c.Error(ErrorClass::kGraph, "its gradient needs the output \"workspace\"");
  Attributes attrs = Take(c, {"kernel", "strides", "pads"});
  attrs.Set("input_size", SizeOf(c.TypeOf(c.Input(0))));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("MaxPoolGrad", {c.OutputGrad(), c.Output(1)}, std::move(attrs)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

// Kernel "pooling": inputs (x), outputs (y[, workspace]), attributes {algorithm, kernel, strides, pads, training}.
absl::Status Lower(LowerContext& c) {
  Attributes attrs = KernelAttributes(c, "max");
  attrs.Set("training", c.HasOutput(1));
  c.Emit("pooling", {c.Input(0)}, {c.Output(0), c.Output(1)}, std::move(attrs));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  std::fill(y.data.begin(), y.data.end(), std::numeric_limits<float>::lowest());
  ForEachElement(Window(c.attrs()), x.shape, y.shape, [&](int64_t tap, int64_t xi, int64_t yi) {
    if (xi < 0 || !(x[xi] > y[yi])) return;
    y[yi] = x[xi];
    if (c.HasOutput(1)) c.Output(1)[yi] = static_cast<double>(tap);
  });
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "MaxPool";
  def.doc =
      "y = the maximum of each window of x, without its padding. Of equal maxima the first gets the gradient. A NaN is "
      "passed over; a window of nothing else gives the lowest float.";
  def.inputs = {{"x", "f32[N,C,H,W]"}};
  def.outputs = {{"y", "f32[N,C,H',W'], H' = floor((H + pads - kernel) / stride) + 1"},
                 {.name = "workspace",
                  .doc = "like y, u8 or (windows of 256 elements and more) s32: where the maximum is, for the gradient",
                  .optional = true}};
  def.attributes = PoolAttributes();
  def.infer = Infer;
  def.gradient = Gradient;
  def.lower = Lower;
  def.reference = Reference;
  def.traits.gradient_outputs = {1};
  return def;
}

}  // namespace max_pool

namespace max_pool_grad {

absl::Status Infer(InferContext& c) {
  ATH_ASSIGN_OR_RETURN(TensorType x, InputType(c));
  ATH_RETURN_IF_ERROR(CheckSameType(c, 1, "workspace", WorkspaceType(c.attrs(), c.Input(0)), "dy"));
  c.SetOutput(0, std::move(x));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor &dy = c.Input(0), &workspace = c.Input(1);
  DoubleTensor& dx = c.Output();
  ForEachElement(Window(c.attrs()), dx.shape, dy.shape, [&](int64_t tap, int64_t xi, int64_t yi) {
    if (xi >= 0 && workspace[yi] == static_cast<double>(tap)) dx[xi] += dy[yi];
  });
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "MaxPoolGrad";
  def.doc = "dx = dy where the maximum of its window was, else 0: the gradient of MaxPool.";
  def.inputs = {{"dy", "f32[N,C,H',W']"}, {"workspace", "u8 or s32 like dy: the forward operator's"}};
  def.outputs = {{"dx", "f32[N,C,H,W]"}};
  def.attributes = PoolAttributes();
  def.attributes.push_back(InputSizeAttr());
  def.infer = Infer;
  // Kernel "pooling_backward": inputs (dy, workspace), outputs (dx), attributes {algorithm, kernel, strides, pads}.
  def.lower = [](LowerContext& c) {
    c.Emit("pooling_backward", {c.Input(0), c.Input(1)}, {c.Output()}, KernelAttributes(c, "max"));
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace max_pool_grad

// What each window's sum is divided by.
std::vector<double> Divisors(const OpContext& c, const Shape& x, const DoubleTensor& y) {
  const Window window(c.attrs());
  const bool all = c.attrs().Bool("count_include_pad");
  std::vector<double> divisors(y.size(), 0);
  ForEachElement(window, x, y.shape, [&](int64_t, int64_t xi, int64_t yi) { divisors[yi] += all || xi >= 0 ? 1 : 0; });
  return divisors;
}

namespace avg_pool {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(Window(c.attrs()).Check(c));
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "x"));
  ATH_ASSIGN_OR_RETURN(TensorType y, OutputType(c, c.Input(0)));
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  Attributes attrs = Take(c, {"kernel", "strides", "pads", "count_include_pad"});
  attrs.Set("input_size", SizeOf(c.TypeOf(c.Input(0))));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("AvgPoolGrad", {c.OutputGrad()}, std::move(attrs)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  ForEachElement(Window(c.attrs()), x.shape, y.shape, [&](int64_t, int64_t xi, int64_t yi) {
    if (xi >= 0) y[yi] += x[xi];
  });
  const std::vector<double> divisors = Divisors(c, x.shape, y);
  for (int64_t i = 0; i < y.size(); ++i) y[i] /= divisors[i];
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "AvgPool";
  def.doc = "y = the mean of each window of x. Padding is zeros, which count in the divisor or do not.";
  def.inputs = {{"x", "f32[N,C,H,W]"}};
  def.outputs = {{"y", "f32[N,C,H',W'], H' = floor((H + pads - kernel) / stride) + 1"}};
  def.attributes = PoolAttributes();
  def.attributes.push_back(CountIncludePadAttr());
  def.infer = Infer;
  def.gradient = Gradient;
  // Kernel "pooling": inputs (x), outputs (y), attributes {algorithm, kernel, strides, pads, training}.
  def.lower = [](LowerContext& c) {
    Attributes attrs = KernelAttributes(c, AverageAlgorithm(c));
    attrs.Set("training", false);
    c.Emit("pooling", {c.Input(0)}, {c.Output()}, std::move(attrs));
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace avg_pool

namespace avg_pool_grad {

absl::Status Infer(InferContext& c) {
  ATH_ASSIGN_OR_RETURN(TensorType x, InputType(c));
  c.SetOutput(0, std::move(x));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& dy = c.Input(0);
  DoubleTensor& dx = c.Output();
  const std::vector<double> divisors = Divisors(c, dx.shape, dy);
  ForEachElement(Window(c.attrs()), dx.shape, dy.shape, [&](int64_t, int64_t xi, int64_t yi) {
    if (xi >= 0) dx[xi] += dy[yi] / divisors[yi];
  });
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "AvgPoolGrad";
  def.doc = "dx = the sum of dy / divisor over the windows that hold an element: the gradient of AvgPool.";
  def.inputs = {{"dy", "f32[N,C,H',W']"}};
  def.outputs = {{"dx", "f32[N,C,H,W]"}};
  def.attributes = PoolAttributes();
  def.attributes.push_back(CountIncludePadAttr());
  def.attributes.push_back(InputSizeAttr());
  def.infer = Infer;
  // Kernel "pooling_backward": inputs (dy), outputs (dx), attributes {algorithm, kernel, strides, pads}.
  def.lower = [](LowerContext& c) {
    c.Emit("pooling_backward", {c.Input(0)}, {c.Output()}, KernelAttributes(c, AverageAlgorithm(c)));
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace avg_pool_grad

namespace global_avg_pool {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "x"));
  const TensorType& x = c.Input(0);
  for (int d : {2, 3}) {
    if (x.dims[d].size <= static_cast<int64_t>(kMaxWindowAttr)) continue;
    return c.Error(ErrorClass::kLimit, "input \"x\" is %s, expected a height and width up to %d", x.ToString(),
                   static_cast<int64_t>(kMaxWindowAttr));
  }
  c.SetOutput(0, {x.dtype, {x.dims[0], x.dims[1], 1, 1}});
  return absl::OkStatus();
}

// The AvgPool that it is.
Attributes PoolOf(const TensorType& x) {
  return {{"kernel", SizeOf(x)}, {"strides", Ints{1, 1}}, {"pads", Ints{0, 0, 0, 0}}, {"count_include_pad", false}};
}

absl::Status Gradient(GradientContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  Attributes attrs = PoolOf(x);
  attrs.Set("input_size", SizeOf(x));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("AvgPoolGrad", {c.OutputGrad()}, std::move(attrs)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Expand(ExpandContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("AvgPool", {c.Input(0)}, PoolOf(c.TypeOf(c.Input(0)))));
  c.SetOutput(0, y);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  const int64_t area = x.shape[2] * x.shape[3];
  for (int64_t i = 0; i < x.size(); ++i) c.Output()[i / area] += x[i] / static_cast<double>(area);
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "GlobalAvgPool";
  def.doc = "y = the mean of each channel over height and width.";
  def.inputs = {{"x", "f32[N,C,H,W]"}};
  def.outputs = {{"y", "f32[N,C,1,1]"}};
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = Expand;
  def.reference = Reference;
  return def;
}

}  // namespace global_avg_pool

ATH_REGISTER_OP(max_pool::Def());
ATH_REGISTER_OP(max_pool_grad::Def());
ATH_REGISTER_OP(avg_pool::Def());
ATH_REGISTER_OP(avg_pool_grad::Def());
ATH_REGISTER_OP(global_avg_pool::Def());

}  // namespace
}  // namespace athanor
