#include "compiler/ops/nary.h"

#include <array>

#include "compiler/ops/broadcast.h"

namespace athanor {
namespace {

constexpr int kMaxInputs = 4;

// The output, element by element in row-major order.
void Reference(ReferenceContext& c, double (*compute)(absl::Span<const double>)) {
  DoubleTensor& y = c.Output();
  const int inputs = c.num_inputs();
  std::vector<std::vector<int64_t>> strides;
  for (int k = 0; k < inputs; ++k) strides.push_back(BroadcastStrides(c.Input(k).shape, y.shape));
  Shape index(y.shape.size(), 0);
  std::array<int64_t, kMaxInputs> from = {};
  std::array<double, kMaxInputs> x = {};
  for (int64_t i = 0; i < y.size(); ++i) {
    for (int k = 0; k < inputs; ++k) x[k] = c.Input(k)[from[k]];
    y[i] = compute(absl::MakeConstSpan(x.data(), inputs));
    for (size_t d = y.shape.size(); d-- > 0;) {
      for (int k = 0; k < inputs; ++k) from[k] += strides[k][d];
      if (++index[d] < y.shape[d]) break;
      for (int k = 0; k < inputs; ++k) from[k] -= strides[k][d] * y.shape[d];
      index[d] = 0;
    }
  }
}

}  // namespace

OpDef NaryDef(const NaryOp& op) {
  ATH_CHECK(op.inputs.size() <= kMaxInputs);
  OpDef def;
  def.name = op.name;
  def.doc = op.doc;
  def.inputs = op.inputs;
  def.outputs = {op.output};
  def.infer = op.infer;
  def.gradient = op.gradient;
  if (op.formula != nullptr) {
    def.elementwise = [formula = op.formula](const Node&, absl::Span<const Elem> x) -> std::vector<Elem> {
      return {formula(x)};
    };
  }
  def.reference = [compute = op.reference](ReferenceContext& c) {
    Reference(c, compute);
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  def.traits.commutative = op.commutative;
  return def;
}

absl::StatusOr<std::vector<Dim>> BroadcastAll(const InferContext& c) {
  TensorType all = c.Input(0);
  for (int i = 1; i < c.num_inputs(); ++i) {
    ATH_ASSIGN_OR_RETURN(all.dims, c.Broadcast(all, c.Input(i)));
  }
  return all.dims;
}

absl::Status InferNumbers(InferContext& c, absl::Span<const char* const> names) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, names[0]));
  for (int i = 1; i < c.num_inputs(); ++i) ATH_RETURN_IF_ERROR(c.CheckDtype(i, names[i], c.Input(0).dtype));
  ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, BroadcastAll(c));
  c.SetOutput(0, {c.Input(0).dtype, std::move(dims)});
  return absl::OkStatus();
}

absl::Status SetReducedGrad(GradientContext& c, int i, ValueId grad) {
  ATH_ASSIGN_OR_RETURN(ValueId reduced, c.ReduceTo(grad, c.TypeOf(c.Input(i))));
  c.SetInputGrad(i, reduced);
  return absl::OkStatus();
}

}  // namespace athanor
