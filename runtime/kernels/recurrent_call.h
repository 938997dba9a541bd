// A call of kernels "rnn" and "rnn_backward" (recurrent.cc, recurrent_backward.cc) read and checked, and the oneDNN
// primitives that both are made of.
#ifndef ATHANOR_RUNTIME_KERNELS_RECURRENT_CALL_H_
#define ATHANOR_RUNTIME_KERNELS_RECURRENT_CALL_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/checked.h"
#include "runtime/kernels/kernel.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {

// lbr: the reset gate scales what the recurrent weights made of the state (cuDNN's GRU), not the state.
enum class RecurrentCell { kTanh, kRelu, kLstm, kGru, kLbrGru };

// Places of the operands among the call's inputs and outputs; -1: absent.
struct RecurrentCall {
  RecurrentCell cell = RecurrentCell::kTanh;
  bool backward = false;
  bool keeps_workspace = false;  // always true of a backward call
  bool reverse = false;          // of direction 0; direction 1 is always the reverse one
  int64_t steps = 0, batch = 0, inputs = 0, hidden = 0, directions = 0;
  int x = -1, weight_ih = -1, weight_hh = -1, bias_ih = -1, bias_hh = -1, lengths = -1, h0 = -1, c0 = -1;
  int y = -1, workspace = -1;                // outputs of the forward call, inputs of the backward one
  int h_n = -1, c_n = -1;                    // outputs of the forward call
  int dy = -1, dh_n = -1, dc_n = -1;         // inputs of the backward call
  int dx = 0, dweight_ih = 1, dweight_hh = 2, dbias_ih = 3, dbias_hh = 4, dh0 = 5, dc0 = 6;  // its outputs

  bool lstm() const { return cell == RecurrentCell::kLstm; }
  bool gru() const { return cell == RecurrentCell::kGru || cell == RecurrentCell::kLbrGru; }
  int64_t gates() const { return lstm() ? 4 : gru() ? 3 : 1; }
  // oneDNN's: the linear-before-reset GRU has two for its new gate.
  int64_t biases() const { return cell == RecurrentCell::kLbrGru ? 4 : gates(); }
  // PyTorch's number of oneDNN's gate: (update, reset, new) is (reset, update, new) there. The LSTM's are the same.
  int64_t TorchGate(int64_t gate) const { return gru() && gate < 2 ? 1 - gate : gate; }
  bool reversed(int64_t direction) const { return reverse || direction == 1; }
  // Sequences of different lengths are computed step by step, with a primitive of one step, and the states of those
  // that have ended are put back after each; else one primitive has all steps.
  bool stepwise() const { return lengths >= 0; }
  int64_t primitive_steps() const { return stepwise() ? 1 : steps; }
  int64_t state_size() const { return batch * hidden; }        // elements of one direction's state
  int64_t row() const { return directions * hidden; }          // of y
  int64_t y_step() const { return batch * row(); }
};

// PLAN error for a call that is none of these.
absl::StatusOr<RecurrentCall> ReadRecurrent(const CallSpec& spec);

// Parts of a buffer, each 64-byte aligned.
class Carver {
 public:
  // The offset in bytes of `count` times `bytes`.
  int64_t Take(int64_t bytes, int64_t count = 1);
  // nullopt when it does not fit into an int64.
  std::optional<int64_t> total() const { return total_; }

 private:
  std::optional<int64_t> total_ = 0;
};

// A primitive whose memories move.
class MovablePrimitive {
 public:
  MovablePrimitive() = default;
  MovablePrimitive(dnnl::primitive primitive, const std::vector<std::pair<int, dnnl::memory::desc>>& args);
  // Allocates nothing. CHECK-fails for an argument that was not among `args`.
  void Set(int arg, const void* address);
  absl::Status Run();

 private:
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> exec_args_;
};

// What the two kernels need to know of their primitive, made for oneDNN's direction.
struct RecurrentPrimitive {
  dnnl::primitive_desc_base pd;
  std::string impl;
  dnnl::memory::desc weights_layer, weights_iter, workspace, scratchpad;
  dnnl::memory::desc diff_weights_layer, diff_weights_iter;  // of the backward one
  std::vector<std::pair<int, dnnl::memory::desc>> args;      // scratchpad and workspace included
};
// Throws dnnl::error: call it inside CatchDnnl. `reversed`: last step first.
RecurrentPrimitive MakeRecurrentForward(const RecurrentCall& call, bool reversed);
RecurrentPrimitive MakeRecurrentBackward(const RecurrentCall& call, bool reversed);

// Copies between a parameter of PyTorch's layout, [gates * hidden, width], and oneDNN's weights, of any layout, in
// which the gates may have another order.
class WeightReorder {
 public:
  enum Way { kToDnnl, kToTorch };
  WeightReorder() = default;
  WeightReorder(const RecurrentCall& call, int64_t width, const dnnl::memory::desc& weights, Way way);
  absl::Status Run(const void* from, void* to);

 private:
  std::vector<MovablePrimitive> parts_;  // one, or one a gate where the order differs
};
// Whether a parameter is such weights as it lies, for the backward primitive.
bool LiesAsWeights(const RecurrentCall& call, int64_t width, const dnnl::memory::desc& weights);

// oneDNN's biases [biases, hidden] from PyTorch's two, each [gates * hidden] or null; and the gradients back.
void JoinBiases(const RecurrentCall& call, const float* bias_ih, const float* bias_hh, float* joined);
void SplitBiasGradient(const RecurrentCall& call, const float* joined, float* dbias_ih, float* dbias_hh);

// The workspace of one direction: what the primitive kept, a call of it after the other, then (where sequences have
// lengths) the state before each step and behind the last one, else the state behind the last.
struct RecurrentWorkspace {
  RecurrentWorkspace() = default;
  RecurrentWorkspace(const RecurrentCall& call, const dnnl::memory::desc& kept, Carver* carver);
  int64_t kept = 0, kept_bytes = 0;  // offsets in bytes; of one step's
  int64_t h = 0, c = 0;
};

// to = the state of direction d among `states`, zero where that is null.
void CopyState(const RecurrentCall& call, const float* states, int64_t d, float* to);
// Of the first `size` elements of rows of these strides: to = from where the sequence goes on at step t, and 0 else.
// They may be the same.
void CopyRunning(const int32_t* lengths, int64_t t, int64_t rows, int64_t size, const float* from, int64_t from_stride,
                 float* to, int64_t to_stride);
// to = from where the sequence has ended.
void CopyEnded(const int32_t* lengths, int64_t t, int64_t rows, int64_t size, const float* from, float* to);
// INDEX error for a length that is not in [0, steps].
absl::Status CheckLengths(const std::string& name, const int32_t* lengths, int64_t batch, int64_t steps);

// Operands as they must lie, with a workspace of the size it has, and the figures of one run. LIMIT error for sizes
// that did not fit.
absl::StatusOr<KernelInfo> RecurrentInfo(const CallSpec& spec, const RecurrentCall& call, const std::string& impl,
                                         const Carver& workspace, const Carver& scratch);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_RECURRENT_CALL_H_
