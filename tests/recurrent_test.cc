// Recurrent layers against the same networks composed of MatMul, Slice and elementwise operators, a step after the
// other, with masks for sequences of different lengths: outputs and the gradients of all parameters.
#include "compiler/builder/recurrent.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "gtest/gtest.h"
#include "runtime/session/malloc_counter.h"
#include "tests/testing.h"

namespace athanor {
namespace {

struct Net {
  const char* cell;  // "tanh", "relu", "lstm", "gru", "lbr_gru"
  int64_t layers = 1;
  bool bidirectional = false, masked = false, bias = true;
  int64_t steps = 4, batch = 3, inputs = 6, hidden = 5;
  int64_t gates() const { return std::string(cell) == "lstm" ? 4 : std::string(cell).ends_with("gru") ? 3 : 1; }
  int64_t directions() const { return bidirectional ? 2 : 1; }
  std::string ToString() const {
    return absl::StrCat(cell, " layers ", layers, " bidirectional ", bidirectional, " masked ", masked, " bias ", bias);
  }
};

// Sequence n has this many of 4 steps.
constexpr int32_t kLengths[] = {4, 1, 3};

struct Leaves {
  Var x, h0, c0;
  Leaves(GraphBuilder& b, const Net& net) {
    x = b.Input("x", DType::kF32, {net.steps, net.batch, net.inputs});
    for (Var* state : {&h0, &c0}) {
      *state = b.Input(state == &h0 ? "h0" : "c0", DType::kF32, {net.layers * net.directions(), net.batch, net.hidden});
    }
  }
};

// Everything reaches the loss, by weights that are different for each element.
void Finish(GraphBuilder& b, const Leaves& leaves, const RecurrentVars& r) {
  Var loss;
  std::vector<NamedVar> outputs;
  for (auto [name, v] : {std::make_pair("y", r.y), std::make_pair("h_n", r.h_n), std::make_pair("c_n", r.c_n)}) {
    if (v.id == kNoValue) continue;
    outputs.push_back({name, v});
    Tensor weights = *Tensor::Create(DType::kF32, b.TypeOf(v).shape());
    for (int64_t i = 0; i < weights.num_elements(); ++i) weights.as<float>()[i] = std::sin(static_cast<float>(i + 1));
    Var sum = b.ReduceSum(b.Mul(v, b.Constant(std::move(weights))));
    loss = loss.id == kNoValue ? sum : b.Add(loss, sum);
  }
  b.Entry("train", {.training = true, .inputs = {leaves.x, leaves.h0, leaves.c0}, .outputs = outputs, .loss = loss});
}

Graph Built(GraphBuilder& b) {
  absl::StatusOr<Graph> graph = b.Build();
  ATH_CHECK_OK(graph);
  ATH_CHECK_OK(InitializeVariables(&*graph, 3));
  return *std::move(graph);
}

Graph ByLayers(const Net& net) {
  GraphBuilder b("layers");
  Leaves leaves(b, net);
  const std::string cell = net.cell;
  RecurrentOptions o{.hidden = net.hidden, .layers = net.layers, .bidirectional = net.bidirectional, .bias = net.bias,
                     .h0 = leaves.h0, .name = "net"};
  if (net.masked) o.lengths = b.Constant(Tensor::Of<int32_t>({3}, kLengths));
  if (cell == "relu") o.nonlinearity = "relu";
  o.linear_before_reset = cell == "lbr_gru";
  if (net.gates() == 4) o.c0 = leaves.c0;
  Finish(b, leaves,
         net.gates() == 4 ? Lstm(b, leaves.x, o) : net.gates() == 3 ? Gru(b, leaves.x, o) : Rnn(b, leaves.x, o));
  return Built(b);
}

class Composer {
 public:
  Composer(GraphBuilder& b, const Net& net) : b_(b), net_(net) {}

  RecurrentVars Build(const Leaves& leaves) {
    std::vector<Var> h_n, c_n;
    Var x = leaves.x;
    for (int64_t l = 0; l < net_.layers; ++l) {
      std::vector<Var> ys;
      for (int64_t d = 0; d < net_.directions(); ++d) {
        Declare(l, d, b_.TypeOf(x).dims[2].size);
        const int64_t state = l * net_.directions() + d;
        h_ = At(leaves.h0, state), c_ = At(leaves.c0, state);
        std::vector<Var> steps(net_.steps);
        for (int64_t s = 0; s < net_.steps; ++s) {
          const int64_t t = d == 0 ? s : net_.steps - 1 - s;
          steps[t] = b_.Reshape(Step(At(x, t), t), {1, net_.batch, net_.hidden});
        }
        ys.push_back(b_.Concat(steps, 0));
        h_n.push_back(b_.Reshape(h_, {1, net_.batch, net_.hidden}));
        c_n.push_back(b_.Reshape(c_, {1, net_.batch, net_.hidden}));
      }
      x = ys.size() == 1 ? ys[0] : b_.Concat(ys, 2);
    }
    return {x, b_.Concat(h_n, 0), net_.gates() == 4 ? b_.Concat(c_n, 0) : Var{}};
  }

 private:
  void Declare(int64_t l, int64_t d, int64_t inputs) {
    const double bound = 1 / std::sqrt(static_cast<double>(net_.hidden));
    const Initializer init{"uniform", {{"low", -bound}, {"high", bound}}};
    const int64_t rows = net_.gates() * net_.hidden;
    auto parameter = [&](const char* what, Shape shape) {
      return b_.Parameter(absl::StrCat("net.", what, "_l", l, d == 0 ? "" : "_reverse"), std::move(shape), init);
    };
    weights_[0] = b_.Transpose(parameter("weight_ih", {rows, inputs}), {1, 0});
    weights_[1] = b_.Transpose(parameter("weight_hh", {rows, net_.hidden}), {1, 0});
    if (net_.bias) biases_[0] = parameter("bias_ih", {rows}), biases_[1] = parameter("bias_hh", {rows});
  }

  Var At(Var x, int64_t i) {
    const Dim batch = b_.TypeOf(x).dims[1], width = b_.TypeOf(x).dims[2];
    return b_.Reshape(b_.Slice(x, {.starts = {i}, .ends = {i + 1}, .axes = {0}}), {batch.size, width.size});
  }
  // Columns of a gate.
  Var Gate(Var all, int64_t gate, int64_t axis) {
    return b_.Slice(all, {.starts = {gate * net_.hidden}, .ends = {(gate + 1) * net_.hidden}, .axes = {axis}});
  }
  Var Affine(Var x, int i) {
    Var product = b_.MatMul(x, weights_[i]);
    return net_.bias ? b_.Add(product, biases_[i]) : product;
  }

  void NextState(Var x) {
    Var in = Affine(x, 0), rec = Affine(h_, 1), sum = b_.Add(in, rec);
    const std::string cell = net_.cell;
    if (cell == "tanh") {
      h_ = b_.Tanh(sum);
    } else if (cell == "relu") {
      h_ = b_.Relu(sum);
    } else if (cell == "lstm") {
      Var i = b_.Sigmoid(Gate(sum, 0, 1)), f = b_.Sigmoid(Gate(sum, 1, 1));
      c_ = b_.Add(b_.Mul(f, c_), b_.Mul(i, b_.Tanh(Gate(sum, 2, 1))));
      h_ = b_.Mul(b_.Sigmoid(Gate(sum, 3, 1)), b_.Tanh(c_));
    } else {
      Var r = b_.Sigmoid(Gate(sum, 0, 1)), z = b_.Sigmoid(Gate(sum, 1, 1)), scaled;
      if (cell == "lbr_gru") {
        scaled = b_.Mul(r, Gate(rec, 2, 1));
      } else {
        scaled = b_.MatMul(b_.Mul(r, h_), Gate(weights_[1], 2, 1));
        if (net_.bias) scaled = b_.Add(scaled, Gate(biases_[1], 2, 0));
      }
      Var fresh = b_.Tanh(b_.Add(Gate(in, 2, 1), scaled));
      h_ = b_.Add(fresh, b_.Mul(z, b_.Sub(h_, fresh)));
    }
  }

  // y of step t.
  Var Step(Var x, int64_t t) {
    const Var h = h_, c = c_;
    NextState(x);
    if (!net_.masked) return h_;
    std::vector<float> running;
    for (int32_t length : kLengths) running.push_back(t < length ? 1 : 0);
    Var mask = b_.Constant(Tensor::Of<float>({net_.batch, 1}, running));
    h_ = b_.Add(h, b_.Mul(mask, b_.Sub(h_, h)));
    if (net_.gates() == 4) c_ = b_.Add(c, b_.Mul(mask, b_.Sub(c_, c)));
    return b_.Mul(mask, h_);
  }

  GraphBuilder& b_;
  const Net net_;
  Var weights_[2], biases_[2], h_, c_;
};

Graph Composed(const Net& net) {
  GraphBuilder b("composed");
  Leaves leaves(b, net);
  Finish(b, leaves, Composer(b, net).Build(leaves));
  return Built(b);
}

// Every output of one step of training, gradients included.
std::map<std::string, Tensor> Train(const Graph& graph) {
  auto plan = CompileForTest(graph, {.entries = {{"train", {}}}, .gradients_as_outputs = true});
  SessionOptions options;
  options.poison = true;
  auto session = Session::Create(plan, options);
  ATH_CHECK_OK(session);
  std::map<std::string, Tensor> inputs = RandomInputs(plan->entries[0], 5);
  SetInputs(**session, 0, inputs);
  ATH_CHECK_OK((*session)->Run(0));
  std::map<std::string, Tensor> outputs;
  for (const NamedBuffer& out : plan->entries[0].outputs) outputs.emplace(out.name, CopyOutput(**session, 0, out.name));
  return outputs;
}

void ExpectClose(const Tensor& got, const Tensor& want, const std::string& what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  // The loss is the sum of some fifty terms of size 1, which nearly cancel.
  float scale = what == "loss" ? 1 : 1e-3f;
  for (float v : want.as<float>()) scale = std::max(scale, std::abs(v));
  for (int64_t i = 0; i < want.num_elements(); ++i) {
    ASSERT_NEAR(got.as<float>()[i], want.as<float>()[i], 1e-5f * scale) << what << " element " << i;
  }
}

TEST(RecurrentTest, LayersAreWhatTheyAreComposedOf) {
  for (const char* cell : {"tanh", "relu", "lstm", "gru", "lbr_gru"}) {
    for (int flags = 0; flags < 8; ++flags) {
      const Net net{.cell = cell, .layers = flags & 1 ? 2 : 1, .bidirectional = (flags & 2) != 0,
                    .masked = (flags & 4) != 0, .bias = flags != 1};
      SCOPED_TRACE(net.ToString());
      std::map<std::string, Tensor> got = Train(ByLayers(net)), want = Train(Composed(net));
      int gradients = 0;
      for (const auto& [name, value] : want) {
        ASSERT_TRUE(got.contains(name)) << name;
        ExpectClose(got.at(name), value, name);
        gradients += name.starts_with("grad:");
      }
      EXPECT_EQ(gradients, net.layers * net.directions() * (net.bias ? 4 : 2));
    }
  }
}

TEST(RecurrentTest, AStepCallsMallocNotOnceAfterTheFirst) {
  if (!MallocCounterActive()) GTEST_SKIP() << "sanitizers bring an allocator of their own";
  for (const char* cell : {"tanh", "lstm", "gru", "lbr_gru"}) {
    for (bool masked : {false, true}) {
      const Net net{.cell = cell, .layers = 2, .bidirectional = true, .masked = masked, .hidden = 40};
      auto plan = CompileForTest(ByLayers(net), {.entries = {{"train", {}}}});
      auto session = Session::Create(plan);
      ASSERT_TRUE(session.ok()) << session.status();
      SetInputs(**session, 0, RandomInputs(plan->entries[0], 1));
      ASSERT_TRUE((*session)->Run(0).ok());
      const int64_t before = MallocCount();
      for (int i = 0; i < 5; ++i) ASSERT_TRUE((*session)->Run(0).ok());
      EXPECT_EQ(MallocCount() - before, 0) << net.ToString();
    }
  }
}

}  // namespace
}  // namespace athanor
