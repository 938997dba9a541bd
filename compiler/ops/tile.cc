// Tile: a tensor repeated along its dimensions. Comes down to reshapes and Expand.
#include <algorithm>

#include "compiler/ops/reshape.h"
#include "runtime/core/checked.h"

namespace athanor {
namespace {

absl::Status Infer(InferContext& c) {
  TensorType y = c.Input(0);
  const Ints repeats = c.attrs().GetInts("repeats");
  if (repeats.size() != y.dims.size()) {
    return c.Error(ErrorClass::kAttr, "repeats %s has %d entries, but input \"x\" is %s", ShapeToString(repeats),
                   repeats.size(), y.ToString());
  }
  for (int d = 0; d < y.rank(); ++d) {
    if (repeats[d] == 1) continue;
    ATH_ASSIGN_OR_RETURN(int64_t size, c.Known(0, d, "x"));
    auto product = CheckedMul(size, repeats[d]);
    if (!product) {
      return c.Error(ErrorClass::kLimit, "dimension %d, %d repeated %d times, overflows", d, size, repeats[d]);
    }
    y.dims[d] = *product;
  }
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

// A step repeats up to three dimensions: `before` is seen as `ones`, with a dimension of 1 in front of each that
// repeats (at `axes`) and what stands between them in one; that is expanded to `repeated` and seen as `after`.
struct Step {
  Shape before, ones, repeated, after;
  Ints axes;
};

constexpr size_t kRepeatsAStep = 3;  // 7 dimensions

Step MakeStep(const Shape& x, const Ints& repeats, const std::vector<size_t>& dims) {
  Step step{x, {1}, {1}, x, {}};
  auto append = [&step](int64_t one, int64_t repeated) {
    step.ones.push_back(one);
    step.repeated.push_back(repeated);
  };
  for (size_t d = 0; d < x.size(); ++d) {
    if (std::count(dims.begin(), dims.end(), d) > 0) {
      step.axes.push_back(static_cast<int64_t>(step.ones.size()));
      append(1, repeats[d]);
      append(1, 1);
      step.after[d] *= repeats[d];
    }
    step.ones.back() *= x[d];
    step.repeated.back() *= x[d];
  }
  return step;
}

std::vector<Step> Steps(const TensorType& x, const Ints& repeats) {
  std::vector<Step> steps;
  Shape now = x.shape();
  std::vector<size_t> dims;
  for (size_t d = repeats.size(); d-- > 0;) {
    if (repeats[d] != 1) dims.push_back(d);
    if (dims.empty() || (dims.size() < kRepeatsAStep && d > 0)) continue;
    steps.push_back(MakeStep(now, repeats, dims));
    now = steps.back().after;
    dims.clear();
  }
  return steps;
}

absl::Status Expand(ExpandContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  if (!x.concrete()) return absl::OkStatus();  // symbols are fixed before anything is lowered
  ValueId y = c.Input(0);
  for (const Step& step : Steps(x, c.attrs().GetInts("repeats"))) {
    Ints shape(step.ones.size(), 1);  // 1 keeps the dimension, also one of 0
    for (int64_t axis : step.axes) shape[axis] = step.repeated[axis];
    ATH_ASSIGN_OR_RETURN(y, EmitReshape(c, y, TensorType::Of(x.dtype, step.ones)));
    ATH_ASSIGN_OR_RETURN(y, c.Emit("Expand", {y}, {{"shape", std::move(shape)}}));
    ATH_ASSIGN_OR_RETURN(y, EmitReshape(c, y, TensorType::Of(x.dtype, step.after)));
  }
  c.SetOutput(0, y);
  return absl::OkStatus();
}

// The repetitions added up.
absl::Status Gradient(GradientContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  if (!x.concrete()) {
    return c.Error(ErrorClass::kShape, "x is %s: symbols must be fixed before it is differentiated", x.ToString());
  }
  ValueId dx = c.OutputGrad();
  std::vector<Step> steps = Steps(x, c.attrs().GetInts("repeats"));
  std::reverse(steps.begin(), steps.end());
  for (const Step& step : steps) {
    ATH_ASSIGN_OR_RETURN(dx, EmitReshape(c, dx, TensorType::Of(x.dtype, step.repeated)));
    ATH_ASSIGN_OR_RETURN(dx, c.Emit("ReduceSum", {dx}, {{"axes", step.axes}}));
    ATH_ASSIGN_OR_RETURN(dx, EmitReshape(c, dx, TensorType::Of(x.dtype, step.before)));
  }
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

OpDef TileDef() {
  OpDef def;
  def.name = "Tile";
  def.doc = "x repeated repeats[d] times along each dimension d, as ONNX's and NumPy's tile.";
  def.inputs = {{"x", "any type and shape"}};
  def.outputs = {{"y", "each dimension times its repeats"}};
  def.attributes = {{.name = "repeats", .type = AttrType::kInts, .doc = "one a dimension", .min = 1}};
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = Expand;
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor& x = c.Input(0);
    DoubleTensor& y = c.Output();
    for (int64_t i = 0; i < y.size(); ++i) {
      int64_t rest = i, from = 0, stride = 1;
      for (size_t d = x.shape.size(); d-- > 0; rest /= y.shape[d], stride *= x.shape[d]) {
        from += rest % y.shape[d] % x.shape[d] * stride;
      }
      y[i] = x[from];
    }
    return absl::OkStatus();
  };
  return def;
}

ATH_REGISTER_OP(TileDef());

}  // namespace
}  // namespace athanor
