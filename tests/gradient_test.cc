// The compiled plan (fused, laid out, planned, its arena poisoned) against the double interpreter: outputs, gradients of
// all parameters, and the parameters after an update.
#include <cmath>

#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/passes.h"
#include "gtest/gtest.h"
#include "tests/testing.h"

namespace athanor {
namespace {

constexpr int64_t kBatch = 6;

// The same entry, differentiated but neither fused nor planned.
Interpreter Oracle(const Graph& model, const CompileOptions& options) {
  Graph g = model;
  for (auto* pass : {&SelectEntry, &FixSymbols, &InferShapes, &SelectPhase, &Expand, &Differentiate}) {
    absl::StatusOr<Graph> next = pass(std::move(g), options);
    ATH_CHECK_OK(next);
    g = *std::move(next);
  }
  absl::StatusOr<Interpreter> interpreter = Interpreter::Create(g, "train");
  ATH_CHECK_OK(interpreter);
  return *std::move(interpreter);
}

// Largest difference over the largest magnitude of the expected values.
double RelativeError(const Tensor& got, const DoubleTensor& want) {
  double scale = 0, worst = 0;
  for (double v : want.data) scale = std::max(scale, std::fabs(v));
  for (int64_t i = 0; i < want.size(); ++i) {
    double difference = std::fabs(got.as<float>()[i] - want[i]);
    if (!(difference <= worst)) worst = difference;  // NaN counts as worse
  }
  return scale > 0 ? worst / scale : worst;
}

class GradientTest : public testing::TestWithParam<std::tuple<const char*, int>> {};

TEST_P(GradientTest, CompiledTrainEntryAgreesWithTheInterpreter) {
  auto [name, threads] = GetParam();
  Graph model = InitializedModel(name);
  std::vector<EntryRequest> entries = {{"train", {{"N", kBatch}}}};
  auto plan = CompileForTest(model, {.entries = entries, .threads = threads, .gradients_as_outputs = true});
  SessionOptions poisoned;
  poisoned.poison = true;
  auto session = Session::Create(plan, poisoned);
  ASSERT_TRUE(session.ok()) << session.status();
  int entry = *(*session)->FindEntry("train");
  auto inputs = RandomInputs(plan->entries[0], 7);
  SetInputs(**session, entry, inputs);
  ASSERT_TRUE((*session)->Run(entry).ok());

  CompileOptions options;
  options.entries = entries;
  options.gradients_as_outputs = true;
  Interpreter oracle = Oracle(model, options);
  inputs.erase("lr");
  inputs.erase("step");
  auto expected = oracle.Run(inputs);
  ASSERT_TRUE(expected.ok()) << expected.status();
  int gradients = 0;
  for (const auto& [output, want] : *expected) {
    EXPECT_LE(RelativeError(CopyOutput(**session, entry, output), want), 1e-4) << output;
    gradients += output.rfind("grad:", 0) == 0;
  }
  int parameters = 0;
  for (const Value& v : model.values) {
    if (v.kind != ValueKind::kParameter) continue;
    ++parameters;
    // One step of SGD from zero momentum: w - lr * gradient.
    DoubleTensor after = DoubleTensor::From(*v.data);
    const DoubleTensor& gradient = expected->at("grad:" + v.name);
    for (int64_t i = 0; i < after.size(); ++i) after[i] -= 0.01f * gradient[i];
    auto updated = (*session)->weights().Get(v.name);
    ASSERT_TRUE(updated.ok());
    EXPECT_LE(RelativeError(*updated, after), 1e-5) << v.name;
  }
  EXPECT_EQ(gradients, parameters);
  EXPECT_GE(parameters, 6);
}

INSTANTIATE_TEST_SUITE_P(Models, GradientTest,
                         testing::Combine(testing::Values("lenet5", "mlp"), testing::Values(1, 2)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_threads" + std::to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace athanor
