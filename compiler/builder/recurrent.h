// Recurrent layers: stacks of the operators RNN, LSTM and GRU, with the parameters of torch.nn.RNN, LSTM and GRU:
// "<name>.weight_ih_l0" [G*H, in], "weight_hh_l0" [G*H, H], "bias_ih_l0" and "bias_hh_l0" [G*H], the same with
// "_reverse" for the second direction, and so on for l1, l2, ... They start uniformly in +-1/sqrt(H).
//
//   RecurrentVars r = Lstm(b, x, {.hidden = 128, .layers = 2, .bidirectional = true, .name = "lstm"});
#ifndef ATHANOR_COMPILER_BUILDER_RECURRENT_H_
#define ATHANOR_COMPILER_BUILDER_RECURRENT_H_

#include <string>
#include <vector>

#include "compiler/builder/builder.h"

namespace athanor {

struct RecurrentOptions {
  int64_t hidden = 0;
  int64_t layers = 1;
  bool bidirectional = false;
  bool bias = true;
  bool batch_first = false;  // x is [N,T,C], and y [N,T,D*H]; the states stay as they are
  double dropout = 0;        // of each layer's output but the last's, in training entries
  Var lengths = {};          // s32 [N]: steps of each sequence; none: all
  Var h0 = {}, c0 = {};      // f32 [layers*D,N,H], by layer, then direction; none: zeros. c0: of Lstm only
  std::string nonlinearity = "tanh";  // of Rnn: or "relu"
  bool linear_before_reset = true;    // of Gru: as PyTorch
  std::string name = "";
  Initializer init = {};  // of all parameters; default: torch.nn's
  // The parameters of another layer of this builder with the same sizes, in the place of new ones: the same network over
  // another number of steps. `name` is then another name.
  std::vector<Var> parameters = {};
};

// Without ids after an error.
struct RecurrentVars {
  Var y;         // [T,N,D*H]: the last layer's states at each step
  Var h_n, c_n;  // [layers*D,N,H]: the final states; c_n: of Lstm only
  std::vector<Var> parameters;  // as RecurrentOptions::parameters takes them
};

// x is f32 [T,N,C].
RecurrentVars Rnn(GraphBuilder& b, Var x, RecurrentOptions options,
                  GraphBuilder::Location where = GraphBuilder::Location::current());
RecurrentVars Lstm(GraphBuilder& b, Var x, RecurrentOptions options,
                   GraphBuilder::Location where = GraphBuilder::Location::current());
RecurrentVars Gru(GraphBuilder& b, Var x, RecurrentOptions options,
                  GraphBuilder::Location where = GraphBuilder::Location::current());

}  // namespace athanor

#endif  // ATHANOR_COMPILER_BUILDER_RECURRENT_H_
