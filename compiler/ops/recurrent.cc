// RNN, LSTM and GRU: one recurrent layer in one or two directions, and their gradients through time. Several layers are
// a stack of them (compiler/builder/recurrent.h).
#include "compiler/ops/recurrent.h"

#include <algorithm>

#include "compiler/ops/not_empty.h"
#include "runtime/core/checked.h"

namespace athanor {
namespace recurrent {

Cell CellOf(const OpContext& c) {
  const std::string& op = c.node().op;
  if (op == "LSTM" || op == "LSTMGrad") return Cell::kLstm;
  if (op == "GRU" || op == "GRUGrad") return c.attrs().Bool("linear_before_reset") ? Cell::kLbrGru : Cell::kGru;
  return c.attrs().String("nonlinearity") == "relu" ? Cell::kRelu : Cell::kTanh;
}

bool Reversed(const OpContext& c, int64_t d) { return d == 1 || c.attrs().String("direction") == "reverse"; }

}  // namespace recurrent

namespace {

using namespace recurrent;  // NOLINT: this file is a part of it

int64_t Directions(const OpContext& c) { return c.attrs().String("direction") == "bidirectional" ? 2 : 1; }

// Types of the operands, by x and weight_hh.
struct Types {
  TensorType weight_ih, bias, lengths, state, y, workspace;
};

// oneDNN counts the elements of a matrix in 32 bits.
absl::Status CheckLimits(const InferContext& c, int64_t hidden) {
  static constexpr int64_t kLimit = int64_t{1} << 31;
  const TensorType& x = c.Input(kX);
  auto size = [&](int d) { return x.dims[d].symbolic() ? int64_t{1} : x.dims[d].size; };
  const int64_t wide = std::max(hidden, size(2));
  auto fits = [](int64_t a, int64_t b) { return CheckedMul(a, b).value_or(kLimit) < kLimit; };
  if (std::max({size(0), size(1), wide}) < kLimit / 8 && fits(size(0), size(1)) && fits(5 * wide, size(1)) &&
      fits(5 * wide, hidden)) {
    return absl::OkStatus();
  }
  return c.Error(ErrorClass::kLimit,
                 "input \"x\" is %s with %d hidden units: expected T N, 5 N max(C, H) and 5 H max(C, H) below 2^31",
                 x.ToString(), hidden);
}

// Checks x and weight_hh.
absl::StatusOr<Types> OperandTypes(const InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, kX, "x"));
  ATH_RETURN_IF_ERROR(c.CheckRank(kX, "x", 3, 3));
  ATH_RETURN_IF_ERROR(c.Known(kX, 2, "x").status());
  ATH_RETURN_IF_ERROR(CheckNumbers(c, kWeightHh, "weight_hh"));
  ATH_RETURN_IF_ERROR(c.CheckRank(kWeightHh, "weight_hh", 3, 3));
  for (int d : {0, 1}) ATH_RETURN_IF_ERROR(c.Known(kWeightHh, d, "weight_hh").status());
  ATH_ASSIGN_OR_RETURN(int64_t hidden, c.Known(kWeightHh, 2, "weight_hh"));
  ATH_RETURN_IF_ERROR(CheckLimits(c, hidden));
  const TensorType& x = c.Input(kX);
  const int64_t directions = Directions(c), gates = GatesOf(CellOf(c)), rows = gates * hidden;
  if (c.Input(kWeightHh).dims[0] != Dim(directions) || c.Input(kWeightHh).dims[1] != Dim(rows)) {
    return c.Error(ErrorClass::kShape,
                   "input \"weight_hh\" is %s, expected [%d,%d,%d]: %d direction%s, %d gate%s of %d",
                   c.Input(kWeightHh).ToString(), directions, rows, hidden, directions, directions == 1 ? "" : "s",
                   gates, gates == 1 ? "" : "s", hidden);
  }
  Types t;
  t.weight_ih = {x.dtype, {directions, rows, x.dims[2]}};
  t.bias = {x.dtype, {directions, rows}};
  t.lengths = {DType::kS32, {x.dims[1]}};
  t.state = {x.dtype, {directions, x.dims[1], hidden}};
  t.y = {x.dtype, {x.dims[0], x.dims[1], directions * hidden}};
  // Its size in bytes is the kernel's affair; the type only says that there is one.
  t.workspace = {DType::kU8, {x.dims[0], x.dims[1], directions * hidden}};
  return t;
}

absl::Status CheckOptional(const InferContext& c, int i, const char* what, const TensorType& type, const char* like) {
  return c.HasInput(i) ? CheckSameType(c, i, what, type, like) : absl::OkStatus();
}

// The inputs that the operators and their gradients share.
absl::StatusOr<Types> CheckShared(const InferContext& c) {
  ATH_ASSIGN_OR_RETURN(Types t, OperandTypes(c));
  ATH_RETURN_IF_ERROR(CheckSameType(c, kWeightHh, "weight_hh", {c.Input(kX).dtype, c.Input(kWeightHh).dims}, "x"));
  ATH_RETURN_IF_ERROR(CheckSameType(c, kWeightIh, "weight_ih", t.weight_ih, "weight_hh and the last dimension of x"));
  ATH_RETURN_IF_ERROR(CheckOptional(c, kBiasIh, "bias_ih", t.bias, "the rows of weight_hh"));
  ATH_RETURN_IF_ERROR(CheckOptional(c, kBiasHh, "bias_hh", t.bias, "the rows of weight_hh"));
  ATH_RETURN_IF_ERROR(CheckOptional(c, kLengths, "lengths", t.lengths, "the batch, dimension 1 of x"));
  ATH_RETURN_IF_ERROR(CheckOptional(c, kH0, "h0", t.state, "the state of x and weight_hh"));
  if (IsLstm(c)) ATH_RETURN_IF_ERROR(CheckOptional(c, kC0, "c0", t.state, "the state of x and weight_hh"));
  return t;
}

absl::Status Infer(InferContext& c) {
  ATH_ASSIGN_OR_RETURN(Types t, CheckShared(c));
  c.SetOutput(kY, t.y);
  c.SetOutput(kHN, t.state);
  if (IsLstm(c)) c.SetOutput(kCN, t.state);
  c.SetOutput(WorkspaceOutput(c), t.workspace);
  return absl::OkStatus();
}

absl::Status InferGrad(InferContext& c) {
  ATH_ASSIGN_OR_RETURN(Types t, CheckShared(c));
  const char* like = "the forward operator's";
  ATH_RETURN_IF_ERROR(CheckSameType(c, GradInput(c, kSavedY), "y", t.y, like));
  ATH_RETURN_IF_ERROR(CheckSameType(c, GradInput(c, kSavedWorkspace), "workspace", t.workspace, like));
  ATH_RETURN_IF_ERROR(CheckOptional(c, GradInput(c, kDy), "dy", t.y, "y"));
  ATH_RETURN_IF_ERROR(CheckOptional(c, GradInput(c, kDhN), "dh_n", t.state, "the state of x and weight_hh"));
  if (IsLstm(c)) {
    ATH_RETURN_IF_ERROR(CheckOptional(c, GradInput(c, kDcN), "dc_n", t.state, "the state of x and weight_hh"));
  }
  c.SetOutput(kDx, c.Input(kX));
  c.SetOutput(kDWeightIh, t.weight_ih);
  c.SetOutput(kDWeightHh, c.Input(kWeightHh));
  for (int i : {kDBiasIh, kDBiasHh}) c.SetOutput(i, t.bias);
  c.SetOutput(kDh0, t.state);
  if (IsLstm(c)) c.SetOutput(kDc0, t.state);
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  const int workspace = WorkspaceOutput(c), shared = GradInput(c, 0);
  if (!c.HasOutput(workspace)) return c.Error(ErrorClass::kGraph, "its gradient needs the output \"workspace\"");
  std::vector<ValueId> inputs;
  for (int i = 0; i < shared; ++i) inputs.push_back(c.HasInput(i) ? c.Input(i) : kNoValue);
  inputs.push_back(c.Output(kY));
  inputs.push_back(c.Output(workspace));
  for (int i = 0; i < workspace; ++i) inputs.push_back(c.OutputGrad(i));
  ATH_ASSIGN_OR_RETURN(std::vector<ValueId> grads,
                       c.EmitMulti(c.node().op + "Grad", std::move(inputs), c.attrs(), IsLstm(c) ? kDc0 + 1 : kDc0));
  static constexpr std::pair<int, int> kGradients[] = {{kX, kDx},           {kWeightIh, kDWeightIh},
                                                       {kWeightHh, kDWeightHh}, {kBiasIh, kDBiasIh},
                                                       {kBiasHh, kDBiasHh}, {kH0, kDh0},
                                                       {kC0, kDc0}};
  for (auto [input, grad] : kGradients) {
    if (c.NeedsGrad(input)) c.SetInputGrad(input, grads[grad]);
  }
  return absl::OkStatus();
}

Attributes KernelAttributes(const LowerContext& c) {
  static constexpr const char* kNames[] = {"tanh", "relu", "lstm", "gru", "lbr_gru"};
  return {{"cell", std::string(kNames[static_cast<int>(CellOf(c))])},
          {"reverse", c.attrs().String("direction") == "reverse"}};
}

// Appends the inputs, and the names of the optional ones that are there.
void TakeInputs(const LowerContext& c, int first, std::initializer_list<const char*> names,
                std::vector<BufferId>* inputs, Strings* operands) {
  int i = first;
  for (const char* name : names) {
    inputs->push_back(c.Input(i));
    if (c.HasInput(i)) operands->push_back(name);
    ++i;
  }
}

BufferId OutputOrTemporary(LowerContext& c, int i, const char* name, const Shape& dims) {
  return c.HasOutput(i) ? c.Output(i) : c.Temporary(name, DType::kF32, dims);
}

void TakeShared(const LowerContext& c, std::vector<BufferId>* inputs, Strings* operands) {
  *inputs = {c.Input(kX), c.Input(kWeightIh), c.Input(kWeightHh)};
  TakeInputs(c, kBiasIh, {"bias_ih", "bias_hh", "lengths", "h0"}, inputs, operands);
  if (IsLstm(c)) TakeInputs(c, kC0, {"c0"}, inputs, operands);
}

Shape StateShape(const LowerContext& c) {
  const Shape hh = c.InputShape(kWeightHh);
  return {hh[0], c.InputShape(kX)[1], hh[2]};
}

// Kernel "rnn".
absl::Status Lower(LowerContext& c) {
  std::vector<BufferId> inputs;
  Strings operands;
  TakeShared(c, &inputs, &operands);
  std::vector<BufferId> outputs = {c.Output(kY), OutputOrTemporary(c, kHN, "h_n", StateShape(c))};
  if (IsLstm(c)) outputs.push_back(OutputOrTemporary(c, kCN, "c_n", StateShape(c)));
  const bool training = c.HasOutput(WorkspaceOutput(c));
  if (training) outputs.push_back(c.Output(WorkspaceOutput(c)));
  Attributes attrs = KernelAttributes(c);
  attrs.Set("training", training);
  attrs.Set("operands", AttrValue(operands));
  c.Emit("rnn", std::move(inputs), std::move(outputs), std::move(attrs));
  return absl::OkStatus();
}

// Kernel "rnn_backward".
absl::Status LowerGrad(LowerContext& c) {
  std::vector<BufferId> inputs;
  Strings operands;
  TakeShared(c, &inputs, &operands);
  for (int i : {kSavedY, kSavedWorkspace}) inputs.push_back(c.Input(GradInput(c, i)));
  TakeInputs(c, GradInput(c, kDy), {"dy", "dh_n"}, &inputs, &operands);
  if (IsLstm(c)) TakeInputs(c, GradInput(c, kDcN), {"dc_n"}, &inputs, &operands);
  const Shape weight_hh = c.InputShape(kWeightHh), bias = {weight_hh[0], weight_hh[1]};
  std::vector<BufferId> outputs = {OutputOrTemporary(c, kDx, "dx", c.InputShape(kX)),
                                   OutputOrTemporary(c, kDWeightIh, "dweight_ih", c.InputShape(kWeightIh)),
                                   OutputOrTemporary(c, kDWeightHh, "dweight_hh", weight_hh),
                                   OutputOrTemporary(c, kDBiasIh, "dbias_ih", bias),
                                   OutputOrTemporary(c, kDBiasHh, "dbias_hh", bias),
                                   OutputOrTemporary(c, kDh0, "dh0", StateShape(c))};
  if (IsLstm(c)) outputs.push_back(OutputOrTemporary(c, kDc0, "dc0", StateShape(c)));
  Attributes attrs = KernelAttributes(c);
  attrs.Set("operands", AttrValue(operands));
  c.Emit("rnn_backward", std::move(inputs), std::move(outputs), std::move(attrs));
  return absl::OkStatus();
}

constexpr char kShared[] =
    " One direction or two (D), whose states stand beside each other in y; the reverse one starts at the last step. "
    "With lengths, sequence n has lengths[n] steps, as torch's packed sequences: y is 0 behind them, x is not read "
    "there, the final state is that at the end, and the reverse direction starts there. A length of 0, which torch "
    "refuses, leaves the initial state. Absent biases and states are zeros.";

std::vector<PortDef> SharedInputs(const char* gates, bool lstm) {
  const std::string rows = std::string(gates) + "H";
  std::vector<PortDef> ports = {
      {"x", "f32[T,N,C]: T steps of N sequences"},
      {"weight_ih", "f32[D," + rows + ",C]"},
      {"weight_hh", "f32[D," + rows + ",H]"},
      {.name = "bias_ih", .doc = "f32[D," + rows + "]", .optional = true},
      {.name = "bias_hh", .doc = "f32[D," + rows + "]", .optional = true},
      {.name = "lengths", .doc = "s32[N], each in [0, T]: steps of a sequence; absent: T", .optional = true},
      {.name = "h0", .doc = "f32[D,N,H]: the initial state", .optional = true}};
  if (lstm) ports.push_back({.name = "c0", .doc = "f32[D,N,H]: the initial cell state", .optional = true});
  return ports;
}

std::vector<AttrDef> WithDirection(std::vector<AttrDef> own) {
  own.insert(own.begin(), {.name = "direction",
                           .type = AttrType::kString,
                           .doc = "forward, reverse, or bidirectional: two directions",
                           .default_value = std::string("forward"),
                           .choices = {"forward", "reverse", "bidirectional"}});
  return own;
}

OpDef ForwardDef(const std::string& name, std::string formula, const char* gates, std::vector<AttrDef> own) {
  const bool lstm = name == "LSTM";
  OpDef def;
  def.name = name;
  def.doc = std::move(formula) + kShared;
  def.inputs = SharedInputs(gates, lstm);
  def.outputs = {{"y", "f32[T,N,D*H]: h of each step"},
                 {.name = "h_n", .doc = "f32[D,N,H]: the final state", .optional = true}};
  if (lstm) def.outputs.push_back({.name = "c_n", .doc = "f32[D,N,H]: the final cell state", .optional = true});
  def.outputs.push_back({.name = "workspace", .doc = "u8, opaque: for the gradient", .optional = true});
  def.attributes = WithDirection(std::move(own));
  def.infer = Infer;
  def.gradient = Gradient;
  def.kernels = "rnn";
  def.lower = Lower;
  def.reference = Reference;
  def.traits.gradient_outputs = {static_cast<int>(def.outputs.size()) - 1};
  return def;
}

OpDef GradDef(const std::string& name, const char* gates, std::vector<AttrDef> own) {
  const bool lstm = name == "LSTM";
  OpDef def;
  def.name = name + "Grad";
  def.doc = "The gradients of " + name + " by all its inputs, through time; absent gradients of its outputs are zeros.";
  def.inputs = SharedInputs(gates, lstm);
  def.inputs.insert(def.inputs.end(), {{"y", "f32[T,N,D*H]: the forward operator's"},
                                       {"workspace", "u8: the forward operator's"},
                                       {.name = "dy", .doc = "f32[T,N,D*H]", .optional = true},
                                       {.name = "dh_n", .doc = "f32[D,N,H]", .optional = true}});
  if (lstm) def.inputs.push_back({.name = "dc_n", .doc = "f32[D,N,H]", .optional = true});
  for (const char* input : {"x", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "h0", "c0"}) {
    if (!lstm && std::string(input) == "c0") break;
    def.outputs.push_back({.name = std::string("d") + input, .doc = std::string("like ") + input, .optional = true});
  }
  def.attributes = WithDirection(std::move(own));
  def.infer = InferGrad;
  def.kernels = "rnn_backward";
  def.lower = LowerGrad;
  def.reference = GradReference;
  return def;
}

AttrDef NonlinearityAttr() {
  return {.name = "nonlinearity",
          .type = AttrType::kString,
          .doc = "f: tanh or relu",
          .default_value = std::string("tanh"),
          .choices = {"tanh", "relu"}};
}

AttrDef LinearBeforeResetAttr() {
  return {.name = "linear_before_reset",
          .type = AttrType::kBool,
          .doc = "true: r W_hn h, as torch.nn.GRU and cuDNN have it; false: W_hn (r h), as first published",
          .default_value = true};
}

constexpr char kRnnDoc[] =
    "h = f(W_ih x + b_ih + W_hh h + b_hh) at each step, a simple recurrent network (Elman 1990), as torch.nn.RNN.";
constexpr char kLstmDoc[] =
    "c = s(f) c + s(i) tanh(g), h = s(o) tanh(c), where [i,f,g,o] = W_ih x + b_ih + W_hh h + b_hh and s is the "
    "logistic function: long short-term memory (Hochreiter, Schmidhuber 1997) as torch.nn.LSTM.";
constexpr char kGruDoc[] =
    "h = (1 - z) n + z h with r, z = s(W_ih x + b_ih + W_hh h + b_hh), s the logistic function, and n = tanh(W_in x + "
    "b_in + r (W_hn h + b_hn)), or, with linear_before_reset = false, tanh(W_in x + b_in + W_hn (r h) + b_hn): gated "
    "recurrent unit (Cho et al. 2014) as torch.nn.GRU and ONNX's GRU, rows in the order r, z, n.";

ATH_REGISTER_OP(ForwardDef("RNN", kRnnDoc, "", {NonlinearityAttr()}));
ATH_REGISTER_OP(GradDef("RNN", "", {NonlinearityAttr()}));
ATH_REGISTER_OP(ForwardDef("LSTM", kLstmDoc, "4*", {}));
ATH_REGISTER_OP(GradDef("LSTM", "4*", {}));
ATH_REGISTER_OP(ForwardDef("GRU", kGruDoc, "3*", {LinearBeforeResetAttr()}));
ATH_REGISTER_OP(GradDef("GRU", "3*", {LinearBeforeResetAttr()}));

}  // namespace
}  // namespace athanor
