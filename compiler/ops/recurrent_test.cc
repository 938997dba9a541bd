#include <optional>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Layer {
  const char* op = "LSTM";
  int64_t steps = 3, batch = 3, inputs = 3, hidden = 2;
  const char* direction = "forward";
  std::optional<bool> linear_before_reset = std::nullopt;
  const char* nonlinearity = nullptr;

  bool lstm() const { return std::string(op) == "LSTM"; }
  int64_t directions() const { return std::string(direction) == "bidirectional" ? 2 : 1; }
  int64_t rows() const { return (lstm() ? 4 : std::string(op) == "GRU" ? 3 : 1) * hidden; }
  Shape x() const { return {steps, batch, inputs}; }
  Shape weight_ih() const { return {directions(), rows(), inputs}; }
  Shape weight_hh() const { return {directions(), rows(), hidden}; }
  Shape bias() const { return {directions(), rows()}; }
  Shape state() const { return {directions(), batch, hidden}; }
  Shape y() const { return {steps, batch, directions() * hidden}; }

  std::string ToString() const {
    return absl::StrCat(op, " ", ShapeToString(x()), " ", hidden, " ", direction,
                        linear_before_reset.has_value() ? *linear_before_reset ? " lbr" : " no lbr" : "",
                        nonlinearity == nullptr ? "" : absl::StrCat(" ", nonlinearity));
  }
  OpSpec Spec(const std::string& name = "") const {
    OpSpec spec(op);
    spec.Name(absl::StrCat(ToString(), " ", name)).Attr("direction", direction);
    if (linear_before_reset.has_value()) spec.Attr("linear_before_reset", *linear_before_reset);
    if (nonlinearity != nullptr) spec.Attr("nonlinearity", nonlinearity);
    return spec;
  }
  // y, h_n and c_n.
  OpSpec& ExpectAll(OpSpec& spec) const {
    spec.ExpectOutput(y()).ExpectOutput(state());
    return lstm() ? spec.ExpectOutput(state()) : spec;
  }
};

const std::vector<Layer>& Cells() {
  static const auto* cells = new std::vector<Layer>{{.op = "RNN"},
                                                    {.op = "RNN", .nonlinearity = "relu"},
                                                    {.op = "LSTM"},
                                                    {.op = "GRU", .linear_before_reset = true},
                                                    {.op = "GRU", .linear_before_reset = false}};
  return *cells;
}

// Every length there is at once.
Tensor Lengths(int64_t batch, int64_t steps) {
  std::vector<int32_t> lengths;
  for (int64_t n = 0; n < batch; ++n) lengths.push_back(static_cast<int32_t>((steps + 2 * n) % (steps + 1)));
  return Tensor::Of<int32_t>({batch}, lengths);
}

TEST(Recurrent, EveryCellDirectionAndOptionalInput) {
  for (Layer layer : Cells()) {
    for (const char* direction : {"forward", "reverse", "bidirectional"}) {
      for (int flags = 0; flags < 8; ++flags) {
        layer.direction = direction;
        OpSpec spec = layer.Spec(absl::StrCat("optional inputs ", flags));
        spec.Input(layer.x()).Parameter(layer.weight_ih()).Parameter(layer.weight_hh());
        for (int i : {0, 1}) (void)i, flags & 1 ? spec.Parameter(layer.bias()) : spec.Absent();
        flags & 2 ? spec.Given(Lengths(layer.batch, layer.steps)) : spec.Absent();
        for (int i = 0; i < (layer.lstm() ? 2 : 1); ++i) flags & 4 ? spec.Input(layer.state()) : spec.Absent();
        layer.ExpectAll(spec).Check();
      }
    }
  }
}

TEST(Recurrent, EachOptionalInputAndOutputByItself) {
  for (Layer layer : Cells()) {
    layer.direction = "bidirectional";
    for (int present = 0; present < (layer.lstm() ? 4 : 3); ++present) {
      OpSpec spec = layer.Spec(absl::StrCat("only optional input ", present));
      spec.Input(layer.x()).Input(layer.weight_ih()).Input(layer.weight_hh());
      present == 0 ? spec.Input(layer.bias()) : spec.Absent();
      present == 1 ? spec.Input(layer.bias()) : spec.Absent();
      spec.Absent();
      present == 2 ? spec.Input(layer.state()) : spec.Absent();
      if (present == 3) spec.Input(layer.state());
      spec.ExpectOutput(layer.y());
      if (present == 1 || present == 3) spec.ExpectOutput(layer.state());
      if (present == 2 && layer.lstm()) spec.OmitOutput().ExpectOutput(layer.state());
      spec.Check();
    }
  }
}

TEST(Recurrent, Sizes) {
  struct Sizes {
    int64_t steps, batch, inputs, hidden;
  };
  for (Layer layer : Cells()) {
    for (const Sizes& s : std::vector<Sizes>{{1, 1, 1, 1}, {1, 4, 3, 2}, {5, 1, 1, 3}, {3, 2, 1, 1}, {2, 3, 5, 17},
                                             {4, 2, 19, 2}}) {
      for (bool lengths : {false, true}) {
        layer.steps = s.steps, layer.batch = s.batch, layer.inputs = s.inputs, layer.hidden = s.hidden;
        layer.direction = s.steps % 2 == 0 ? "bidirectional" : "forward";
        OpSpec spec = layer.Spec(lengths ? "lengths" : "");
        spec.Input(layer.x()).Parameter(layer.weight_ih()).InputRange(-0.5, 0.5);
        spec.Parameter(layer.weight_hh()).InputRange(-0.5, 0.5).Parameter(layer.bias()).Parameter(layer.bias());
        if (lengths) spec.Given(Lengths(s.batch, s.steps));
        layer.ExpectAll(spec).Check();
      }
    }
  }
}

// Element i of tensor number k, as the script that made the figures below has it.
Tensor Pattern(const Shape& shape, int64_t k) {
  std::vector<float> values(*NumElements(shape));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>((static_cast<int64_t>(i) * 7 + k * 3) % 11 - 5) / 8;
  }
  return Tensor::Of<float>(shape, values);
}

struct Known {
  Layer layer;
  std::vector<double> y, h_n, c_n;
};

// PyTorch 2.13 in double, two directions, pack_padded_sequence with lengths 3 and 1; linear_before_reset = false, which
// PyTorch lacks, by its formula.
std::vector<Known> KnownValues() {
  const Layer base{.steps = 3, .batch = 2, .inputs = 2, .hidden = 2, .direction = "bidirectional"};
  std::vector<Known> all(5, Known{base, {}, {}, {}});
  all[0].layer.op = "RNN";
  all[0].y = {-0.230175711032, 0.616134427106, -0.485182264806, -0.297250631556, -0.185333199908, 0.670967074207,
              -0.596373555479, -0.154990730372, -0.325643665387, 0.283204099311, -0.394755555157, -0.105647213771,
              0, 0, 0, 0, -0.429600773075, 0.379673556053, -0.244918662404, -0.606347592714, 0, 0, 0, 0};
  all[0].h_n = {-0.429600773075, 0.379673556053, -0.185333199908, 0.670967074207,
                -0.485182264806, -0.297250631556, -0.596373555479, -0.154990730372};
  all[1].layer.op = "RNN";
  all[1].layer.nonlinearity = "relu";
  all[1].y = {0, 0.71875, 0, 0, 0, 0.8125, 0, 0, 0, 0.40625, 0, 0, 0, 0, 0, 0, 0, 0.5625, 0, 0, 0, 0, 0, 0};
  all[1].h_n = {0, 0.5625, 0, 0.8125, 0, 0, 0, 0};
  all[2].y = {0.254475975793, -0.134157308171, 0.188307957164, -0.358903598025, 0.0301820898102, -0.0218949582286,
              0.170696126215, -0.250032944805, 0.147262736435, -0.192369523361, 0.113656900104, -0.215228686753,
              0, 0, 0, 0, 0.177465138859, -0.22564210407, 0.0671291658239, -0.193643003848, 0, 0, 0, 0};
  all[2].h_n = {0.177465138859, -0.22564210407, 0.0301820898102, -0.0218949582286,
                0.188307957164, -0.358903598025, 0.170696126215, -0.250032944805};
  all[2].c_n = {0.275880534895, -0.58162070416, 0.0433948870311, -0.0548180272167,
                0.475826555916, -0.62303609288, 0.388724507525, -0.449974333485};
  all[3].layer.op = all[4].layer.op = "GRU";
  all[3].y = {0.370601440827, -0.408103842201, -0.319259922445, 0.19334133225, 0.313306116227, -0.19930252907,
              -0.261835422538, -0.279812466133, 0.0971929426821, -0.459037835661, -0.373380921786, 0.3057335307,
              0, 0, 0, 0, 0.276607956831, -0.523496797419, -0.294166123083, 0.352307530215, 0, 0, 0, 0};
  all[3].h_n = {0.276607956831, -0.523496797419, 0.313306116227, -0.19930252907,
                -0.319259922445, 0.19334133225, -0.261835422538, -0.279812466133};
  all[4].layer.linear_before_reset = false;
  all[4].y = {0.454889338083, -0.454020156284, -0.391752148518, 0.0104068019577, 0.396719608519, -0.288317370217,
              -0.247471285956, -0.370539004837, 0.219383555481, -0.515203604092, -0.439626677723, 0.16540774043,
              0, 0, 0, 0, 0.420284177099, -0.572070039271,
              -0.346672888728, 0.268288175595, 0, 0, 0, 0};
  all[4].h_n = {0.420284177099, -0.572070039271, 0.396719608519, -0.288317370217, -0.391752148518, 0.0104068019577,
              -0.247471285956, -0.370539004837};
  return all;
}

TEST(Recurrent, KnownValues) {
  for (const Known& known : KnownValues()) {
    const Layer& layer = known.layer;
    OpSpec spec = layer.Spec("known values");
    spec.Given(Pattern(layer.x(), 5)).GivenParameter(Pattern(layer.weight_ih(), 1))
        .GivenParameter(Pattern(layer.weight_hh(), 2)).GivenParameter(Pattern(layer.bias(), 3))
        .GivenParameter(Pattern(layer.bias(), 4)).Given(Tensor::Of<int32_t>({2}, {3, 1}))
        .Given(Pattern(layer.state(), 6));
    if (layer.lstm()) spec.Given(Pattern(layer.state(), 7));
    spec.ExpectOutput(layer.y()).ExpectValues(known.y, 1e-11);
    spec.ExpectOutput(layer.state()).ExpectValues(known.h_n, 1e-11);
    if (layer.lstm()) spec.ExpectOutput(layer.state()).ExpectValues(known.c_n, 1e-11);
    if (layer.nonlinearity != nullptr) spec.NoGradient(0);  // some sums are at the kink
    spec.Check();
  }
}

// A loss that reads the final states only, and one that reads a single one of them.
TEST(Recurrent, GradientFromTheStatesAlone) {
  for (Layer layer : Cells()) {
    layer.direction = "bidirectional";
    for (int flags = 0; flags < 4; ++flags) {
      OpSpec spec = layer.Spec(absl::StrCat("states alone ", flags));
      spec.Input(layer.x()).Parameter(layer.weight_ih()).Parameter(layer.weight_hh()).Absent().Absent();
      flags & 1 ? spec.Given(Lengths(layer.batch, layer.steps)) : spec.Absent();
      layer.ExpectAll(spec).NoGradientFromOutput(0);
      if (flags & 2 && layer.lstm()) spec.NoGradientFromOutput(1);
      spec.Check();
    }
  }
}

// Steps that are not there may hold anything.
TEST(Recurrent, WhatLiesBehindTheEndIsNotRead) {
  for (const Layer& layer : Cells()) {
    Tensor x = Pattern(layer.x(), 1);
    for (int64_t i = 2 * layer.batch * layer.inputs; i < x.num_elements(); ++i) x.as<float>()[i] = std::nanf("");
    layer.Spec("NaN behind the end").Given(std::move(x)).Parameter(layer.weight_ih()).Parameter(layer.weight_hh())
        .Absent().Absent().Given(Tensor::Of<int32_t>({layer.batch}, {2, 0, 1})).NoGradient(0)
        .ExpectOutput(layer.y()).ExpectOutput(layer.state()).Check();
  }
}

// Gates that are all the way open or shut, of which exp would overflow.
TEST(Recurrent, StableWhereGatesSaturate) {
  for (const Layer& layer : Cells()) {
    if (layer.nonlinearity != nullptr) continue;
    Tensor x = Pattern(layer.x(), 1);
    for (float& v : x.as<float>()) v *= 1.6e4f;
    layer.Spec("saturated").Given(std::move(x)).Parameter(layer.weight_ih()).Parameter(layer.weight_hh())
        .NoGradient(1).ExpectOutput(layer.y()).ExpectOutput(layer.state()).Check();
  }
}

TEST(Recurrent, AnyNumberOfSteps) {
  for (const Layer& layer : Cells()) {
    layer.Spec("symbolic").Input(layer.x()).Parameter(layer.weight_ih()).Parameter(layer.weight_hh())
        .ExpectOutput(layer.y()).SymbolicBatch().Check();
  }
}

TEST(Recurrent, ALengthOutOfRangeStopsTheRun) {
  for (const Layer& layer : Cells()) {
    for (int32_t bad : {-1, 4, INT32_MIN, INT32_MAX}) {
      layer.Spec().Input(layer.x()).Parameter(layer.weight_ih()).Parameter(layer.weight_hh()).Absent().Absent()
          .Given(Tensor::Of<int32_t>({3}, {3, bad, 0})).ExpectOutput(layer.y())
          .ExpectRunError(ErrorClass::kIndex, absl::StrCat("lengths[1] = ", bad, " is not in [0, 3]"));
    }
  }
}

}  // namespace
}  // namespace athanor
