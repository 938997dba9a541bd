// Cast: numbers of one type as those of another.
#include <cmath>
#include <optional>

#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"
#include "compiler/ops/integers.h"

namespace athanor {
namespace {

DType Target(const Attributes& attrs) { return *ParseDType(attrs.String("to")); }

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckElementType(c, 0, "x"));
  c.SetOutput(0, {Target(c.attrs()), c.Input(0).dims});
  return absl::OkStatus();
}

// Between floating-point types; integers pass nothing on.
absl::Status Gradient(GradientContext& c) {
  ValueId dx = c.OutputGrad();
  if (!IsFloating(Target(c.attrs()))) {
    ATH_ASSIGN_OR_RETURN(dx, c.Emit("ZerosLike", {c.Input(0)}));
  }
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status ExpandExact(ExpandContext& c) {
  const DType from = c.TypeOf(c.Input(0)).dtype, to = Target(c.attrs());
  if (from == to) {
    c.SetOutput(0, c.Input(0));
  } else if (IsWideInteger(from) && IsWideInteger(to)) {
    ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("IntegerCast", {c.Input(0)}));
    c.SetOutput(0, y);
  }
  return absl::OkStatus();
}

struct Range {
  double low, high;  // the ends that the type has
};
std::optional<Range> RangeOf(DType t) {
  switch (t) {
    case DType::kS32: return Range{-0x1p31, 0x1p31 - 1};
    case DType::kS64: return Range{-0x1p63, 0x1p63};
    case DType::kU8: return Range{0, 255};
    default: return std::nullopt;
  }
}

// The value that the result will have, for what is fused behind it reads it before it is stored.
Elem Formula(const Attributes& attrs, Elem x) {
  const DType to = Target(attrs);
  if (to == DType::kBool) return Ne(x, 0);
  const std::optional<Range> range = RangeOf(to);
  if (!range) return x;
  const Elem whole = Select(Lt(x, 0), Ceil(x), Floor(x));
  return Select(Ne(x, x), 0, Min(Max(whole, range->low), range->high));
}

double Convert(DType to, double x) {
  if (to == DType::kBool) return x != 0;
  const std::optional<Range> range = RangeOf(to);
  if (!range) return x;
  if (std::isnan(x)) return 0;
  return std::fmin(std::fmax(std::trunc(x), range->low), range->high);
}

OpDef CastDef() {
  OpDef def;
  def.name = "Cast";
  def.doc =
      "x as another type. To integers: rounded towards zero, what is out of range becomes the nearest end, NaN 0. To "
      "bool: whether it is not 0 (NaN is not). Between integers exact.";
  def.inputs = {{"x", "f32, s32, s64, u8 or bool, any shape"}};
  def.outputs = {{"y", "the type asked for, x's shape"}};
  def.attributes = {{.name = "to",
                     .type = AttrType::kString,
                     .doc = "the element type",
                     .choices = {"f32", "s32", "s64", "u8", "bool"}}};
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = ExpandExact;
  def.elementwise = [](const Node& node, absl::Span<const Elem> x) -> std::vector<Elem> {
    return {Formula(node.attrs, x[0])};
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor& x = c.Input(0);
    for (int64_t i = 0; i < x.size(); ++i) c.Output()[i] = Convert(c.OutputDtype(), x[i]);
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  return def;
}

ATH_REGISTER_OP(CastDef());

}  // namespace
}  // namespace athanor
