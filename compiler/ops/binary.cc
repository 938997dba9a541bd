// Add, Sub, Mul and Div with NumPy's broadcasting.
#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"
#include "compiler/ops/broadcast.h"

namespace athanor {
namespace {

struct Binary {
  const char* name;
  const char* doc;
  bool commutative;
  double (*compute)(double a, double b);
  Elem (*formula)(Elem a, Elem b);
  GradientFn gradient;
};

absl::StatusOr<ValueId> Negate(GradientContext& c, ValueId v) { return c.Emit("Mul", {v, c.Constant(-1.0f)}); }

// Sums `grad`, of the output's shape, to the shape of input i.
absl::Status SetReduced(GradientContext& c, int i, ValueId grad) {
  ATH_ASSIGN_OR_RETURN(ValueId reduced, c.ReduceTo(grad, c.TypeOf(c.Input(i))));
  c.SetInputGrad(i, reduced);
  return absl::OkStatus();
}

absl::Status AddGradient(GradientContext& c) {
  for (int i : {0, 1}) {
    if (c.NeedsGrad(i)) ATH_RETURN_IF_ERROR(SetReduced(c, i, c.OutputGrad()));
  }
  return absl::OkStatus();
}

absl::Status SubGradient(GradientContext& c) {
  if (c.NeedsGrad(0)) ATH_RETURN_IF_ERROR(SetReduced(c, 0, c.OutputGrad()));
  if (!c.NeedsGrad(1)) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(ValueId sum, c.ReduceTo(c.OutputGrad(), c.TypeOf(c.Input(1))));
  ATH_ASSIGN_OR_RETURN(ValueId db, Negate(c, sum));
  c.SetInputGrad(1, db);
  return absl::OkStatus();
}

absl::Status MulGradient(GradientContext& c) {
  for (int i : {0, 1}) {
    if (!c.NeedsGrad(i)) continue;
    ATH_ASSIGN_OR_RETURN(ValueId product, c.Emit("Mul", {c.OutputGrad(), c.Input(1 - i)}));
    ATH_RETURN_IF_ERROR(SetReduced(c, i, product));
  }
  return absl::OkStatus();
}

// With t = dy / b: da = t, db = -t y.
absl::Status DivGradient(GradientContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId t, c.Emit("Div", {c.OutputGrad(), c.Input(1)}));
  if (c.NeedsGrad(0)) ATH_RETURN_IF_ERROR(SetReduced(c, 0, t));
  if (!c.NeedsGrad(1)) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(ValueId product, c.Emit("Mul", {t, c.Output()}));
  ATH_ASSIGN_OR_RETURN(ValueId sum, c.ReduceTo(product, c.TypeOf(c.Input(1))));
  ATH_ASSIGN_OR_RETURN(ValueId db, Negate(c, sum));
  c.SetInputGrad(1, db);
  return absl::OkStatus();
}

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, "a"));
  ATH_RETURN_IF_ERROR(c.CheckDtype(1, "b", c.Input(0).dtype));
  ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, c.Broadcast(c.Input(0), c.Input(1)));
  c.SetOutput(0, {c.Input(0).dtype, std::move(dims)});
  return absl::OkStatus();
}

OpDef BinaryDef(const Binary& binary) {
  OpDef def;
  def.name = binary.name;
  def.doc = binary.doc;
  def.inputs = {{"a", "f32, any shape"}, {"b", "f32, a shape that broadcasts with a's"}};
  def.outputs = {{"y", "f32, the broadcast shape"}};
  def.infer = Infer;
  def.gradient = binary.gradient;
  def.elementwise = [formula = binary.formula](const Node&, absl::Span<const Elem> x) {
    return std::vector<Elem>{formula(x[0], x[1])};
  };
  def.reference = [compute = binary.compute](ReferenceContext& c) {
    const DoubleTensor &a = c.Input(0), &b = c.Input(1);
    DoubleTensor& y = c.Output();
    ForEachBroadcast(y.shape, a.shape, b.shape,
                     [&](int64_t i, int64_t ia, int64_t ib) { y[i] = compute(a[ia], b[ib]); });
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  def.traits.post_op_binary = true;
  def.traits.commutative = binary.commutative;
  def.traits.in_place = {{0, 0}};
  def.traits.accumulates_gradients = def.name == "Add";
  return def;
}

[[maybe_unused]] const bool kRegistered = [] {
  const Binary kBinaries[] = {
      {"Add", "y = a + b, broadcast.", true, [](double a, double b) { return a + b; },
       [](Elem a, Elem b) { return a + b; }, AddGradient},
      {"Sub", "y = a - b, broadcast.", false, [](double a, double b) { return a - b; },
       [](Elem a, Elem b) { return a - b; }, SubGradient},
      {"Mul", "y = a b by element, broadcast.", true, [](double a, double b) { return a * b; },
       [](Elem a, Elem b) { return a * b; }, MulGradient},
      {"Div", "y = a / b by element, broadcast.", false, [](double a, double b) { return a / b; },
       [](Elem a, Elem b) { return a / b; }, DivGradient},
  };
  for (const Binary& b : kBinaries) OpRegistry::Get().Register(BinaryDef(b));
  return true;
}();

}  // namespace
}  // namespace athanor
