// Small networks over sequences give PyTorch's outputs, loss and gradients from the same parameters. The numbers were
// stored by tests/fixtures/sequences/generate.py.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "gtest/gtest.h"
#include "models/language.h"
#include "models/models.h"
#include "models/seq2seq.h"
#include "models/testing/model_run.h"

namespace athanor {
namespace {

constexpr int64_t kV = 7, kN = 3, kT = 6, kS = 5;

std::map<std::string, std::vector<double>> Stored(const std::string& name) {
  std::ifstream file("tests/fixtures/sequences/" + name + ".txt");
  std::map<std::string, std::vector<double>> all;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    words >> key;
    for (double v; words >> v;) all[key].push_back(v);
  }
  return all;
}

double WaveAt(int64_t i, double step, double phase = 0) { return std::sin(step * static_cast<double>(i) + phase); }

// The parameters, by their names in order, become waves of other phases.
void Fill(Graph* graph) {
  std::map<std::string, Value*> sorted;
  for (Value& v : graph->values) {
    if (v.kind == ValueKind::kParameter) sorted[v.name] = &v;
  }
  int k = 0;
  for (auto& [name, value] : sorted) {
    Tensor t = *Tensor::Create(DType::kF32, value->type.shape());
    for (int64_t i = 0; i < t.num_elements(); ++i) t.as<float>()[i] = static_cast<float>(0.6 * WaveAt(i, 0.7, k));
    value->data = std::make_shared<const Tensor>(std::move(t));
    ++k;
  }
}

Tensor Cycle(Shape shape, int32_t factor, int32_t offset) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < shape[0] * shape[1]; ++i) ids.push_back((factor * i + offset) % kV);
  return Ids(std::move(shape), ids);
}

Tensors LanguageBatch() {
  Tensors batch;
  batch.emplace("x", Cycle({kN, kT}, 5, 3));
  batch.emplace("labels", Cycle({kN, kT}, 3, 1));
  return batch;
}

Tensors SequenceBatch() {
  Tensors batch = LanguageBatch();
  batch.emplace("source", Cycle({kN, kS}, 5, 2));
  auto labels = batch.at("labels").as<int32_t>();
  for (size_t i = 5; i < labels.size(); i += 6) labels[i] = -100;
  return batch;
}

Tensors ImageBatch() {
  Tensor x = *Tensor::Create(DType::kF32, {kN, 1, 28, 28});
  for (int64_t i = 0; i < x.num_elements(); ++i) x.as<float>()[i] = static_cast<float>(WaveAt(i, 0.3));
  Tensors batch;
  batch.emplace("x", std::move(x));
  batch.emplace("labels", Ids({kN}, {3, 1, 4}));
  return batch;
}

struct Case {
  std::string name;
  std::function<absl::StatusOr<Graph>()> build;
  Tensors (*batch)();
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const char* cell : {"rnn", "lstm", "gru"}) {
    cases.push_back({std::string("char_") + cell,
                     [cell] {
                       return BuildRecurrentLanguageModel("net", {.cell = cell, .vocabulary = kV, .sequence = kT,
                                                                  .embedding = 4, .hidden = 8, .layers = 2});
                     },
                     LanguageBatch});
  }
  cases.push_back({"gpt",
                   [] {
                     return BuildGpt("net", {.vocabulary = kV, .sequence = kT, .width = 8, .heads = 2, .layers = 2});
                   },
                   LanguageBatch});
  cases.push_back({"gpt_tied",
                   [] {
                     return BuildGpt("net", {.vocabulary = kV, .sequence = kT, .width = 8, .heads = 2, .layers = 1,
                                             .tied = true});
                   },
                   LanguageBatch});
  cases.push_back({"seq2seq",
                   [] {
                     return BuildSeq2Seq("net", {.vocabulary = kV, .source = kS, .target = kT, .embedding = 4,
                                                 .hidden = 8});
                   },
                   SequenceBatch});
  for (const char* name : {"lstm_rows", "bigru_rows", "encoder_rows"}) {
    cases.push_back({name, [name] { return BuildModel(name); }, ImageBatch});
  }
  return cases;
}

class SequenceFixtures : public testing::TestWithParam<Case> {};

void ExpectClose(const Tensor& got, const std::vector<double>& expected, const std::string& what) {
  ASSERT_EQ(got.num_elements(), static_cast<int64_t>(expected.size())) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(got.as<float>()[i], expected[i], 1e-4 * std::max(1.0, std::abs(expected[i]))) << what << " " << i;
  }
}

TEST_P(SequenceFixtures, OutputsAndGradientsArePyTorchs) {
  const auto stored = Stored(GetParam().name);
  ASSERT_FALSE(stored.empty());
  absl::StatusOr<Graph> model = GetParam().build();
  ASSERT_TRUE(model.ok()) << model.status();
  Fill(&*model);
  ModelRun run(*std::move(model), {.batch = kN, .entries = {"train", "infer"}, .train = false, .gradients = true});
  const Tensors batch = GetParam().batch();
  const Tensors trained = run.Run("train", batch);
  EXPECT_NEAR(trained.at("loss").as<float>()[0], stored.at("loss")[0], 1e-5);
  size_t gradients = 0;
  for (const auto& [key, expected] : stored) {
    if (key.rfind("grad:", 0) != 0) continue;
    ++gradients;
    auto it = trained.find(key);
    ASSERT_TRUE(it != trained.end()) << key;
    double product = 0, size = 0;
    for (int64_t i = 0; i < it->second.num_elements(); ++i) {
      product += it->second.as<float>()[i] * static_cast<double>(static_cast<float>(WaveAt(i, 0.3)));
      size += std::abs(it->second.as<float>()[i]);
    }
    EXPECT_NEAR(product, expected[0], 1e-3 * std::abs(expected[0]) + 1e-5 * size) << key;
    EXPECT_GT(size, 0) << key;
  }
  EXPECT_EQ(gradients, ParameterTypes(run.model()).size());
  Tensors inputs;
  for (const auto& [name, value] : batch) {
    if (name != "labels") inputs.emplace(name, value.Clone());
  }
  const Tensors inferred = run.Run("infer", inputs);
  for (const char* output : {"logits", "attention"}) {
    auto it = stored.find(std::string("output:") + output);
    if (it != stored.end()) ExpectClose(inferred.at(output), it->second, output);
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, SequenceFixtures, testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace athanor
