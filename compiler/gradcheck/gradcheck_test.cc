#include "compiler/gradcheck/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "compiler/builder/attention.h"
#include "compiler/gradcheck/random_inputs.h"
#include "compiler/graph/initializers.h"
#include "compiler/graph/text.h"
#include "compiler/opdef/op_def.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/models.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

// y = x^2, whose gradient is said to be `slope` x dy: 2 is right.
OpDef SquareDef(const std::string& name, double slope) {
  OpDef def;
  def.name = name;
  def.doc = "y = x^2";
  def.inputs = {{"x", ""}};
  def.outputs = {{"y", ""}};
  def.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.gradient = [slope](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId product, c.Emit("Mul", {c.OutputGrad(), c.Input(0)}));
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Mul", {product, c.Constant(static_cast<float>(slope))}));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  // Never compiled: an operator must be able to.
  def.lower = [](LowerContext& c) { return c.Error(ErrorClass::kGraph, "is for the interpreter only"); };
  def.reference = [](ReferenceContext& c) {
    for (int64_t i = 0; i < c.Output().size(); ++i) c.Output()[i] = c.Input(0)[i] * c.Input(0)[i];
    return absl::OkStatus();
  };
  return def;
}

ATH_REGISTER_OP(SquareDef("TestSquare", 2));
ATH_REGISTER_OP(SquareDef("TestSquareWrong", 2.001));

Graph Parse(const std::string& text) {
  absl::StatusOr<Graph> graph = ParseGraph(text);
  ATH_CHECK_OK(graph);
  return *std::move(graph);
}

Graph SquareNet(const std::string& op) {
  return Parse(R"(graph "squares" {
    %x : input f32[N,3]
    %a : parameter f32[3] = [0.5,-1,2]
    %b : parameter f32[2,3] = [1,2,3,0.1,0.2,-0.3]
    %p = Mul(%x, %a) @"p"
    %q = )" + op + R"((%b) @"square"
    %s = ReduceSum(%q) {axes=[0]} @"s"
    %y = Mul(%p, %s) @"y"
    %loss = ReduceMean(%y) @"loss"
    entry "train" training (x=%x) -> (loss=%loss) loss %loss
  })");
}

TEST(Gradcheck, ARightGradientPasses) {
  auto report = Gradcheck(SquareNet("TestSquare"), {.symbols = {{"N", 2}}});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->passed()) << report->Failure();
  EXPECT_EQ(report->Failure(), "");
  ASSERT_EQ(report->parameters.size(), 2u);
  EXPECT_EQ(report->parameters[0].name, "a");
  EXPECT_EQ(report->parameters[0].checked, 3);
  EXPECT_EQ(report->parameters[1].checked, 6);
  EXPECT_EQ(report->elements.size(), 9u);
  for (const GradcheckParameter& p : report->parameters) {
    EXPECT_EQ(p.kinks + p.wrong, 0);
    EXPECT_LE(p.worst_relative, 1e-7);  // constants of the gradient, such as 1 / N, are f32
    EXPECT_GT(p.largest, 0);
  }
}

TEST(Gradcheck, AWrongGradientIsCaughtAndNamed) {
  auto report = Gradcheck(SquareNet("TestSquareWrong"), {.symbols = {{"N", 2}}});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->passed());
  EXPECT_TRUE(report->parameters[0].passed) << "a is right";
  EXPECT_FALSE(report->parameters[1].passed);
  EXPECT_EQ(report->parameters[1].kinks, 0) << "an error is no kink";
  EXPECT_GE(report->parameters[1].wrong, 3);
  const GradcheckElement& worst = report->elements[0];
  EXPECT_EQ(worst.parameter, "b");
  EXPECT_FALSE(worst.agrees);
  EXPECT_EQ(worst.index.size(), 2u);
  EXPECT_NEAR(worst.analytic / worst.numeric, 2.001 / 2, 1e-6);
  EXPECT_NEAR(worst.relative, 0.001 / 2.001, 1e-6);
  EXPECT_THAT(report->Failure(), HasSubstr("the gradient of parameter \"b\" is wrong: at b["));
  auto tolerant = Gradcheck(SquareNet("TestSquareWrong"), {.symbols = {{"N", 2}}, .tolerance = 1e-3});
  ASSERT_TRUE(tolerant.ok());
  EXPECT_TRUE(tolerant->passed()) << tolerant->Failure();
}

// The loss bends where an element of w is 0.
Graph KinkNet(const std::string& weights) {
  return Parse(R"(graph "kinks" {
    %w : parameter f32[3] = )" + weights + R"(
    %v : parameter f32[3] = [1,2,3]
    %h = ReLU(%w) @"relu"
    %y = Mul(%h, %v) @"y"
    %loss = ReduceSum(%y) @"loss"
    entry "train" training () -> (loss=%loss) loss %loss
  })");
}

TEST(Gradcheck, KinksAreReportedAndNoFailure) {
  auto at = Gradcheck(KinkNet("[0,1,-1]"), {});
  ASSERT_TRUE(at.ok()) << at.status();
  EXPECT_TRUE(at->passed()) << at->Failure();
  EXPECT_EQ(at->parameters[0].kinks, 1);
  EXPECT_TRUE(at->elements.back().kink) << "kinks come last";
  EXPECT_EQ(at->elements.back().index, Shape{0});
  auto beside = Gradcheck(KinkNet("[0.000003,1,-0.000008]"), {});
  ASSERT_TRUE(beside.ok()) << beside.status();
  EXPECT_TRUE(beside->passed()) << beside->Failure();
  EXPECT_EQ(beside->parameters[0].kinks, 2);
  auto away = Gradcheck(KinkNet("[0.1,1,-0.1]"), {});
  ASSERT_TRUE(away.ok()) << away.status();
  EXPECT_EQ(away->parameters[0].kinks, 0);
}

TEST(Gradcheck, TheModelsThatShip) {
  for (const char* name : {"lenet5", "mlp"}) {
    absl::StatusOr<Graph> model = BuildModel(name);
    ASSERT_TRUE(model.ok()) << model.status();
    ASSERT_TRUE(InitializeVariables(&*model, 1).ok());
    auto report = Gradcheck(*model, {.symbols = {{"N", 2}}, .samples = 3, .compiled = true});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->passed()) << name << ": " << report->Failure();
    EXPECT_EQ(report->ranges.at("labels"), (std::pair<double, double>{0, 9}));
    for (const GradcheckParameter& p : report->parameters) {
      EXPECT_EQ(p.checked, std::min<int64_t>(3, p.elements));
      ASSERT_TRUE(p.compiled_error.has_value()) << p.name;
      EXPECT_LE(*p.compiled_error, 1e-4) << p.name;
    }
  }
}

// Operators that expand, with the gradients of what they expand to, and one that has kernels of its own.
TEST(Gradcheck, AttentionLayers) {
  GraphBuilder b("attention");
  Var x = b.Input("x", DType::kF32, {"N", 5, 8}), y = b.Input("y", DType::kF32, {"N", 3, 8}),
      mask = b.Input("mask", DType::kBool, {"N", 5});
  Var h = MultiHeadAttention(b, AddSinusoidalPositions(b, x), {.heads = 2, .causal = true, .key_mask = mask});
  Var c = AdditiveAttention(b, y, h, {.units = 4}).y;
  Var loss = b.MeanSquaredError(MultiHeadAttention(b, c, {.heads = 4, .key = h}), y);
  b.Entry("train", {.training = true, .inputs = {x, y, mask}, .loss = loss});
  absl::StatusOr<Graph> model = b.Build();
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_TRUE(InitializeVariables(&*model, 1).ok());
  auto report = Gradcheck(*model, {.symbols = {{"N", 3}}, .compiled = true, .threads = 2});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->passed()) << report->Failure();
  EXPECT_EQ(report->parameters.size(), 11u);
  for (const GradcheckParameter& p : report->parameters) EXPECT_GT(p.largest, 0) << p.name;
}

TEST(Gradcheck, TheSameSeedChoosesTheSameElements) {
  absl::StatusOr<Graph> model = BuildModel("mlp");
  ASSERT_TRUE(model.ok());
  ASSERT_TRUE(InitializeVariables(&*model, 1).ok());
  auto indices = [&](uint64_t seed) {
    auto report = Gradcheck(*model, {.symbols = {{"N", 1}}, .samples = 2, .seed = seed});
    EXPECT_TRUE(report.ok()) << report.status();
    std::vector<std::string> all;
    for (const GradcheckElement& e : report->elements) all.push_back(e.parameter + ShapeToString(e.index));
    std::sort(all.begin(), all.end());
    return all;
  };
  EXPECT_EQ(indices(1), indices(1));
  EXPECT_NE(indices(1), indices(2));
}

void ExpectError(const Graph& model, const GradcheckOptions& options, const std::string& error_class,
                 const std::string& text) {
  auto report = Gradcheck(model, options);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(std::string(ErrorClassOf(report.status())), error_class) << report.status();
  EXPECT_THAT(std::string(report.status().message()), HasSubstr(text));
}

TEST(Gradcheck, BadRequestsAreRefused) {
  const Graph model = SquareNet("TestSquare");
  const std::map<std::string, int64_t> n = {{"N", 2}};
  ExpectError(model, {.symbols = n, .step = 0}, "REQ", "step = 0");
  ExpectError(model, {.symbols = n, .step = std::nan("")}, "REQ", "step = nan");
  ExpectError(model, {.symbols = n, .tolerance = -1}, "REQ", "tolerance = -1");
  ExpectError(model, {.symbols = n, .samples = 0}, "REQ", "samples = 0");
  ExpectError(model, {.symbols = n, .compiled_tolerance = 0}, "REQ", "compiled tolerance = 0");
  ExpectError(model, {.entry = "forge", .symbols = n}, "REQ", "no entry \"forge\"");
  ExpectError(model, {}, "REQ", "N");
  ExpectError(model, {.symbols = n, .ranges = {{"z", {0, 1}}}}, "REQ",
              "has no input \"z\" for the range 0:1; it has: x");
  ExpectError(model, {.symbols = n, .ranges = {{"x", {1, 0}}}}, "REQ",
              "input \"x\" f32[2,3]: the range 1:0 holds no value");
  ExpectError(model, {.symbols = n, .ranges = {{"x", {0, HUGE_VAL}}}}, "REQ", "holds no value");
  absl::StatusOr<Graph> lenet = BuildModel("lenet5");
  ASSERT_TRUE(lenet.ok());
  ASSERT_TRUE(InitializeVariables(&*lenet, 1).ok());
  ExpectError(*lenet, {.entry = "infer", .symbols = n}, "REQ", "entry \"infer\" has no loss");
  ExpectError(*lenet, {.symbols = n, .ranges = {{"labels", {0.2, 0.8}}}}, "REQ", "input \"labels\" s32[2]: the range");
  ExpectError(*lenet, {.symbols = n, .ranges = {{"labels", {10, 20}}}}, "REQ", "give it ranges");
}

TEST(Gradcheck, ALossThatIsNoNumberIsRefused) {
  const Graph model = Parse(R"(graph "inf" {
    %w : parameter f32[1] = [1]
    %zero : constant f32[1] = [0]
    %y = Div(%w, %zero) @"y"
    %loss = ReduceSum(%y) @"loss"
    entry "train" training () -> (loss=%loss) loss %loss
  })");
  ExpectError(model, {}, "DATA", "the loss is inf");
}

}  // namespace
}  // namespace athanor
