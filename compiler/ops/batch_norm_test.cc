#include <cmath>
#include <cstring>

#include "compiler/compile.h"
#include "compiler/graph/text.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

const std::vector<Shape>& Shapes() {
  static const auto* shapes =
      new std::vector<Shape>{{2, 1},        {5, 3},        {32, 120},    {2, 3, 4, 5}, {4, 6, 7, 7},
                             {2, 16, 3, 3}, {3, 33, 1, 2}, {1, 4, 2, 2}, {4, 5, 7},    {2, 3, 2, 3, 2}};
  return *shapes;
}

// Statistics are states, but a case knows only parameters.
OpSpec Case(const std::string& name, const Shape& x) {
  const Shape channel = {x[1]};
  OpSpec spec("BatchNorm");
  spec.Name(name).Input(x).InputRange(-1, 2).Parameter(channel).InputRange(0.5, 2).Parameter(channel);
  spec.Parameter(channel).NoGradient(3).Parameter(channel).InputRange(0.5, 2).NoGradient(4);
  return spec;
}

// All outputs but the workspace. Only y has a gradient.
OpSpec& AllOutputs(OpSpec& spec, const Shape& x) {
  spec.ExpectOutput(x);
  for (int i = 1; i <= 4; ++i) spec.ExpectOutput({x[1]}).NoGradientFromOutput(i);
  return spec;
}

TEST(BatchNorm, KnownValues) {
  // Channel 0 holds 1 and 3: mean 2, variance 1 (unbiased 2). Channel 1 holds 5 and 5.
  OpSpec spec("BatchNorm");
  spec.Name("training").Training().Attr("training", true).Attr("momentum", 0.25).Attr("epsilon", 3.0);
  spec.Given(Tensor::Of<float>({2, 2}, {1, 5, 3, 5}));
  spec.GivenParameter(Tensor::Of<float>({2}, {4, 4})).GivenParameter(Tensor::Of<float>({2}, {10, 20}));
  spec.GivenParameter(Tensor::Of<float>({2}, {2, 1})).NoGradient(3);
  spec.GivenParameter(Tensor::Of<float>({2}, {1, 4})).NoGradient(4);
  spec.ExpectOutput({2, 2}).ExpectValues({8, 20, 12, 20});
  spec.ExpectOutput({2}).ExpectValues({2, 2}).NoGradientFromOutput(1);
  spec.ExpectOutput({2}).ExpectValues({1.25, 3}).NoGradientFromOutput(2);
  spec.ExpectOutput({2}).ExpectValues({2, 5}).NoGradientFromOutput(3);
  spec.ExpectOutput({2}).ExpectValues({1, 0}, 1e-12).NoGradientFromOutput(4);
  spec.Check();

  OpSpec inference("BatchNorm");
  inference.Name("inference").Attr("epsilon", 3.0).Given(Tensor::Of<float>({1, 2}, {4, 1}));
  inference.GivenParameter(Tensor::Of<float>({2}, {4, 8})).GivenParameter(Tensor::Of<float>({2}, {10, 20}));
  inference.GivenParameter(Tensor::Of<float>({2}, {2, 3})).NoGradient(3);
  inference.GivenParameter(Tensor::Of<float>({2}, {1, 13})).NoGradient(4);
  inference.ExpectOutput({1, 2}).ExpectValues({14, 16});
  inference.Check();
}

TEST(BatchNorm, Training) {
  for (const Shape& x : Shapes()) {
    // Two elements a channel nearly cancel in the gradient: what is left is rounding.
    const bool two = *NumElements(x) / x[1] == 2;
    OpSpec spec = Case("training", x);
    spec.Training().Attr("training", true).Attr("epsilon", 1e-3).Attr("momentum", 0.3).Tolerance(two ? 1e-3 : 2e-5);
    AllOutputs(spec, x).Check();
  }
}

TEST(BatchNorm, InferenceLeavesTheStatisticsAlone) {
  for (const Shape& x : Shapes()) {
    OpSpec spec = Case("inference", x);
    AllOutputs(spec.Attr("epsilon", 1e-3), x).Check();
    OpSpec only_y = Case("only y", x);
    only_y.ExpectOutput(x).SymbolicBatch().Check();
  }
}

TEST(BatchNorm, OneElementAChannelIsFineInInference) {
  Case("one", {1, 3}).ExpectOutput({1, 3}).Check();
  Case("one", {1, 3, 1, 1}).ExpectOutput({1, 3, 1, 1}).Check();
}

TEST(BatchNorm, GradientOperator) {
  for (bool training : {true, false}) {
    for (const Shape& x : Shapes()) {
      if (*NumElements(x) / x[1] == 2) continue;
      OpSpec spec("BatchNormGrad");
      spec.Name(training ? "training" : "given statistics")
          .Attr("training", training)
          .Input(x)
          .Input(x)
          .Parameter({x[1]});
      spec.Input({x[1]}).Input({x[1]}).InputRange(0.5, 2);
      spec.ExpectOutput(x).ExpectOutput({x[1]}).ExpectOutput({x[1]}).NotDifferentiable().Tolerance(2e-5).Check();
    }
  }
  OpSpec some("BatchNormGrad");
  some.Name("only dscale").Input({4, 3}).Input({4, 3}).Parameter({3}).Input({3}).Input({3}).InputRange(0.5, 2);
  some.OmitOutput().ExpectOutput({3}).NotDifferentiable().Check();
}

TEST(BatchNorm, FoldsIntoAnAffineFunctionOfEachChannel) {
  const OpDef* def = OpRegistry::Get().Find("BatchNorm");
  ASSERT_NE(def, nullptr);
  Node node;
  node.op = "BatchNorm";
  node.attrs = {{"epsilon", 3.0}, {"training", false}, {"fuse_relu", false}};
  DoubleTensor scale({2}), bias({2}), mean({2}), var({2});
  scale.data = {4, 8}, bias.data = {10, 20}, mean.data = {2, 3}, var.data = {1, 13};
  auto affine = def->channel_affine(node, {nullptr, &scale, &bias, &mean, &var});
  ASSERT_TRUE(affine.has_value());
  EXPECT_EQ(affine->scale.data, (std::vector<double>{2, 2}));
  EXPECT_EQ(affine->shift.data, (std::vector<double>{6, 14}));
  EXPECT_FALSE(def->channel_affine(node, {nullptr, &scale, &bias, nullptr, &var}).has_value());
  node.attrs.Set("training", true);
  EXPECT_FALSE(def->channel_affine(node, {nullptr, &scale, &bias, &mean, &var}).has_value());
}

constexpr char kNet[] = R"(graph "net" {
  %x : input f32[4,6,3,5]
  %target : input f32[4,6,3,5]
  %w : parameter f32[6,1,1]
  %scale : parameter f32[6]
  %bias : parameter f32[6]
  %mean : state f32[6]
  %var : state f32[6]
  %z = Mul(%x, %w) @"mul" : f32[4,6,3,5]
  %y, %next_mean, %next_var = BatchNorm(%z, %scale, %bias, %mean, %var) {momentum=0.3} @"bn"
      : f32[4,6,3,5], f32[6], f32[6]
  %h = ReLU(%y) @"relu" : f32[4,6,3,5]
  %loss = MeanSquaredError(%h, %target) @"mse" : f32[]
  entry "train" training (x=%x, target=%target) -> (loss=%loss, next_mean=%next_mean, next_var=%next_var) loss %loss
      update (%mean <- %next_mean, %var <- %next_var)
}
)";

// A training entry as the pipeline compiles it: ReLU becomes part of the normalization, and its mask goes from the
// forward to the backward kernel through the workspace.
class FusedTraining : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    auto graph = ParseGraph(kNet);
    ASSERT_TRUE(graph.ok()) << graph.status();
    graph_ = *std::move(graph);
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      Value& value = graph_.values[v];
      if (value.kind == ValueKind::kNode) continue;
      DoubleTensor data(value.type.shape());
      data.data = internal::RandomFloats("net", v, data.size(), IsVariable(value.kind) ? 0.5 : -1, 1.5);
      if (value.kind == ValueKind::kInput) inputs_[value.name] = data;
      if (IsVariable(value.kind)) value.data = std::make_shared<const Tensor>(data.To(DType::kF32));
    }
  }

  // Outputs of the uncompiled entry, a variable changed.
  Interpreter::Tensors Interpret(const std::string& variable = "", int64_t element = 0, double by = 0) {
    auto interpreter = Interpreter::Create(graph_, "train");
    EXPECT_TRUE(interpreter.ok()) << interpreter.status();
    if (!variable.empty()) {
      DoubleTensor value = interpreter->variables().at(variable);
      value[element] += by;
      EXPECT_TRUE(interpreter->SetVariable(variable, value).ok());
    }
    auto outputs = interpreter->Run(inputs_);
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return outputs.ok() ? *outputs : Interpreter::Tensors{};
  }

  void Compile() {
    CompileOptions options;
    options.entries = {{"train", {}}};
    options.threads = GetParam();
    options.gradients_as_outputs = true;
    auto plan = athanor::Compile(graph_, options);
    ASSERT_TRUE(plan.ok()) << plan.status();
    plan_ = std::make_shared<const Plan>(*std::move(plan));
  }

  Graph graph_;
  Interpreter::Tensors inputs_;
  std::shared_ptr<const Plan> plan_;
};
INSTANTIATE_TEST_SUITE_P(Threads, FusedTraining, testing::Values(1, 2));

TEST_P(FusedTraining, ReluIsPartOfTheNormalization) {
  ASSERT_NO_FATAL_FAILURE(Compile());
  int forward = 0, backward = 0;
  for (const KernelCall& call : plan_->entries[0].calls) {
    EXPECT_EQ(call.attrs.String("program").find("max"), std::string::npos);  // no ReLU is left
    forward += call.kernel == "batch_normalization" && call.attrs.Bool("fuse_relu");
    backward += call.kernel == "batch_normalization_backward" && call.attrs.Bool("fuse_relu");
  }
  EXPECT_EQ(forward, 1);
  EXPECT_EQ(backward, 1);
}

TEST_P(FusedTraining, GradientsAreFiniteDifferences) {
  ASSERT_NO_FATAL_FAILURE(Compile());
  SessionOptions session_options;
  session_options.poison = true;
  auto session = Session::Create(plan_, session_options);
  ASSERT_TRUE(session.ok()) << session.status();
  const int entry = *(*session)->FindEntry("train");
  for (const auto& [name, value] : inputs_) {
    auto view = (*session)->Input(entry, name);
    ASSERT_TRUE(view.ok()) << view.status();
    Tensor data = value.To(DType::kF32);
    std::memcpy(view->data, data.data(), data.bytes());
  }
  absl::Status status = (*session)->Run(entry);
  ASSERT_TRUE(status.ok()) << status;
  auto read = [&](const std::string& name) {
    auto view = (*session)->Output(entry, name);
    EXPECT_TRUE(view.ok()) << view.status();
    return std::vector<double>(view->as<float>().begin(), view->as<float>().end());
  };
  const Interpreter::Tensors want = Interpret();
  for (const char* name : {"loss", "next_mean", "next_var"}) {
    const std::vector<double> got = read(name);
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want.at(name)[i], 1e-5) << name << " " << i;
  }
  for (const char* variable : {"w", "scale", "bias"}) {
    const std::vector<double> got = read(std::string("grad:") + variable);
    ASSERT_EQ(got.size(), 6u);
    for (int64_t i = 0; i < 6; ++i) {
      constexpr double kStep = 1e-6;
      const double up = Interpret(variable, i, kStep).at("loss")[0],
                   down = Interpret(variable, i, -kStep).at("loss")[0];
      EXPECT_NEAR(got[i], (up - down) / (2 * kStep), 1e-6) << "gradient of " << variable << " " << i;
    }
  }
}

TEST(BatchNorm, Errors) {
  auto with = [](const Shape& x, const Shape& scale, const Shape& var) {
    OpSpec spec("BatchNorm");
    spec.Input(x).Parameter(scale).Parameter({x[1]}).Parameter({x[1]}).Parameter(var).ExpectOutput(x);
    return spec;
  };
  with({2, 3}, {4}, {3}).ExpectError(ErrorClass::kShape, "\"scale\" is f32[4], expected f32[3] like the channels of x");
  with({2, 3}, {3}, {}).ExpectError(ErrorClass::kShape, "\"var\" is f32[], expected f32[3]");
  with({2, 3}, {3}, {0}).ExpectError(ErrorClass::kShape, "\"var\" is f32[0]");
  with({2, 0}, {0}, {0}).ExpectError(ErrorClass::kShape, "\"x\" is f32[2,0]: it is empty");
  with({2, 3, 1, 1, 1, 1}, {3}, {3}).ExpectError(ErrorClass::kShape, "of rank 6, expected rank 2 to 5");
  with({1, 3}, {3}, {3})
      .Attr("training", true)
      .ExpectError(ErrorClass::kShape, "one element a channel has no variance");
  for (double epsilon : {0.0, -1e-5, std::nan(""), 1e300}) {
    with({2, 3}, {3}, {3}).Attr("epsilon", epsilon).ExpectError(ErrorClass::kAttr, "\"epsilon\"");
  }
  for (double momentum : {-0.1, 1.1, std::nan("")}) {
    with({2, 3}, {3}, {3}).Attr("momentum", momentum).ExpectError(ErrorClass::kAttr, "\"momentum\"");
  }
  OpSpec("BatchNorm").Input({2, 3}).Parameter({3}).Parameter({3}).Parameter({3}).ExpectOutput({2, 3})
      .ExpectError(ErrorClass::kGraph, "has 4 inputs, expected 5");
  OpSpec("BatchNormGrad").Input({2, 4}).Input({2, 3}).Parameter({3}).Parameter({3}).Parameter({3}).ExpectOutput({2, 3})
      .ExpectError(ErrorClass::kShape, "\"dy\" is f32[2,4], expected f32[2,3]");
  OpSpec("BatchNormGrad")
      .Input({2, 3})
      .Input({2, 3})
      .Parameter({3})
      .Parameter({3})
      .Parameter({3})
      .Attr("fuse_relu", true)
      .ExpectOutput({2, 3})
      .ExpectError(ErrorClass::kGraph, "\"workspace\"");
}

}  // namespace
}  // namespace athanor
