// What pass tests share: a pass test is two texts, before and after.
//
// test_ops.cc registers small operators of the tests' own (T.Add, T.Linear, ...), so that no pass test depends on
// compiler/ops. They have infer, reference and, where it says so, gradient; none has a lowering.
#ifndef ATHANOR_COMPILER_PASSES_TESTING_PASS_TESTING_H_
#define ATHANOR_COMPILER_PASSES_TESTING_PASS_TESTING_H_

#include <string>

#include "compiler/graph/graph.h"
#include "compiler/options.h"
#include "compiler/passes/passes.h"

namespace athanor {

using PassFn = absl::StatusOr<Graph> (*)(Graph, const CompileOptions&);

// Options for the entry "e" with N = 4.
CompileOptions TestOptions();

// The graph of `lines` between `graph "g" {` and `}`. A text that does not parse fails the test.
Graph GraphOf(const std::string& lines);

// The pass makes `after` of `before` (both as GraphOf takes them), a graph that verifies; the second time it changes
// nothing unless the pass is not `idempotent`.
void ExpectPass(PassFn pass, const std::string& before, const std::string& after,
                const CompileOptions& options = TestOptions(), bool idempotent = true);
void ExpectUnchanged(PassFn pass, const std::string& lines, const CompileOptions& options = TestOptions());

// The message of the pass' error; fails the test when there is none.
std::string ErrorOf(PassFn pass, const std::string& lines, const CompileOptions& options = TestOptions());

// x -> T.Relu, alternating with T.Add(_, x), `length` nodes -> T.Sum -> loss; x = parameter w when `trained`.
Graph LongChain(int length, bool trained);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PASSES_TESTING_PASS_TESTING_H_
