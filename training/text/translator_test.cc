// A tiny model learns to reverse words of two letters, and translates them.
#include "training/text/translator.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/models.h"
#include "models/seq2seq.h"
#include "models/testing/model_run.h"
#include "training/text/text_model.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kSource = 3, kTarget = 4;

Graph Untrained(const std::vector<std::string>& symbols = {"<pad>", "<s>", "</s>", "a", "b", "c"}) {
  auto model = BuildSeq2Seq("tiny", {.vocabulary = 6, .source = kSource, .target = kTarget, .embedding = 8,
                                     .hidden = 16});
  ATH_CHECK_OK(model);
  model->metadata.Set("vocabulary", symbols);
  return *std::move(model);
}

Graph Trained() {
  std::vector<int32_t> source, x, labels;
  for (int32_t n = 0; n < 9; ++n) {
    const int32_t a = 3 + n / 3, b = 3 + n % 3;
    source.insert(source.end(), {a, b, 0});
    x.insert(x.end(), {1, b, a, 0});
    labels.insert(labels.end(), {b, a, 2, -100});
  }
  Tensors batch;
  batch.emplace("source", Ids({9, kSource}, source));
  batch.emplace("x", Ids({9, kTarget}, x));
  batch.emplace("labels", Ids({9, kTarget}, labels));
  ModelRun run(Untrained(), {.batch = 9, .learning_rate = 0.02f, .entries = {"train"}});
  EXPECT_LT(run.Train(batch, 100), 0.1f);
  Graph model = Untrained();
  for (Value& v : model.values) {
    if (v.kind != ValueKind::kParameter) continue;
    auto value = run.session().weights().Get(v.name);
    ATH_CHECK_OK(value);
    ATH_CHECK_OK(value->Reshape(v.type.shape()));
    v.data = std::make_shared<const Tensor>(*std::move(value));
  }
  return model;
}

absl::StatusOr<std::unique_ptr<Translator>> MakeTranslator(const Graph& model, int64_t batch) {
  ATH_ASSIGN_OR_RETURN(Plan plan, CompileTextModel(model, batch, 1));
  return Translator::Create(std::make_shared<const Plan>(std::move(plan)));
}

TEST(Translator, ReversesWordsAtAnyBatch) {
  const Graph model = Trained();
  for (int64_t batch : {1, 2}) {
    auto translator = MakeTranslator(model, batch);
    ASSERT_TRUE(translator.ok()) << translator.status();
    EXPECT_EQ((*translator)->source_length(), kSource);
    auto results = (*translator)->Translate({"ab", "ca", "bb"});
    ASSERT_TRUE(results.ok()) << results.status();
    ASSERT_EQ(results->size(), 3u);
    EXPECT_EQ((*results)[0].text, "ba");
    EXPECT_EQ((*results)[1].text, "ac");
    EXPECT_EQ((*results)[2].text, "bb");
    const Translation& first = (*results)[0];
    EXPECT_THAT(first.source, ElementsAre("a", "b"));
    EXPECT_THAT(first.target, ElementsAre("b", "a", "</s>"));
    ASSERT_EQ(first.attention.size(), 6u);
    for (int t = 0; t < 3; ++t) EXPECT_NEAR(first.attention[2 * t] + first.attention[2 * t + 1], 1, 1e-4f) << t;
  }
}

TEST(Translator, RefusesTextsThatItCannotRead) {
  ModelRun started(Untrained(), {.batch = 1, .entries = {"infer"}, .train = false});
  auto translator = MakeTranslator(started.model(), 1);
  ASSERT_TRUE(translator.ok()) << translator.status();
  auto error = [&](const std::string& text) {
    return std::string((*translator)->Translate({text}).status().message());
  };
  EXPECT_THAT(error("ax"), HasSubstr("DATA: source \"ax\": character 2, \"x\", is not among the 6"));
  EXPECT_THAT(error("abca"), HasSubstr("source \"abca\" has 4 characters, expected 1 to 3"));
  EXPECT_THAT(error(""), HasSubstr("has 0 characters"));
}

TEST(Translator, RefusesModelsThatDoNotTranslate) {
  auto error = [](const std::vector<std::string>& symbols) {
    ModelRun started(Untrained(symbols), {.batch = 1, .entries = {"infer"}, .train = false});
    return std::string(MakeTranslator(started.model(), 1).status().message());
  };
  EXPECT_THAT(error({"<pad>", "<s>", "d", "a", "b", "c"}), HasSubstr("has no symbol \"</s>\""));
  EXPECT_THAT(error({"<pad>", "<s>", "</s>"}), HasSubstr("do not fit a vocabulary of 3"));
  Graph language = Untrained();
  language.metadata.Set("task", "language");
  ModelRun started(std::move(language), {.batch = 1, .entries = {"infer"}, .train = false});
  EXPECT_THAT(std::string(MakeTranslator(started.model(), 1).status().message()),
              HasSubstr("model \"tiny\" is no sequence-to-sequence model: its task is \"language\""));
}

}  // namespace
}  // namespace athanor
