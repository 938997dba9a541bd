// Learns XOR: the model, its training step and its inference in one plan. README.md shows this file.
#include <algorithm>
#include <cstdio>
#include "compiler/builder/builder.h"
#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "runtime/session/session.h"
using namespace athanor;

int main() {
  GraphBuilder b("xor");
  Var x = b.Input("x", DType::kF32, {"N", 2}), target = b.Input("target", DType::kF32, {"N", 1});
  Var y = b.FullyConnected(b.Tanh(b.FullyConnected(x, {.units = 8})), {.units = 1});
  b.Entry("train", {.training = true, .inputs = {x, target}, .loss = b.MeanSquaredError(y, target)});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"y", y}}});
  Graph model = b.Build().value();
  if (!InitializeVariables(&model, /*seed=*/1).ok()) return 1;

  CompileOptions options;
  options.entries = {{"train", {{"N", 4}}}, {"infer", {{"N", 4}}}};
  options.optimizer = OptimizerSpec{"SGD", {{"momentum", 0.9}}};
  auto plan = std::make_shared<const Plan>(Compile(model, options).value());
  std::printf("peak memory: %lld bytes\n", static_cast<long long>(plan->peak_bytes()));

  auto session = Session::Create(plan).value();
  const float inputs[] = {0, 0, 0, 1, 1, 0, 1, 1}, targets[] = {0, 1, 1, 0};
  int train = session->FindEntry("train").value(), infer = session->FindEntry("infer").value();
  std::copy_n(inputs, 8, session->Input(train, "x")->as<float>().begin());
  std::copy_n(targets, 4, session->Input(train, "target")->as<float>().begin());
  session->Input(train, "lr")->as<float>()[0] = 0.1f;
  for (int step = 0; step < 500; ++step) session->Run(train).IgnoreError();  // allocates nothing
  std::copy_n(inputs, 8, session->Input(infer, "x")->as<float>().begin());
  session->Run(infer).IgnoreError();
  for (float v : session->Output(infer, "y")->as<float>()) std::printf("%.3f\n", v);
  return session->Output(infer, "y")->as<float>()[1] > 0.9f ? 0 : 1;
}
