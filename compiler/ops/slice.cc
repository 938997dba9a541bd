// Slice: every step-th element of a range along some dimensions; SliceGrad puts its gradient in place.
#include <algorithm>

#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

// One dimension of a slice, resolved.
struct Range {
  int64_t start = 0, step = 1;
  Dim size;          // of the output
  bool cut = false;  // false: the whole dimension, which may be symbolic
};

// ONNX's rules: a negative index counts from the end, and what lies beyond an end is clamped to it.
Range Clamp(int64_t start, int64_t end, int64_t step, int64_t dim) {
  auto clamp = [dim](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + dim : i, 0, dim); };
  Range r;
  r.start = clamp(start);
  r.step = step;
  const int64_t length = clamp(end) - r.start;
  r.size = length <= 0 ? 0 : (length - 1) / step + 1;
  r.cut = r.start != 0 || r.size.size != dim;
  return r;
}

absl::Status CheckCounts(const OpContext& c, const Ints& starts, const Ints& others, absl::string_view name) {
  if (others.size() == starts.size()) return absl::OkStatus();
  return c.Error(ErrorClass::kAttr, "starts has %d entries, but %s has %d", starts.size(), name, others.size());
}

// Of every dimension of x. ATTR and SHAPE errors.
absl::StatusOr<std::vector<Range>> Resolve(const OpContext& c, const TensorType& x) {
  const Ints starts = c.attrs().GetInts("starts"), ends = c.attrs().GetInts("ends");
  Ints axes = c.attrs().GetInts("axes"), steps = c.attrs().GetInts("steps");
  if (axes.empty()) {
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  ATH_RETURN_IF_ERROR(CheckCounts(c, starts, ends, "ends"));
  ATH_RETURN_IF_ERROR(CheckCounts(c, starts, axes, "axes"));
  ATH_RETURN_IF_ERROR(CheckCounts(c, starts, steps, "steps"));

  std::vector<Range> ranges(x.dims.size());
  for (size_t d = 0; d < ranges.size(); ++d) ranges[d].size = x.dims[d];
  std::vector<bool> seen(x.dims.size(), false);
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t rank = x.rank(), axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (axis < 0 || axis >= rank || seen[axis]) {
      return c.Error(ErrorClass::kAttr, "axes %s are not different ones in [%d, %d], the axes of %s",
                     ShapeToString(axes), -rank, rank - 1, x.ToString());
    }
    seen[axis] = true;
    const Dim& dim = x.dims[axis];
    if (!dim.symbolic()) {
      ranges[axis] = Clamp(starts[i], ends[i], steps[i], dim.size);
    } else if (starts[i] != 0 || ends[i] != INT64_MAX || steps[i] != 1) {
      return c.Error(ErrorClass::kShape, "input \"x\" is %s: dimension %d must be a number to be sliced", x.ToString(),
                     axis);
    }
  }
  return ranges;
}

absl::Status Infer(InferContext& c) {
  ATH_ASSIGN_OR_RETURN(std::vector<Range> ranges, Resolve(c, c.Input(0)));
  TensorType y(c.Input(0).dtype, {});
  for (Range& r : ranges) y.dims.push_back(std::move(r.size));
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  const TensorType& x = c.TypeOf(c.Input(0));
  ATH_ASSIGN_OR_RETURN(std::vector<Range> ranges, Resolve(c, x));
  Ints shape, starts, steps;
  for (size_t d = 0; d < ranges.size(); ++d) {
    shape.push_back(ranges[d].cut ? x.dims[d].size : -1);
    starts.push_back(ranges[d].cut ? ranges[d].start : 0);
    steps.push_back(ranges[d].cut ? ranges[d].step : 1);
  }
  Attributes attrs{{"shape", std::move(shape)}, {"starts", std::move(starts)}, {"steps", std::move(steps)}};
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("SliceGrad", {c.OutputGrad()}, std::move(attrs)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status ExpandWhole(ExpandContext& c) {
  ATH_ASSIGN_OR_RETURN(std::vector<Range> ranges, Resolve(c, c.TypeOf(c.Input(0))));
  if (std::none_of(ranges.begin(), ranges.end(), [](const Range& r) { return r.cut; })) c.SetOutput(0, c.Input(0));
  return absl::OkStatus();
}

// Kernel "slice": inputs (x), outputs (y), attributes {starts, steps} of every dimension.
absl::Status Lower(LowerContext& c) {
  ATH_ASSIGN_OR_RETURN(std::vector<Range> ranges, Resolve(c, TensorType::Of(c.InputDtype(0), c.InputShape(0))));
  Ints starts, steps;
  for (const Range& r : ranges) {
    starts.push_back(r.start);
    steps.push_back(r.step);
  }
  c.Emit("slice", {c.Input(0)}, {c.Output()}, {{"starts", std::move(starts)}, {"steps", std::move(steps)}});
  return absl::OkStatus();
}

// Calls f(i, j) for every element i of a part of shape `part`, which is element j of the whole.
template <typename F>
void ForEachOfPart(const Shape& part, const Shape& whole, const Ints& starts, const Ints& steps, F&& f) {
  const std::vector<int64_t> strides = RowMajorStrides(whole);
  const int64_t elements = *NumElements(part);
  for (int64_t i = 0; i < elements; ++i) {
    int64_t rest = i, at = 0;
    for (size_t d = part.size(); d-- > 0;) {
      at += (starts[d] + rest % part[d] * steps[d]) * strides[d];
      rest /= part[d];
    }
    f(i, at);
  }
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  ATH_ASSIGN_OR_RETURN(std::vector<Range> ranges, Resolve(c, TensorType::Of(DType::kF64, x.shape)));
  Ints starts, steps;
  for (const Range& r : ranges) {
    starts.push_back(r.start);
    steps.push_back(r.step);
  }
  ForEachOfPart(c.Output().shape, x.shape, starts, steps, [&](int64_t i, int64_t at) { c.Output()[i] = x[at]; });
  return absl::OkStatus();
}

OpDef SliceDef() {
  OpDef def;
  def.name = "Slice";
  def.doc = "Every step-th element from start to before end along each of axes, as ONNX's Slice with positive steps.";
  def.inputs = {{"x", "any type and shape"}};
  def.outputs = {{"y", "the part of x"}};
  def.attributes = {
      {.name = "starts", .type = AttrType::kInts, .doc = "first indices; a negative one counts from the end"},
      {.name = "ends", .type = AttrType::kInts, .doc = "indices behind the last; the largest int64 is the end"},
      {.name = "axes",
       .type = AttrType::kInts,
       .doc = "dimensions in [-rank, rank), each once; empty: the first ones",
       .default_value = Ints{}},
      {.name = "steps", .type = AttrType::kInts, .doc = "empty: all 1", .default_value = Ints{}, .min = 1},
  };
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = ExpandWhole;
  def.kernels = "slice";
  def.lower = Lower;
  def.reference = Reference;
  return def;
}

absl::Status InferGrad(InferContext& c) {
  const TensorType& dy = c.Input(0);
  const Ints shape = c.attrs().GetInts("shape"), starts = c.attrs().GetInts("starts"),
             steps = c.attrs().GetInts("steps");
  if (shape.size() != dy.dims.size() || starts.size() != shape.size() || steps.size() != shape.size()) {
    return c.Error(ErrorClass::kAttr, "shape, starts and steps have %d, %d and %d entries, but input \"dy\" is %s",
                   shape.size(), starts.size(), steps.size(), dy.ToString());
  }
  TensorType dx = dy;
  for (int d = 0; d < dy.rank(); ++d) {
    const bool whole = shape[d] == -1;
    if (!whole) {
      ATH_ASSIGN_OR_RETURN(int64_t size, c.Known(0, d, "dy"));
      if (starts[d] > shape[d] ||
          (size > 0 && (starts[d] >= shape[d] || size - 1 > (shape[d] - 1 - starts[d]) / steps[d]))) {
        return c.Error(ErrorClass::kShape, "input \"dy\" is %s: dimension %d from %d by %d does not lie within %d",
                       dy.ToString(), d, starts[d], steps[d], shape[d]);
      }
      dx.dims[d] = shape[d];
    } else if (starts[d] != 0 || steps[d] != 1) {
      return c.Error(ErrorClass::kAttr, "dimension %d is whole, but starts at %d by %d", d, starts[d], steps[d]);
    }
  }
  c.SetOutput(0, std::move(dx));
  return absl::OkStatus();
}

// The slice again.
absl::Status GradientOfGrad(GradientContext& c) {
  const TensorType& dy = c.TypeOf(c.Input(0));
  const Ints shape = c.attrs().GetInts("shape");
  Ints axes, starts, ends, steps;
  for (int d = 0; d < dy.rank(); ++d) {
    if (shape[d] == -1) continue;
    axes.push_back(d);
    starts.push_back(c.attrs().GetInts("starts")[d]);
    steps.push_back(c.attrs().GetInts("steps")[d]);
    const int64_t size = dy.dims[d].size;
    ends.push_back(size == 0 ? starts.back() : starts.back() + (size - 1) * steps.back() + 1);
  }
  Attributes attrs{{"starts", std::move(starts)}, {"ends", std::move(ends)}, {"axes", std::move(axes)},
                   {"steps", std::move(steps)}};
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Slice", {c.OutputGrad()}, std::move(attrs)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

OpDef SliceGradDef() {
  OpDef def;
  def.name = "SliceGrad";
  def.doc = "The gradient of Slice: dy at the slice's place in zeros.";
  def.inputs = {{"dy", "any type and shape"}};
  def.outputs = {{"dx", "the sliced input's shape"}};
  def.attributes = {
      {.name = "shape", .type = AttrType::kInts, .doc = "dimensions of dx; -1: whole, as dy's", .min = -1},
      {.name = "starts", .type = AttrType::kInts, .doc = "one a dimension", .min = 0},
      {.name = "steps", .type = AttrType::kInts, .doc = "one a dimension", .min = 1},
  };
  def.infer = InferGrad;
  def.gradient = GradientOfGrad;
  // Kernel "slice_backward": inputs (dy), outputs (dx), attributes {starts, steps} of every dimension.
  def.kernels = "slice_backward";
  def.lower = [](LowerContext& c) {
    c.Emit("slice_backward", {c.Input(0)}, {c.Output()},
           {{"starts", c.attrs().GetInts("starts")}, {"steps", c.attrs().GetInts("steps")}});
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor& dy = c.Input(0);
    ForEachOfPart(dy.shape, c.Output().shape, c.attrs().GetInts("starts"), c.attrs().GetInts("steps"),
                  [&](int64_t i, int64_t at) { c.Output()[at] = dy[i]; });
    return absl::OkStatus();
  };
  return def;
}

ATH_REGISTER_OP(SliceDef());
ATH_REGISTER_OP(SliceGradDef());

}  // namespace
}  // namespace athanor
