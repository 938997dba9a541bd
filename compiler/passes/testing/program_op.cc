// T.Program: what fuse_elementwise makes in pass tests.
#include "compiler/opdef/op_def.h"
#include "runtime/core/elementwise_program.h"

namespace athanor {
namespace {

absl::Status Infer(InferContext& c) {
  const Strings dtypes = c.attrs().GetStrings("dtypes");
  for (int i = 0; i < c.num_outputs(); ++i) {
    c.SetOutput(i, TensorType::Of(*ParseDType(dtypes[i]), c.attrs().GetInts("shape")));
  }
  return absl::OkStatus();
}

// Inputs of the result's shape, or of its trailing dimensions, or of one element.
absl::Status Reference(ReferenceContext& c) {
  auto program = ElementwiseProgram::Parse(c.attrs().String("program"));
  if (!program.ok()) return program.status();
  std::vector<double> args(c.num_inputs()), results(c.num_outputs());
  for (int64_t i = 0; i < c.Output().size(); ++i) {
    for (int k = 0; k < c.num_inputs(); ++k) args[k] = c.Input(k)[i % c.Input(k).size()];
    program->Evaluate(args, absl::MakeSpan(results));
    for (int k = 0; k < c.num_outputs(); ++k) c.Output(k)[i] = results[k];
  }
  return absl::OkStatus();
}

OpDef ProgramDef() {
  OpDef def;
  def.name = "T.Program";
  def.doc = "for tests";
  def.inputs = {{.name = "x", .variadic = true}};
  def.outputs = {{.name = "y", .variadic = true}};
  def.attributes = {{.name = "program", .type = AttrType::kString},
                    {.name = "dtypes", .type = AttrType::kStrings},
                    {.name = "shape", .type = AttrType::kInts}};
  def.infer = Infer;
  def.reference = Reference;
  def.traits.computes_program = true;
  return def;
}

ATH_REGISTER_OP(ProgramDef());

}  // namespace
}  // namespace athanor
