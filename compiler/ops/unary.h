// Operators on one f32 tensor, element by element: a row of a table says what one computes, once as a formula and once
// as a double reference, and how steep it is.
#ifndef ATHANOR_COMPILER_OPS_UNARY_H_
#define ATHANOR_COMPILER_OPS_UNARY_H_

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"

namespace athanor {

struct UnaryOp {
  const char* name;
  const char* doc;
  std::vector<AttrDef> attributes = {};
  Elem (*formula)(const Attributes& a, Elem x);
  double (*reference)(const Attributes& a, double x);
  // dy/dx by the input or the output: makes the operator "<Name>Grad", dx = dy * slope.
  Elem (*slope)(const Attributes& a, Elem v) = nullptr;
  double (*slope_reference)(const Attributes& a, double v) = nullptr;
  // Whether `v` is the output, so that the input need not be kept. Null: it is the input.
  bool (*by_output)(const Attributes& a) = nullptr;
  // Instead of that by the slope alone; neither: not differentiable.
  GradientFn gradient = nullptr;
  ExpandFn expand = nullptr;
  // What ranges of single attributes cannot say.
  absl::Status (*check)(const InferContext& c) = nullptr;
  bool post_op = false;    // oneDNN computes it behind a convolution or product: runtime/onednn/post_ops.cc
  bool predicate = false;  // the output is bool
};

// Registers each row and its gradient operator.
bool RegisterUnary(absl::Span<const UnaryOp> rows);

// A gradient that is zero everywhere: of functions made of steps.
absl::Status ZeroGradient(GradientContext& c);

inline bool ByOutput(const Attributes&) { return true; }

// A number that f32 holds: neither infinite nor NaN.
inline AttrDef FiniteAttr(std::string name, std::string doc, std::optional<AttrValue> otherwise,
                          double min = std::numeric_limits<float>::lowest()) {
  return {.name = std::move(name), .type = AttrType::kFloat, .doc = std::move(doc),
          .default_value = std::move(otherwise), .min = min, .max = std::numeric_limits<float>::max()};
}
// And at least the smallest normal number: a divisor that f32 does not round to 0.
inline AttrDef PositiveAttr(std::string name, std::string doc, double otherwise) {
  return FiniteAttr(std::move(name), std::move(doc), otherwise, std::numeric_limits<float>::min());
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_UNARY_H_
