// The gradient of kernel "rnn" (recurrent.cc), through all its steps.
//   rnn_backward  (the inputs of "rnn".., y, workspace[, dy][, dh_n][, dc_n])
//                   -> (dx, dweight_ih, dweight_hh, dbias_ih, dbias_hh, dh0[, dc0])
//   attrs: cell, reverse, operands as of "rnn"; absent gradients are zeros
// Of a sequence with a length, the gradient of its final state enters at its last step: at those behind it nothing
// flows, and the gradient of the state is put back after each, as "rnn" does with the state.
#include <algorithm>

#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/recurrent_call.h"

namespace athanor {
namespace {

struct Layout {
  Layout(const RecurrentCall& c, const RecurrentPrimitive& p) : kept(c, p.workspace, &workspace) {
    constexpr int64_t kSize = sizeof(float);
    workspace_stride = workspace.total().value_or(0);
    if (c.directions == 2) workspace.Take(workspace_stride);
    auto take = [&](const dnnl::memory::desc& desc) { return scratch.Take(static_cast<int64_t>(desc.get_size())); };
    reorders_layer = !LiesAsWeights(c, c.inputs, p.weights_layer);
    reorders_iter = !LiesAsWeights(c, c.hidden, p.weights_iter);
    if (reorders_layer) weights_layer = take(p.weights_layer);
    if (reorders_iter) weights_iter = take(p.weights_iter);
    diff_weights_layer = take(p.diff_weights_layer);
    diff_weights_iter = take(p.diff_weights_iter);
    diff_weights_layer_size = static_cast<int64_t>(p.diff_weights_layer.get_size());
    diff_weights_iter_size = static_cast<int64_t>(p.diff_weights_iter.get_size());
    bias = scratch.Take(c.biases() * c.hidden, kSize);
    diff_bias = scratch.Take(c.biases() * c.hidden, kSize);
    library = take(p.scratchpad);
    const int64_t states = c.lstm() ? 2 : 1;
    start = scratch.Take(states * c.state_size(), kSize);
    end = scratch.Take(states * c.state_size(), kSize);
    if (c.stepwise()) flow = scratch.Take(states * c.state_size(), kSize);
    if (c.stepwise()) before = scratch.Take(states * c.state_size(), kSize);
    if (c.stepwise()) x = scratch.Take(c.batch * c.inputs, kSize);
    if (c.stepwise() || c.dy < 0) dy = scratch.Take(c.primitive_steps() * c.y_step(), kSize);
    if (c.directions == 2) dx = scratch.Take(c.primitive_steps() * c.batch * c.inputs, kSize);
  }
  Carver workspace, scratch;  // before `kept`, which takes from the first
  RecurrentWorkspace kept;
  int64_t workspace_stride = 0;
  bool reorders_layer = false, reorders_iter = false;
  int64_t weights_layer = 0, weights_iter = 0, bias = 0, library = 0;
  int64_t diff_weights_layer = 0, diff_weights_iter = 0, diff_bias = 0;
  int64_t diff_weights_layer_size = 0, diff_weights_iter_size = 0;
  // States, h and then c: before the first step; the gradient of that behind a step, of those of its rows through which
  // it flows, and of that before the step.
  int64_t start = 0, end = 0, flow = 0, before = 0;
  int64_t x = 0, dy = 0, dx = 0;  // of the steps of one call; dx of the second direction
};

class RnnBackwardKernel final : public Kernel {
 public:
  RnnBackwardKernel(const CallSpec& spec, const RecurrentCall& call)
      : name_(spec.name), call_(call), layout_(call, MakeRecurrentBackward(call, false)) {
    for (int64_t d = 0; d < call.directions; ++d) {
      const RecurrentPrimitive p = MakeRecurrentBackward(call, call.reversed(d) && !call.stepwise());
      primitives_[d] = MovablePrimitive(dnnl::primitive(p.pd.get()), p.args);
      if (d > 0) continue;
      to_dnnl_[0] = WeightReorder(call, call.inputs, p.weights_layer, WeightReorder::kToDnnl);
      to_dnnl_[1] = WeightReorder(call, call.hidden, p.weights_iter, WeightReorder::kToDnnl);
      to_torch_[0] = WeightReorder(call, call.inputs, p.diff_weights_layer, WeightReorder::kToTorch);
      to_torch_[1] = WeightReorder(call, call.hidden, p.diff_weights_iter, WeightReorder::kToTorch);
    }
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    auto input = [&](int i) { return i < 0 ? nullptr : static_cast<const float*>(inputs[i]); };
    x_ = input(call_.x);
    weights_[0] = input(call_.weight_ih), weights_[1] = input(call_.weight_hh);
    biases_[0] = input(call_.bias_ih), biases_[1] = input(call_.bias_hh);
    lengths_ = call_.lengths < 0 ? nullptr : static_cast<const int32_t*>(inputs[call_.lengths]);
    state0_[0] = input(call_.h0), state0_[1] = input(call_.c0);
    y_ = input(call_.y);
    workspace_ = static_cast<const std::byte*>(inputs[call_.workspace]);
    dy_ = input(call_.dy);
    dstate_[0] = input(call_.dh_n), dstate_[1] = input(call_.dc_n);
    for (size_t i = 0; i < outputs.size(); ++i) out_[i] = static_cast<float*>(outputs[i]);
    scratch_ = static_cast<std::byte*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    if (call_.stepwise()) ATH_RETURN_IF_ERROR(CheckLengths(name_, lengths_, call_.batch, call_.steps));
    for (int64_t d = 0; d < call_.directions; ++d) {
      ATH_RETURN_IF_ERROR(SetWeights(d));
      for (int i = 0; i < num_states(); ++i) {
        CopyState(call_, state0_[i], d, Scratch(layout_.start) + i * call_.state_size());
        CopyState(call_, dstate_[i], d, Scratch(layout_.end) + i * call_.state_size());
      }
      ATH_RETURN_IF_ERROR(call_.stepwise() ? RunSteps(d) : RunWhole(d));
      ATH_RETURN_IF_ERROR(StoreWeights(d));
    }
    return absl::OkStatus();
  }

 private:
  int num_states() const { return call_.lstm() ? 2 : 1; }
  float* Scratch(int64_t offset) const { return reinterpret_cast<float*>(scratch_ + offset); }
  const std::byte* Workspace(int64_t d, int64_t offset) const {
    return workspace_ + d * layout_.workspace_stride + offset;
  }
  // h (i = 0) or c (1) of the workspace.
  const float* State(int64_t d, int i, int64_t s) const {
    const int64_t offset = i == 0 ? layout_.kept.h : layout_.kept.c;
    return reinterpret_cast<const float*>(Workspace(d, offset)) + s * call_.state_size();
  }
  static const float* At(const float* p, int64_t offset) { return p == nullptr ? nullptr : p + offset; }

  absl::Status SetWeights(int64_t d) {
    const int64_t rows = call_.gates() * call_.hidden;
    const float* ih = weights_[0] + d * rows * call_.inputs;
    const float* hh = weights_[1] + d * rows * call_.hidden;
    if (layout_.reorders_layer) ATH_RETURN_IF_ERROR(to_dnnl_[0].Run(ih, Scratch(layout_.weights_layer)));
    if (layout_.reorders_iter) ATH_RETURN_IF_ERROR(to_dnnl_[1].Run(hh, Scratch(layout_.weights_iter)));
    JoinBiases(call_, At(biases_[0], d * rows), At(biases_[1], d * rows), Scratch(layout_.bias));
    MovablePrimitive& p = primitives_[d];
    p.Set(DNNL_ARG_WEIGHTS_LAYER, layout_.reorders_layer ? Scratch(layout_.weights_layer) : ih);
    p.Set(DNNL_ARG_WEIGHTS_ITER, layout_.reorders_iter ? Scratch(layout_.weights_iter) : hh);
    p.Set(DNNL_ARG_BIAS, Scratch(layout_.bias));
    p.Set(DNNL_ARG_SCRATCHPAD, Scratch(layout_.library));
    // oneDNN adds to them.
    std::fill_n(scratch_ + layout_.diff_weights_layer, layout_.diff_weights_layer_size, std::byte{0});
    std::fill_n(scratch_ + layout_.diff_weights_iter, layout_.diff_weights_iter_size, std::byte{0});
    std::fill_n(Scratch(layout_.diff_bias), call_.biases() * call_.hidden, 0.0f);
    p.Set(DNNL_ARG_DIFF_WEIGHTS_LAYER, Scratch(layout_.diff_weights_layer));
    p.Set(DNNL_ARG_DIFF_WEIGHTS_ITER, Scratch(layout_.diff_weights_iter));
    p.Set(DNNL_ARG_DIFF_BIAS, Scratch(layout_.diff_bias));
    return absl::OkStatus();
  }

  absl::Status StoreWeights(int64_t d) {
    const int64_t rows = call_.gates() * call_.hidden;
    ATH_RETURN_IF_ERROR(
        to_torch_[0].Run(Scratch(layout_.diff_weights_layer), out_[call_.dweight_ih] + d * rows * call_.inputs));
    ATH_RETURN_IF_ERROR(
        to_torch_[1].Run(Scratch(layout_.diff_weights_iter), out_[call_.dweight_hh] + d * rows * call_.hidden));
    SplitBiasGradient(call_, Scratch(layout_.diff_bias), out_[call_.dbias_ih] + d * rows,
                      out_[call_.dbias_hh] + d * rows);
    return absl::OkStatus();
  }

  // Where the gradient of a direction's initial h (i = 0) or c (1) goes.
  float* InitialGradient(int64_t d, int i) const {
    return out_[i == 0 ? call_.dh0 : call_.dc0] + d * call_.state_size();
  }

  // dx of some steps: the second direction's is added.
  void AddInputGradient(const float* more, int64_t size, float* dx) const {
    for (int64_t i = 0; i < size; ++i) dx[i] += more[i];
  }

  absl::Status RunWhole(int64_t d) {
    static constexpr int kSrc[] = {DNNL_ARG_SRC_ITER, DNNL_ARG_SRC_ITER_C},
                         kDst[] = {DNNL_ARG_DST_ITER, DNNL_ARG_DST_ITER_C},
                         kDiffSrc[] = {DNNL_ARG_DIFF_SRC_ITER, DNNL_ARG_DIFF_SRC_ITER_C},
                         kDiffDst[] = {DNNL_ARG_DIFF_DST_ITER, DNNL_ARG_DIFF_DST_ITER_C};
    const int64_t size = call_.state_size(), input_size = call_.steps * call_.batch * call_.inputs;
    MovablePrimitive& p = primitives_[d];
    for (int i = 0; i < num_states(); ++i) {
      p.Set(kSrc[i], Scratch(layout_.start) + i * size);
      p.Set(kDst[i], State(d, i, 0));
      p.Set(kDiffSrc[i], InitialGradient(d, i));
      p.Set(kDiffDst[i], Scratch(layout_.end) + i * size);
    }
    if (dy_ == nullptr) std::fill_n(Scratch(layout_.dy), call_.steps * call_.y_step(), 0.0f);
    float* dx = d == 0 ? out_[call_.dx] : Scratch(layout_.dx);
    p.Set(DNNL_ARG_SRC_LAYER, x_);
    p.Set(DNNL_ARG_DST_LAYER, y_ + d * call_.hidden);
    p.Set(DNNL_ARG_WORKSPACE, Workspace(d, layout_.kept.kept));
    p.Set(DNNL_ARG_DIFF_SRC_LAYER, dx);
    p.Set(DNNL_ARG_DIFF_DST_LAYER, (dy_ == nullptr ? Scratch(layout_.dy) : dy_) + d * call_.hidden);
    ATH_RETURN_IF_ERROR(p.Run());
    if (d > 0) AddInputGradient(dx, input_size, out_[call_.dx]);
    return absl::OkStatus();
  }

  // Step s of direction d, which is time t: from the gradient in `end` to that in `end`.
  absl::Status RunStep(int64_t d, int64_t s, int64_t t) {
    static constexpr int kSrc[] = {DNNL_ARG_SRC_ITER, DNNL_ARG_SRC_ITER_C},
                         kDst[] = {DNNL_ARG_DST_ITER, DNNL_ARG_DST_ITER_C};
    const int64_t size = call_.state_size(), batch = call_.batch, hidden = call_.hidden, inputs = call_.inputs;
    MovablePrimitive& p = primitives_[d];
    CopyRunning(lengths_, t, batch, inputs, x_ + t * batch * inputs, inputs, Scratch(layout_.x), inputs);
    const int64_t y_offset = t * call_.y_step() + d * hidden;
    float* dy = Scratch(layout_.dy);
    if (dy_ == nullptr) {
      std::fill_n(dy, call_.y_step(), 0.0f);
    } else {
      CopyRunning(lengths_, t, batch, hidden, dy_ + y_offset, call_.row(), dy, call_.row());
    }
    // What flows: the gradient of the state behind the step. What ended stays in `end`.
    for (int i = 0; i < num_states(); ++i) {
      p.Set(kSrc[i], State(d, i, s));
      p.Set(kDst[i], State(d, i, s + 1));
      CopyRunning(lengths_, t, batch, hidden, Scratch(layout_.end) + i * size, hidden, Scratch(layout_.flow) + i * size,
                  hidden);
    }
    float* dx = d == 0 ? out_[call_.dx] + t * batch * inputs : Scratch(layout_.dx);
    p.Set(DNNL_ARG_DST_LAYER, y_ + y_offset);
    p.Set(DNNL_ARG_WORKSPACE, Workspace(d, layout_.kept.kept + s * layout_.kept.kept_bytes));
    p.Set(DNNL_ARG_DIFF_SRC_LAYER, dx);
    ATH_RETURN_IF_ERROR(p.Run());
    if (d > 0) AddInputGradient(dx, batch * inputs, out_[call_.dx] + t * batch * inputs);
    for (int i = 0; i < num_states(); ++i) {
      float *end = Scratch(layout_.end) + i * size, *before = Scratch(layout_.before) + i * size;
      CopyEnded(lengths_, t, batch, hidden, end, before);
      std::copy_n(before, size, end);
    }
    return absl::OkStatus();
  }

  absl::Status RunSteps(int64_t d) {
    const int64_t size = call_.state_size();
    MovablePrimitive& p = primitives_[d];
    p.Set(DNNL_ARG_SRC_LAYER, Scratch(layout_.x));
    p.Set(DNNL_ARG_DIFF_DST_LAYER, Scratch(layout_.dy));
    p.Set(DNNL_ARG_DIFF_DST_ITER, Scratch(layout_.flow));
    p.Set(DNNL_ARG_DIFF_SRC_ITER, Scratch(layout_.before));
    if (call_.lstm()) {
      p.Set(DNNL_ARG_DIFF_DST_ITER_C, Scratch(layout_.flow) + size);
      p.Set(DNNL_ARG_DIFF_SRC_ITER_C, Scratch(layout_.before) + size);
    }
    const int64_t longest = *std::max_element(lengths_, lengths_ + call_.batch);
    const int64_t input_step = call_.batch * call_.inputs;
    for (int64_t s = call_.steps; s-- > 0;) {
      const int64_t t = call_.reversed(d) ? call_.steps - 1 - s : s;
      if (t < longest) {
        ATH_RETURN_IF_ERROR(RunStep(d, s, t));
      } else if (d == 0) {
        std::fill_n(out_[call_.dx] + t * input_step, input_step, 0.0f);
      }
    }
    for (int i = 0; i < num_states(); ++i) std::copy_n(Scratch(layout_.end) + i * size, size, InitialGradient(d, i));
    return absl::OkStatus();
  }

  const std::string name_;
  const RecurrentCall call_;
  const Layout layout_;
  MovablePrimitive primitives_[2];
  WeightReorder to_dnnl_[2], to_torch_[2];
  const float *x_ = nullptr, *weights_[2] = {}, *biases_[2] = {}, *state0_[2] = {}, *y_ = nullptr, *dy_ = nullptr,
              *dstate_[2] = {};
  const int32_t* lengths_ = nullptr;
  const std::byte* workspace_ = nullptr;
  float* out_[7] = {};
  std::byte* scratch_ = nullptr;
};

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(RecurrentCall call, ReadRecurrent(spec));
  absl::StatusOr<KernelInfo> info;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    const RecurrentPrimitive p = MakeRecurrentBackward(call, call.reverse && !call.stepwise());
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
    kernel = std::make_unique<RnnBackwardKernel>(spec, call);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"rnn_backward", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
