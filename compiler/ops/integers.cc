// IntegerCompare, IntegerWhere and IntegerCast: what Equal and its like, Where and Cast become for s32 and s64.
#include "compiler/ops/integers.h"

#include <algorithm>
#include <cmath>

#include "compiler/ops/broadcast.h"
#include "compiler/ops/nary.h"

namespace athanor {
namespace {

absl::Status CheckWide(const InferContext& c, int i, absl::string_view what) {
  if (IsWideInteger(c.Input(i).dtype)) return absl::OkStatus();
  return c.Error(ErrorClass::kDtype, "input \"%s\" is %s, expected s32 or s64", what, c.Input(i).ToString());
}

bool Holds(const std::string& relation, double a, double b) {
  if (relation == "eq") return a == b;
  if (relation == "ne") return a != b;
  if (relation == "lt") return a < b;
  if (relation == "le") return a <= b;
  return relation == "gt" ? a > b : a >= b;
}

// Lowered to kernel "integer_compare": inputs (a, b), outputs (y), attributes {relation}.
OpDef IntegerCompareDef() {
  OpDef def;
  def.name = "IntegerCompare";
  def.doc = "y = (a relation b), broadcast, exactly.";
  def.inputs = {{"a", "s32 or s64, any shape"}, {"b", "a's type, a shape that broadcasts"}};
  def.outputs = {{"y", "bool, the broadcast shape"}};
  def.attributes = {{.name = "relation",
                     .type = AttrType::kString,
                     .doc = "equal, not, less, ...",
                     .choices = {"eq", "ne", "lt", "le", "gt", "ge"}}};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckWide(c, 0, "a"));
    ATH_RETURN_IF_ERROR(c.CheckDtype(1, "b", c.Input(0).dtype));
    ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, BroadcastAll(c));
    c.SetOutput(0, {DType::kBool, std::move(dims)});
    return absl::OkStatus();
  };
  def.kernels = "integer_compare";
  def.lower = [](LowerContext& c) {
    c.Emit("integer_compare", {c.Input(0), c.Input(1)}, {c.Output()}, {{"relation", c.attrs().String("relation")}});
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor &a = c.Input(0), &b = c.Input(1);
    DoubleTensor& y = c.Output();
    const std::string relation = c.attrs().String("relation");
    ForEachBroadcast(y.shape, a.shape, b.shape,
                     [&](int64_t i, int64_t ia, int64_t ib) { y[i] = Holds(relation, a[ia], b[ib]); });
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  return def;
}

// Lowered to kernel "integer_where": inputs (condition, a, b), outputs (y).
OpDef IntegerWhereDef() {
  NaryOp op{.name = "IntegerWhere",
            .doc = "y = a where the condition holds, else b, broadcast, exactly.",
            .inputs = {{"condition", "bool, any shape"}, {"a", "s32 or s64"}, {"b", "a's type; all broadcast"}},
            .output = {"y", "a's type, the broadcast shape"},
            .infer = [](InferContext& c) -> absl::Status {
              ATH_RETURN_IF_ERROR(c.CheckDtype(0, "condition", DType::kBool));
              ATH_RETURN_IF_ERROR(CheckWide(c, 1, "a"));
              ATH_RETURN_IF_ERROR(c.CheckDtype(2, "b", c.Input(1).dtype));
              ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, BroadcastAll(c));
              c.SetOutput(0, {c.Input(1).dtype, std::move(dims)});
              return absl::OkStatus();
            },
            .reference = [](absl::Span<const double> x) { return x[0] != 0 ? x[1] : x[2]; }};
  OpDef def = NaryDef(op);
  def.kernels = "integer_where";
  def.lower = [](LowerContext& c) {
    c.Emit("integer_where", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()}, {});
    return absl::OkStatus();
  };
  return def;
}

// Lowered to kernel "integer_cast": inputs (x), outputs (y).
OpDef IntegerCastDef() {
  OpDef def;
  def.name = "IntegerCast";
  def.doc = "y = x as the other of s32 and s64; what s32 cannot hold becomes its end.";
  def.inputs = {{"x", "s32 or s64, any shape"}};
  def.outputs = {{"y", "s64 or s32, x's shape"}};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckWide(c, 0, "x"));
    c.SetOutput(0, {c.Input(0).dtype == DType::kS32 ? DType::kS64 : DType::kS32, c.Input(0).dims});
    return absl::OkStatus();
  };
  def.kernels = "integer_cast";
  def.lower = [](LowerContext& c) {
    c.Emit("integer_cast", {c.Input(0)}, {c.Output()}, {});
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor& x = c.Input(0);
    const bool narrows = c.OutputDtype() == DType::kS32;
    for (int64_t i = 0; i < x.size(); ++i) c.Output()[i] = narrows ? std::clamp(x[i], -0x1p31, 0x1p31 - 1) : x[i];
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  return def;
}

ATH_REGISTER_OP(IntegerCompareDef());
ATH_REGISTER_OP(IntegerWhereDef());
ATH_REGISTER_OP(IntegerCastDef());

}  // namespace
}  // namespace athanor
