#include "compiler/builder/recurrent.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

using Location = GraphBuilder::Location;

class Stack {
 public:
  Stack(GraphBuilder& b, const char* op, int64_t gates, const RecurrentOptions& options, Location where)
      : b_(b), op_(op), gates_(gates), o_(options), where_(where), directions_(options.bidirectional ? 2 : 1) {
    name_ = b.LayerName(op, o_.name, where);
    if (o_.init.kind.empty() && o_.hidden > 0) {
      const double bound = 1 / std::sqrt(static_cast<double>(o_.hidden));
      o_.init = {"uniform", {{"low", -bound}, {"high", bound}}};
    }
  }

  RecurrentVars Build(Var x, Attributes attrs) {
    if (!Check(x)) return {};
    if (o_.batch_first) x = b_.Transpose(x, {1, 0, 2}, "", where_);
    attrs.Set("direction", o_.bidirectional ? "bidirectional" : "forward");
    std::vector<Var> h_n, c_n, parameters;
    for (int64_t l = 0; l < o_.layers; ++l) {
      if (l > 0 && o_.dropout != 0) x = b_.Dropout(x, o_.dropout, "", where_);
      if (!b_.status().ok()) return {};
      std::vector<Var> inputs = Parameters(l, b_.TypeOf(x).dims[2].size);
      parameters.insert(parameters.end(), inputs.begin(), inputs.end());
      inputs.insert(inputs.begin(), x);
      inputs.insert(inputs.end(), {o_.lengths, InitialState(o_.h0, l)});
      if (lstm()) inputs.push_back(InitialState(o_.c0, l));
      std::vector<Var> out = b_.Op(op_, inputs, attrs, lstm() ? 3 : 2, absl::StrCat(name_, ".l", l), where_);
      x = out[0];
      h_n.push_back(out[1]);
      if (lstm()) c_n.push_back(out[2]);
    }
    if (!b_.status().ok()) return {};
    if (o_.batch_first) x = b_.Transpose(x, {1, 0, 2}, "", where_);
    return {x, Join(h_n), lstm() ? Join(c_n) : Var{}, std::move(parameters)};
  }

 private:
  static constexpr int64_t kParameters = 4;  // of a layer

  bool lstm() const { return gates_ == 4; }

  bool Fail(ErrorClass error, const std::string& message) {
    b_.Reject(op_, name_, MakeErrorFromMessage(error, message), where_);
    return false;
  }

  bool Check(Var x) {
    if (!b_.status().ok()) return false;
    const TensorType type = b_.TypeOf(x);
    if (o_.hidden < 1 || o_.layers < 1) {
      return Fail(ErrorClass::kAttr, absl::StrCat("hidden = ", o_.hidden, " and layers = ", o_.layers,
                                                  " must each be at least 1"));
    }
    if (type.rank() != 3 || type.dims[2].symbolic() || type.dims[2].size < 1) {
      return Fail(ErrorClass::kShape, absl::StrCat("input \"x\" is ", type.ToString(),
                                                   ", expected rank 3 with a last dimension of at least 1"));
    }
    if (o_.c0.id != kNoValue && !lstm()) return Fail(ErrorClass::kGraph, "has no input \"c0\"");
    if (!o_.parameters.empty() && static_cast<int64_t>(o_.parameters.size()) != kParameters * o_.layers) {
      return Fail(ErrorClass::kGraph, absl::StrCat("is given ", o_.parameters.size(), " parameters, but ", o_.layers,
                                                   " layers have ", kParameters * o_.layers));
    }
    return CheckState("h0", o_.h0) && CheckState("c0", o_.c0);
  }

  // The rest is the operator's to check.
  bool CheckState(const char* what, Var state) {
    if (state.id == kNoValue) return true;
    const TensorType type = b_.TypeOf(state);
    const int64_t states = o_.layers * directions_;
    if (type.rank() == 3 && type.dims[0] == Dim(states)) return true;
    return Fail(ErrorClass::kShape, absl::StrCat("input \"", what, "\" is ", type.ToString(), ", expected [", states,
                                                 ",N,", o_.hidden, "]: ", o_.layers, " layers of ", directions_,
                                                 " directions"));
  }

  // weight_ih, weight_hh, bias_ih and bias_hh of layer l, as the operator has them.
  std::vector<Var> Parameters(int64_t l, int64_t inputs) {
    if (!o_.parameters.empty()) {
      const auto first = o_.parameters.begin() + kParameters * l;
      return {first, first + kParameters};
    }
    const int64_t rows = gates_ * o_.hidden;
    std::vector<Var> all = {Parameter("weight_ih", l, {rows, inputs}), Parameter("weight_hh", l, {rows, o_.hidden})};
    for (const char* bias : {"bias_ih", "bias_hh"}) all.push_back(o_.bias ? Parameter(bias, l, {rows}) : Var{});
    return all;
  }

  // One of each direction, joined along a new first dimension.
  Var Parameter(const char* what, int64_t l, const Shape& shape) {
    std::vector<Var> parts;
    for (const char* suffix : {"", "_reverse"}) {
      if (static_cast<int64_t>(parts.size()) == directions_) break;
      parts.push_back(b_.Parameter(absl::StrCat(name_, ".", what, "_l", l, suffix), shape, o_.init, where_));
    }
    Ints joined(shape.begin(), shape.end());
    joined.insert(joined.begin(), directions_);
    return b_.Reshape(Join(parts), std::move(joined), "", where_);
  }

  Var Join(const std::vector<Var>& parts) {
    return parts.size() == 1 ? parts[0] : b_.Concat(parts, 0, "", where_);
  }

  Var InitialState(Var all, int64_t l) {
    if (all.id == kNoValue || o_.layers == 1) return all;
    return b_.Slice(all, {.starts = {l * directions_}, .ends = {(l + 1) * directions_}, .axes = {0}}, where_);
  }

  GraphBuilder& b_;
  const char* op_;
  const int64_t gates_;
  RecurrentOptions o_;
  const Location where_;
  const int64_t directions_;
  std::string name_;
};

}  // namespace

RecurrentVars Rnn(GraphBuilder& b, Var x, RecurrentOptions options, Location where) {
  return Stack(b, "RNN", 1, options, where).Build(x, {{"nonlinearity", options.nonlinearity}});
}

RecurrentVars Lstm(GraphBuilder& b, Var x, RecurrentOptions options, Location where) {
  return Stack(b, "LSTM", 4, options, where).Build(x, {});
}

RecurrentVars Gru(GraphBuilder& b, Var x, RecurrentOptions options, Location where) {
  return Stack(b, "GRU", 3, options, where).Build(x, {{"linear_before_reset", options.linear_before_reset}});
}

}  // namespace athanor
