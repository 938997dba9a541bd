// ArgMax and ArgMin: where the largest or smallest element stands. TopK: the k largest or smallest.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "compiler/ops/axis.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

// Whether a stands before b in the order from the best on. A NaN is larger than every number, as PyTorch has it.
bool Better(double a, double b, bool largest) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) != std::isnan(b) && std::isnan(a) == largest;
  return largest ? a > b : a < b;
}

namespace arg {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, 0, "x"));
  TensorType y(DType::kS64, c.Input(0).dims);
  ATH_ASSIGN_OR_RETURN(int axis, c.Axis(c.attrs().Int("axis"), y.rank()));
  if (c.attrs().Bool("keepdims")) {
    y.dims[axis] = 1;
  } else {
    y.dims.erase(y.dims.begin() + axis);
  }
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

// Beyond every number is a NaN, be it for the largest or the smallest.
absl::Status Reference(ReferenceContext& c, bool largest) {
  const DoubleTensor& x = c.Input(0);
  const AxisLoops l = LoopsAlong(x.shape, AxisOf(c.attrs(), x.shape.size()));
  const bool last = c.attrs().Bool("select_last_index");
  for (int64_t line = 0; line < l.lines(); ++line) {
    auto at = [&](int64_t k) { return x[(line / l.inner * l.size + k) * l.inner + line % l.inner]; };
    int64_t best = 0;
    for (int64_t k = 1; k < l.size; ++k) {
      const bool nan = std::isnan(at(k)), best_nan = std::isnan(at(best));
      const bool better = nan || best_nan ? nan && !best_nan : Better(at(k), at(best), largest);
      const bool equal = (nan && best_nan) || at(k) == at(best);
      if (better || (last && equal)) best = k;
    }
    c.Output()[line] = static_cast<double>(best);
  }
  return absl::OkStatus();
}

OpDef Def(const char* name, const char* what, const char* algorithm) {
  OpDef def;
  def.name = name;
  def.doc = std::string("Where the ") + what + " element along the axis stands, as ONNX's " + name +
            "; a NaN counts as beyond every number, as in PyTorch.";
  def.inputs = {{"x", "f32, at least one dimension"}};
  def.outputs = {{"y", "s64: x's shape without the axis"}};
  def.attributes = {
      AxisAttr(int64_t{0}),
      {.name = "keepdims", .type = AttrType::kBool, .doc = "the axis stays as 1", .default_value = false},
      {.name = "select_last_index", .type = AttrType::kBool, .doc = "of equal ones the last, not the first",
       .default_value = false},
  };
  def.infer = Infer;
  // Kernel "arg_reduce": inputs (x), outputs (y), attributes {algorithm, axis, keepdims, last}.
  def.kernels = "arg_reduce";
  def.lower = [algorithm = std::string(algorithm)](LowerContext& c) {
    c.Emit("arg_reduce", {c.Input(0)}, {c.Output()},
           {{"algorithm", algorithm},
            {"axis", int64_t{AxisOf(c.attrs(), c.InputShape(0).size())}},
            {"keepdims", c.attrs().Bool("keepdims")},
            {"last", c.attrs().Bool("select_last_index")}});
    return absl::OkStatus();
  };
  def.reference = [largest = std::string(algorithm) == "max"](ReferenceContext& c) { return Reference(c, largest); };
  return def;
}

}  // namespace arg

namespace top_k {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, "x"));
  TensorType y = c.Input(0);
  ATH_ASSIGN_OR_RETURN(int axis, c.Axis(c.attrs().Int("axis"), y.rank()));
  ATH_ASSIGN_OR_RETURN(int64_t size, c.Known(0, axis, "x"));
  const int64_t k = c.attrs().Int("k");
  if (k > size) {
    return c.Error(ErrorClass::kAttr, "k = %d is more than the %d elements along axis %d of input \"x\", %s", k, size,
                   axis, c.Input(0).ToString());
  }
  y.dims[axis] = k;
  c.SetOutput(0, y);
  y.dtype = DType::kS64;
  c.SetOutput(1, std::move(y));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  const int axis = AxisOf(c.attrs(), x.dims.size());
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("ScatterElementsAdd", {c.OutputGrad(0), c.Output(1)},
                                          {{"axis", int64_t{axis}}, {"size", x.dims[axis].size}}));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  const AxisLoops l = LoopsAlong(x.shape, AxisOf(c.attrs(), x.shape.size()));
  const int64_t k = c.attrs().Int("k");
  std::vector<int64_t> order(l.size);
  for (int64_t line = 0; line < l.lines(); ++line) {
    const int64_t o = line / l.inner, i = line % l.inner;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return Better(x[(o * l.size + a) * l.inner + i], x[(o * l.size + b) * l.inner + i], c.attrs().Bool("largest"));
    });
    for (int64_t j = 0; j < k; ++j) {
      c.Output(0)[(o * k + j) * l.inner + i] = x[(o * l.size + order[j]) * l.inner + i];
      c.Output(1)[(o * k + j) * l.inner + i] = static_cast<double>(order[j]);
    }
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "TopK";
  def.doc =
      "The k largest (or smallest) elements along the axis, the best first, and where they stand, as ONNX's TopK: of "
      "equal ones the first is the better; a NaN is larger than every number.";
  def.inputs = {{"x", "f32, at least one dimension"}};
  def.outputs = {{"values", "f32: x's shape with k at the axis"}, {"indices", "s64, like values"}};
  def.attributes = {
      {.name = "k", .type = AttrType::kInt, .doc = "at most the dimension", .min = 0},
      AxisAttr(int64_t{-1}),
      {.name = "largest", .type = AttrType::kBool, .doc = "else the smallest", .default_value = true},
      {.name = "sorted", .type = AttrType::kBool, .doc = "the order is asked for; it is kept in any case",
       .default_value = true},
  };
  def.infer = Infer;
  def.gradient = Gradient;
  // Kernel "top_k": inputs (x), outputs (values, indices), attributes {axis, largest}.
  def.kernels = "top_k";
  def.lower = [](LowerContext& c) {
    c.Emit("top_k", {c.Input(0)}, {c.Output(0), c.Output(1)},
           {{"axis", int64_t{AxisOf(c.attrs(), c.InputShape(0).size())}}, {"largest", c.attrs().Bool("largest")}});
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace top_k

ATH_REGISTER_OP(arg::Def("ArgMax", "largest", "max"));
ATH_REGISTER_OP(arg::Def("ArgMin", "smallest", "min"));
ATH_REGISTER_OP(top_k::Def());

}  // namespace
}  // namespace athanor
