// Dropout and the optimizers in whole training steps: forward, backward and update of one compiled plan, several steps
// long, against the interpreter in double.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "compiler/compile.h"
#include "compiler/graph/text.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/pipeline.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

// w scales the columns of x, v shifts them; the loss is the sum of squares of what two dropouts leave.
constexpr char kNet[] = R"(graph "net" {
  %x : input f32[8,37]
  %w : parameter f32[37] = zeros
  %v : parameter f32[37] = zeros
  %a = Mul(%x, %w) @"scale" : f32[8,37]
  %b = Dropout(%a) {ratio=0.25} @"drop1" : f32[8,37]
  %c = Add(%b, %v) @"shift" : f32[8,37]
  %d = Dropout(%c) {ratio=0.5} @"drop2" : f32[8,37]
  %e = Mul(%d, %d) @"square" : f32[8,37]
  %loss = ReduceSum(%e) @"sum" : f32[]
  entry "train" training (x=%x) -> (loss=%loss) loss %loss
})";

DoubleTensor Random(const Shape& shape, uint64_t stream) {
  DoubleTensor t(shape);
  for (int64_t i = 0; i < t.size(); ++i) t[i] = Philox(3, stream).Uniform(i) - 0.5f;
  return t;
}

Graph Net() {
  auto graph = ParseGraph(kNet);
  ATH_CHECK_OK(graph.status());
  for (const char* name : {"w", "v"}) {
    Value& v = graph->values[graph->FindValue(name)];
    v.data = std::make_shared<const Tensor>(Random({37}, name[0]).To(DType::kF32));
  }
  return *std::move(graph);
}

CompileOptions With(const std::string& optimizer, const Attributes& attrs, int threads = 2) {
  CompileOptions options;
  options.entries = {{"train", {}}};
  options.threads = threads;
  options.optimizer = OptimizerSpec{optimizer, attrs};
  return options;
}

std::unique_ptr<Session> MakeSession(const CompileOptions& options) {
  auto plan = Compile(Net(), options);
  ATH_CHECK_OK(plan.status());
  SessionOptions session_options;
  session_options.poison = true;
  auto session = Session::Create(std::make_shared<const Plan>(*std::move(plan)), session_options);
  ATH_CHECK_OK(session.status());
  return *std::move(session);
}

Interpreter::Tensors InputsOfStep(const Plan& plan, int64_t step) {
  Interpreter::Tensors all = {{"x", Random({8, 37}, 100 + step)},
                              {"seed", DoubleTensor(Shape{}, 11)},
                              {"step", DoubleTensor(Shape{}, static_cast<double>(step))},
                              {"lr", DoubleTensor(Shape{}, 0.0078125)}};
  Interpreter::Tensors used;
  for (const NamedBuffer& in : plan.entries[0].inputs) used[in.name] = all.at(in.name);
  return used;
}

// The loss.
double RunStep(Session& session, const Interpreter::Tensors& inputs) {
  for (const auto& [name, value] : inputs) {
    auto view = session.Input(0, name);
    ATH_CHECK_OK(view.status());
    Tensor data = value.To(view->dtype);
    std::memcpy(view->data, data.data(), data.bytes());
  }
  ATH_CHECK_OK(session.Run(0));
  return session.Output(0, "loss")->as<float>()[0];
}

// `variables`: parameters and the optimizer's slots.
void ExpectTrainsLikeTheInterpreter(const std::string& optimizer, const Attributes& attrs, int variables) {
  SCOPED_TRACE(optimizer + attrs.ToString());
  const CompileOptions options = With(optimizer, attrs);
  auto session = MakeSession(options);
  const std::vector<Variable>& all = session->plan().variables;
  auto is_constant = [](const Variable& v) { return v.kind == VariableKind::kConstant; };
  ASSERT_EQ(std::count_if(all.begin(), all.end(), std::not_fn(is_constant)), variables);
  auto graph = RunPipeline(Net(), options.ForEntry(options.entries[0]));
  ASSERT_TRUE(graph.ok()) << graph.status();
  auto interpreter = Interpreter::Create(*graph, "train");
  ASSERT_TRUE(interpreter.ok()) << interpreter.status();
  for (const Value& v : graph->values) {
    if (v.kind != ValueKind::kState) continue;
    ASSERT_TRUE(interpreter->SetVariable(v.name, DoubleTensor({37})).ok());
  }
  for (int64_t step = 1; step <= 4; ++step) {
    const Interpreter::Tensors inputs = InputsOfStep(session->plan(), step);
    auto want = interpreter->Run(inputs);
    ASSERT_TRUE(want.ok()) << want.status();
    EXPECT_NEAR(RunStep(*session, inputs), want->at("loss")[0], 1e-5 * want->at("loss")[0]) << "step " << step;
    for (const auto& [name, value] : interpreter->variables()) {
      auto got = session->weights().Get(name);
      ASSERT_TRUE(got.ok()) << got.status();
      for (int64_t i = 0; i < value.size(); ++i) {
        ASSERT_NEAR(got->as<float>()[i], value[i], 2e-6 * std::max(1.0, std::abs(value[i]))) << name << " " << i;
      }
    }
  }
}

TEST(TrainingStep, EveryOptimizerWithDropout) {
  ExpectTrainsLikeTheInterpreter("SGD", {}, 2);
  ExpectTrainsLikeTheInterpreter("SGD", {{"momentum", 0.9}, {"weight_decay", 0.01}}, 4);
  ExpectTrainsLikeTheInterpreter("SGD", {{"momentum", 0.9}, {"nesterov", true}}, 4);
  ExpectTrainsLikeTheInterpreter("SGD", {{"momentum", 0.9}, {"dampening", 0.5}}, 4);
  ExpectTrainsLikeTheInterpreter("Adam", {}, 6);
  ExpectTrainsLikeTheInterpreter("Adam", {{"weight_decay", 0.01}, {"beta1", 0.5}}, 6);
  ExpectTrainsLikeTheInterpreter("Adam", {{"amsgrad", true}}, 8);
  ExpectTrainsLikeTheInterpreter("AdamW", {}, 6);
  ExpectTrainsLikeTheInterpreter("AdaGrad", {{"epsilon", 1e-3}}, 4);
  ExpectTrainsLikeTheInterpreter("AdaGrad", {{"lr_decay", 0.5}, {"epsilon", 1e-3}}, 4);
  ExpectTrainsLikeTheInterpreter("RMSProp", {{"momentum", 0.5}, {"epsilon", 1e-3}}, 6);
  ExpectTrainsLikeTheInterpreter("RMSProp", {{"centered", true}, {"epsilon", 0.1}}, 6);
  ExpectTrainsLikeTheInterpreter("AdaDelta", {}, 6);
  ExpectTrainsLikeTheInterpreter("Adamax", {}, 6);
  ExpectTrainsLikeTheInterpreter("NAdam", {}, 6);
  ExpectTrainsLikeTheInterpreter("Lion", {}, 4);
  ExpectTrainsLikeTheInterpreter("LAMB", {}, 6);
}

TEST(TrainingStep, TheUpdateIsInPlaceAndTheMasksAreDrawnAgain) {
  auto session = MakeSession(With("Adam", {}));
  int dropouts = 0, updates = 0;
  for (const KernelCall& call : session->plan().entries[0].calls) {
    dropouts += call.kernel == "dropout";
    if (call.kernel != "optimizer_update") continue;
    ++updates;
    EXPECT_EQ(call.attrs.Int("groups"), 2);
    ASSERT_EQ(call.inputs.size(), 2 * 4 + 2);
    EXPECT_EQ(call.outputs, (std::vector<BufferId>{call.inputs[0], call.inputs[2], call.inputs[3], call.inputs[4],
                                                   call.inputs[6], call.inputs[7]}));
  }
  EXPECT_EQ(dropouts, 4);  // two forward, two backward
  EXPECT_EQ(updates, 1);
}

// The bits of both variables after three steps.
std::vector<float> Trained(const CompileOptions& options) {
  auto session = MakeSession(options);
  for (int64_t step = 1; step <= 3; ++step) RunStep(*session, InputsOfStep(session->plan(), step));
  std::vector<float> all;
  for (const char* name : {"w", "v"}) {
    Tensor t = *session->weights().Get(name);
    all.insert(all.end(), t.as<float>().begin(), t.as<float>().end());
  }
  return all;
}

TEST(TrainingStep, GroupedOrEachTheWeightsAreTheSame) {
  for (const char* optimizer : {"SGD", "Adam", "LAMB", "AdaDelta"}) {
    CompileOptions options = With(optimizer, {});
    options.optimizer->clip_norm = 0.5;
    const std::vector<float> grouped = Trained(options);
    options.update = UpdateMode::kEach;
    EXPECT_EQ(Trained(options), grouped) << optimizer;
    auto session = MakeSession(options);
    const std::vector<KernelCall>& calls = session->plan().entries[0].calls;
    EXPECT_EQ(std::count_if(calls.begin(), calls.end(), [](auto& c) { return c.kernel == "optimizer_update"; }), 2);
  }
}

TEST(TrainingStep, ParametersOfAGroupHaveItsAttributes) {
  CompileOptions options = With("SGD", {{"momentum", 0.9}});
  options.optimizer->groups = {{{"v"}, {{"momentum", 0.0}, {"lr_scale", 0.0}}}};
  auto session = MakeSession(options);
  EXPECT_EQ(session->plan().FindVariable("v/sgd.momentum_buffer"), nullptr);
  EXPECT_NE(session->plan().FindVariable("w/sgd.momentum_buffer"), nullptr);
  auto v = session->weights().Get("v"), w = session->weights().Get("w");
  RunStep(*session, InputsOfStep(session->plan(), 1));
  EXPECT_EQ(session->weights().Get("v")->as<float>()[0], v->as<float>()[0]);
  EXPECT_NE(session->weights().Get("w")->as<float>()[0], w->as<float>()[0]);
}

TEST(TrainingStep, ClippingByNormTakesAShorterStepInTheSameDirection) {
  CompileOptions options = With("SGD", {});
  options.optimizer->grad_norm_output = true;
  const auto step = [&](double clip, float* norm) {
    options.optimizer->clip_norm = clip;
    auto session = MakeSession(options);
    auto before = session->weights().Get("w");
    RunStep(*session, InputsOfStep(session->plan(), 1));
    *norm = session->Output(0, "grad_norm")->as<float>()[0];
    std::vector<float> moved;
    Tensor after = *session->weights().Get("w");
    for (int i = 0; i < 37; ++i) moved.push_back(after.as<float>()[i] - before->as<float>()[i]);
    return moved;
  };
  float norm = 0, clipped_norm = 0;
  const std::vector<float> free = step(0, &norm), clipped = step(norm / 4, &clipped_norm), loose = step(2 * norm, &norm);
  EXPECT_EQ(norm, clipped_norm);  // it is the norm before clipping
  EXPECT_EQ(loose, free);
  for (int i = 0; i < 37; ++i) EXPECT_NEAR(clipped[i], free[i] / 4, 1e-6);
}

TEST(TrainingStep, GradientsThatAreNotFiniteChangeNoWeightWhereTheyAreClipped) {
  CompileOptions options = With("Adam", {});
  options.optimizer->clip_norm = 1;
  auto session = MakeSession(options);
  Interpreter::Tensors inputs = InputsOfStep(session->plan(), 1);
  for (double& x : inputs["x"].data) x = 1e30;
  Tensor x = inputs["x"].To(DType::kF32);
  RunStep(*session, InputsOfStep(session->plan(), 1));  // all inputs are set
  const Tensor trained = *session->weights().Get("w");
  std::memcpy(session->Input(0, "x")->data, x.data(), x.bytes());
  absl::Status status = session->Run(0);
  EXPECT_EQ(std::string(ErrorClassOf(status)), "DATA") << status;
  Tensor after = *session->weights().Get("w");
  EXPECT_EQ(std::memcmp(after.data(), trained.data(), after.bytes()), 0);
}

TEST(TrainingStep, ThreadsDoNotChangeTheMasks) {
  auto one = MakeSession(With("Adam", {}, 1)), three = MakeSession(With("Adam", {}, 3));
  for (int64_t step = 1; step <= 3; ++step) {
    const Interpreter::Tensors inputs = InputsOfStep(one->plan(), step);
    EXPECT_FLOAT_EQ(RunStep(*one, inputs), RunStep(*three, inputs));
  }
}

TEST(TrainingStep, ABadLearningRateLeavesTheWeightsAsTheyWere) {
  auto session = MakeSession(With("Adam", {}));
  Interpreter::Tensors inputs = InputsOfStep(session->plan(), 1);
  RunStep(*session, inputs);
  auto before = session->weights().Get("w");
  ASSERT_TRUE(before.ok());
  session->Input(0, "lr")->as<float>()[0] = -1;
  absl::Status status = session->Run(0);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(std::string(ErrorClassOf(status)), "ATTR") << status;
  auto after = session->weights().Get("w");
  for (int i = 0; i < 37; ++i) EXPECT_EQ(after->as<float>()[i], before->as<float>()[i]);
}

TEST(TrainingStep, EveryStepDropsOthers) {
  auto session = MakeSession(With("SGD", {}));
  Interpreter::Tensors inputs = InputsOfStep(session->plan(), 1);
  inputs["lr"][0] = 0;  // nothing is learnt: only the masks differ
  const double first = RunStep(*session, inputs);
  EXPECT_EQ(RunStep(*session, inputs), first);
  inputs["step"][0] = 2;
  EXPECT_NE(RunStep(*session, inputs), first);
  inputs["step"][0] = 1;
  inputs["seed"][0] = 12;
  EXPECT_NE(RunStep(*session, inputs), first);
}

}  // namespace
}  // namespace athanor
