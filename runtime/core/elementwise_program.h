// A straight-line program that computes every element of its results from the elements of its operands at the same
// place (operands may be broadcast as NumPy does): what kernel "elementwise" runs, and what operators and the pass
// fuse_elementwise write. It is an attribute of kernel calls, so it has a text form that parses back:
//
//   "sub x0 x1; exp t0; mul t1 0.5 -> t2"      x: operand, t: result of an instruction, else a number
//
// What stands behind the arrow comes out, one value an output.
// Every value is an f32 while it is computed. Operands of dtype f32, s32, s64, u8 and bool are converted on loading, and
// results on storing (to an integer: rounded towards zero, saturated, NaN to 0; to bool: not equal 0). Comparisons and
// logic give 1 or 0, and take anything but 0 for true. NaN passes through arithmetic, min and max; comparisons with it
// are false, "ne" is true.
#ifndef ATHANOR_RUNTIME_CORE_ELEMENTWISE_PROGRAM_H_
#define ATHANOR_RUNTIME_CORE_ELEMENTWISE_PROGRAM_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/core/status.h"

namespace athanor {

enum class MicroOp : uint8_t {
  // one operand
  kNeg, kAbs, kSign, kSqrt, kReciprocal, kExp, kExpm1, kLog, kLog1p, kTanh, kLogistic, kErf, kSin, kCos,
  kFloor, kCeil, kRound,  // round: to nearest, ties to even
  kNot,
  // two
  kAdd, kSub, kMul, kDiv, kPow, kMin, kMax,
  kEq, kNe, kLt, kLe, kGt, kGe, kAnd, kOr, kXor,
  // three: select(c, a, b) = c ? a : b (what is not chosen may be NaN or infinite); mul_add(a, b, c) = a b + c
  kSelect, kMulAdd,
};

struct MicroOperand {
  enum Kind : uint8_t { kInput, kResult, kNumber } kind = kNumber;
  int index = 0;     // of an input or an instruction
  float number = 0;
  bool operator==(const MicroOperand&) const = default;
};

struct MicroInstruction {
  MicroOp op = MicroOp::kAdd;
  std::array<MicroOperand, 3> args;  // as many as MicroArity(op), the others default
  bool operator==(const MicroInstruction&) const = default;
};

// "add", "mul_add", ...; the number of operands.
absl::string_view MicroOpName(MicroOp op);
int MicroArity(MicroOp op);
// One element in double, `args` as many as its operands: the oracle. sign(NaN) is NaN.
double EvaluateMicroOp(MicroOp op, const double* args);

struct ElementwiseProgram {
  std::vector<MicroInstruction> instructions;
  std::vector<MicroOperand> results;  // one an output; may be an input or a number too

  static constexpr int kMaxInstructions = 96, kMaxInputs = 16, kMaxResults = 8;

  // "exp x0; mul t0 x1 -> t1, t0"; numbers with the digits needed to read back the same float.
  std::string ToString() const;
  // FORMAT error naming the place. Accepts exactly the text of what Check(kMaxInputs) does.
  static absl::StatusOr<ElementwiseProgram> Parse(absl::string_view text);
  // FORMAT error where an operand is out of range (an instruction reads only earlier ones), a limit is passed, or
  // nothing comes out. `num_inputs`: how many operands there are.
  absl::Status Check(int num_inputs) const;

  // One element, in double: the oracle. The program must pass Check(inputs.size()); one number a result.
  void Evaluate(absl::Span<const double> inputs, absl::Span<double> results) const;
  // Whether every result is 0 where all operands are, in the arithmetic of f32: then it may run over the padding of
  // blocked layouts.
  bool MapsZerosToZeros() const;

  bool operator==(const ElementwiseProgram&) const = default;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_ELEMENTWISE_PROGRAM_H_
