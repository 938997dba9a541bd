// ReduceSum, ReduceMean and ReduceMax over any dimensions.
#include <algorithm>
#include <limits>

#include "absl/strings/str_join.h"
#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"
#include "compiler/ops/reshape.h"

namespace athanor {
namespace {

// Ascending and not negative; all of them where none is named. ATTR error for one out of range or named twice.
absl::StatusOr<Ints> Axes(const InferContext& c, int rank) {
  Ints axes;
  for (int64_t axis : c.attrs().GetInts("axes")) {
    ATH_ASSIGN_OR_RETURN(int a, c.Axis(axis, rank));
    if (std::count(axes.begin(), axes.end(), a) > 0) {
      return c.Error(ErrorClass::kAttr, "axes [%s] name axis %d twice", absl::StrJoin(c.attrs().GetInts("axes"), ","),
                     a);
    }
    axes.push_back(a);
  }
  std::sort(axes.begin(), axes.end());
  return axes;
}

// The same of attributes that were checked.
std::vector<bool> Reduced(const OpContext& c, size_t rank) {
  Ints axes = c.attrs().GetInts("axes");
  std::vector<bool> reduced(rank, axes.empty());
  for (int64_t axis : axes) reduced[axis < 0 ? axis + static_cast<int64_t>(rank) : axis] = true;
  return reduced;
}

TensorType ReducedType(const OpContext& c, const TensorType& x, bool keepdims) {
  TensorType y{x.dtype, {}};
  const std::vector<bool> reduced = Reduced(c, x.dims.size());
  for (int d = 0; d < x.rank(); ++d) {
    if (!reduced[d] || keepdims) y.dims.push_back(reduced[d] ? Dim(1) : x.dims[d]);
  }
  return y;
}

absl::Status CheckX(const InferContext& c, int i) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, i, "x"));
  return Axes(c, c.Input(i).rank()).status();
}

// Calls f(element of x, element of the result that it goes into).
template <typename F>
void ForEachTerm(const OpContext& c, const Shape& x, F&& f) {
  const std::vector<bool> reduced = Reduced(c, x.size());
  const std::vector<int64_t> strides = RowMajorStrides(x);
  const int64_t elements = *NumElements(x);
  for (int64_t i = 0; i < elements; ++i) {
    int64_t to = 0;
    for (size_t d = 0; d < x.size(); ++d) {
      if (!reduced[d]) to = to * x[d] + i / strides[d] % x[d];
    }
    f(i, to);
  }
}

Attributes KernelAttrs(const LowerContext& c, size_t rank) {
  Ints axes;
  const std::vector<bool> reduced = Reduced(c, rank);
  for (size_t d = 0; d < rank; ++d) {
    if (reduced[d]) axes.push_back(static_cast<int64_t>(d));
  }
  return {{"axes", std::move(axes)}, {"keepdims", c.attrs().Bool("keepdims")}};
}

// dy repeated to x's shape, divided by the number of terms for a mean.
absl::Status RepeatGradient(GradientContext& c, bool mean) {
  const TensorType x = c.TypeOf(c.Input(0));
  if (!x.concrete()) {
    return c.Error(ErrorClass::kShape, "x is %s: symbols must be fixed before it is differentiated", x.ToString());
  }
  ValueId grad = c.OutputGrad();
  if (mean) {
    const double terms =
        static_cast<double>(*NumElements(x.shape())) / static_cast<double>(*NumElements(c.TypeOf(grad).shape()));
    ATH_ASSIGN_OR_RETURN(grad, c.Emit("Mul", {grad, c.Constant(DoubleTensor({}, 1 / terms).To(x.dtype))}));
  }
  const TensorType kept = ReducedType(c, x, true);
  if (!(c.TypeOf(grad) == kept)) {
    ATH_ASSIGN_OR_RETURN(grad, c.Emit("Reshape", {grad}, {{"shape", kept.shape()}}));
  }
  if (!(kept == x)) {
    ATH_ASSIGN_OR_RETURN(grad, c.Emit("Expand", {grad}, {{"shape", x.shape()}}));
  }
  c.SetInputGrad(0, grad);
  return absl::OkStatus();
}

absl::Status MaxGradient(GradientContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("ReduceMaxGrad", {c.OutputGrad(), c.Input(0), c.Output()}, c.attrs()));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c, const std::string& algorithm) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  const double terms = static_cast<double>(x.size()) / static_cast<double>(y.size());
  if (algorithm == "max") std::fill(y.data.begin(), y.data.end(), -std::numeric_limits<double>::infinity());
  ForEachTerm(c, x.shape,
              [&](int64_t i, int64_t to) { y[to] = algorithm == "max" ? std::max(y[to], x[i]) : y[to] + x[i]; });
  if (algorithm == "mean") {
    for (double& v : y.data) v /= terms;
  }
  return absl::OkStatus();
}

std::vector<AttrDef> AttributeDefs() {
  return {
      {.name = "axes", .type = AttrType::kInts, .doc = "negative: from the last; empty: all", .default_value = Ints{}},
      {.name = "keepdims", .type = AttrType::kBool, .doc = "reduced dimensions stay as 1", .default_value = false}};
}

OpDef ReduceDef(const std::string& name, const std::string& algorithm) {
  OpDef def;
  def.name = name;
  def.doc = "The " + algorithm + " over the axes.";
  def.inputs = {{"x", "f32, any shape"}};
  def.outputs = {{"y", "f32: x's shape without the axes"}};
  def.attributes = AttributeDefs();
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckX(c, 0));
    c.SetOutput(0, ReducedType(c, c.Input(0), c.attrs().Bool("keepdims")));
    return absl::OkStatus();
  };
  def.gradient = [algorithm](GradientContext& c) {
    return algorithm == "max" ? MaxGradient(c) : RepeatGradient(c, algorithm == "mean");
  };
  // Kernel "reduction": inputs (x), outputs (y), attributes {algorithm, axes, keepdims}.
  def.lower = [algorithm](LowerContext& c) {
    Attributes attrs = KernelAttrs(c, c.InputShape(0).size());
    attrs.Set("algorithm", AttrValue(algorithm));
    c.Emit("reduction", {c.Input(0)}, {c.Output()}, std::move(attrs));
    return absl::OkStatus();
  };
  def.reference = [algorithm](ReferenceContext& c) { return Reference(c, algorithm); };
  return def;
}

absl::Status MaxGradReference(ReferenceContext& c) {
  const DoubleTensor &dy = c.Input(0), &x = c.Input(1), &y = c.Input(2);
  std::vector<int64_t> ties(dy.size(), 0);
  ForEachTerm(c, x.shape, [&](int64_t i, int64_t to) { ties[to] += x[i] == y[to]; });
  ForEachTerm(c, x.shape, [&](int64_t i, int64_t to) {
    c.Output()[i] = x[i] == y[to] ? dy[to] / static_cast<double>(ties[to]) : 0;
  });
  return absl::OkStatus();
}

OpDef MaxGradDef() {
  OpDef def;
  def.name = "ReduceMaxGrad";
  def.doc = "The gradient of ReduceMax: elements that share the maximum share dy evenly, as torch.amax has it.";
  def.inputs = {{"dy", "like y"}, {"x", "f32, any shape"}, {"y", "the forward operator's output"}};
  def.outputs = {{"dx", "like x"}};
  def.attributes = AttributeDefs();
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckX(c, 1));
    const TensorType y = ReducedType(c, c.Input(1), c.attrs().Bool("keepdims"));
    ATH_RETURN_IF_ERROR(CheckSameType(c, 0, "dy", y, "x reduced"));
    ATH_RETURN_IF_ERROR(CheckSameType(c, 2, "y", y, "x reduced"));
    c.SetOutput(0, c.Input(1));
    return absl::OkStatus();
  };
  // Kernel "reduction_max_backward": inputs (dy, x, y), outputs (dx), attributes {axes, keepdims}.
  def.lower = [](LowerContext& c) {
    c.Emit("reduction_max_backward", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()},
           KernelAttrs(c, c.InputShape(1).size()));
    return absl::OkStatus();
  };
  def.reference = MaxGradReference;
  return def;
}

ATH_REGISTER_OP(ReduceDef("ReduceSum", "sum"));
ATH_REGISTER_OP(ReduceDef("ReduceMean", "mean"));
ATH_REGISTER_OP(ReduceDef("ReduceMax", "max"));
ATH_REGISTER_OP(MaxGradDef());

}  // namespace
}  // namespace athanor
