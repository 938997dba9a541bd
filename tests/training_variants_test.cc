// What CompileOptions adds to a training step, on a whole model: batches in parts, averages of the parameters, outputs
// that are left out.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "compiler/compile.h"
#include "gtest/gtest.h"
#include "tests/testing.h"

namespace athanor {
namespace {

CompileOptions Options(std::vector<EntryRequest> entries) {
  CompileOptions options;
  options.entries = std::move(entries);
  options.threads = 2;
  options.optimizer = OptimizerSpec{"SGD", {{"momentum", 0.9}}};
  options.optimizer->clip_norm = 0.5;
  return options;
}

std::unique_ptr<Session> MakeSession(const Graph& model, const CompileOptions& options) {
  auto plan = Compile(model, options);
  ATH_CHECK_OK(plan);
  auto session = Session::Create(std::make_shared<const Plan>(*std::move(plan)), SessionOptions{.poison = true});
  ATH_CHECK_OK(session);
  return *std::move(session);
}

int Calls(const Entry& entry, absl::string_view kernel) {
  return static_cast<int>(std::count_if(entry.calls.begin(), entry.calls.end(),
                                        [&](const KernelCall& c) { return c.kernel == kernel; }));
}

// Rows [begin, end) of a tensor.
Tensor Rows(const Tensor& t, int64_t begin, int64_t end) {
  Shape shape = t.shape();
  const int64_t row = static_cast<int64_t>(t.bytes()) / shape[0];
  shape[0] = end - begin;
  Tensor rows = *Tensor::Create(t.dtype(), shape);
  std::memcpy(rows.data(), static_cast<const std::byte*>(t.data()) + begin * row, (end - begin) * row);
  return rows;
}

void ExpectNear(const Tensor& got, const Tensor& want, const std::string& what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  double largest = 0, difference = 0;
  for (int64_t i = 0; i < want.num_elements(); ++i) {
    largest = std::max(largest, std::abs(double{want.as<float>()[i]}));
    difference = std::max(difference, std::abs(double{got.as<float>()[i]} - want.as<float>()[i]));
  }
  EXPECT_LE(difference, 1e-5 * largest + 1e-7) << what;
}

Tensor Get(Session& session, const std::string& name) {
  auto value = session.weights().Get(name);
  ATH_CHECK_OK(value);
  return *std::move(value);
}

class AccumulationTest : public testing::TestWithParam<std::vector<int64_t>> {};

// The parts of 12 rows, the last of them smaller in one case, against the 12 rows at once; clipping included.
TEST_P(AccumulationTest, PartsGiveTheUpdateOfTheWholeBatch) {
  const std::vector<int64_t> parts = GetParam();
  const Graph model = InitializedModel("lenet5");
  auto whole = MakeSession(model, Options({{"train", {{"N", 12}}}}));
  CompileOptions options = Options({{"train", {{"N", parts[0]}}, GradientUse::kAccumulate}, {"train", {{"N", parts.back()}}}});
  options.accumulate_gradients = true;
  auto in_parts = MakeSession(model, options);
  EXPECT_EQ(in_parts->plan().entries[0].name, "train.accumulate");
  EXPECT_EQ(in_parts->plan().entries[1].name, "train");
  for (const Entry& e : in_parts->plan().entries) EXPECT_EQ(Calls(e, "accumulate_gradient"), 1) << e.name;
  EXPECT_EQ(Calls(in_parts->plan().entries[0], "optimizer_update"), 0);
  EXPECT_EQ(Calls(in_parts->plan().entries[1], "reorder"), Calls(whole->plan().entries[0], "reorder"));

  for (int step = 1; step <= 3; ++step) {
    std::map<std::string, Tensor> batch = RandomInputs(whole->plan().entries[0], step);
    batch.insert_or_assign("lr", Tensor::Scalar(0.1f));
    SetInputs(*whole, 0, batch);
    ASSERT_TRUE(whole->Run(0).ok());
    double loss = 0;
    int64_t begin = 0;
    for (size_t part = 0; part < parts.size(); ++part) {
      const int entry = part + 1 == parts.size() ? 1 : 0;
      std::map<std::string, Tensor> inputs;
      for (const char* name : {"x", "labels"}) inputs.emplace(name, Rows(batch.at(name), begin, begin + parts[part]));
      const float share = static_cast<float>(parts[part]) / 12;
      inputs.emplace("batch_share", Tensor::Scalar(share));
      if (entry == 1) inputs.emplace("lr", Tensor::Scalar(0.1f));
      SetInputs(*in_parts, entry, inputs);
      ASSERT_TRUE(in_parts->Run(entry).ok());
      loss += share * CopyOutput(*in_parts, entry, "loss").as<float>()[0];
      begin += parts[part];
    }
    EXPECT_NEAR(loss, CopyOutput(*whole, 0, "loss").as<float>()[0], 1e-5);
  }
  for (const Variable& v : whole->plan().variables) {
    if (v.kind == VariableKind::kConstant) continue;
    ExpectNear(Get(*in_parts, v.name), Get(*whole, v.name), v.name);
  }
  int sums = 0;
  for (const Variable& v : in_parts->plan().variables) {
    if (v.kind == VariableKind::kConstant || whole->plan().FindVariable(v.name) != nullptr) continue;
    ++sums;
    const Tensor sum = Get(*in_parts, v.name);
    for (float x : sum.as<float>()) ASSERT_EQ(x, 0) << v.name;
  }
  EXPECT_EQ(sums, 10);
}

INSTANTIATE_TEST_SUITE_P(Parts, AccumulationTest,
                         testing::Values(std::vector<int64_t>{4, 4, 4}, std::vector<int64_t>{5, 5, 2}));

TEST(WholeBatchesTest, AreWhatTheyWere) {
  const Graph model = InitializedModel("lenet5");
  CompileOptions options = Options({{"train", {{"N", 4}}}});
  auto plan = Compile(model, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  for (const Variable& v : plan->variables) EXPECT_EQ(v.name.find("/accumulated"), std::string::npos);
  options.entries[0].gradients = GradientUse::kAccumulate;
  EXPECT_EQ(Compile(model, options).status().message(),
            "REQ: entry \"train\" is to accumulate gradients, but the plan is for whole batches");
}

TEST(AveragesTest, TheAveragesFollowTheParametersAndAreWhatAnEntryReads) {
  const Graph model = InitializedModel("lenet5");
  CompileOptions options = Options({{"train", {{"N", 4}}}, {"infer", {{"N", 4}}}});
  options.entries.push_back({.name = "infer", .symbols = {{"N", 4}}, .use_ema = true});
  options.ema_decay = 0.9;
  options.frozen = {"conv1.*"};
  auto session = MakeSession(model, options);
  ASSERT_EQ(session->plan().entries[2].name, "infer.ema");
  EXPECT_EQ(Calls(session->plan().entries[0], "average_parameter"), 1);
  EXPECT_EQ(session->plan().FindVariable("conv1.weight/ema"), nullptr);

  // Before the first step the averages are the parameters.
  EXPECT_TRUE(SameBits(Get(*session, "fc1.weight/ema"), Get(*session, "fc1.weight")));
  std::map<std::string, Tensor> inputs = RandomInputs(session->plan().entries[0], 1);
  std::vector<double> expected;
  for (int64_t step = 1; step <= 4; ++step) {
    inputs.insert_or_assign("lr", Tensor::Scalar(0.1f));
    inputs.insert_or_assign("step", Tensor::Scalar(step));
    SetInputs(*session, 0, inputs);
    ASSERT_TRUE(session->Run(0).ok());
    const Tensor w = Get(*session, "fc2.weight");
    if (step == 1) expected.assign(w.as<float>().begin(), w.as<float>().end());
    for (size_t i = 0; i < expected.size(); ++i) expected[i] = 0.9 * expected[i] + 0.1 * w.as<float>()[i];
  }
  const Tensor average = Get(*session, "fc2.weight/ema");
  ASSERT_FALSE(SameBits(average, Get(*session, "fc2.weight")));
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(average.as<float>()[i], expected[i], 1e-6);

  // infer.ema answers as infer does with the averages in the place of the parameters.
  std::map<std::string, Tensor> x;
  x.emplace("x", inputs.at("x").Clone());
  SetInputs(*session, 2, x);
  ASSERT_TRUE(session->Run(2).ok());
  const Tensor by_averages = CopyOutput(*session, 2, "logits");
  for (const Variable& v : session->plan().variables) {
    if (v.kind != VariableKind::kParameter || session->plan().FindVariable(v.name + "/ema") == nullptr) continue;
    ASSERT_TRUE(session->weights().Set(v.name, Get(*session, v.name + "/ema")).ok());
  }
  SetInputs(*session, 1, x);
  ASSERT_TRUE(session->Run(1).ok());
  EXPECT_TRUE(SameBits(CopyOutput(*session, 1, "logits"), by_averages));
}

TEST(OutputsTest, WithoutProbabilitiesThereIsNoSoftmaxAndTheSameClassComesOut) {
  const Graph model = InitializedModel("lenet5");
  CompileOptions options;
  options.entries = {{"infer", {{"N", 16}}}};
  options.freeze_parameters = true;
  auto all = MakeSession(model, options);
  options.entries[0].outputs = {"logits"};
  auto logits_only = MakeSession(model, options);
  EXPECT_EQ(Calls(all->plan().entries[0], "softmax"), 1);
  EXPECT_EQ(Calls(logits_only->plan().entries[0], "softmax"), 0);
  EXPECT_EQ(logits_only->plan().entries[0].calls.size() + 1, all->plan().entries[0].calls.size());
  const auto inputs = RandomInputs(all->plan().entries[0], 3);
  for (Session* session : {all.get(), logits_only.get()}) {
    SetInputs(*session, 0, inputs);
    ASSERT_TRUE(session->Run(0).ok());
  }
  const Tensor p = CopyOutput(*all, 0, "probabilities"), logits = CopyOutput(*logits_only, 0, "logits");
  for (int64_t row = 0; row < 16; ++row) {
    auto best = [&](const Tensor& t) {
      auto r = t.as<float>().subspan(row * 10, 10);
      return std::max_element(r.begin(), r.end()) - r.begin();
    };
    EXPECT_EQ(best(p), best(logits)) << row;
  }
  EXPECT_FALSE(logits_only->Output(0, "probabilities").ok());
}

}  // namespace
}  // namespace athanor
