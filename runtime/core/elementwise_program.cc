#include "runtime/core/elementwise_program.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace athanor {
namespace {

struct MicroOpInfo {
  const char* name;
  int arity;
};

// In the order of MicroOp.
constexpr MicroOpInfo kMicroOps[] = {
    {"neg", 1},   {"abs", 1},  {"sign", 1}, {"sqrt", 1},     {"reciprocal", 1}, {"exp", 1},   {"expm1", 1},
    {"log", 1},   {"log1p", 1}, {"tanh", 1}, {"logistic", 1}, {"erf", 1},        {"sin", 1},   {"cos", 1},
    {"floor", 1}, {"ceil", 1}, {"round", 1}, {"not", 1},      {"add", 2},        {"sub", 2},   {"mul", 2},
    {"div", 2},   {"pow", 2},  {"min", 2},  {"max", 2},      {"eq", 2},         {"ne", 2},    {"lt", 2},
    {"le", 2},    {"gt", 2},   {"ge", 2},   {"and", 2},      {"or", 2},         {"xor", 2},   {"select", 3},
    {"mul_add", 3}};
static_assert(std::size(kMicroOps) == static_cast<size_t>(MicroOp::kMulAdd) + 1);

bool IsMicroOp(MicroOp op) { return static_cast<size_t>(op) < std::size(kMicroOps); }

// The fewest digits that read back the same float.
std::string NumberToString(float v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  std::string text;
  for (int digits = 6; digits <= 9; ++digits) {
    text = absl::StrFormat("%.*g", digits, v);
    float back;
    if (absl::SimpleAtof(text, &back) && back == v) break;
  }
  return text;
}

std::string OperandToString(const MicroOperand& o) {
  switch (o.kind) {
    case MicroOperand::kInput:
      return absl::StrCat("x", o.index);
    case MicroOperand::kResult:
      return absl::StrCat("t", o.index);
    default:
      return NumberToString(o.number);
  }
}

bool ParseOperand(absl::string_view text, MicroOperand* o) {
  if (text.empty()) return false;
  if (text[0] != 'x' && text[0] != 't') {
    o->kind = MicroOperand::kNumber;
    return absl::SimpleAtof(text, &o->number);
  }
  o->kind = text[0] == 'x' ? MicroOperand::kInput : MicroOperand::kResult;
  const bool digits = std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && absl::SimpleAtoi(text.substr(1), &o->index);
}

absl::Status ParseInstruction(absl::string_view text, MicroInstruction* instruction) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  auto error = [&](absl::string_view what) {
    return MakeError(ErrorClass::kFormat, "elementwise program: \"%s\": %s", text, what);
  };
  if (words.empty()) return error("is no instruction");
  const auto* info = std::find_if(std::begin(kMicroOps), std::end(kMicroOps),
                                  [&](const MicroOpInfo& i) { return words[0] == i.name; });
  if (info == std::end(kMicroOps)) return error(absl::StrCat("no operation \"", words[0], "\""));
  instruction->op = static_cast<MicroOp>(info - std::begin(kMicroOps));
  const int args = static_cast<int>(words.size()) - 1;
  if (args != info->arity) return error(absl::StrCat("has ", args, " operands, takes ", info->arity));
  for (int i = 0; i < args; ++i) {
    if (!ParseOperand(words[i + 1], &instruction->args[i])) {
      return error(absl::StrCat("\"", words[i + 1], "\" is no operand (x0, t0, a number)"));
    }
  }
  return absl::OkStatus();
}

double Sign(double x) {
  if (std::isnan(x)) return x;
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

// 1 / (1 + e^-x) without overflow.
double Logistic(double x) {
  const double e = std::exp(-std::abs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

// To nearest, ties to even, whatever the rounding mode.
double RoundEven(double x) {
  const double below = std::floor(x), rest = x - below;
  if (rest != 0.5) return std::round(x);
  return std::fmod(below, 2) == 0 ? below : below + 1;
}

double Min(double a, double b) { return std::isnan(a) || a < b ? a : b; }
double Max(double a, double b) { return std::isnan(a) || a > b ? a : b; }

double EvaluateUnary(MicroOp op, double x) {
  switch (op) {
    case MicroOp::kNeg: return -x;
    case MicroOp::kAbs: return std::abs(x);
    case MicroOp::kSign: return Sign(x);
    case MicroOp::kSqrt: return std::sqrt(x);
    case MicroOp::kReciprocal: return 1 / x;
    case MicroOp::kExp: return std::exp(x);
    case MicroOp::kExpm1: return std::expm1(x);
    case MicroOp::kLog: return std::log(x);
    case MicroOp::kLog1p: return std::log1p(x);
    case MicroOp::kTanh: return std::tanh(x);
    case MicroOp::kLogistic: return Logistic(x);
    case MicroOp::kErf: return std::erf(x);
    case MicroOp::kSin: return std::sin(x);
    case MicroOp::kCos: return std::cos(x);
    case MicroOp::kFloor: return std::floor(x);
    case MicroOp::kCeil: return std::ceil(x);
    case MicroOp::kRound: return RoundEven(x);
    case MicroOp::kNot: return x == 0;
    default: ATH_CHECK(false);
  }
  return 0;
}

double EvaluateBinary(MicroOp op, double a, double b) {
  switch (op) {
    case MicroOp::kAdd: return a + b;
    case MicroOp::kSub: return a - b;
    case MicroOp::kMul: return a * b;
    case MicroOp::kDiv: return a / b;
    case MicroOp::kPow: return std::pow(a, b);
    case MicroOp::kMin: return std::isnan(b) ? b : Min(a, b);
    case MicroOp::kMax: return std::isnan(b) ? b : Max(a, b);
    case MicroOp::kEq: return a == b;
    case MicroOp::kNe: return a != b;
    case MicroOp::kLt: return a < b;
    case MicroOp::kLe: return a <= b;
    case MicroOp::kGt: return a > b;
    case MicroOp::kGe: return a >= b;
    case MicroOp::kAnd: return a != 0 && b != 0;
    case MicroOp::kOr: return a != 0 || b != 0;
    case MicroOp::kXor: return (a != 0) != (b != 0);
    default: ATH_CHECK(false);
  }
  return 0;
}

// `as` rounds what an instruction gives.
template <typename As>
void EvaluateAs(const ElementwiseProgram& program, absl::Span<const double> inputs, absl::Span<double> results,
                const As& as) {
  std::vector<double> values;
  values.reserve(program.instructions.size());
  auto value = [&](const MicroOperand& o) {
    if (o.kind == MicroOperand::kNumber) return static_cast<double>(o.number);
    return o.kind == MicroOperand::kInput ? inputs[o.index] : values[o.index];
  };
  for (const MicroInstruction& instruction : program.instructions) {
    double args[3] = {};
    for (int i = 0; i < MicroArity(instruction.op); ++i) args[i] = value(instruction.args[i]);
    values.push_back(as(EvaluateMicroOp(instruction.op, args)));
  }
  for (size_t i = 0; i < program.results.size(); ++i) results[i] = value(program.results[i]);
}

}  // namespace

absl::string_view MicroOpName(MicroOp op) {
  ATH_CHECK(IsMicroOp(op));
  return kMicroOps[static_cast<size_t>(op)].name;
}

int MicroArity(MicroOp op) {
  ATH_CHECK(IsMicroOp(op));
  return kMicroOps[static_cast<size_t>(op)].arity;
}

double EvaluateMicroOp(MicroOp op, const double* args) {
  if (op == MicroOp::kSelect) return args[0] != 0 ? args[1] : args[2];
  if (op == MicroOp::kMulAdd) return args[0] * args[1] + args[2];
  return MicroArity(op) == 1 ? EvaluateUnary(op, args[0]) : EvaluateBinary(op, args[0], args[1]);
}

std::string ElementwiseProgram::ToString() const {
  std::string text;
  for (const MicroInstruction& instruction : instructions) {
    if (!text.empty()) text += "; ";
    absl::StrAppend(&text, MicroOpName(instruction.op));
    for (int i = 0; i < MicroArity(instruction.op); ++i) {
      absl::StrAppend(&text, " ", OperandToString(instruction.args[i]));
    }
  }
  text += text.empty() ? "->" : " ->";
  for (size_t i = 0; i < results.size(); ++i) absl::StrAppend(&text, i == 0 ? " " : ", ", OperandToString(results[i]));
  return text;
}

absl::StatusOr<ElementwiseProgram> ElementwiseProgram::Parse(absl::string_view text) {
  const size_t arrow = text.find("->");
  if (arrow == text.npos) return MakeError(ErrorClass::kFormat, "elementwise program: no \"->\" in \"%s\"", text);
  ElementwiseProgram program;
  const absl::string_view code = text.substr(0, arrow), ends = text.substr(arrow + 2);
  if (code.find_first_not_of(' ') != code.npos) {
    for (absl::string_view item : absl::StrSplit(code, ';')) {
      ATH_RETURN_IF_ERROR(ParseInstruction(item, &program.instructions.emplace_back()));
    }
  }
  for (absl::string_view item : absl::StrSplit(ends, ',')) {
    if (!ParseOperand(absl::StripAsciiWhitespace(item), &program.results.emplace_back())) {
      return MakeError(ErrorClass::kFormat, "elementwise program: the result \"%s\" is no operand (x0, t0, a number)",
                       item);
    }
  }
  ATH_RETURN_IF_ERROR(program.Check(kMaxInputs));
  return program;
}

absl::Status ElementwiseProgram::Check(int num_inputs) const {
  auto limit = [](size_t n, int max, const char* what) -> absl::Status {
    if (n <= static_cast<size_t>(max)) return absl::OkStatus();
    return MakeError(ErrorClass::kFormat, "elementwise program: %d %s, the limit is %d", n, what, max);
  };
  ATH_RETURN_IF_ERROR(limit(instructions.size(), kMaxInstructions, "instructions"));
  ATH_RETURN_IF_ERROR(limit(num_inputs, kMaxInputs, "operands"));
  ATH_RETURN_IF_ERROR(limit(results.size(), kMaxResults, "results"));
  if (results.empty()) return MakeError(ErrorClass::kFormat, "elementwise program: nothing comes out");
  auto check = [&](const MicroOperand& o, size_t before, const std::string& where) -> absl::Status {
    const size_t end = o.kind == MicroOperand::kInput ? num_inputs : before;
    if (o.kind == MicroOperand::kNumber || (o.index >= 0 && static_cast<size_t>(o.index) < end)) {
      return absl::OkStatus();
    }
    return MakeError(ErrorClass::kFormat, "elementwise program: %s reads %s, and there are %d", where,
                     OperandToString(o), end);
  };
  for (size_t i = 0; i < instructions.size(); ++i) {
    if (!IsMicroOp(instructions[i].op)) {
      return MakeError(ErrorClass::kFormat, "elementwise program: instruction %d is unknown", i);
    }
    for (int k = 0; k < MicroArity(instructions[i].op); ++k) {
      ATH_RETURN_IF_ERROR(check(instructions[i].args[k], i, absl::StrCat("instruction ", i)));
    }
  }
  for (size_t i = 0; i < results.size(); ++i) {
    ATH_RETURN_IF_ERROR(check(results[i], instructions.size(), absl::StrCat("result ", i)));
  }
  return absl::OkStatus();
}

void ElementwiseProgram::Evaluate(absl::Span<const double> inputs, absl::Span<double> results) const {
  EvaluateAs(*this, inputs, results, [](double v) { return v; });
}

bool ElementwiseProgram::MapsZerosToZeros() const {
  const double zeros[kMaxInputs] = {};
  std::vector<double> out(results.size());
  EvaluateAs(*this, zeros, absl::MakeSpan(out), [](double v) { return static_cast<double>(static_cast<float>(v)); });
  return std::all_of(out.begin(), out.end(), [](double v) { return v == 0; });
}

}  // namespace athanor
