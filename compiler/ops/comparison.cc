// Equal, NotEqual, Less, LessOrEqual, Greater and GreaterOrEqual with NumPy's broadcasting. Kernel "elementwise"
// computes in f32, which cannot tell neighbouring large integers apart: s32 and s64 become IntegerCompare.
#include "compiler/ops/integers.h"
#include "compiler/ops/nary.h"

namespace athanor {
namespace {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckElementType(c, 0, "a"));
  ATH_RETURN_IF_ERROR(c.CheckDtype(1, "b", c.Input(0).dtype));
  ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, BroadcastAll(c));
  c.SetOutput(0, {DType::kBool, std::move(dims)});
  return absl::OkStatus();
}

struct Comparison {
  const char* name;
  const char* doc;
  const char* relation;  // IntegerCompare's
  bool commutative;
  Elem (*formula)(absl::Span<const Elem> x);
  double (*reference)(absl::Span<const double> x);
};

OpDef ComparisonDef(const Comparison& comparison) {
  NaryOp op{.name = comparison.name,
            .doc = comparison.doc,
            .inputs = {{"a", "f32, s32, s64, u8 or bool, any shape"}, {"b", "a's type, a shape that broadcasts"}},
            .output = {"y", "bool, the broadcast shape"},
            .infer = Infer,
            .formula = comparison.formula,
            .reference = comparison.reference,
            .commutative = comparison.commutative};
  OpDef def = NaryDef(op);
  def.expand = [relation = std::string(comparison.relation)](ExpandContext& c) -> absl::Status {
    if (!IsWideInteger(c.TypeOf(c.Input(0)).dtype)) return absl::OkStatus();
    ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("IntegerCompare", {c.Input(0), c.Input(1)}, {{"relation", relation}}));
    c.SetOutput(0, y);
    return absl::OkStatus();
  };
  return def;
}

using Elems = absl::Span<const Elem>;
using Doubles = absl::Span<const double>;

[[maybe_unused]] const bool kRegistered = [] {
  const Comparison kComparisons[] = {
      {"Equal", "y = (a = b), broadcast; NaN equals nothing.", "eq", true, [](Elems x) { return Eq(x[0], x[1]); },
       [](Doubles x) { return x[0] == x[1] ? 1.0 : 0.0; }},
      {"NotEqual", "y = not (a = b), broadcast; true of NaN.", "ne", true, [](Elems x) { return Ne(x[0], x[1]); },
       [](Doubles x) { return x[0] != x[1] ? 1.0 : 0.0; }},
      {"Less", "y = (a < b), broadcast; false of NaN.", "lt", false, [](Elems x) { return Lt(x[0], x[1]); },
       [](Doubles x) { return x[0] < x[1] ? 1.0 : 0.0; }},
      {"LessOrEqual", "y = (a <= b), broadcast; false of NaN.", "le", false, [](Elems x) { return Le(x[0], x[1]); },
       [](Doubles x) { return x[0] <= x[1] ? 1.0 : 0.0; }},
      {"Greater", "y = (a > b), broadcast; false of NaN.", "gt", false, [](Elems x) { return Gt(x[0], x[1]); },
       [](Doubles x) { return x[0] > x[1] ? 1.0 : 0.0; }},
      {"GreaterOrEqual", "y = (a >= b), broadcast; false of NaN.", "ge", false, [](Elems x) { return Ge(x[0], x[1]); },
       [](Doubles x) { return x[0] >= x[1] ? 1.0 : 0.0; }},
  };
  for (const Comparison& c : kComparisons) OpRegistry::Get().Register(ComparisonDef(c));
  return true;
}();

}  // namespace
}  // namespace athanor
