// MatMul: the product of matrices, batched.
#include <utility>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/broadcast.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

// The last two dimensions as they are multiplied, and those before them.
struct Operand {
  TensorType batch;
  Dim rows, columns;
};

Operand Split(const TensorType& t, bool transposed) {
  Operand o{t, t.dims[t.rank() - 2], t.dims[t.rank() - 1]};
  o.batch.dims.resize(t.rank() - 2);
  if (transposed) std::swap(o.rows, o.columns);
  return o;
}

absl::Status Infer(InferContext& c) {
  const char* const names[] = {"a", "b"};
  for (int i : {0, 1}) {
    ATH_RETURN_IF_ERROR(CheckNumbers(c, i, names[i]));
    ATH_RETURN_IF_ERROR(c.CheckRank(i, names[i], 2, kMaxRank));
  }
  ATH_RETURN_IF_ERROR(c.CheckDtype(1, "b", c.Input(0).dtype));
  const Operand a = Split(c.Input(0), c.attrs().Bool("transpose_a")),
                b = Split(c.Input(1), c.attrs().Bool("transpose_b"));
  if (!(a.columns == b.rows)) {
    return c.Error(ErrorClass::kShape, "a %s%s has %s columns, b %s%s has %s rows", c.Input(0).ToString(),
                   c.attrs().Bool("transpose_a") ? " transposed" : "", a.columns.ToString(), c.Input(1).ToString(),
                   c.attrs().Bool("transpose_b") ? " transposed" : "", b.rows.ToString());
  }
  ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, c.Broadcast(a.batch, b.batch));
  dims.push_back(a.rows);
  dims.push_back(b.columns);
  c.SetOutput(0, {c.Input(0).dtype, std::move(dims)});
  return absl::OkStatus();
}

Attributes Transposes(bool a, bool b) { return {{"transpose_a", a}, {"transpose_b", b}}; }

absl::Status SetReduced(GradientContext& c, int i, absl::StatusOr<ValueId> grad) {
  if (!grad.ok()) return grad.status();
  ATH_ASSIGN_OR_RETURN(ValueId reduced, c.ReduceTo(*grad, c.TypeOf(c.Input(i))));
  c.SetInputGrad(i, reduced);
  return absl::OkStatus();
}

// A matrix b that is shared by the whole batch gets its gradient from one product over all rows, not from a product a
// batch element and their sum.
bool IsLinearLayer(const GradientContext& c) {
  const TensorType &a = c.TypeOf(c.Input(0)), &b = c.TypeOf(c.Input(1));
  return a.rank() > 2 && b.rank() == 2 && !c.attrs().Bool("transpose_a") && !b.dims[0].symbolic() &&
         !b.dims[1].symbolic();
}

absl::StatusOr<ValueId> AllRows(GradientContext& c, ValueId v) {
  return c.Emit("Reshape", {v}, {{"shape", Ints{-1, c.TypeOf(v).dims.back().size}}});
}

// With c = a b: da = dc b', db = a' dc; the transpose of that for an operand that is transposed itself.
absl::Status Gradient(GradientContext& c) {
  const bool ta = c.attrs().Bool("transpose_a"), tb = c.attrs().Bool("transpose_b");
  ValueId a = c.Input(0), b = c.Input(1), dc = c.OutputGrad();
  if (c.NeedsGrad(0)) {
    ATH_RETURN_IF_ERROR(SetReduced(
        c, 0,
        ta ? c.Emit("MatMul", {b, dc}, Transposes(tb, true)) : c.Emit("MatMul", {dc, b}, Transposes(false, !tb))));
  }
  if (!c.NeedsGrad(1)) return absl::OkStatus();
  if (IsLinearLayer(c)) {
    ATH_ASSIGN_OR_RETURN(a, AllRows(c, a));
    ATH_ASSIGN_OR_RETURN(dc, AllRows(c, dc));
  }
  return SetReduced(
      c, 1, tb ? c.Emit("MatMul", {dc, a}, Transposes(true, ta)) : c.Emit("MatMul", {a, dc}, Transposes(!ta, false)));
}

absl::Status Reference(ReferenceContext& c) {
  const bool ta = c.attrs().Bool("transpose_a"), tb = c.attrs().Bool("transpose_b");
  const DoubleTensor &a = c.Input(0), &b = c.Input(1);
  DoubleTensor& y = c.Output();
  auto batch = [](const Shape& s) { return Shape(s.begin(), s.end() - 2); };
  const int64_t m = y.shape[y.shape.size() - 2], n = y.shape.back();
  const int64_t k = a.shape[a.shape.size() - (ta ? 2 : 1)];
  ForEachBroadcast(batch(y.shape), batch(a.shape), batch(b.shape), [&](int64_t iy, int64_t ia, int64_t ib) {
    for (int64_t row = 0; row < m; ++row) {
      for (int64_t column = 0; column < n; ++column) {
        double sum = 0;
        for (int64_t i = 0; i < k; ++i) {
          sum +=
              a[ia * m * k + (ta ? i * m + row : row * k + i)] * b[ib * k * n + (tb ? column * k + i : i * n + column)];
        }
        y[(iy * m + row) * n + column] = sum;
      }
    }
  });
  return absl::OkStatus();
}

OpDef MatMulDef() {
  OpDef def;
  def.name = "MatMul";
  def.doc = "y = a b over the last two dimensions; those before them broadcast, as numpy.matmul has it.";
  def.inputs = {{"a", "f32[..,M,K]"}, {"b", "f32[..,K,N]"}};
  def.outputs = {{"y", "f32[..,M,N]"}};
  def.attributes = {
      {.name = "transpose_a", .type = AttrType::kBool, .doc = "a is [..,K,M]", .default_value = false},
      {.name = "transpose_b", .type = AttrType::kBool, .doc = "b is [..,N,K]", .default_value = false},
  };
  def.infer = Infer;
  def.gradient = Gradient;
  // Kernel "matmul": inputs (a, b, post-op operands...), outputs (y).
  def.kernels = "matmul";
  def.lower = [](LowerContext& c) {
    Attributes attrs = c.attrs();
    attrs.Set("bias", false);
    c.Emit("matmul", {c.Input(0), c.Input(1)}, {c.Output()}, std::move(attrs), /*with_post_ops=*/true);
    return absl::OkStatus();
  };
  def.reference = Reference;
  def.traits.accepts_unary_post_ops = def.traits.accepts_binary_post_ops = true;
  return def;
}

ATH_REGISTER_OP(MatMulDef());

}  // namespace
}  // namespace athanor
