// Elementwise: a program of elementwise operations over its inputs. The pass fuse_elementwise makes it of chains of
// operators.
#include <cmath>
#include <limits>

#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"
#include "compiler/ops/broadcast.h"

namespace athanor {
namespace {

// Checked by Infer.
ElementwiseProgram ProgramOf(const Attributes& attrs) {
  auto program = ElementwiseProgram::Parse(attrs.String("program"));
  ATH_CHECK_OK(program);
  return *std::move(program);
}

absl::Status CheckInputs(InferContext& c, const TensorType& y) {
  for (int i = 0; i < c.num_inputs(); ++i) {
    const TensorType& x = c.Input(i);
    switch (x.dtype) {
      case DType::kF32: case DType::kF64: case DType::kS32: case DType::kS64: case DType::kU8: case DType::kBool:
        break;
      default:
        return c.Error(ErrorClass::kDtype, "input %d is %s, expected f32, s32, s64, u8 or bool", i, x.ToString());
    }
    ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, c.Broadcast(x, y));
    if (dims == y.dims) continue;
    return c.Error(ErrorClass::kShape, "input %d is %s, which does not broadcast to \"shape\" %s", i, x.ToString(),
                   ShapeToString(y.shape()));
  }
  return absl::OkStatus();
}

absl::Status Infer(InferContext& c) {
  auto program = ElementwiseProgram::Parse(c.attrs().String("program"));
  if (!program.ok()) return c.Error(ErrorClass::kAttr, "%s", program.status().message());
  absl::Status fits = program->Check(c.num_inputs());
  if (!fits.ok()) return c.Error(ErrorClass::kAttr, "%s", fits.message());
  const Strings dtypes = c.attrs().GetStrings("dtypes");
  const size_t outputs = program->results.size();
  if (dtypes.size() != outputs || static_cast<size_t>(c.num_outputs()) != outputs) {
    return c.Error(ErrorClass::kAttr, "\"dtypes\" names %d types, the program has %d results, the node %d outputs",
                   dtypes.size(), outputs, c.num_outputs());
  }
  TensorType y = TensorType::Of(DType::kF32, c.attrs().GetInts("shape"));
  ATH_RETURN_IF_ERROR(CheckInputs(c, y));
  for (size_t i = 0; i < outputs; ++i) {
    const std::optional<DType> dtype = ParseDType(dtypes[i]);
    if (!dtype) return c.Error(ErrorClass::kAttr, "\"dtypes\": \"%s\" is no element type", dtypes[i]);
    y.dtype = *dtype;
    c.SetOutput(static_cast<int>(i), y);
  }
  return absl::OkStatus();
}

// As a result is stored.
double Stored(DType dtype, double v) {
  if (IsFloating(dtype)) return v;
  if (dtype == DType::kBool) return v != 0;
  if (std::isnan(v)) return 0;
  const double low = dtype == DType::kU8 ? 0 : dtype == DType::kS32 ? -0x1p31 : -0x1p63;
  const double high = dtype == DType::kU8 ? 255 : dtype == DType::kS32 ? 0x1p31 - 1 : 0x1p63;
  return std::fmin(std::fmax(std::trunc(v), low), high);
}

absl::Status Reference(ReferenceContext& c) {
  const ElementwiseProgram program = ProgramOf(c.attrs());
  const Shape shape = c.attrs().GetInts("shape");
  std::vector<double> args(c.num_inputs()), results(program.results.size());
  std::vector<std::vector<int64_t>> from(c.num_inputs());  // by input: the element that each result's element reads
  for (int k = 0; k < c.num_inputs(); ++k) {
    const Shape& own = c.Input(k).shape;
    ForEachBroadcast(shape, own, own, [&](int64_t, int64_t at, int64_t) { from[k].push_back(at); });
  }
  const int64_t elements = *NumElements(shape);
  for (int64_t i = 0; i < elements; ++i) {
    for (int k = 0; k < c.num_inputs(); ++k) args[k] = c.Input(k)[from[k][i]];
    program.Evaluate(args, absl::MakeSpan(results));
    for (int k = 0; k < c.num_outputs(); ++k) {
      if (c.HasOutput(k)) c.Output(k)[i] = Stored(c.OutputDtype(k), results[k]);
    }
  }
  return absl::OkStatus();
}

// The program's instructions once more.
std::vector<Elem> Formula(const Node& node, absl::Span<const Elem> x) {
  const ElementwiseProgram program = ProgramOf(node.attrs);
  std::vector<Elem> values;
  auto value = [&](const MicroOperand& o) {
    if (o.kind == MicroOperand::kNumber) return Elem(o.number);
    return o.kind == MicroOperand::kInput ? x[o.index] : values[o.index];
  };
  for (const MicroInstruction& instruction : program.instructions) {
    std::vector<Elem> args;
    for (int i = 0; i < MicroArity(instruction.op); ++i) args.push_back(value(instruction.args[i]));
    values.push_back(Apply(instruction.op, args));
  }
  std::vector<Elem> results;
  for (const MicroOperand& o : program.results) results.push_back(value(o));
  return results;
}

OpDef ElementwiseDef() {
  OpDef def;
  def.name = "Elementwise";
  def.doc = "What its program computes of the inputs' elements at one place. Made by the compiler of chains of operators.";
  def.inputs = {{.name = "x", .doc = "operands, which broadcast to shape", .variadic = true}};
  def.outputs = {{.name = "y", .doc = "the results, one shape", .variadic = true}};
  def.attributes = {{.name = "program", .type = AttrType::kString, .doc = "\"exp x0; mul t0 x1 -> t1\""},
                    {.name = "dtypes", .type = AttrType::kStrings, .doc = "the outputs' element types"},
                    {.name = "shape", .type = AttrType::kInts, .doc = "the outputs' dimensions", .min = 0}};
  def.infer = Infer;
  def.reference = Reference;
  def.elementwise = Formula;
  def.traits.elementwise = true;
  def.traits.computes_program = true;
  for (int k = 0; k < ElementwiseProgram::kMaxResults; ++k) {
    for (int j = 0; j < ElementwiseProgram::kMaxInputs; ++j) def.traits.in_place.emplace_back(k, j);
  }
  return def;
}

ATH_REGISTER_OP(ElementwiseDef());

}  // namespace
}  // namespace athanor
