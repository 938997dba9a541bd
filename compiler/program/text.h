// The text form of a program: what --dump-after writes and what tests of program passes are made of. It prints and
// parses everything but the initial values of the variables (Variable::data), which stay in the model and plan files:
// but for them ParseProgram(ToText(p)) equals p, and ToText(ParseProgram(t)) equals t for a text that ToText wrote.
//
//   program "train" symbols={N=8} arena=4096 reorders=1
//   variable w: parameter f32[10,84]:ab bytes=3392 offset=0
//   buffer x: input f32[8,84]:ab bytes=2688 offset=0
//   buffer w: variable f32[10,84]:ab bytes=3392 of=@w
//   buffer y: temporary f32[8,10]:ab bytes=320 offset=2688
//   buffer z: output f32[80]:a bytes=320 alias_of=%y layout_like=%w
//   call (%y) = matmul(%x, %w, %b) name="fc1" attrs={transpose_b=true} post_ops=[ReLU{alpha=0.0}, Add(2)] threads=2
//       scratch=128@3008 impl="jit:avx2" flops=13440.0 bytes=6368.0
//   input x = %x
//   output logits = %z
//
// Grammar, over the tokens of compiler/graph/text.h (spaces and line ends mean nothing, ";" begins a comment):
//   text      = program {variable | buffer | call | binding}
//   program   = "program" string ["symbols" "=" "{" name "=" integer {"," ...} "}"] fields: arena, reorders
//   variable  = "variable" name ":" ("parameter" | "state" | "constant") desc       fields: bytes, offset
//   buffer    = "buffer" name ":" ("temporary" | "input" | "output" | "variable") desc
//                                          fields: bytes, offset, of (a variable), alias_of, layout_like (buffers)
//   call      = "call" refs "=" name refs  fields: name, attrs, post_ops, threads, scratch, impl, flops, bytes
//   binding   = ("input" | "output") name "=" ref
//   refs      = "(" [ref {"," ref}] ")";   ref = "%" (name | integer), of a variable "@" (name | integer)
//   post_op   = name ["(" integer ")"] [attrs]                                      (the input that it reads)
//   scratch   = integer ["@" integer]                                               (bytes and offset)
//   desc      = as MemoryDesc prints
// Buffers and variables are numbered from 0 in their order; a name that two of them share cannot be referred to. A
// field that is absent has its default (kUnplaced, 0, 1 thread, empty, none).
#ifndef ATHANOR_COMPILER_PROGRAM_TEXT_H_
#define ATHANOR_COMPILER_PROGRAM_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/core/status.h"
#include "runtime/plan/plan.h"

namespace athanor {

// One entry with the variables that its buffers name.
struct Program {
  std::vector<Variable> variables;
  Entry entry;
};

// Every desc must have a dtype.
std::string ToText(const Entry& entry, absl::Span<const Variable> variables);

// FORMAT error naming line, column and what was expected. Only the text is checked: numbers may name buffers that are
// not there (VerifyProgram finds them), a name must be known.
absl::StatusOr<Program> ParseProgram(absl::string_view text);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PROGRAM_TEXT_H_
