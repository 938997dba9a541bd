// 50 steps of every optimizer give PyTorch's parameters: tests/fixtures/optimizers.json, made by optimizers.py there.
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "compiler/compile.h"
#include "compiler/graph/text.h"
#include "gtest/gtest.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

using Json = nlohmann::json;

constexpr char kNet[] = R"(graph "net" {
  %x : input f32[8,5]
  %y : input f32[8,3]
  %w1 : parameter f32[7,5] = zeros
  %w2 : parameter f32[3,7] = zeros
  %h = FullyConnected(%x, %w1) @"h" : f32[8,7]
  %a = Tanh(%h) @"a" : f32[8,7]
  %o = FullyConnected(%a, %w2) @"o" : f32[8,3]
  %loss = MeanSquaredError(%o, %y) @"mse" : f32[]
  entry "train" training (x=%x, y=%y) -> (loss=%loss) loss %loss
})";

const Json& Fixtures() {
  static const Json all = Json::parse(std::ifstream("tests/fixtures/optimizers.json"));
  return all;
}

std::vector<double> Numbers(const Json& json) { return json.get<std::vector<double>>(); }

Tensor ToTensor(const std::vector<double>& numbers, const Shape& shape) {
  Tensor t = *Tensor::Create(DType::kF32, shape);
  for (size_t i = 0; i < numbers.size(); ++i) t.as<float>()[i] = static_cast<float>(numbers[i]);
  return t;
}

Attributes ToAttributes(const Json& json) {
  Attributes attrs;
  for (const auto& [name, value] : json.items()) {
    if (value.is_boolean()) {
      attrs.Set(name, value.get<bool>());
    } else {
      attrs.Set(name, value.get<double>());
    }
  }
  return attrs;
}

CompileOptions OptionsOf(const Json& test) {
  CompileOptions options;
  options.entries = {{"train", {}}};
  options.threads = 2;
  options.optimizer = OptimizerSpec{test["op"], ToAttributes(test["attrs"])};
  options.optimizer->clip_norm = test.value("clip_norm", 0.0);
  options.optimizer->grad_norm_output = true;
  const Json groups = test.value("groups", Json::object());
  for (const auto& [pattern, attrs] : groups.items()) {
    options.optimizer->groups.push_back({{pattern}, ToAttributes(attrs)});
  }
  return options;
}

std::unique_ptr<Session> MakeSession(const CompileOptions& options) {
  Graph net = *ParseGraph(kNet);
  for (const char* name : {"w1", "w2"}) {
    Value& v = net.values[net.FindValue(name)];
    v.data = std::make_shared<const Tensor>(ToTensor(Numbers(Fixtures()["data"][name]), v.type.shape()));
  }
  auto plan = Compile(net, options);
  ATH_CHECK_OK(plan.status());
  SessionOptions session_options;
  session_options.poison = true;
  auto session = Session::Create(std::make_shared<const Plan>(*std::move(plan)), session_options);
  ATH_CHECK_OK(session.status());
  for (const char* name : {"x", "y"}) {
    TensorView view = *(*session)->Input(0, name);
    const Tensor data = ToTensor(Numbers(Fixtures()["data"][name]), view.shape);
    std::memcpy(view.data, data.data(), data.bytes());
  }
  return *std::move(session);
}

// The largest difference over the largest magnitude.
double RelativeError(absl::Span<const float> got, const std::vector<double>& want) {
  double difference = 0, magnitude = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference = std::max(difference, std::abs(got[i] - want[i]));
    magnitude = std::max(magnitude, std::abs(want[i]));
  }
  return difference / magnitude;
}

class OptimizerFixtures : public testing::TestWithParam<UpdateMode> {};

TEST_P(OptimizerFixtures, FiftyStepsAgreeWithPyTorch) {
  ASSERT_GE(Fixtures()["cases"].size(), 30u);
  for (const Json& test : Fixtures()["cases"]) {
    SCOPED_TRACE(test["name"].get<std::string>());
    CompileOptions options = OptionsOf(test);
    options.update = GetParam();
    auto session = MakeSession(options);
    const std::vector<double> losses = Numbers(test["losses"]), norms = Numbers(test["norms"]);
    for (int64_t step = 1; step <= static_cast<int64_t>(losses.size()); ++step) {
      const double lr = test["lr"].get<double>() * (1 - static_cast<double>(step) / 100);
      session->Input(0, "lr")->as<float>()[0] = static_cast<float>(lr);
      if (auto view = session->Input(0, "step"); view.ok()) view->as<int64_t>()[0] = step;
      ASSERT_TRUE(session->Run(0).ok());
      const double loss = losses[step - 1], norm = norms[step - 1];
      ASSERT_NEAR(session->Output(0, "loss")->as<float>()[0], loss, 1e-5 * losses[0]) << "step " << step;
      ASSERT_NEAR(session->Output(0, "grad_norm")->as<float>()[0], norm, 1e-5 * norms[0]) << "step " << step;
    }
    for (const char* name : {"w1", "w2"}) {
      const Tensor got = *session->weights().Get(name);
      EXPECT_LT(RelativeError(got.as<float>(), Numbers(test[name])), 1e-5) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, OptimizerFixtures, testing::Values(UpdateMode::kGrouped, UpdateMode::kEach),
                         [](const auto& info) { return info.param == UpdateMode::kGrouped ? "grouped" : "each"; });

}  // namespace
}  // namespace athanor
