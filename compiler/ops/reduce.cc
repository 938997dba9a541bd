// ReduceSum and its like over any dimensions: one row of a table each.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_join.h"
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

Attributes KernelAttrs(const LowerContext& c, size_t rank, const std::string& algorithm) {
  Ints axes;
  const std::vector<bool> reduced = Reduced(c, rank);
  for (size_t d = 0; d < rank; ++d) {
    if (reduced[d]) axes.push_back(static_cast<int64_t>(d));
  }
  return {{"algorithm", algorithm}, {"axes", std::move(axes)}, {"keepdims", c.attrs().Bool("keepdims")}};
}

bool IsEmpty(const TensorType& t) { return t.concrete() && *NumElements(t.shape()) == 0; }

// ---- Gradients. `dy` has x's rank, 1 where it was reduced, so that it broadcasts with x.

using Dx = absl::StatusOr<ValueId> (*)(GradientContext& c, ValueId dy);

// `v`, of y's type, under x's rank.
absl::StatusOr<ValueId> Kept(GradientContext& c, ValueId v) {
  return EmitReshape(c, v, ReducedType(c, c.TypeOf(c.Input(0)), true));
}

ValueId Number(GradientContext& c, double v) { return c.Constant(DoubleTensor({}, v).To(c.TypeOf(c.Input(0)).dtype)); }

absl::StatusOr<ValueId> SumDx(GradientContext& c, ValueId dy) {
  const TensorType x = c.TypeOf(c.Input(0));
  if (c.TypeOf(dy) == x) return dy;
  return c.Emit("Expand", {dy}, {{"shape", x.shape()}});
}

absl::StatusOr<ValueId> MeanDx(GradientContext& c, ValueId dy) {
  const double terms = static_cast<double>(*NumElements(c.TypeOf(c.Input(0)).shape())) /
                       static_cast<double>(*NumElements(c.TypeOf(dy).shape()));
  ATH_ASSIGN_OR_RETURN(dy, c.Emit("Mul", {dy, Number(c, 1 / terms)}));
  return SumDx(c, dy);
}

// max, min, prod: an operator of its own.
absl::StatusOr<ValueId> OwnDx(GradientContext& c, ValueId) {
  return c.Emit(c.node().op + "Grad", {c.OutputGrad(), c.Input(0), c.Output()}, c.attrs());
}

absl::StatusOr<ValueId> L1Dx(GradientContext& c, ValueId dy) {
  ATH_ASSIGN_OR_RETURN(ValueId sign, c.Emit("Sign", {c.Input(0)}));
  return c.Emit("Mul", {sign, dy});
}

// x dy / y, and 0 where y is 0: there x is 0 too, so that any other divisor will do.
absl::StatusOr<ValueId> L2Dx(GradientContext& c, ValueId dy) {
  ATH_ASSIGN_OR_RETURN(ValueId y, Kept(c, c.Output()));
  ATH_ASSIGN_OR_RETURN(ValueId sign, c.Emit("Sign", {y}));
  ATH_ASSIGN_OR_RETURN(ValueId is_zero, c.Emit("Sub", {Number(c, 1), sign}));
  ATH_ASSIGN_OR_RETURN(ValueId divisor, c.Emit("Add", {y, is_zero}));
  ATH_ASSIGN_OR_RETURN(ValueId factor, c.Emit("Div", {dy, divisor}));
  return c.Emit("Mul", {c.Input(0), factor});
}

absl::StatusOr<ValueId> SumSquareDx(GradientContext& c, ValueId dy) {
  ATH_ASSIGN_OR_RETURN(ValueId twice, c.Emit("Mul", {dy, Number(c, 2)}));
  return c.Emit("Mul", {c.Input(0), twice});
}

// dy e^(x - y): the softmax of x. The terms would add up to 1 if y, which may be large, were not rounded: so their sum
// is divided out.
absl::StatusOr<ValueId> LogSumExpDx(GradientContext& c, ValueId dy) {
  ATH_ASSIGN_OR_RETURN(ValueId y, Kept(c, c.Output()));
  ATH_ASSIGN_OR_RETURN(ValueId shifted, c.Emit("Sub", {c.Input(0), y}));
  ATH_ASSIGN_OR_RETURN(ValueId exp, c.Emit("Exp", {shifted}));
  ATH_ASSIGN_OR_RETURN(ValueId sum,
                       c.Emit("ReduceSum", {exp}, {{"axes", c.attrs().GetInts("axes")}, {"keepdims", true}}));
  ATH_ASSIGN_OR_RETURN(ValueId factor, c.Emit("Div", {dy, sum}));
  return c.Emit("Mul", {exp, factor});
}

absl::Status Gradient(GradientContext& c, Dx dx_of) {
  const TensorType x = c.TypeOf(c.Input(0));
  if (!x.concrete()) {
    return c.Error(ErrorClass::kShape, "x is %s: symbols must be fixed before it is differentiated", x.ToString());
  }
  if (IsEmpty(x)) {
    c.SetInputGrad(0, c.Constant(DoubleTensor(x.shape()).To(x.dtype)));
    return absl::OkStatus();
  }
  ATH_ASSIGN_OR_RETURN(ValueId dy, Kept(c, c.OutputGrad()));
  ATH_ASSIGN_OR_RETURN(ValueId dx, dx_of(c, dy));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

// ---- References: one result from its terms.

using Reduction = double (*)(const std::vector<double>& terms);

double Sum(const std::vector<double>& terms) {
  double sum = 0;
  for (double t : terms) sum += t;
  return sum;
}
double Best(const std::vector<double>& terms, bool max) {
  double best = terms[0];
  for (double t : terms) best = std::isnan(best) || std::isnan(t) ? NAN : max ? std::max(best, t) : std::min(best, t);
  return best;
}
double SumSquare(const std::vector<double>& terms) {
  double sum = 0;
  for (double t : terms) sum += t * t;
  return sum;
}
double LogSumExp(const std::vector<double>& terms) {
  const double max = Best(terms, true);
  if (!std::isfinite(max)) return max;
  double sum = 0;
  for (double t : terms) sum += std::exp(t - max);
  return max + std::log(sum);
}

bool IsTrue(double v) { return v != 0; }
double Is(bool b) { return b ? 1 : 0; }

absl::Status Reference(ReferenceContext& c, Reduction reduction) {
  std::vector<std::vector<double>> terms(c.Output().size());
  ForEachTerm(c, c.Input(0).shape, [&](int64_t i, int64_t to) { terms[to].push_back(c.Input(0)[i]); });
  for (size_t k = 0; k < terms.size(); ++k) c.Output()[k] = reduction(terms[k]);
  return absl::OkStatus();
}

// ---- The operators.

struct Row {
  const char* name;
  const char* doc;
  const char* kernel;  // "reduction", or "reduction_logic" of bool
  const char* algorithm;
  bool of_nothing;  // an empty tensor has a result, that of no terms
  Reduction reduction;
  Dx dx;  // null: not differentiable
};

const Row kRows[] = {
    {"ReduceSum", "The sum over the axes; 0 of nothing.", "reduction", "sum", true, Sum, SumDx},
    {"ReduceMean", "The mean over the axes.", "reduction", "mean", false,
     [](const std::vector<double>& t) { return Sum(t) / static_cast<double>(t.size()); }, MeanDx},
    {"ReduceMax", "The largest element over the axes; NaN if one is NaN.", "reduction", "max", false,
     [](const std::vector<double>& t) { return Best(t, true); }, OwnDx},
    {"ReduceMin", "The smallest element over the axes; NaN if one is NaN.", "reduction", "min", false,
     [](const std::vector<double>& t) { return Best(t, false); }, OwnDx},
    {"ReduceProd", "The product over the axes; 1 of nothing.", "reduction", "prod", true,
     [](const std::vector<double>& t) {
       double product = 1;
       for (double v : t) product *= v;
       return product;
     },
     OwnDx},
    {"ReduceL1", "The sum of absolute values over the axes.", "reduction", "norm1", true,
     [](const std::vector<double>& t) {
       double sum = 0;
       for (double v : t) sum += std::abs(v);
       return sum;
     },
     L1Dx},
    {"ReduceL2", "The root of the sum of squares over the axes; its gradient at 0 is 0.", "reduction", "norm2", true,
     [](const std::vector<double>& t) { return std::sqrt(SumSquare(t)); }, L2Dx},
    {"ReduceSumSquare", "The sum of squares over the axes.", "reduction", "sum_square", true, SumSquare, SumSquareDx},
    {"ReduceLogSumExp", "log(sum(exp(x))) over the axes, the maximum subtracted first.", "reduction", "logsumexp",
     false, LogSumExp, LogSumExpDx},
    {"ReduceAny", "Whether any element over the axes is true.", "reduction_logic", "any", true,
     [](const std::vector<double>& t) { return Is(std::any_of(t.begin(), t.end(), IsTrue)); }, nullptr},
    {"ReduceAll", "Whether every element over the axes is true.", "reduction_logic", "all", true,
     [](const std::vector<double>& t) { return Is(std::all_of(t.begin(), t.end(), IsTrue)); }, nullptr},
};

bool IsLogic(const Row& row) { return row.dx == nullptr; }

std::vector<AttrDef> AttributeDefs() {
  return {
      {.name = "axes", .type = AttrType::kInts, .doc = "negative: from the last; empty: all", .default_value = Ints{}},
      {.name = "keepdims", .type = AttrType::kBool, .doc = "reduced dimensions stay as 1", .default_value = false}};
}

absl::Status Infer(InferContext& c, const Row& row) {
  ATH_RETURN_IF_ERROR(IsLogic(row) ? c.CheckDtype(0, "x", DType::kBool) : c.CheckFloating(0, "x"));
  if (!row.of_nothing) ATH_RETURN_IF_ERROR(CheckNotEmpty(c, 0, "x"));
  ATH_RETURN_IF_ERROR(Axes(c, c.Input(0).rank()).status());
  c.SetOutput(0, ReducedType(c, c.Input(0), c.attrs().Bool("keepdims")));
  return absl::OkStatus();
}

// Of an empty tensor the result is known.
absl::Status ExpandEmpty(ExpandContext& c, const Row& row) {
  if (!IsEmpty(c.TypeOf(c.Input(0)))) return absl::OkStatus();
  const TensorType y = c.TypeOf(c.node().outputs[0]);
  c.SetOutput(0, c.Constant(DoubleTensor(y.shape(), row.reduction({})).To(y.dtype)));
  return absl::OkStatus();
}

OpDef ReduceDef(const Row& row) {
  OpDef def;
  def.name = row.name;
  def.doc = row.doc;
  def.inputs = {{"x", IsLogic(row) ? "bool, any shape" : "f32, any shape"}};
  def.outputs = {{"y", "like x, without the axes"}};
  def.attributes = AttributeDefs();
  def.infer = [&row](InferContext& c) { return Infer(c, row); };
  if (row.dx != nullptr) def.gradient = [&row](GradientContext& c) { return Gradient(c, row.dx); };
  def.expand = [&row](ExpandContext& c) { return ExpandEmpty(c, row); };
  // Kernels "reduction", "reduction_logic": inputs (x), outputs (y), attributes {algorithm, axes, keepdims}.
  def.kernels = row.kernel;
  def.lower = [&row](LowerContext& c) {
    c.Emit(row.kernel, {c.Input(0)}, {c.Output()}, KernelAttrs(c, c.InputShape(0).size(), row.algorithm));
    return absl::OkStatus();
  };
  def.reference = [&row](ReferenceContext& c) { return Reference(c, row.reduction); };
  return def;
}

// What one result's dy comes to at each of its terms.
using Shares = void (*)(const std::vector<double>& terms, double dy, std::vector<double>* dx);

void ShareAmongBest(const std::vector<double>& terms, double best, double dy, std::vector<double>* dx) {
  const double ties = static_cast<double>(std::count(terms.begin(), terms.end(), best));
  for (double t : terms) dx->push_back(t == best ? dy / ties : 0);
}

void ProductOfOthers(const std::vector<double>& terms, double dy, std::vector<double>* dx) {
  for (size_t i = 0; i < terms.size(); ++i) {
    double product = dy;
    for (size_t k = 0; k < terms.size(); ++k) product *= k == i ? 1 : terms[k];
    dx->push_back(product);
  }
}

absl::Status GradReference(ReferenceContext& c, Shares shares) {
  const DoubleTensor &dy = c.Input(0), &x = c.Input(1);
  std::vector<std::vector<int64_t>> elements(dy.size());
  ForEachTerm(c, x.shape, [&](int64_t i, int64_t to) { elements[to].push_back(i); });
  for (int64_t k = 0; k < dy.size(); ++k) {
    std::vector<double> terms, dx;
    for (int64_t i : elements[k]) terms.push_back(x[i]);
    shares(terms, dy[k], &dx);
    for (size_t t = 0; t < dx.size(); ++t) c.Output()[elements[k][t]] = dx[t];
  }
  return absl::OkStatus();
}

OpDef GradDef(const std::string& forward, const char* doc, const std::string& algorithm, Shares shares) {
  OpDef def;
  def.name = forward + "Grad";
  def.doc = "The gradient of " + forward + ": " + doc;
  def.inputs = {{"dy", "like y"}, {"x", "f32, any shape"}, {"y", "the forward operator's output"}};
  def.outputs = {{"dx", "like x"}};
  def.attributes = AttributeDefs();
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckNumbers(c, 1, "x"));
    ATH_RETURN_IF_ERROR(Axes(c, c.Input(1).rank()).status());
    const TensorType y = ReducedType(c, c.Input(1), c.attrs().Bool("keepdims"));
    ATH_RETURN_IF_ERROR(CheckSameType(c, 0, "dy", y, "x reduced"));
    ATH_RETURN_IF_ERROR(CheckSameType(c, 2, "y", y, "x reduced"));
    c.SetOutput(0, c.Input(1));
    return absl::OkStatus();
  };
  // Kernel "reduction_backward": inputs (dy, x, y), outputs (dx), attributes {algorithm, axes, keepdims}.
  def.kernels = "reduction_backward";
  def.lower = [algorithm](LowerContext& c) {
    c.Emit("reduction_backward", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()},
           KernelAttrs(c, c.InputShape(1).size(), algorithm));
    return absl::OkStatus();
  };
  def.reference = [shares](ReferenceContext& c) { return GradReference(c, shares); };
  return def;
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const Row& row : kRows) OpRegistry::Get().Register(ReduceDef(row));
  OpRegistry::Get().Register(
      GradDef("ReduceMax", "elements that share the maximum share dy evenly, as torch.amax has it.", "max",
              [](const std::vector<double>& terms, double dy, std::vector<double>* dx) {
                ShareAmongBest(terms, *std::max_element(terms.begin(), terms.end()), dy, dx);
              }));
  OpRegistry::Get().Register(
      GradDef("ReduceMin", "elements that share the minimum share dy evenly, as torch.amin has it.", "min",
              [](const std::vector<double>& terms, double dy, std::vector<double>* dx) {
                ShareAmongBest(terms, *std::min_element(terms.begin(), terms.end()), dy, dx);
              }));
  OpRegistry::Get().Register(GradDef("ReduceProd", "dy times the product of the other elements.", "prod",
                                     ProductOfOthers));
  return true;
}();

}  // namespace
}  // namespace athanor
