// The oneDNN primitives behind kernels "rnn" and "rnn_backward".
#include "runtime/kernels/recurrent_call.h"

namespace athanor {
namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
constexpr auto kFloat = dnnl::memory::data_type::f32;

dnnl::primitive_attr UserScratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

// Descriptions of the operands but the weights, in which oneDNN has freedom.
struct Operands {
  explicit Operands(const RecurrentCall& c)
      : src({c.primitive_steps(), c.batch, c.inputs}, kFloat, Tag::tnc),
        state({1, 1, c.batch, c.hidden}, kFloat, Tag::ldnc),
        bias({1, 1, c.biases(), c.hidden}, kFloat, Tag::ldgo),
        dst(Desc({c.primitive_steps(), c.batch, c.hidden}, kFloat, dnnl::memory::dims{c.y_step(), c.row(), 1})) {}
  Desc src, state, bias, dst;
};

Desc Weights(const RecurrentCall& c, int64_t width, Tag tag) {
  return Desc({1, 1, width, c.gates(), c.hidden}, kFloat, tag);
}

dnnl::rnn_direction Direction(bool reversed) {
  return reversed ? dnnl::rnn_direction::unidirectional_right2left : dnnl::rnn_direction::unidirectional_left2right;
}

dnnl::algorithm Activation(RecurrentCell cell) {
  return cell == RecurrentCell::kTanh ? dnnl::algorithm::eltwise_tanh : dnnl::algorithm::eltwise_relu;
}

using Rnn = dnnl::vanilla_rnn_forward::primitive_desc;
using RnnBackward = dnnl::vanilla_rnn_backward::primitive_desc;
using Lstm = dnnl::lstm_forward::primitive_desc;
using LstmBackward = dnnl::lstm_backward::primitive_desc;
using Gru = dnnl::gru_forward::primitive_desc;
using GruBackward = dnnl::gru_backward::primitive_desc;
using LbrGru = dnnl::lbr_gru_forward::primitive_desc;
using LbrGruBackward = dnnl::lbr_gru_backward::primitive_desc;

template <typename PD>
PD Forward(const RecurrentCall& c, bool reversed, Tag tag) {
  const Operands o(c);
  const auto kind = c.keeps_workspace ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  const auto direction = Direction(reversed);
  const Desc wl = Weights(c, c.inputs, tag), wi = Weights(c, c.hidden, tag);
  if constexpr (std::is_same_v<PD, Rnn>) {
    return PD(CpuEngine(), kind, Activation(c.cell), direction, o.src, o.state, wl, wi, o.bias, o.dst, o.state,
              UserScratchpad());
  } else if constexpr (std::is_same_v<PD, Lstm>) {
    return PD(CpuEngine(), kind, direction, o.src, o.state, o.state, wl, wi, o.bias, o.dst, o.state, o.state,
              UserScratchpad());
  } else {
    return PD(CpuEngine(), kind, direction, o.src, o.state, wl, wi, o.bias, o.dst, o.state, UserScratchpad());
  }
}

template <typename PD, typename ForwardPD>
PD Backward(const RecurrentCall& c, bool reversed) {
  const Operands o(c);
  const auto kind = dnnl::prop_kind::backward;
  const auto direction = Direction(reversed);
  const ForwardPD hint = Forward<ForwardPD>(c, reversed, Tag::any);
  const Desc wl = Weights(c, c.inputs, Tag::ldgoi), wi = Weights(c, c.hidden, Tag::ldgoi);
  const Desc dwl = Weights(c, c.inputs, Tag::any), dwi = Weights(c, c.hidden, Tag::any);
  if constexpr (std::is_same_v<PD, RnnBackward>) {
    return PD(CpuEngine(), kind, Activation(c.cell), direction, o.src, o.state, wl, wi, o.bias, o.dst, o.state, o.src,
              o.state, dwl, dwi, o.bias, o.dst, o.state, hint, UserScratchpad());
  } else if constexpr (std::is_same_v<PD, LstmBackward>) {
    return PD(CpuEngine(), kind, direction, o.src, o.state, o.state, wl, wi, o.bias, o.dst, o.state, o.state, o.src,
              o.state, o.state, dwl, dwi, o.bias, o.dst, o.state, o.state, hint, UserScratchpad());
  } else {
    return PD(CpuEngine(), kind, direction, o.src, o.state, wl, wi, o.bias, o.dst, o.state, o.src, o.state, dwl, dwi,
              o.bias, o.dst, o.state, hint, UserScratchpad());
  }
}

bool Blocked(const Desc& desc) { return desc.get_format_kind() == dnnl::memory::format_kind::blocked; }

void AddArgs(const RecurrentCall& c, RecurrentPrimitive* p) {
  const Operands o(c);
  p->args = {{DNNL_ARG_SRC_LAYER, o.src},
             {DNNL_ARG_SRC_ITER, o.state},
             {DNNL_ARG_WEIGHTS_LAYER, p->weights_layer},
             {DNNL_ARG_WEIGHTS_ITER, p->weights_iter},
             {DNNL_ARG_BIAS, o.bias},
             {DNNL_ARG_DST_LAYER, o.dst},
             {DNNL_ARG_DST_ITER, o.state},
             {DNNL_ARG_SCRATCHPAD, p->scratchpad}};
  if (c.keeps_workspace) p->args.push_back({DNNL_ARG_WORKSPACE, p->workspace});
  if (c.lstm()) p->args.insert(p->args.end(), {{DNNL_ARG_SRC_ITER_C, o.state}, {DNNL_ARG_DST_ITER_C, o.state}});
  if (!c.backward) return;
  p->args.insert(p->args.end(), {{DNNL_ARG_DIFF_SRC_LAYER, o.src},
                                 {DNNL_ARG_DIFF_SRC_ITER, o.state},
                                 {DNNL_ARG_DIFF_WEIGHTS_LAYER, p->diff_weights_layer},
                                 {DNNL_ARG_DIFF_WEIGHTS_ITER, p->diff_weights_iter},
                                 {DNNL_ARG_DIFF_BIAS, o.bias},
                                 {DNNL_ARG_DIFF_DST_LAYER, o.dst},
                                 {DNNL_ARG_DIFF_DST_ITER, o.state}});
  if (!c.lstm()) return;
  p->args.insert(p->args.end(), {{DNNL_ARG_DIFF_SRC_ITER_C, o.state}, {DNNL_ARG_DIFF_DST_ITER_C, o.state}});
}

template <typename PD>
RecurrentPrimitive Describe(const RecurrentCall& c, const PD& pd) {
  RecurrentPrimitive p;
  p.pd = pd;
  p.impl = pd.impl_info_str();
  p.weights_layer = pd.weights_layer_desc();
  p.weights_iter = pd.weights_iter_desc();
  p.scratchpad = pd.scratchpad_desc();
  if (c.keeps_workspace) p.workspace = pd.workspace_desc();
  if constexpr (requires { pd.diff_weights_layer_desc(); }) {
    p.diff_weights_layer = pd.diff_weights_layer_desc();
    p.diff_weights_iter = pd.diff_weights_iter_desc();
  }
  AddArgs(c, &p);
  return p;
}

// Weights as oneDNN likes them, unless that is a form of which only it knows the bytes.
template <typename PD>
RecurrentPrimitive DescribeForward(const RecurrentCall& c, bool reversed) {
  const PD best = Forward<PD>(c, reversed, Tag::any);
  if (Blocked(best.weights_layer_desc()) && Blocked(best.weights_iter_desc())) return Describe(c, best);
  return Describe(c, Forward<PD>(c, reversed, Tag::ldigo));
}

// PyTorch's parameter as weights: dimensions (layer, direction, input, gate, output).
Desc TorchWeights(const RecurrentCall& c, int64_t width) {
  const int64_t all = c.gates() * c.hidden * width;
  return Desc({1, 1, width, c.gates(), c.hidden}, kFloat, dnnl::memory::dims{all, all, 1, c.hidden * width, width});
}

MovablePrimitive MakeReorder(const Desc& from, const Desc& to) {
  const dnnl::reorder::primitive_desc pd(CpuEngine(), from, CpuEngine(), to);
  return MovablePrimitive(dnnl::reorder(pd), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

}  // namespace

RecurrentPrimitive MakeRecurrentForward(const RecurrentCall& c, bool reversed) {
  switch (c.cell) {
    case RecurrentCell::kTanh:
    case RecurrentCell::kRelu:
      return DescribeForward<Rnn>(c, reversed);
    case RecurrentCell::kLstm:
      return DescribeForward<Lstm>(c, reversed);
    case RecurrentCell::kGru:
      return DescribeForward<Gru>(c, reversed);
    case RecurrentCell::kLbrGru:
      break;
  }
  return DescribeForward<LbrGru>(c, reversed);
}

RecurrentPrimitive MakeRecurrentBackward(const RecurrentCall& c, bool reversed) {
  switch (c.cell) {
    case RecurrentCell::kTanh:
    case RecurrentCell::kRelu:
      return Describe(c, Backward<RnnBackward, Rnn>(c, reversed));
    case RecurrentCell::kLstm:
      return Describe(c, Backward<LstmBackward, Lstm>(c, reversed));
    case RecurrentCell::kGru:
      return Describe(c, Backward<GruBackward, Gru>(c, reversed));
    case RecurrentCell::kLbrGru:
      break;
  }
  return Describe(c, Backward<LbrGruBackward, LbrGru>(c, reversed));
}

MovablePrimitive::MovablePrimitive(dnnl::primitive primitive,
                                   const std::vector<std::pair<int, dnnl::memory::desc>>& args)
    : primitive_(std::move(primitive)), stream_(CpuEngine()) {
  for (const auto& [arg, desc] : args) {
    memories_.emplace_back(desc, CpuEngine(), nullptr);
    exec_args_.push_back({arg, memories_.back().get()});
  }
}

void MovablePrimitive::Set(int arg, const void* address) {
  for (const dnnl_exec_arg_t& a : exec_args_) {
    if (a.arg != arg) continue;
    ATH_CHECK(dnnl_memory_set_data_handle(a.memory, const_cast<void*>(address)) == dnnl_success);
    return;
  }
  ATH_CHECK(!"the primitive has this argument");
}

absl::Status MovablePrimitive::Run() {
  const dnnl_status_t status = dnnl_primitive_execute(primitive_.get(), stream_.get(),
                                                      static_cast<int>(exec_args_.size()), exec_args_.data());
  if (status == dnnl_success) return absl::OkStatus();
  return MakeError(ErrorClass::kPlan, "oneDNN could not execute the primitive (status %d)", static_cast<int>(status));
}

WeightReorder::WeightReorder(const RecurrentCall& call, int64_t width, const dnnl::memory::desc& weights, Way way) {
  const Desc torch = TorchWeights(call, width);
  auto add = [&](const Desc& in_torch, const Desc& in_dnnl) {
    parts_.push_back(way == kToDnnl ? MakeReorder(in_torch, in_dnnl) : MakeReorder(in_dnnl, in_torch));
  };
  if (!call.gru()) {
    add(torch, weights);
    return;
  }
  const dnnl::memory::dims one = {1, 1, width, 1, call.hidden};
  for (int64_t g = 0; g < call.gates(); ++g) {
    add(torch.submemory_desc(one, {0, 0, 0, call.TorchGate(g), 0}), weights.submemory_desc(one, {0, 0, 0, g, 0}));
  }
}

absl::Status WeightReorder::Run(const void* from, void* to) {
  for (MovablePrimitive& part : parts_) {
    part.Set(DNNL_ARG_FROM, from);
    part.Set(DNNL_ARG_TO, to);
    ATH_RETURN_IF_ERROR(part.Run());
  }
  return absl::OkStatus();
}

bool LiesAsWeights(const RecurrentCall& call, int64_t width, const dnnl::memory::desc& weights) {
  return !call.gru() && weights == TorchWeights(call, width);
}

}  // namespace athanor
