// A tiny language model learns "hello world " by heart and says it again.
#include "training/text/text_generator.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/language.h"
#include "models/models.h"
#include "models/testing/model_run.h"
#include "training/text/text_model.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

constexpr char kText[] = "hello world ";
// Recurrent networks see three rounds of the text, so that they learn to go on; the window of a GPT is one.
int64_t WindowOf(const std::string& kind) { return kind == "gpt" ? 12 : 36; }

const Vocabulary& Characters() {
  static const auto* vocabulary = new Vocabulary(*Vocabulary::OfText(std::string(kText) + "\n"));
  return *vocabulary;
}

Graph Untrained(const std::string& kind) {
  const int64_t size = Characters().size();
  auto model = kind == "gpt" ? BuildGpt("tiny", {.vocabulary = size, .sequence = WindowOf(kind), .width = 32, .heads = 2,
                                                 .layers = 2})
                             : BuildRecurrentLanguageModel("tiny", {.cell = kind, .vocabulary = size,
                                                                    .sequence = WindowOf(kind), .embedding = 8, .hidden = 32,
                                                                    .layers = 1});
  ATH_CHECK_OK(model);
  model->metadata.Set("vocabulary", Characters().symbols());
  return *std::move(model);
}

// Windows from each place of the text on, so that every place of the window is trained with every character.
Tensors Windows(int64_t window) {
  std::vector<int32_t> ids = *Characters().Encode(kText), x, labels;
  for (int64_t n = 0; n < 12; ++n) {
    for (int64_t t = 0; t < window; ++t) {
      x.push_back(ids[(n + t) % 12]);
      labels.push_back(ids[(n + t + 1) % 12]);
    }
  }
  Tensors batch;
  batch.emplace("x", Ids({12, window}, x));
  batch.emplace("labels", Ids({12, window}, labels));
  return batch;
}

std::unique_ptr<TextGenerator> Generator(const Graph& model) {
  auto plan = CompileTextModel(model, 1, 1);
  ATH_CHECK_OK(plan);
  auto generator = TextGenerator::Create(std::make_shared<const Plan>(*std::move(plan)));
  ATH_CHECK_OK(generator);
  return *std::move(generator);
}

Graph Trained(const std::string& kind) {
  ModelRun run(Untrained(kind), {.batch = 12, .learning_rate = 0.01f, .entries = {"train"}});
  EXPECT_LT(run.Train(Windows(WindowOf(kind)), 200), 0.4f) << kind;
  Graph model = Untrained(kind);
  for (Value& v : model.values) {
    if (v.kind != ValueKind::kParameter) continue;
    auto value = run.session().weights().Get(v.name);
    ATH_CHECK_OK(value);
    ATH_CHECK_OK(value->Reshape(v.type.shape()));
    v.data = std::make_shared<const Tensor>(*std::move(value));
  }
  return model;
}

std::string Say(TextGenerator* generator, const GenerateOptions& options) {
  std::string text;
  absl::Status status = generator->Generate(options, [&](absl::string_view c) {
    text.append(c.data(), c.size());
    return true;
  });
  EXPECT_TRUE(status.ok()) << status;
  return text;
}

class TextGeneratorTest : public testing::TestWithParam<const char*> {};

TEST_P(TextGeneratorTest, SaysWhatItHasLearned) {
  auto generator = Generator(Trained(GetParam()));
  // Longer than the window, from a prompt in the middle of a word.
  EXPECT_EQ(Say(generator.get(), {.prompt = "hello wo", .length = 30, .temperature = 0}),
            "rld hello world hello world he");
  EXPECT_EQ(Say(generator.get(), {.prompt = "hello world hello wor", .length = 5, .temperature = 0}), "ld he");
}

TEST_P(TextGeneratorTest, TheSameSeedGivesTheSameText) {
  Graph model = Untrained(GetParam());
  ModelRun started(Untrained(GetParam()), {.batch = 1, .entries = {"infer"}, .train = false});
  model = started.model();
  auto generator = Generator(model);
  const GenerateOptions options{.prompt = "h", .length = 60, .temperature = 1, .seed = 7};
  const std::string text = Say(generator.get(), options);
  EXPECT_EQ(text.size(), 60u);
  EXPECT_EQ(text, Say(generator.get(), options));
  EXPECT_EQ(text, Say(Generator(model).get(), options));
  GenerateOptions other = options;
  other.seed = 8;
  EXPECT_NE(text, Say(generator.get(), other));
  // Whoever listens may stop.
  int heard = 0;
  EXPECT_TRUE(generator->Generate(options, [&](absl::string_view) { return ++heard < 5; }).ok());
  EXPECT_EQ(heard, 5);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TextGeneratorTest, testing::Values("rnn", "lstm", "gru", "gpt"),
                         [](const auto& info) { return std::string(info.param); });

TEST(SampleCharacter, ChoosesByProbability) {
  const std::vector<float> logits = {std::log(0.2f), std::log(0.5f), std::log(0.3f)};
  auto at = [&](float uniform, double temperature = 1, int64_t top_k = 0) {
    auto chosen = SampleCharacter(logits, temperature, top_k, uniform);
    EXPECT_TRUE(chosen.ok()) << chosen.status();
    return chosen.value_or(-1);
  };
  EXPECT_EQ(at(0), 1);  // the most probable ones first
  EXPECT_EQ(at(0.49f), 1);
  EXPECT_EQ(at(0.51f), 2);
  EXPECT_EQ(at(0.79f), 2);
  EXPECT_EQ(at(0.81f), 0);
  EXPECT_EQ(at(0.9999999f), 0);
  EXPECT_EQ(at(0.9999999f, 0), 1);        // greedy
  EXPECT_EQ(at(0.9999999f, 1, 2), 2);     // the third is out
  EXPECT_EQ(at(0.9f, 0.1), 1);            // a low temperature sharpens
  EXPECT_EQ(at(0.40f, 1000), 2);          // a high one flattens
  EXPECT_EQ(at(0.9999999f, 1, 1), 1);
}

TEST(SampleCharacter, RefusesWhatIsNoNumber) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(ErrorClassOf(SampleCharacter({0.0f, nan}, 1, 0, 0.5f).status()), "DATA");
  EXPECT_EQ(ErrorClassOf(SampleCharacter({0.0f, inf}, 1, 0, 0.5f).status()), "DATA");
  EXPECT_EQ(*SampleCharacter({0.0f, -inf}, 1, 0, 0.99f), 0);  // may never come
}

TEST(TextGenerator, RefusesOptionsAndPrompts) {
  ModelRun started(Untrained("gru"), {.batch = 1, .entries = {"infer"}, .train = false});
  auto generator = Generator(started.model());
  auto error = [&](const GenerateOptions& options) {
    return std::string(generator->Generate(options, [](absl::string_view) { return true; }).message());
  };
  EXPECT_THAT(error({.prompt = "hexlo"}), HasSubstr("DATA: prompt: character 3, \"x\", is not among the 9"));
  EXPECT_THAT(error({.temperature = -1}), HasSubstr("temperature = -1"));
  EXPECT_THAT(error({.temperature = std::nan("")}), HasSubstr("temperature = nan"));
  EXPECT_THAT(error({.top_k = -2}), HasSubstr("top-k = -2"));
  EXPECT_THAT(error({.length = 0}), HasSubstr("length = 0"));
}

TEST(TextGenerator, RefusesModelsThatAreNone) {
  auto compiled = [](const Graph& model) { return std::string(CompileTextModel(model, 1, 1).status().message()); };
  auto mlp = BuildModel("mlp");
  ASSERT_TRUE(mlp.ok()) << mlp.status();
  EXPECT_THAT(compiled(*mlp), HasSubstr("REQ: model \"mlp\" is no language model: its task is \"classification\""));
  Graph untold = Untrained("gru");
  untold.metadata.Erase("vocabulary");
  EXPECT_THAT(compiled(untold), HasSubstr("model \"tiny\" has no vocabulary"));
  // A vocabulary of another size.
  ModelRun started(Untrained("gru"), {.batch = 1, .entries = {"infer"}, .train = false});
  Graph other = started.model();
  other.metadata.Set("vocabulary", Strings{"a", "b"});
  auto plan = CompileTextModel(other, 1, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  auto generator = TextGenerator::Create(std::make_shared<const Plan>(*std::move(plan)));
  EXPECT_THAT(std::string(generator.status().message()), HasSubstr("logits of 9 characters, but its vocabulary has 2"));
}

}  // namespace
}  // namespace athanor
