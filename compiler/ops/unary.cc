#include "compiler/ops/unary.h"

#include "absl/strings/str_cat.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

bool IsByOutput(const UnaryOp& op, const Attributes& attrs) { return op.by_output != nullptr && op.by_output(attrs); }

absl::Status SlopeGradient(const UnaryOp& op, GradientContext& c) {
  const ValueId saved = IsByOutput(op, c.attrs()) ? c.Output() : c.Input(0);
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit(absl::StrCat(op.name, "Grad"), {c.OutputGrad(), saved}, c.attrs()));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

OpDef ForwardDef(const UnaryOp& op) {
  OpDef def;
  def.name = op.name;
  def.doc = op.doc;
  def.inputs = {{"x", "f32, any shape"}};
  def.outputs = {{"y", op.predicate ? "bool, x's shape" : "like x"}};
  def.attributes = op.attributes;
  def.infer = [op](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(c.CheckFloating(0, "x"));
    if (op.check != nullptr) ATH_RETURN_IF_ERROR(op.check(c));
    c.SetOutput(0, {op.predicate ? DType::kBool : c.Input(0).dtype, c.Input(0).dims});
    return absl::OkStatus();
  };
  if (op.gradient != nullptr) {
    def.gradient = op.gradient;
  } else if (op.slope != nullptr) {
    def.gradient = [op](GradientContext& c) { return SlopeGradient(op, c); };
  }
  def.expand = op.expand;
  def.elementwise = [op](const Node& node, absl::Span<const Elem> x) -> std::vector<Elem> {
    return {op.formula(node.attrs, x[0])};
  };
  def.reference = [op](ReferenceContext& c) {
    const DoubleTensor& x = c.Input(0);
    for (int64_t i = 0; i < x.size(); ++i) c.Output()[i] = op.reference(c.attrs(), x[i]);
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  def.traits.post_op_unary = op.post_op;
  if (!op.predicate) def.traits.in_place = {{0, 0}};
  return def;
}

OpDef BackwardDef(const UnaryOp& op) {
  OpDef def;
  def.name = absl::StrCat(op.name, "Grad");
  def.doc = absl::StrCat("dx = dy * slope: the gradient of ", op.name, ".");
  const char* saved = op.by_output == nullptr          ? "like dy: the forward operator's input"
                      : op.by_output == &ByOutput ? "like dy: the forward operator's output"
                                                       : "like dy: the forward operator's output, or its input where "
                                                         "the attributes make the output tell too little";
  def.inputs = {{"dy", "f32, any shape"}, {"saved", saved}};
  def.outputs = {{"dx", "like dy"}};
  def.attributes = op.attributes;
  def.infer = [op](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(c.CheckFloating(0, "dy"));
    ATH_RETURN_IF_ERROR(CheckSameType(c, 1, "saved", c.Input(0), "dy"));
    if (op.check != nullptr) ATH_RETURN_IF_ERROR(op.check(c));
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.elementwise = [op](const Node& node, absl::Span<const Elem> x) -> std::vector<Elem> {
    return {x[0] * op.slope(node.attrs, x[1])};
  };
  def.reference = [op](ReferenceContext& c) {
    const DoubleTensor &dy = c.Input(0), &v = c.Input(1);
    for (int64_t i = 0; i < dy.size(); ++i) c.Output()[i] = dy[i] * op.slope_reference(c.attrs(), v[i]);
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  def.traits.in_place = {{0, 0}};
  return def;
}

}  // namespace

bool RegisterUnary(absl::Span<const UnaryOp> rows) {
  for (const UnaryOp& op : rows) {
    OpRegistry::Get().Register(ForwardDef(op));
    if (op.slope != nullptr) OpRegistry::Get().Register(BackwardDef(op));
  }
  return true;
}

absl::Status ZeroGradient(GradientContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId zeros, c.Emit("ZerosLike", {c.Input(0)}));
  c.SetInputGrad(0, zeros);
  return absl::OkStatus();
}

}  // namespace athanor
