// A compiled plan against the interpreter on one random case, and the smallest case that still fails.
#ifndef ATHANOR_TESTS_RANDOM_DIFFERENTIAL_H_
#define ATHANOR_TESTS_RANDOM_DIFFERENTIAL_H_

#include <functional>
#include <string>

#include "tests/random/random_graph.h"

namespace athanor {

struct Verdict {
  std::string failure;           // empty: they agree
  std::string kind;              // of the failure: "compile", "run", "interpret", "values"
  bool ill_conditioned = false;  // they differ, but no more than rounding of the inputs does in double
};

// Compiles both entries with `threads` threads (1, 2 or 3) and gradients as outputs, runs them in a poisoned arena, and
// compares every output and the gradient of every parameter with the interpreter's; the train entry runs twice, and
// must give the same bits.
Verdict CompareCompiled(const RandomCase& c, int threads);

// Takes nodes and outputs away as long as `fails` says that the rest still fails.
RandomCase Shrink(RandomCase c, const std::function<bool(const RandomCase&)>& fails);

// The graph and the data of its inputs, in the text form.
std::string CaseToText(const RandomCase& c);

}  // namespace athanor

#endif  // ATHANOR_TESTS_RANDOM_DIFFERENTIAL_H_
