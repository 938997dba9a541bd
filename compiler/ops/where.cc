// Where: a choice by element.
#include "compiler/ops/integers.h"
#include "compiler/ops/nary.h"

namespace athanor {
namespace {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckDtype(0, "condition", DType::kBool));
  ATH_RETURN_IF_ERROR(CheckElementType(c, 1, "a"));
  ATH_RETURN_IF_ERROR(c.CheckDtype(2, "b", c.Input(1).dtype));
  ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, BroadcastAll(c));
  c.SetOutput(0, {c.Input(1).dtype, std::move(dims)});
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  for (int i : {1, 2}) {
    if (!c.NeedsGrad(i)) continue;
    std::vector<ValueId> chosen = {c.Input(0), c.Constant(0.0f), c.Constant(0.0f)};
    chosen[i] = c.OutputGrad();
    ATH_ASSIGN_OR_RETURN(ValueId part, c.Emit("Where", chosen));
    ATH_RETURN_IF_ERROR(SetReducedGrad(c, i, part));
  }
  return absl::OkStatus();
}

OpDef WhereDef() {
  NaryOp op{.name = "Where",
            .doc = "y = a where the condition holds, else b, broadcast (torch.where). What is not chosen may be NaN.",
            .inputs = {{"condition", "bool, any shape"},
                       {"a", "f32, s32, s64, u8 or bool, any shape"},
                       {"b", "a's type; all three shapes broadcast"}},
            .output = {"y", "a's type, the broadcast shape"},
            .infer = Infer,
            .formula = [](absl::Span<const Elem> x) { return Select(x[0], x[1], x[2]); },
            .reference = [](absl::Span<const double> x) { return x[0] != 0 ? x[1] : x[2]; },
            .gradient = Gradient};
  OpDef def = NaryDef(op);
  def.expand = [](ExpandContext& c) -> absl::Status {
    if (!IsWideInteger(c.TypeOf(c.Input(1)).dtype)) return absl::OkStatus();
    ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("IntegerWhere", {c.Input(0), c.Input(1), c.Input(2)}));
    c.SetOutput(0, y);
    return absl::OkStatus();
  };
  return def;
}

ATH_REGISTER_OP(WhereDef());

}  // namespace
}  // namespace athanor
