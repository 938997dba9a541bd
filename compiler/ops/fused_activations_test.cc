// In inference an activation behind a product or a convolution becomes oneDNN's post-op: no kernel of its own.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "compiler/ops/testing/run_graph.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Activation {
  const char* op;
  const char* attrs = "";
};
constexpr Activation kFused[] = {{"ELU", "{alpha=0.7}"},
                                 {"GELU"},
                                 {"GELU", "{approximate=\"tanh\"}"},
                                 {"SiLU"},
                                 {"SiLU", "{beta=1.5}"},
                                 {"Mish"},
                                 {"Softplus"},
                                 {"Softplus", "{beta=2.0}"},
                                 {"HardSigmoid"},
                                 {"HardSigmoid", "{alpha=0.3, beta=0.4}"},
                                 {"HardSwish"},
                                 {"ReLU6"},
                                 {"LeakyReLU"},
                                 {"LeakyReLU", "{alpha=-0.5}"},
                                 {"Clip", "{min=-0.5, max=0.25}"},
                                 {"Clip", "{max=0.25}"},
                                 {"Neg"},
                                 {"Abs"},
                                 {"Round"},
                                 {"Square"},
                                 {"Exp"}};
// What oneDNN has not, or not with the same numbers.
constexpr Activation kNotFused[] = {{"SELU"}, {"CELU"}, {"Softsign"}, {"Sin"}, {"Softplus", "{threshold=0.5}"}};

DoubleTensor Random(const Shape& shape, const std::string& key) {
  DoubleTensor t(shape);
  t.data = internal::RandomFloats(key, 1, t.size(), -1, 1);
  return t;
}

struct Layer {
  const char* name;
  const char* lines;  // make %z of %x and %w
  Shape x, w, y;
};
std::vector<Layer> Layers() {
  return {{"convolution", "%z = Conv2d(%x, %w) {pads=[1,1,1,1]} @\"z\" : f32[2,19,7,5]", {2, 3, 7, 5}, {19, 3, 3, 3},
           {2, 19, 7, 5}},
          {"product", "%z = MatMul(%x, %w) @\"z\" : f32[2,5,9]", {2, 5, 7}, {2, 7, 9}, {2, 5, 9}},
          {"fully connected", "%z = FullyConnected(%x, %w) @\"z\" : f32[6,21]", {6, 17}, {21, 17}, {6, 21}}};
}

std::string TypeText(const Shape& shape) { return absl::StrCat("f32", ShapeToString(shape)); }

absl::StatusOr<GraphRun> RunLayer(const Layer& layer, const Activation& activation) {
  const std::string lines = absl::StrCat(
      "%x : input ", TypeText(layer.x), "\n%w : input ", TypeText(layer.w), "\n", layer.lines, "\n%y = ", activation.op,
      "(%z) ", activation.attrs, " @\"y\" : ", TypeText(layer.y), "\nentry \"infer\" (x=%x, w=%w) -> (y=%y)");
  return RunGraphText(lines, {{"x", Random(layer.x, "x")}, {"w", Random(layer.w, "w")}});
}

int CountPostOps(const Plan& plan, const std::string& op) {
  int count = 0;
  for (const KernelCall& call : plan.entries[0].calls) {
    count += static_cast<int>(std::count_if(call.post_ops.begin(), call.post_ops.end(),
                                            [&](const PostOp& p) { return p.op == op; }));
  }
  return count;
}

TEST(FusedActivations, BecomePostOps) {
  for (const Layer& layer : Layers()) {
    for (const Activation& a : kFused) {
      SCOPED_TRACE(absl::StrCat(layer.name, " ", a.op, a.attrs));
      auto run = RunLayer(layer, a);
      ASSERT_TRUE(run.ok()) << run.status();
      EXPECT_EQ(CountPostOps(run->plan, a.op), 1);
      if (std::string(a.op) == "Round") continue;  // of sums that differ by rounding: checked below
      EXPECT_LE(internal::RelativeError(run->got["y"], run->want["y"], 1e-4), 1e-5);
    }
  }
}

TEST(FusedActivations, RoundToWholeNumbers) {
  auto run = RunLayer(Layers()[2], {"Round"});
  ASSERT_TRUE(run.ok()) << run.status();
  for (double v : run->got["y"].data) EXPECT_EQ(v, std::nearbyint(v));
}

TEST(FusedActivations, OthersStayAlone) {
  for (const Layer& layer : Layers()) {
    for (const Activation& a : kNotFused) {
      SCOPED_TRACE(absl::StrCat(layer.name, " ", a.op, a.attrs));
      auto run = RunLayer(layer, a);
      ASSERT_TRUE(run.ok()) << run.status();
      EXPECT_EQ(CountPostOps(run->plan, a.op), 0);
      EXPECT_LE(internal::RelativeError(run->got["y"], run->want["y"], 1e-4), 1e-5);
    }
  }
}

// Defined only above 0: behind a square, which is a post-op itself.
TEST(FusedActivations, RootsAndLogarithmsOfASquare) {
  for (const char* op : {"Sqrt", "Log"}) {
    const std::string text = absl::StrCat(R"(
    %x : input f32[6,17]
    %w : input f32[21,17]
    %z = FullyConnected(%x, %w) @"z" : f32[6,21]
    %s = Square(%z) @"s" : f32[6,21]
    %y = )", op, R"((%s) @"y" : f32[6,21]
    entry "infer" (x=%x, w=%w) -> (y=%y))");
    auto run = RunGraphText(text, {{"x", Random({6, 17}, "x")}, {"w", Random({21, 17}, "w")}});
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_EQ(CountPostOps(run->plan, op), 1);
    EXPECT_EQ(CountPostOps(run->plan, "Square"), 1);
    EXPECT_LE(internal::RelativeError(run->got["y"], run->want["y"], 1e-4), 1e-4) << op;  // logarithms near 0
  }
}

TEST(FusedActivations, ManyInARow) {
  auto run = RunGraphText(R"(
    %x : input f32[6,17]
    %w : input f32[21,17]
    %z = FullyConnected(%x, %w) @"z" : f32[6,21]
    %a = LeakyReLU(%z) {alpha=0.2} @"a" : f32[6,21]
    %b = Mish(%a) @"b" : f32[6,21]
    %c = Clip(%b) {min=-0.25, max=2.0} @"c" : f32[6,21]
    %y = HardSwish(%c) @"y" : f32[6,21]
    entry "infer" (x=%x, w=%w) -> (y=%y))",
                          {{"x", Random({6, 17}, "x")}, {"w", Random({21, 17}, "w")}});
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->plan.entries[0].calls.size(), 1u);
  EXPECT_LE(internal::RelativeError(run->got["y"], run->want["y"], 1e-4), 1e-5);
}

}  // namespace
}  // namespace athanor
