// And, Or, Xor with NumPy's broadcasting, and Not: of bool.
#include "compiler/ops/nary.h"

namespace athanor {
namespace {

using Elems = absl::Span<const Elem>;
using Doubles = absl::Span<const double>;

absl::Status Infer(InferContext& c) {
  const char* const names[] = {"a", "b"};
  for (int i = 0; i < c.num_inputs(); ++i) ATH_RETURN_IF_ERROR(c.CheckDtype(i, names[i], DType::kBool));
  ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, BroadcastAll(c));
  c.SetOutput(0, {DType::kBool, std::move(dims)});
  return absl::OkStatus();
}

OpDef LogicDef(const char* name, const char* doc, Elem (*formula)(Elems), double (*reference)(Doubles)) {
  return NaryDef({.name = name,
                  .doc = doc,
                  .inputs = {{"a", "bool, any shape"}, {"b", "bool, a shape that broadcasts with a's"}},
                  .output = {"y", "bool, the broadcast shape"},
                  .infer = Infer,
                  .formula = formula,
                  .reference = reference,
                  .commutative = true});
}

OpDef NotDef() {
  return NaryDef({.name = "Not",
                  .doc = "y = not a.",
                  .inputs = {{"a", "bool, any shape"}},
                  .output = {"y", "like a"},
                  .infer = Infer,
                  .formula = [](Elems x) { return Not(x[0]); },
                  .reference = [](Doubles x) { return x[0] == 0 ? 1.0 : 0.0; }});
}

ATH_REGISTER_OP(LogicDef("And", "y = a and b, broadcast.", [](Elems x) { return And(x[0], x[1]); },
                         [](Doubles x) { return x[0] != 0 && x[1] != 0 ? 1.0 : 0.0; }));
ATH_REGISTER_OP(LogicDef("Or", "y = a or b or both, broadcast.", [](Elems x) { return Or(x[0], x[1]); },
                         [](Doubles x) { return x[0] != 0 || x[1] != 0 ? 1.0 : 0.0; }));
ATH_REGISTER_OP(LogicDef("Xor", "y = either a or b, broadcast.", [](Elems x) { return Xor(x[0], x[1]); },
                         [](Doubles x) { return (x[0] != 0) != (x[1] != 0) ? 1.0 : 0.0; }));
ATH_REGISTER_OP(NotDef());

}  // namespace
}  // namespace athanor
