#include "compiler/opdef/elementwise.h"

#include <algorithm>
#include <bit>

#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

bool IsNumber(const MicroOperand& o) { return o.kind == MicroOperand::kNumber; }
bool IsNumber(const MicroOperand& o, float v) { return IsNumber(o) && o.number == v; }

// By its bits: 0 is not -0, and NaN is itself.
bool Same(const MicroOperand& a, const MicroOperand& b) {
  return a.kind == b.kind && a.index == b.index &&
         std::bit_cast<uint32_t>(a.number) == std::bit_cast<uint32_t>(b.number);
}

bool Same(const MicroInstruction& a, const MicroInstruction& b) {
  return a.op == b.op && std::equal(a.args.begin(), a.args.end(), b.args.begin(),
                                    [](const MicroOperand& x, const MicroOperand& y) { return Same(x, y); });
}

MicroOperand Number(double v) { return {MicroOperand::kNumber, 0, static_cast<float>(v)}; }

MicroOperand Compute(MicroOp op, absl::Span<const MicroOperand> args) {
  double values[3] = {};
  for (size_t i = 0; i < args.size(); ++i) values[i] = args[i].number;
  return Number(EvaluateMicroOp(op, values));
}

bool ChangesNothing(MicroOp op, const MicroOperand& b) {
  return (op == MicroOp::kMul && IsNumber(b, 1)) || (op == MicroOp::kDiv && IsNumber(b, 1)) ||
         (op == MicroOp::kPow && IsNumber(b, 1)) || (op == MicroOp::kSub && Same(b, Number(0)));
}

struct Rewriter {
  const std::vector<MicroInstruction>& from;
  std::vector<int> uses;       // of each instruction, by instructions that are needed and by results
  std::vector<bool> absorbed;  // a product that became part of a mul_add

  explicit Rewriter(const std::vector<MicroInstruction>& instructions, absl::Span<const MicroOperand> results)
      : from(instructions), uses(instructions.size(), 0), absorbed(instructions.size(), false) {
    auto use = [&](const MicroOperand& o) {
      if (o.kind == MicroOperand::kResult) ++uses[o.index];
    };
    std::for_each(results.begin(), results.end(), use);
    for (size_t i = from.size(); i-- > 0;) {
      if (uses[i] > 0) std::for_each(from[i].args.begin(), from[i].args.end(), use);
    }
  }

  // a b + c with one rounding, where c does not come from a and b: else a difference that must be 0 would not be.
  void JoinMulAdd(MicroInstruction* i) {
    if (i->op != MicroOp::kAdd) return;
    for (int product : {0, 1}) {
      const MicroOperand p = i->args[product], other = i->args[1 - product];
      if (p.kind != MicroOperand::kResult || other.kind == MicroOperand::kResult) continue;
      if (from[p.index].op != MicroOp::kMul || uses[p.index] != 1) continue;
      absorbed[p.index] = true;
      *i = {MicroOp::kMulAdd, {from[p.index].args[0], from[p.index].args[1], other}};
      return;
    }
  }
};

}  // namespace

MicroOperand ElementwiseWriter::Emit(MicroOp op, absl::Span<const MicroOperand> args) {
  ATH_CHECK(static_cast<int>(args.size()) == MicroArity(op));
  if (std::all_of(args.begin(), args.end(), [](const MicroOperand& o) { return IsNumber(o); })) {
    return Compute(op, args);
  }
  if (args.size() == 2 && ChangesNothing(op, args[1])) return args[0];
  if (op == MicroOp::kMul && IsNumber(args[0], 1)) return args[1];
  if (op == MicroOp::kPow) {
    const MicroOperand x = args[0], exponent = args[1];
    if (IsNumber(exponent, 0)) return Number(1);
    if (IsNumber(exponent, -1)) return Emit(MicroOp::kReciprocal, {x});
    if (IsNumber(exponent, 2)) return Emit(MicroOp::kMul, {x, x});
    if (IsNumber(exponent, 3)) return Emit(MicroOp::kMul, {Emit(MicroOp::kMul, {x, x}), x});
  }
  MicroInstruction instruction{op, {}};
  std::copy(args.begin(), args.end(), instruction.args.begin());
  auto known = std::find_if(instructions_.begin(), instructions_.end(),
                            [&](const MicroInstruction& i) { return Same(i, instruction); });
  const int index = static_cast<int>(known - instructions_.begin());
  if (known == instructions_.end()) instructions_.push_back(instruction);
  return {MicroOperand::kResult, index, 0};
}

ElementwiseProgram ElementwiseWriter::Finish(absl::Span<const MicroOperand> results) const {
  Rewriter rewriter(instructions_, results);
  std::vector<MicroInstruction> joined = instructions_;
  for (size_t i = 0; i < joined.size(); ++i) {
    if (rewriter.uses[i] > 0) rewriter.JoinMulAdd(&joined[i]);
  }
  ElementwiseProgram program;
  std::vector<int> place(joined.size(), -1);
  auto moved = [&](MicroOperand o) {
    if (o.kind == MicroOperand::kResult) o.index = place[o.index];
    return o;
  };
  for (size_t i = 0; i < joined.size(); ++i) {
    if (rewriter.uses[i] == 0 || rewriter.absorbed[i]) continue;
    for (MicroOperand& o : joined[i].args) o = moved(o);
    place[i] = static_cast<int>(program.instructions.size());
    program.instructions.push_back(joined[i]);
  }
  for (const MicroOperand& o : results) program.results.push_back(moved(o));
  return program;
}

bool ElementwiseWriter::IsTruth(const MicroOperand& operand) const {
  if (IsNumber(operand)) return operand.number == 0 || operand.number == 1;
  if (operand.kind != MicroOperand::kResult) return false;
  const MicroOp op = instructions_[operand.index].op;
  return op == MicroOp::kNot || (op >= MicroOp::kEq && op <= MicroOp::kXor);
}

Elem Apply(MicroOp op, absl::Span<const Elem> args) {
  ElementwiseWriter* writer = nullptr;
  std::vector<MicroOperand> operands;
  for (const Elem& e : args) {
    if (e.writer != nullptr) writer = e.writer;
    operands.push_back(e.operand);
  }
  ATH_CHECK(static_cast<int>(operands.size()) == MicroArity(op));
  if (writer != nullptr) return Elem(writer, writer->Emit(op, operands));
  return Elem(nullptr, Compute(op, operands));
}

absl::Status LowerElementwise(const OpDef& def, LowerContext& c) {
  ElementwiseWriter writer;
  std::vector<BufferId> inputs, outputs;  // an operand that is given twice is read once
  std::vector<Elem> elems;
  for (int i = 0; i < c.num_inputs(); ++i) {
    if (!c.HasInput(i)) {
      elems.push_back(0);
      continue;
    }
    const auto known = std::find(inputs.begin(), inputs.end(), c.Input(i));
    const int index = static_cast<int>(known - inputs.begin());
    if (known == inputs.end()) inputs.push_back(c.Input(i));
    elems.push_back(Elem(&writer, {MicroOperand::kInput, index, 0}));
  }
  const std::vector<Elem> values = def.elementwise(c.node(), elems);
  ATH_CHECK(static_cast<int>(values.size()) >= c.num_outputs());
  std::vector<MicroOperand> results;
  for (int i = 0; i < c.num_outputs(); ++i) {
    if (!c.HasOutput(i)) continue;
    results.push_back(values[i].operand);
    outputs.push_back(c.Output(i));
  }
  const ElementwiseProgram program = writer.Finish(results);
  absl::Status fits = program.Check(static_cast<int>(inputs.size()));
  if (!fits.ok()) return c.Error(ErrorClass::kLimit, "%s", fits.message());
  c.Emit("elementwise", std::move(inputs), std::move(outputs), {{"program", program.ToString()}});
  return absl::OkStatus();
}

}  // namespace athanor
