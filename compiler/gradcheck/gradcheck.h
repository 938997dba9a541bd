// Numerical differentiation of a whole model: the gradient that the compiler derives, against central finite
// differences of the loss, both by the double interpreter.
//
//   absl::StatusOr<GradcheckReport> report = Gradcheck(model, {.symbols = {{"N", 2}}});
//
// For each parameter some elements w are moved by h = step * max(1, |w|) both ways:
//   numeric = (loss(w + h) - loss(w - h)) / 2h
// An element agrees when |analytic - numeric| <= tolerance * max(|analytic|, |numeric|, least), where `least`
// is a thousandth of the parameter's largest gradient, and what rounding of the loss alone can make of a difference.
//
// Kinks: where a function bends within the step, as ReLU at 0 or max pooling at a tie, finite differences are between
// the two slopes. So an element that disagrees is measured again with a tenth and a hundredth of the step: if it then
// agrees (the bend was beside w), or the slopes to the left and right of w still differ and the analytic one is between
// them (the bend is at w), it is reported as a kink, which is no failure.
#ifndef ATHANOR_COMPILER_GRADCHECK_GRADCHECK_H_
#define ATHANOR_COMPILER_GRADCHECK_GRADCHECK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"

namespace athanor {

struct GradcheckOptions {
  std::string entry = "";                       // empty: "train", or the only entry with a loss
  std::map<std::string, int64_t> symbols = {};  // sizes of symbolic dimensions: {"N", 2}
  int64_t samples = 20;                         // elements of each parameter; all of a smaller one
  uint64_t seed = 1;                            // of the inputs and the choice of elements
  double step = 1e-5;
  double tolerance = 1e-6;
  // Random inputs, both ends included. Without a range: floating ones in [-1, 1], and integer ones in the range that
  // their reader's other inputs suggest (the classes of logits, the rows of a table).
  std::map<std::string, std::pair<double, double>> ranges = {};
  // Compares the compiled plan's gradients, every element, too: largest difference over the largest magnitude.
  bool compiled = false;
  double compiled_tolerance = 1e-4;
  int threads = 1;  // of the compiled plan
};

// One element of a parameter.
struct GradcheckElement {
  std::string parameter;
  Shape index;
  double analytic = 0, numeric = 0;
  double absolute = 0, relative = 0;  // errors; the relative one as above
  bool kink = false, agrees = true;
};

struct GradcheckParameter {
  std::string name;
  TensorType type;
  int64_t elements = 0, checked = 0, kinks = 0, wrong = 0;
  double largest = 0;                          // magnitude of the analytic gradient
  double worst_relative = 0, worst_absolute = 0;  // of the elements that are no kinks
  std::optional<double> compiled_error;
  bool passed = true;
};

struct GradcheckReport {
  std::string entry;
  double loss = 0;
  double tolerance = 0, compiled_tolerance = 0;
  std::vector<GradcheckParameter> parameters;  // in the model's order
  std::vector<GradcheckElement> elements;      // all that were checked, the worst first
  std::map<std::string, std::pair<double, double>> ranges;  // of the inputs, as they were used
  bool passed() const;
  // "" when passed; else names the worst parameter, its element, the numbers and the rule.
  std::string Failure() const;
};

// The model's variables must have data. Errors: REQ (options out of range, an entry without a loss, unknown inputs in
// ranges, an input value that the model refuses), DATA (a loss that is not finite), those of the passes and of Compile.
absl::StatusOr<GradcheckReport> Gradcheck(const Graph& model, const GradcheckOptions& options);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_GRADCHECK_GRADCHECK_H_
