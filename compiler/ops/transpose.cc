// Transpose: dimensions in another order.
#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

// An empty perm reverses the dimensions.
Ints PermOf(const Attributes& attrs, size_t rank) {
  Ints perm = attrs.GetInts("perm");
  if (!perm.empty()) return perm;
  for (size_t d = rank; d-- > 0;) perm.push_back(static_cast<int64_t>(d));
  return perm;
}

absl::Status Infer(InferContext& c) {
  const TensorType& x = c.Input(0);
  const Ints perm = PermOf(c.attrs(), x.dims.size());
  if (perm.size() != x.dims.size()) {
    return c.Error(ErrorClass::kAttr, "perm %s has %d entries, but input \"x\" is %s", ShapeToString(perm), perm.size(),
                   x.ToString());
  }
  std::vector<bool> seen(perm.size(), false);
  TensorType y(x.dtype, {});
  for (int64_t p : perm) {
    if (p < 0 || p >= x.rank() || seen[p]) {
      return c.Error(ErrorClass::kAttr, "perm %s is no permutation of the dimensions 0 to %d", ShapeToString(perm),
                     x.rank() - 1);
    }
    seen[p] = true;
    y.dims.push_back(x.dims[p]);
  }
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  const Ints perm = PermOf(c.attrs(), c.TypeOf(c.Input(0)).dims.size());
  Ints inverse(perm.size());
  for (size_t d = 0; d < perm.size(); ++d) inverse[perm[d]] = static_cast<int64_t>(d);
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Transpose", {c.OutputGrad()}, {{"perm", std::move(inverse)}}));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

// Moving only dimensions of 1 leaves every element where it is.
bool KeepsTheOrder(const Ints& perm, const Shape& x) {
  int64_t last = -1;
  for (int64_t p : perm) {
    if (x[p] == 1) continue;
    if (p < last) return false;
    last = p;
  }
  return true;
}

// Kernel "transpose": inputs (x), outputs (y), attributes {perm}.
absl::Status Lower(LowerContext& c) {
  const Shape x = c.InputShape(0);
  Ints perm = PermOf(c.attrs(), x.size());
  if (KeepsTheOrder(perm, x)) {
    c.View(c.Input(0), c.Output());
  } else {
    c.Emit("transpose", {c.Input(0)}, {c.Output()}, {{"perm", std::move(perm)}});
  }
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  const Ints perm = PermOf(c.attrs(), x.shape.size());
  const std::vector<int64_t> strides = RowMajorStrides(x.shape);
  for (int64_t i = 0; i < y.size(); ++i) {
    int64_t rest = i, from = 0;
    for (size_t d = perm.size(); d-- > 0;) {
      from += rest % y.shape[d] * strides[perm[d]];
      rest /= y.shape[d];
    }
    y[i] = x[from];
  }
  return absl::OkStatus();
}

OpDef TransposeDef() {
  OpDef def;
  def.name = "Transpose";
  def.doc = "y's dimension i is x's dimension perm[i], as ONNX's Transpose.";
  def.inputs = {{"x", "any type and shape"}};
  def.outputs = {{"y", "the elements of x"}};
  def.attributes = {{.name = "perm",
                     .type = AttrType::kInts,
                     .doc = "a permutation of 0 to rank - 1; empty: all dimensions in reverse",
                     .default_value = Ints{}}};
  def.infer = Infer;
  def.gradient = Gradient;
  def.kernels = "transpose, reshape";
  def.lower = Lower;
  def.reference = Reference;
  return def;
}

ATH_REGISTER_OP(TransposeDef());

}  // namespace
}  // namespace athanor
