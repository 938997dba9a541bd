// One recurrent layer in one or two directions, by oneDNN's rnn primitives.
//   rnn  (x, weight_ih, weight_hh[, bias_ih][, bias_hh][, lengths][, h0][, c0]) -> (y, h_n[, c_n][, workspace])
//   attrs: cell ("tanh", "relu", "lstm", "gru", "lbr_gru": torch.nn.GRU's), reverse (of one direction),
//          training (there is a workspace), operands (the names of the optional inputs that are there)
// x [T,N,C]; weights [D,G*H,C] and [D,G*H,H], biases [D,G*H], each direction in the layout and the order of gates of
// torch.nn; lengths s32 [N]; states [D,N,H] (c: of an LSTM); y [T,N,D*H]. Everything is row-major; the workspace has
// the size that query says, for kernel "rnn_backward".
//
// Absent states and biases are zeros. Of a sequence with a length, steps behind it have y = 0 and leave the state
// alone, whatever x holds there; the reverse direction starts at its end. oneDNN has no such mask, so that there each
// step is a call of its own: for x [20,32,128] and an LSTM of 128 (AVX-512, 2 threads) 20 calls take 1.1 times as long
// as one, and 1.2 times backward.
//
// oneDNN wants the weights by input, gate, output, PyTorch has gate, output, input: they are reordered in each run.
// That is 4 % of the time of the same layer, and less the longer the sequences or the larger the batch.
#include <algorithm>

#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/recurrent_call.h"

namespace athanor {
namespace {

// Offsets in bytes; what is not needed is empty.
struct Layout {
  Layout(const RecurrentCall& c, const RecurrentPrimitive& p) : kept(c, p.workspace, &workspace) {
    const int64_t state = c.state_size() * int64_t{sizeof(float)};
    workspace_stride = workspace.total().value_or(0);
    if (c.directions == 2) workspace.Take(workspace_stride);
    weights_layer = scratch.Take(static_cast<int64_t>(p.weights_layer.get_size()));
    weights_iter = scratch.Take(static_cast<int64_t>(p.weights_iter.get_size()));
    bias = scratch.Take(c.biases() * c.hidden, sizeof(float));
    library = scratch.Take(static_cast<int64_t>(p.scratchpad.get_size()));
    h = scratch.Take(state, 2);
    this->c = scratch.Take(state, c.lstm() ? 2 : 0);
    x = scratch.Take(c.stepwise() ? c.batch * c.inputs : 0, sizeof(float));
  }
  Carver workspace, scratch;  // before `kept`, which takes from the first
  RecurrentWorkspace kept;
  int64_t workspace_stride = 0;  // from a direction to the next
  int64_t weights_layer = 0, weights_iter = 0, bias = 0, library = 0, h = 0, c = 0, x = 0;
};

class RnnKernel final : public Kernel {
 public:
  RnnKernel(const CallSpec& spec, const RecurrentCall& call)
      : name_(spec.name), call_(call), layout_(call, MakeRecurrentForward(call, false)) {
    for (int64_t d = 0; d < call.directions; ++d) {
      // Step by step, the order of the steps is ours.
      const RecurrentPrimitive p = MakeRecurrentForward(call, call.reversed(d) && !call.stepwise());
      primitives_[d] = MovablePrimitive(dnnl::primitive(p.pd.get()), p.args);
      if (d > 0) continue;
      reorders_[0] = WeightReorder(call, call.inputs, p.weights_layer, WeightReorder::kToDnnl);
      reorders_[1] = WeightReorder(call, call.hidden, p.weights_iter, WeightReorder::kToDnnl);
    }
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    auto input = [&](int i) { return i < 0 ? nullptr : static_cast<const float*>(inputs[i]); };
    auto output = [&](int i) { return i < 0 ? nullptr : static_cast<float*>(outputs[i]); };
    x_ = input(call_.x);
    weights_[0] = input(call_.weight_ih), weights_[1] = input(call_.weight_hh);
    biases_[0] = input(call_.bias_ih), biases_[1] = input(call_.bias_hh);
    lengths_ = call_.lengths < 0 ? nullptr : static_cast<const int32_t*>(inputs[call_.lengths]);
    h0_ = input(call_.h0), c0_ = input(call_.c0);
    y_ = output(call_.y), h_n_ = output(call_.h_n), c_n_ = output(call_.c_n);
    workspace_ = call_.workspace < 0 ? nullptr : static_cast<std::byte*>(outputs[call_.workspace]);
    scratch_ = static_cast<std::byte*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    if (call_.stepwise()) ATH_RETURN_IF_ERROR(CheckLengths(name_, lengths_, call_.batch, call_.steps));
    for (int64_t d = 0; d < call_.directions; ++d) {
      ATH_RETURN_IF_ERROR(SetWeights(d));
      ATH_RETURN_IF_ERROR(call_.stepwise() ? RunSteps(d) : RunWhole(d));
    }
    return absl::OkStatus();
  }

 private:
  float* Scratch(int64_t offset) const { return reinterpret_cast<float*>(scratch_ + offset); }
  // Of one direction.
  std::byte* Workspace(int64_t d, int64_t offset) const { return workspace_ + d * layout_.workspace_stride + offset; }
  float* State(int64_t d, int64_t offset) const { return reinterpret_cast<float*>(Workspace(d, offset)); }
  static const float* At(const float* p, int64_t offset) { return p == nullptr ? nullptr : p + offset; }

  absl::Status SetWeights(int64_t d) {
    const int64_t rows = call_.gates() * call_.hidden;
    ATH_RETURN_IF_ERROR(reorders_[0].Run(weights_[0] + d * rows * call_.inputs, Scratch(layout_.weights_layer)));
    ATH_RETURN_IF_ERROR(reorders_[1].Run(weights_[1] + d * rows * call_.hidden, Scratch(layout_.weights_iter)));
    JoinBiases(call_, At(biases_[0], d * rows), At(biases_[1], d * rows), Scratch(layout_.bias));
    MovablePrimitive& p = primitives_[d];
    p.Set(DNNL_ARG_WEIGHTS_LAYER, Scratch(layout_.weights_layer));
    p.Set(DNNL_ARG_WEIGHTS_ITER, Scratch(layout_.weights_iter));
    p.Set(DNNL_ARG_BIAS, Scratch(layout_.bias));
    p.Set(DNNL_ARG_SCRATCHPAD, Scratch(layout_.library));
    return absl::OkStatus();
  }

  void SetStates(MovablePrimitive& p, const float* h, const float* c, float* next_h, float* next_c) const {
    p.Set(DNNL_ARG_SRC_ITER, h);
    p.Set(DNNL_ARG_DST_ITER, next_h);
    if (!call_.lstm()) return;
    p.Set(DNNL_ARG_SRC_ITER_C, c);
    p.Set(DNNL_ARG_DST_ITER_C, next_c);
  }

  absl::Status RunWhole(int64_t d) {
    const int64_t size = call_.state_size();
    MovablePrimitive& p = primitives_[d];
    p.Set(DNNL_ARG_SRC_LAYER, x_);
    p.Set(DNNL_ARG_DST_LAYER, y_ + d * call_.hidden);
    float *h = Scratch(layout_.h), *c = Scratch(layout_.c);
    CopyState(call_, h0_, d, h);
    if (call_.lstm()) CopyState(call_, c0_, d, c);
    float *h_n = h_n_ + d * size, *c_n = call_.lstm() ? c_n_ + d * size : nullptr;
    SetStates(p, h, c, h_n, c_n);
    if (call_.keeps_workspace) p.Set(DNNL_ARG_WORKSPACE, Workspace(d, layout_.kept.kept));
    ATH_RETURN_IF_ERROR(p.Run());
    if (!call_.keeps_workspace) return absl::OkStatus();
    std::copy_n(h_n, size, State(d, layout_.kept.h));
    if (call_.lstm()) std::copy_n(c_n, size, State(d, layout_.kept.c));
    return absl::OkStatus();
  }

  // The state before step s: in the workspace all are kept, else two take turns.
  float* StateBefore(int64_t s, int64_t d, int64_t kept, int64_t scratch) const {
    const int64_t size = call_.state_size();
    return call_.keeps_workspace ? State(d, kept) + s * size : Scratch(scratch) + s % 2 * size;
  }

  absl::Status RunSteps(int64_t d) {
    const int64_t size = call_.state_size(), steps = call_.steps;
    auto h = [&](int64_t s) { return StateBefore(s, d, layout_.kept.h, layout_.h); };
    auto c = [&](int64_t s) { return call_.lstm() ? StateBefore(s, d, layout_.kept.c, layout_.c) : nullptr; };
    CopyState(call_, h0_, d, h(0));
    if (call_.lstm()) CopyState(call_, c0_, d, c(0));
    MovablePrimitive& p = primitives_[d];
    float* x = Scratch(layout_.x);
    p.Set(DNNL_ARG_SRC_LAYER, x);
    const int64_t longest = *std::max_element(lengths_, lengths_ + call_.batch);
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t t = call_.reversed(d) ? steps - 1 - s : s;
      float* y = y_ + t * call_.y_step() + d * call_.hidden;
      if (t < longest) {
        CopyRunning(lengths_, t, call_.batch, call_.inputs, x_ + t * call_.batch * call_.inputs, call_.inputs, x,
                    call_.inputs);
        p.Set(DNNL_ARG_DST_LAYER, y);
        SetStates(p, h(s), c(s), h(s + 1), c(s + 1));
        if (call_.keeps_workspace) {
          p.Set(DNNL_ARG_WORKSPACE, Workspace(d, layout_.kept.kept + s * layout_.kept.kept_bytes));
        }
        ATH_RETURN_IF_ERROR(p.Run());
      }
      CopyRunning(lengths_, t, call_.batch, call_.hidden, y, call_.row(), y, call_.row());
      CopyEnded(lengths_, t, call_.batch, call_.hidden, h(s), h(s + 1));
      if (call_.lstm()) CopyEnded(lengths_, t, call_.batch, call_.hidden, c(s), c(s + 1));
    }
    std::copy_n(h(steps), size, h_n_ + d * size);
    if (call_.lstm()) std::copy_n(c(steps), size, c_n_ + d * size);
    return absl::OkStatus();
  }

  const std::string name_;
  const RecurrentCall call_;
  const Layout layout_;
  MovablePrimitive primitives_[2];
  WeightReorder reorders_[2];
  const float *x_ = nullptr, *weights_[2] = {}, *biases_[2] = {}, *h0_ = nullptr, *c0_ = nullptr;
  const int32_t* lengths_ = nullptr;
  float *y_ = nullptr, *h_n_ = nullptr, *c_n_ = nullptr;
  std::byte *workspace_ = nullptr, *scratch_ = nullptr;
};

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(RecurrentCall call, ReadRecurrent(spec));
  absl::StatusOr<KernelInfo> info;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    const RecurrentPrimitive p = MakeRecurrentForward(call, call.reverse && !call.stepwise());
    const Layout layout(call, p);
    info = RecurrentInfo(spec, call, p.impl, layout.workspace, layout.scratch);
    return info.status();
  });
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(RecurrentCall call, ReadRecurrent(spec));
  std::unique_ptr<Kernel> kernel;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    kernel = std::make_unique<RnnKernel>(spec, call);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"rnn", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
