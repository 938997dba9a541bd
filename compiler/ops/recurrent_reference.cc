// RNN, LSTM and GRU in plain loops in double: each sequence of the batch by itself, for as many steps as it has.
#include <cmath>

#include "compiler/ops/recurrent.h"

namespace athanor::recurrent {
namespace {

using Vector = std::vector<double>;

// A step as it was computed. Vectors of a gate are [G * H], of the state [H].
struct Step {
  int64_t t = 0;
  Vector h_prev, c_prev;
  Vector gates;      // behind their activation
  Vector recurrent;  // W_hh h + b_hh
  Vector h, c;
};

double Logistic(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

// Gradients by the parameters, the inputs and the states; null: not wanted.
struct Gradients {
  DoubleTensor *x, *weight_ih, *weight_hh, *bias_ih, *bias_hh, *h0, *c0;
};

class Oracle {
 public:
  explicit Oracle(const ReferenceContext& c)
      : c_(c), cell_(CellOf(c)), gates_(GatesOf(cell_)), hidden_(c.Input(kWeightHh).shape[2]) {
    const Shape& x = c.Input(kX).shape;
    steps_ = x[0], batch_ = x[1], inputs_ = x[2];
  }

  int64_t directions() const { return c_.Input(kWeightHh).shape[0]; }
  int64_t batch() const { return batch_; }
  int64_t hidden() const { return hidden_; }
  // Of h0 and its like.
  int64_t StateAt(int64_t d, int64_t n) const { return (d * batch_ + n) * hidden_; }
  // Of y.
  int64_t OutputAt(int64_t d, int64_t n, int64_t t) const { return ((t * batch_ + n) * directions() + d) * hidden_; }

  absl::StatusOr<int64_t> Length(int64_t n) const {
    if (!c_.HasInput(kLengths)) return steps_;
    const double length = c_.Input(kLengths)[n];
    if (length >= 0 && length <= static_cast<double>(steps_)) return static_cast<int64_t>(length);
    return c_.Error(ErrorClass::kIndex, "lengths[%d] = %d is not in [0, %d]", n, static_cast<int64_t>(length), steps_);
  }

  Vector Initial(int input, int64_t d, int64_t n) const {
    Vector state(hidden_, 0.0);
    for (int64_t i = 0; i < hidden_ && c_.HasInput(input); ++i) state[i] = c_.Input(input)[StateAt(d, n) + i];
    return state;
  }

  // All steps of sequence n in direction d.
  absl::StatusOr<std::vector<Step>> Forward(int64_t d, int64_t n) const {
    ATH_ASSIGN_OR_RETURN(int64_t length, Length(n));
    std::vector<Step> steps;
    for (int64_t s = 0; s < length; ++s) {
      Step step;
      step.t = Reversed(c_, d) ? length - 1 - s : s;
      step.h_prev = s == 0 ? Initial(kH0, d, n) : steps.back().h;
      if (cell_ == Cell::kLstm) step.c_prev = s == 0 ? Initial(kC0, d, n) : steps.back().c;
      Compute(d, n, &step);
      steps.push_back(std::move(step));
    }
    return steps;
  }

  // Replaces the gradients of the state behind a step by those of the state before it.
  void Backward(int64_t d, int64_t n, const Step& step, Vector* dh, Vector* dc, Gradients* grads) const {
    Vector din(gates_ * hidden_), drec(gates_ * hidden_), dh_prev(hidden_, 0.0);
    GateGradients(d, step, dh, dc, &din, &drec, &dh_prev);
    for (int64_t row = 0; row < gates_ * hidden_; ++row) {
      for (int64_t k = 0; k < inputs_; ++k) {
        Add(grads->weight_ih, WeightAt(d, row, k, inputs_), din[row] * c_.Input(kX)[InputAt(n, step.t, k)]);
        Add(grads->x, InputAt(n, step.t, k), din[row] * c_.Input(kWeightIh)[WeightAt(d, row, k, inputs_)]);
      }
      Add(grads->bias_ih, d * gates_ * hidden_ + row, din[row]);
      Add(grads->bias_hh, d * gates_ * hidden_ + row, drec[row]);
      const bool resets_state = ResetsState(row);
      for (int64_t k = 0; k < hidden_; ++k) {
        const double reset = resets_state ? step.gates[k] : 1;
        Add(grads->weight_hh, WeightAt(d, row, k, hidden_), drec[row] * reset * step.h_prev[k]);
        dh_prev[k] += drec[row] * reset * Recurrent(d, row, k);
      }
    }
    *dh = std::move(dh_prev);
  }

 private:
  static void Add(DoubleTensor* to, int64_t i, double value) {
    if (to != nullptr) (*to)[i] += value;
  }
  int64_t InputAt(int64_t n, int64_t t, int64_t k) const { return (t * batch_ + n) * inputs_ + k; }
  int64_t WeightAt(int64_t d, int64_t row, int64_t k, int64_t width) const {
    return (d * gates_ * hidden_ + row) * width + k;
  }
  double Recurrent(int64_t d, int64_t row, int64_t k) const {
    return c_.Input(kWeightHh)[WeightAt(d, row, k, hidden_)];
  }
  double Bias(int input, int64_t d, int64_t row) const {
    return c_.HasInput(input) ? c_.Input(input)[d * gates_ * hidden_ + row] : 0;
  }
  // Whether this row is of the new gate of a GRU that resets the state before the weights.
  bool ResetsState(int64_t row) const { return cell_ == Cell::kGru && row >= 2 * hidden_; }

  void Compute(int64_t d, int64_t n, Step* s) const {
    s->gates.resize(gates_ * hidden_);
    s->recurrent.resize(gates_ * hidden_);
    s->h.resize(hidden_);
    if (cell_ == Cell::kLstm) s->c.resize(hidden_);
    for (int64_t row = 0; row < gates_ * hidden_; ++row) {
      double in = Bias(kBiasIh, d, row), rec = Bias(kBiasHh, d, row);
      for (int64_t k = 0; k < inputs_; ++k) {
        in += c_.Input(kWeightIh)[WeightAt(d, row, k, inputs_)] * c_.Input(kX)[InputAt(n, s->t, k)];
      }
      for (int64_t k = 0; k < hidden_; ++k) {
        rec += Recurrent(d, row, k) * s->h_prev[k] * (ResetsState(row) ? s->gates[k] : 1);
      }
      s->recurrent[row] = rec;
      s->gates[row] = Activate(row, in, rec, s->gates);
    }
    for (int64_t i = 0; i < hidden_; ++i) NextState(i, s);
  }

  // Gates in PyTorch's order: of an LSTM input, forget, cell, output; of a GRU reset, update, new.
  double Activate(int64_t row, double in, double rec, const Vector& gates) const {
    const int64_t gate = row / hidden_;
    switch (cell_) {
      case Cell::kTanh:
        return std::tanh(in + rec);
      case Cell::kRelu:
        return std::max(in + rec, 0.0);
      case Cell::kLstm:
        return gate == 2 ? std::tanh(in + rec) : Logistic(in + rec);
      case Cell::kGru:
        return gate == 2 ? std::tanh(in + rec) : Logistic(in + rec);
      case Cell::kLbrGru:
        break;
    }
    return gate == 2 ? std::tanh(in + gates[row % hidden_] * rec) : Logistic(in + rec);
  }

  void NextState(int64_t i, Step* s) const {
    auto gate = [&](int64_t g) { return s->gates[g * hidden_ + i]; };
    if (cell_ == Cell::kLstm) {
      s->c[i] = gate(1) * s->c_prev[i] + gate(0) * gate(2);
      s->h[i] = gate(3) * std::tanh(s->c[i]);
    } else if (gates_ == 3) {
      s->h[i] = (1 - gate(1)) * gate(2) + gate(1) * s->h_prev[i];
    } else {
      s->h[i] = gate(0);
    }
  }

  // The gradients before the activations: of the part from the input, and of the recurrent part.
  void GateGradients(int64_t d, const Step& s, Vector* dh, Vector* dc, Vector* din, Vector* drec,
                     Vector* dh_prev) const {
    for (int64_t i = 0; i < hidden_; ++i) {
      auto gate = [&](int64_t g) { return s.gates[g * hidden_ + i]; };
      auto set = [&](int64_t g, double v) { (*din)[g * hidden_ + i] = (*drec)[g * hidden_ + i] = v; };
      auto logistic = [&](int64_t g, double v) { set(g, v * gate(g) * (1 - gate(g))); };
      const double up = (*dh)[i];
      if (cell_ == Cell::kTanh) set(0, up * (1 - gate(0) * gate(0)));
      if (cell_ == Cell::kRelu) set(0, gate(0) > 0 ? up : 0);
      if (cell_ == Cell::kLstm) {
        const double tanh_c = std::tanh(s.c[i]), all = (*dc)[i] + up * gate(3) * (1 - tanh_c * tanh_c);
        logistic(0, all * gate(2));
        logistic(1, all * s.c_prev[i]);
        set(2, all * gate(0) * (1 - gate(2) * gate(2)));
        logistic(3, up * tanh_c);
        (*dc)[i] = all * gate(1);
      }
      if (gates_ == 3) {
        logistic(1, up * (s.h_prev[i] - gate(2)));
        set(2, up * (1 - gate(1)) * (1 - gate(2) * gate(2)));
        (*dh_prev)[i] = up * gate(1);
      }
      if (cell_ == Cell::kLbrGru) {
        double& dnew = (*drec)[2 * hidden_ + i];
        logistic(0, dnew * s.recurrent[2 * hidden_ + i]);
        dnew *= gate(0);
      }
    }
    if (cell_ == Cell::kGru) ResetGradients(d, s, din, drec);
  }

  // The reset gate scales the state that all rows of the new gate read.
  void ResetGradients(int64_t d, const Step& s, Vector* din, Vector* drec) const {
    for (int64_t k = 0; k < hidden_; ++k) {
      double sum = 0;
      for (int64_t row = 2 * hidden_; row < 3 * hidden_; ++row) sum += (*drec)[row] * Recurrent(d, row, k);
      (*din)[k] = (*drec)[k] = sum * s.h_prev[k] * s.gates[k] * (1 - s.gates[k]);
    }
  }

  const ReferenceContext& c_;
  const Cell cell_;
  const int64_t gates_, hidden_;
  int64_t steps_ = 0, batch_ = 0, inputs_ = 0;
};

}  // namespace

absl::Status Reference(ReferenceContext& c) {
  const Oracle oracle(c);
  auto store = [&](int output, int64_t at, const Vector& state) {
    for (int64_t i = 0; i < oracle.hidden() && c.HasOutput(output); ++i) c.Output(output)[at + i] = state[i];
  };
  for (int64_t d = 0; d < oracle.directions(); ++d) {
    for (int64_t n = 0; n < oracle.batch(); ++n) {
      ATH_ASSIGN_OR_RETURN(std::vector<Step> steps, oracle.Forward(d, n));
      for (const Step& s : steps) store(kY, oracle.OutputAt(d, n, s.t), s.h);
      store(kHN, oracle.StateAt(d, n), steps.empty() ? oracle.Initial(kH0, d, n) : steps.back().h);
      if (!IsLstm(c)) continue;
      store(kCN, oracle.StateAt(d, n), steps.empty() ? oracle.Initial(kC0, d, n) : steps.back().c);
    }
  }
  return absl::OkStatus();
}

absl::Status GradReference(ReferenceContext& c) {
  const Oracle oracle(c);
  auto out = [&](int i) { return c.HasOutput(i) ? &c.Output(i) : nullptr; };
  Gradients grads{out(kDx),     out(kDWeightIh), out(kDWeightHh), out(kDBiasIh),
                  out(kDBiasHh), out(kDh0),       IsLstm(c) ? out(kDc0) : nullptr};
  const int64_t hidden = oracle.hidden();
  // A row of an input that may be absent.
  auto add = [&](int input, int64_t at, Vector* to) {
    for (int64_t i = 0; i < hidden && c.HasInput(input); ++i) (*to)[i] += c.Input(input)[at + i];
  };
  for (int64_t d = 0; d < oracle.directions(); ++d) {
    for (int64_t n = 0; n < oracle.batch(); ++n) {
      ATH_ASSIGN_OR_RETURN(std::vector<Step> steps, oracle.Forward(d, n));
      Vector dh(hidden, 0.0), dc(hidden, 0.0);
      add(GradInput(c, kDhN), oracle.StateAt(d, n), &dh);
      if (IsLstm(c)) add(GradInput(c, kDcN), oracle.StateAt(d, n), &dc);
      for (size_t s = steps.size(); s-- > 0;) {
        add(GradInput(c, kDy), oracle.OutputAt(d, n, steps[s].t), &dh);
        oracle.Backward(d, n, steps[s], &dh, &dc, &grads);
      }
      for (int64_t i = 0; i < hidden; ++i) {
        if (grads.h0 != nullptr) (*grads.h0)[oracle.StateAt(d, n) + i] = dh[i];
        if (grads.c0 != nullptr) (*grads.c0)[oracle.StateAt(d, n) + i] = dc[i];
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace athanor::recurrent
