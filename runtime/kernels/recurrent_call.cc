#include "runtime/kernels/recurrent_call.h"

#include <algorithm>

#include "runtime/kernels/post_op_operands.h"

namespace athanor {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 31;  // oneDNN counts elements of a matrix in 32 bits

absl::Status ReadCell(const CallSpec& spec, RecurrentCall* c) {
  static constexpr std::pair<const char*, RecurrentCell> kCells[] = {{"tanh", RecurrentCell::kTanh},
                                                                     {"relu", RecurrentCell::kRelu},
                                                                     {"lstm", RecurrentCell::kLstm},
                                                                     {"gru", RecurrentCell::kGru},
                                                                     {"lbr_gru", RecurrentCell::kLbrGru}};
  std::string name;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "cell", &name));
  for (const auto& [known, cell] : kCells) {
    if (name != known) continue;
    c->cell = cell;
    return absl::OkStatus();
  }
  return CallError(spec, "unknown cell \"%s\"", name);
}

// Gives the operands their places.
absl::Status PlaceOperands(const CallSpec& spec, RecurrentCall* c) {
  Strings operands;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "operands", &operands));
  int next = 0;
  size_t found = 0;
  auto required = [&](int* place) { *place = next++; };
  auto optional = [&](const char* name, int* place) {
    if (std::find(operands.begin(), operands.end(), name) == operands.end()) return;
    *place = next++;
    ++found;
  };
  required(&c->x), required(&c->weight_ih), required(&c->weight_hh);
  optional("bias_ih", &c->bias_ih), optional("bias_hh", &c->bias_hh), optional("lengths", &c->lengths);
  optional("h0", &c->h0);
  if (c->lstm()) optional("c0", &c->c0);
  if (c->backward) {
    required(&c->y), required(&c->workspace);
    optional("dy", &c->dy), optional("dh_n", &c->dh_n);
    if (c->lstm()) optional("dc_n", &c->dc_n);
  }
  if (found != operands.size()) {
    return CallError(spec, "operands %s are not all known, or given twice", AttrToString(operands));
  }
  if (c->backward) return CheckOperands(spec, next, c->lstm() ? 7 : 6);
  int outputs = 2;
  c->y = 0, c->h_n = 1;
  if (c->lstm()) c->c_n = outputs++;
  if (c->keeps_workspace) c->workspace = outputs++;
  return CheckOperands(spec, next, outputs);
}

absl::Status CheckSizes(const CallSpec& spec, RecurrentCall* c) {
  const Shape &x = spec.inputs[c->x].dims, &w = spec.inputs[c->weight_hh].dims;
  if (x.size() != 3 || w.size() != 3) {
    return CallError(spec, "x %s and weight_hh %s are not of rank 3", ShapeToString(x), ShapeToString(w));
  }
  c->steps = x[0], c->batch = x[1], c->inputs = x[2], c->directions = w[0], c->hidden = w[2];
  auto fits = [](int64_t a, int64_t b) { return CheckedMul(a, b).value_or(kMaxSize) < kMaxSize; };
  const int64_t wide = std::max(c->hidden, c->inputs);
  for (int64_t size : {c->steps, c->batch, c->inputs, c->hidden}) {
    if (size < 1 || size >= kMaxSize / 8) return CallError(spec, "a dimension of %s is out of range", ShapeToString(x));
  }
  if (!fits(c->steps, c->batch) || !fits(c->batch, 5 * wide) || !fits(wide, 5 * c->hidden)) {
    return CallError(spec, "x %s with %d hidden units is too large", ShapeToString(x), c->hidden);
  }
  if (c->directions != 1 && (c->directions != 2 || c->reverse)) {
    return CallError(spec, "has %d directions, reverse = %d", c->directions, c->reverse);
  }
  return absl::OkStatus();
}

// Inputs and outputs against the sizes; the workspace is settled apart.
absl::Status CheckShapes(const CallSpec& spec, const RecurrentCall& c) {
  const int64_t rows = c.gates() * c.hidden, d = c.directions;
  const Shape state = {d, c.batch, c.hidden}, y = {c.steps, c.batch, c.row()}, bias = {d, rows};
  const Shape weight_ih = {d, rows, c.inputs}, weight_hh = {d, rows, c.hidden};
  auto check = [&](absl::string_view name, const std::vector<MemoryDesc>& operands, int i, const Shape& dims,
                   DType dtype = DType::kF32) -> absl::Status {
    return i < 0 ? absl::OkStatus() : CheckOperand(spec, name, operands[i], dims, dtype);
  };
  const auto& in = spec.inputs;
  const auto& out = spec.outputs;
  ATH_RETURN_IF_ERROR(check("x", in, c.x, in[c.x].dims));
  ATH_RETURN_IF_ERROR(check("weight_ih", in, c.weight_ih, weight_ih));
  ATH_RETURN_IF_ERROR(check("weight_hh", in, c.weight_hh, weight_hh));
  ATH_RETURN_IF_ERROR(check("bias_ih", in, c.bias_ih, bias));
  ATH_RETURN_IF_ERROR(check("bias_hh", in, c.bias_hh, bias));
  ATH_RETURN_IF_ERROR(check("lengths", in, c.lengths, {c.batch}, DType::kS32));
  ATH_RETURN_IF_ERROR(check("h0", in, c.h0, state));
  ATH_RETURN_IF_ERROR(check("c0", in, c.c0, state));
  ATH_RETURN_IF_ERROR(check("y", c.backward ? in : out, c.y, y));
  const std::vector<MemoryDesc>& with_workspace = c.backward ? in : out;
  if (c.workspace >= 0 && with_workspace[c.workspace].dtype != DType::kU8) {
    return CallError(spec, "workspace is %s, expected u8", with_workspace[c.workspace].ToString());
  }
  if (!c.backward) {
    ATH_RETURN_IF_ERROR(check("h_n", out, c.h_n, state));
    return check("c_n", out, c.c_n, state);
  }
  ATH_RETURN_IF_ERROR(check("dy", in, c.dy, y));
  ATH_RETURN_IF_ERROR(check("dh_n", in, c.dh_n, state));
  ATH_RETURN_IF_ERROR(check("dc_n", in, c.dc_n, state));
  ATH_RETURN_IF_ERROR(check("dx", out, c.dx, in[c.x].dims));
  ATH_RETURN_IF_ERROR(check("dweight_ih", out, c.dweight_ih, weight_ih));
  ATH_RETURN_IF_ERROR(check("dweight_hh", out, c.dweight_hh, weight_hh));
  ATH_RETURN_IF_ERROR(check("dbias_ih", out, c.dbias_ih, bias));
  ATH_RETURN_IF_ERROR(check("dbias_hh", out, c.dbias_hh, bias));
  ATH_RETURN_IF_ERROR(check("dh0", out, c.dh0, state));
  return c.lstm() ? check("dc0", out, c.dc0, state) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<RecurrentCall> ReadRecurrent(const CallSpec& spec) {
  RecurrentCall c;
  c.backward = spec.kernel == "rnn_backward";
  c.keeps_workspace = c.backward;
  ATH_RETURN_IF_ERROR(ReadCell(spec, &c));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "reverse", &c.reverse));
  if (!c.backward) ATH_RETURN_IF_ERROR(ReadAttr(spec, "training", &c.keeps_workspace));
  ATH_RETURN_IF_ERROR(PlaceOperands(spec, &c));
  ATH_RETURN_IF_ERROR(CheckSizes(spec, &c));
  ATH_RETURN_IF_ERROR(CheckShapes(spec, c));
  return c;
}

int64_t Carver::Take(int64_t bytes, int64_t count) {
  const int64_t at = total_.value_or(0);
  std::optional<int64_t> size = CheckedMul(bytes, count);
  if (size) size = CheckedAlignUp(*size, 64);
  total_ = size && total_ ? CheckedAdd(*total_, *size) : std::nullopt;
  return at;
}

RecurrentWorkspace::RecurrentWorkspace(const RecurrentCall& call, const dnnl::memory::desc& kept_desc,
                                       Carver* carver) {
  kept_bytes = *CheckedAlignUp(static_cast<int64_t>(kept_desc.get_size()), 64);
  kept = carver->Take(kept_bytes, call.stepwise() ? call.steps : 1);
  const int64_t states = call.stepwise() ? call.steps + 1 : 1, bytes = call.state_size() * int64_t{sizeof(float)};
  h = carver->Take(bytes, states);
  if (call.lstm()) c = carver->Take(bytes, states);
}

void JoinBiases(const RecurrentCall& call, const float* bias_ih, const float* bias_hh, float* joined) {
  const int64_t gates = call.gates(), hidden = call.hidden;
  for (int64_t g = 0; g < call.biases(); ++g) {
    // The fourth of a linear-before-reset GRU is what is added to the recurrent part of its new gate.
    const int64_t from = call.TorchGate(std::min(g, gates - 1)) * hidden;
    const bool apart = call.biases() > gates && g >= gates - 1;
    const float* ih = apart && g == gates ? nullptr : bias_ih;
    const float* hh = apart && g < gates ? nullptr : bias_hh;
    for (int64_t i = 0; i < hidden; ++i) {
      joined[g * hidden + i] = (ih == nullptr ? 0 : ih[from + i]) + (hh == nullptr ? 0 : hh[from + i]);
    }
  }
}

void SplitBiasGradient(const RecurrentCall& call, const float* joined, float* dbias_ih, float* dbias_hh) {
  const int64_t gates = call.gates(), hidden = call.hidden;
  for (int64_t g = 0; g < gates; ++g) {
    const int64_t to = call.TorchGate(g) * hidden;
    const int64_t hh = g == gates - 1 ? call.biases() - 1 : g;
    std::copy_n(joined + g * hidden, hidden, dbias_ih + to);
    std::copy_n(joined + hh * hidden, hidden, dbias_hh + to);
  }
}

void CopyState(const RecurrentCall& call, const float* states, int64_t d, float* to) {
  const int64_t size = call.state_size();
  if (states == nullptr) {
    std::fill_n(to, size, 0.0f);
  } else {
    std::copy_n(states + d * size, size, to);
  }
}

void CopyRunning(const int32_t* lengths, int64_t t, int64_t rows, int64_t size, const float* from, int64_t from_stride,
                 float* to, int64_t to_stride) {
  for (int64_t n = 0; n < rows; ++n) {
    float* row = to + n * to_stride;
    if (t < lengths[n]) {
      if (row != from + n * from_stride) std::copy_n(from + n * from_stride, size, row);
    } else {
      std::fill_n(row, size, 0.0f);
    }
  }
}

void CopyEnded(const int32_t* lengths, int64_t t, int64_t rows, int64_t size, const float* from, float* to) {
  for (int64_t n = 0; n < rows; ++n) {
    if (t >= lengths[n]) std::copy_n(from + n * size, size, to + n * size);
  }
}

absl::Status CheckLengths(const std::string& name, const int32_t* lengths, int64_t batch, int64_t steps) {
  for (int64_t n = 0; n < batch; ++n) {
    if (lengths[n] >= 0 && lengths[n] <= steps) continue;
    return MakeError(ErrorClass::kIndex, "\"%s\": lengths[%d] = %d is not in [0, %d]", name, n, lengths[n], steps);
  }
  return absl::OkStatus();
}

absl::StatusOr<KernelInfo> RecurrentInfo(const CallSpec& spec, const RecurrentCall& c, const std::string& impl,
                                         const Carver& workspace, const Carver& scratch) {
  if (!workspace.total() || !scratch.total()) {
    return MakeError(ErrorClass::kLimit, "kernel %s of \"%s\": x %s with %d hidden units needs too much memory",
                     spec.kernel, spec.name, spec.inputs[c.x].ToString(), c.hidden);
  }
  CallSpec sized = spec;
  if (c.workspace >= 0) (c.backward ? sized.inputs : sized.outputs)[c.workspace].dims = {*workspace.total()};
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(sized, "rnn_" + impl));
  info.scratch_bytes = *scratch.total();
  const double cells = static_cast<double>(c.steps) * static_cast<double>(c.batch) * static_cast<double>(c.row());
  info.flops = cells * 2.0 * static_cast<double>(c.gates()) * static_cast<double>(c.inputs + c.hidden);
  if (c.backward) info.flops *= 2;
  return info;
}

}  // namespace athanor
