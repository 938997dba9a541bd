// How an elementwise operator says what it computes: OpDef::elementwise writes the operator's formula with these.
//
//   def.elementwise = [](const Node& node, absl::Span<const Elem> x) -> std::vector<Elem> {
//     return {x[0] * Logistic(x[0])};
//   };
//
// From it come the lowering (kernel "elementwise"), the fusion with the elementwise operators around it, and nothing
// else: the operator's reference is its own, so that the two can be told apart.
#ifndef ATHANOR_COMPILER_OPDEF_ELEMENTWISE_H_
#define ATHANOR_COMPILER_OPDEF_ELEMENTWISE_H_

#include <vector>

#include "absl/types/span.h"
#include "compiler/opdef/contexts.h"
#include "runtime/core/elementwise_program.h"

namespace athanor {

// Collects the instructions; equal ones are made once, and numbers are computed at once. Some are written as cheaper
// ones of the same value: powers with the exponents -1, 0, 1, 2 and 3, and operations that change nothing (x * 1, x / 1,
// x - 0).
class ElementwiseWriter {
 public:
  MicroOperand Emit(MicroOp op, absl::Span<const MicroOperand> args);
  // The program so far with these results. Instructions that no result needs are left out, and a product that is only
  // added to an operand or a number is computed with one rounding (mul_add).
  ElementwiseProgram Finish(absl::Span<const MicroOperand> results) const;
  // Whether an operand is 1 or 0 by what computes it: a comparison or logic.
  bool IsTruth(const MicroOperand& operand) const;

 private:
  std::vector<MicroInstruction> instructions_;
};

// A value in a formula: an operand, a result or a number. Only valid while its writer lives. A plain number becomes one.
struct Elem {
  Elem(double number) : operand{MicroOperand::kNumber, 0, static_cast<float>(number)} {}  // NOLINT: implicit
  Elem(ElementwiseWriter* w, MicroOperand o) : writer(w), operand(o) {}
  ElementwiseWriter* writer = nullptr;  // null: a number
  MicroOperand operand;
};

// `writer` is that of whichever operand has one; all numbers: computed at once.
Elem Apply(MicroOp op, absl::Span<const Elem> args);

#define ATH_ELEM_UNARY(Name) \
  inline Elem Name(Elem a) { return Apply(MicroOp::k##Name, {a}); }
#define ATH_ELEM_BINARY(Name) \
  inline Elem Name(Elem a, Elem b) { return Apply(MicroOp::k##Name, {a, b}); }
ATH_ELEM_UNARY(Neg) ATH_ELEM_UNARY(Abs) ATH_ELEM_UNARY(Sign) ATH_ELEM_UNARY(Sqrt) ATH_ELEM_UNARY(Reciprocal)
ATH_ELEM_UNARY(Exp) ATH_ELEM_UNARY(Expm1) ATH_ELEM_UNARY(Log) ATH_ELEM_UNARY(Log1p) ATH_ELEM_UNARY(Tanh)
ATH_ELEM_UNARY(Logistic) ATH_ELEM_UNARY(Erf) ATH_ELEM_UNARY(Sin) ATH_ELEM_UNARY(Cos) ATH_ELEM_UNARY(Floor)
ATH_ELEM_UNARY(Ceil) ATH_ELEM_UNARY(Round) ATH_ELEM_UNARY(Not)
ATH_ELEM_BINARY(Pow) ATH_ELEM_BINARY(Min) ATH_ELEM_BINARY(Max) ATH_ELEM_BINARY(Eq) ATH_ELEM_BINARY(Ne)
ATH_ELEM_BINARY(Lt) ATH_ELEM_BINARY(Le) ATH_ELEM_BINARY(Gt) ATH_ELEM_BINARY(Ge) ATH_ELEM_BINARY(And)
ATH_ELEM_BINARY(Or) ATH_ELEM_BINARY(Xor)
#undef ATH_ELEM_UNARY
#undef ATH_ELEM_BINARY
inline Elem Select(Elem c, Elem a, Elem b) { return Apply(MicroOp::kSelect, {c, a, b}); }
inline Elem MulAdd(Elem a, Elem b, Elem c) { return Apply(MicroOp::kMulAdd, {a, b, c}); }  // a b + c
inline Elem operator+(Elem a, Elem b) { return Apply(MicroOp::kAdd, {a, b}); }
inline Elem operator-(Elem a, Elem b) { return Apply(MicroOp::kSub, {a, b}); }
inline Elem operator*(Elem a, Elem b) { return Apply(MicroOp::kMul, {a, b}); }
inline Elem operator/(Elem a, Elem b) { return Apply(MicroOp::kDiv, {a, b}); }
inline Elem operator-(Elem a) { return Neg(a); }

struct OpDef;

// Lowers a node by its OpDef::elementwise to one call of kernel "elementwise", in the place of OpDef::lower. An output
// that is no f32 is converted when it is stored.
absl::Status LowerElementwise(const OpDef& def, LowerContext& c);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPDEF_ELEMENTWISE_H_
