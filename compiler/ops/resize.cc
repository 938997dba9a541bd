// Resize: images of another size; ResizeGrad, its gradient.
#include <algorithm>
#include <cmath>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

// Along height (0) or width (1): from `in` pixels to `out`, `scale` times as many.
struct Axis {
  int64_t in = 0, out = 0;
  double scale = 1;
};

// What one pixel of y takes of a row or column of x: at most two pixels and their weights.
struct Taps {
  int64_t low = 0, high = 0;
  double low_weight = 1, high_weight = 0;
};

// ONNX's formulas; a place beyond the edge is on it.
Taps TapsOf(const Attributes& attrs, const Axis& axis, int64_t i) {
  const std::string coordinate = attrs.String("coordinate_transformation_mode"), nearest = attrs.String("nearest_mode");
  double x = (static_cast<double>(i) + 0.5) / axis.scale - 0.5;
  if (coordinate == "asymmetric") x = static_cast<double>(i) / axis.scale;
  if (coordinate == "align_corners") {
    const double gaps = static_cast<double>(axis.out - 1);
    x = gaps == 0 ? 0 : static_cast<double>(i) * static_cast<double>(axis.in - 1) / gaps;
  }
  const double last = static_cast<double>(axis.in - 1);
  if (attrs.String("mode") == "nearest") {
    double at = std::ceil(x - 0.5);
    if (nearest == "round_prefer_ceil") at = std::floor(x + 0.5);
    if (nearest == "floor") at = std::floor(x);
    if (nearest == "ceil") at = std::ceil(x);
    const auto pixel = static_cast<int64_t>(std::clamp(at, 0.0, last));
    return {pixel, pixel, 1, 0};
  }
  x = std::clamp(x, 0.0, last);
  const auto low = static_cast<int64_t>(x);
  return {low, std::min(low + 1, axis.in - 1), 1 - (x - static_cast<double>(low)), x - static_cast<double>(low)};
}

// Calls f(element of y, element of x, weight) for every pixel of y.
template <typename F>
void ForEachTap(const Attributes& attrs, int64_t planes, const Axis& height, const Axis& width, const F& f) {
  std::vector<Taps> rows, columns;
  for (int64_t i = 0; i < height.out; ++i) rows.push_back(TapsOf(attrs, height, i));
  for (int64_t i = 0; i < width.out; ++i) columns.push_back(TapsOf(attrs, width, i));
  for (int64_t p = 0; p < planes; ++p) {
    for (int64_t row = 0; row < height.out; ++row) {
      const Taps& v = rows[row];
      for (int64_t column = 0; column < width.out; ++column) {
        const Taps& h = columns[column];
        const int64_t y = (p * height.out + row) * width.out + column;
        auto tap = [&](int64_t r, int64_t c, double weight) { f(y, (p * height.in + r) * width.in + c, weight); };
        tap(v.low, h.low, v.low_weight * h.low_weight);
        tap(v.low, h.high, v.low_weight * h.high_weight);
        tap(v.high, h.low, v.high_weight * h.low_weight);
        tap(v.high, h.high, v.high_weight * h.high_weight);
      }
    }
  }
}

constexpr int64_t kMaxPixels = 2147483647;  // a side

std::vector<AttrDef> ModeAttrs() {
  return {
      {.name = "mode", .type = AttrType::kString, .doc = "how y's pixels are made of x's", .default_value = "nearest",
       .choices = {"nearest", "bilinear"}},
      {.name = "coordinate_transformation_mode",
       .type = AttrType::kString,
       .doc = "where y's pixel i lies in x: half_pixel (i + 0.5) / scale - 0.5; align_corners i (in - 1) / (out - 1); "
              "asymmetric i / scale",
       .default_value = "half_pixel",
       .choices = {"half_pixel", "align_corners", "asymmetric"}},
      {.name = "nearest_mode", .type = AttrType::kString, .doc = "how mode nearest rounds",
       .default_value = "round_prefer_floor", .choices = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}},
  };
}

Attributes Modes(const Attributes& attrs, Floats scales) {
  Attributes modes{{"scales", std::move(scales)}};
  for (const AttrDef& a : ModeAttrs()) modes.Set(a.name, *attrs.Find(a.name));
  return modes;
}

namespace forward {

// Of height or width, by sizes or scales. SHAPE and LIMIT errors.
absl::StatusOr<Axis> AxisOf(const OpContext& c, int side, int64_t in) {
  const Ints sizes = c.attrs().GetInts("sizes");
  const Floats scales = c.attrs().GetFloats("scales");
  Axis axis{in, 0, 1};
  if (!sizes.empty()) {
    axis.out = sizes[side];
    axis.scale = static_cast<double>(axis.out) / static_cast<double>(in);
  } else {
    axis.scale = scales[side];
    const double out = std::floor(static_cast<double>(in) * axis.scale);
    if (out < 1) return c.Error(ErrorClass::kShape, "%d pixels by the scale %g are none", in, axis.scale);
    axis.out = out > static_cast<double>(kMaxPixels) ? kMaxPixels + 1 : static_cast<int64_t>(out);
  }
  if (in > kMaxPixels || axis.out > kMaxPixels) {
    return c.Error(ErrorClass::kLimit, "a side of %d pixels by the scale %g is beyond %d", in, axis.scale, kMaxPixels);
  }
  return axis;
}

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, 0, "x"));
  ATH_RETURN_IF_ERROR(c.CheckRank(0, "x", 4, 4));
  const size_t sizes = c.attrs().GetInts("sizes").size(), scales = c.attrs().GetFloats("scales").size();
  if (sizes + scales != 2 || sizes == 1) {
    return c.Error(ErrorClass::kAttr, "needs two sizes or two scales (height, width), has %d sizes and %d scales",
                   sizes, scales);
  }
  TensorType y = c.Input(0);
  for (int side : {0, 1}) {
    ATH_ASSIGN_OR_RETURN(int64_t in, c.Known(0, 2 + side, "x"));
    ATH_ASSIGN_OR_RETURN(Axis axis, AxisOf(c, side, in));
    y.dims[2 + side] = axis.out;
  }
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::StatusOr<Floats> Scales(const OpContext& c, const TensorType& x) {
  Floats scales;
  for (int side : {0, 1}) {
    ATH_ASSIGN_OR_RETURN(Axis axis, AxisOf(c, side, x.dims[2 + side].size));
    scales.push_back(axis.scale);
  }
  return scales;
}

absl::Status Gradient(GradientContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  ATH_ASSIGN_OR_RETURN(Floats scales, Scales(c, x));
  Attributes attrs = Modes(c.attrs(), std::move(scales));
  attrs.Set("input_sizes", AttrValue(Ints{x.dims[2].size, x.dims[3].size}));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("ResizeGrad", {c.OutputGrad()}, std::move(attrs)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

// Kernel "resize": inputs (x), outputs (y), attributes {mode, coordinate_transformation_mode, nearest_mode, scales}.
absl::Status Lower(LowerContext& c) {
  ATH_ASSIGN_OR_RETURN(Floats scales, Scales(c, TensorType::Of(DType::kF32, c.InputShape(0))));
  c.Emit("resize", {c.Input(0)}, {c.Output()}, Modes(c.attrs(), std::move(scales)));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  ATH_ASSIGN_OR_RETURN(Axis height, AxisOf(c, 0, x.shape[2]));
  ATH_ASSIGN_OR_RETURN(Axis width, AxisOf(c, 1, x.shape[3]));
  ForEachTap(c.attrs(), x.shape[0] * x.shape[1], height, width,
             [&](int64_t to, int64_t from, double weight) { c.Output()[to] += weight * x[from]; });
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "Resize";
  def.doc =
      "Images of another size, as ONNX's Resize with these modes. torch.nn.functional.interpolate's nearest is "
      "asymmetric with nearest_mode floor, nearest-exact is half_pixel with round_prefer_ceil.";
  def.inputs = {{"x", "f32[N,C,H,W]"}};
  def.outputs = {{"y", "f32[N,C,..]: the sizes, or H and W times the scales, rounded down"}};
  def.attributes = ModeAttrs();
  def.attributes.push_back({.name = "sizes", .type = AttrType::kInts, .doc = "height, width; or none",
                            .default_value = Ints{}, .min = 1});
  def.attributes.push_back({.name = "scales", .type = AttrType::kFloats, .doc = "of height and width; or none",
                            .default_value = Floats{}, .min = 0, .max = 1e9, .min_exclusive = true});
  def.infer = Infer;
  def.gradient = Gradient;
  def.kernels = "resize";
  def.lower = Lower;
  def.reference = Reference;
  return def;
}

}  // namespace forward

namespace backward {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, 0, "dy"));
  ATH_RETURN_IF_ERROR(c.CheckRank(0, "dy", 4, 4));
  const Ints sizes = c.attrs().GetInts("input_sizes");
  const size_t scales = c.attrs().GetFloats("scales").size();
  if (sizes.size() != 2 || scales != 2) {
    return c.Error(ErrorClass::kAttr, "needs two input_sizes and two scales (height, width), has %d and %d",
                   sizes.size(), scales);
  }
  TensorType dx = c.Input(0);
  for (int side : {0, 1}) {
    ATH_RETURN_IF_ERROR(c.Known(0, 2 + side, "dy").status());
    dx.dims[2 + side] = sizes[side];
  }
  c.SetOutput(0, std::move(dx));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& dy = c.Input(0);
  const Ints sizes = c.attrs().GetInts("input_sizes");
  const Floats scales = c.attrs().GetFloats("scales");
  ForEachTap(c.attrs(), dy.shape[0] * dy.shape[1], {sizes[0], dy.shape[2], scales[0]},
             {sizes[1], dy.shape[3], scales[1]},
             [&](int64_t from, int64_t to, double weight) { c.Output()[to] += weight * dy[from]; });
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "ResizeGrad";
  def.doc = "The gradient of Resize: each pixel's gradient, shared among those it was made of.";
  def.inputs = {{"dy", "f32[N,C,H,W]"}};
  def.outputs = {{"dx", "f32[N,C,..] of the input_sizes"}};
  def.attributes = ModeAttrs();
  def.attributes.push_back({.name = "input_sizes", .type = AttrType::kInts, .doc = "height and width of dx", .min = 1,
                            .max = static_cast<double>(kMaxPixels)});
  def.attributes.push_back({.name = "scales", .type = AttrType::kFloats, .doc = "of height and width", .min = 0,
                            .min_exclusive = true});
  def.infer = Infer;
  // Kernel "resize_backward": inputs (dy), outputs (dx), attributes as of "resize".
  def.kernels = "resize_backward";
  def.lower = [](LowerContext& c) {
    c.Emit("resize_backward", {c.Input(0)}, {c.Output()}, Modes(c.attrs(), c.attrs().GetFloats("scales")));
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace backward

ATH_REGISTER_OP(forward::Def());
ATH_REGISTER_OP(backward::Def());

}  // namespace
}  // namespace athanor
