// `athanor generate` and `athanor translate` as a user types them, on small models that have learned nothing.
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "compiler/graph/initializers.h"
#include "compiler/graph/model_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/language.h"
#include "models/models.h"
#include "models/seq2seq.h"

namespace athanor {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string out, err;
};

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class TextCliTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(dir_);
    fs::create_directories(dir_ / "run");
    binary_ = fs::absolute("cli/athanor");
  }

  void Write(absl::StatusOr<Graph> model, const std::string& file, const Strings& vocabulary) {
    ASSERT_TRUE(model.ok()) << model.status();
    if (!vocabulary.empty()) model->metadata.Set("vocabulary", vocabulary);
    ASSERT_TRUE(InitializeVariables(&*model, 1).ok());
    ASSERT_TRUE(WriteModel(*model, (dir_ / file).string()).ok());
  }

  // Runs in the test's own folder.
  Outcome Run(const std::string& arguments) {
    const std::string command =
        "cd '" + dir_.string() + "' && '" + binary_.string() + "' " + arguments + " >out.txt 2>err.txt </dev/null";
    const int status = std::system(command.c_str());
    Outcome o;
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    o.out = ReadAll(dir_ / "out.txt");
    o.err = ReadAll(dir_ / "err.txt");
    return o;
  }

  void ExpectUsageError(const std::string& arguments, const std::string& culprit) {
    const Outcome o = Run(arguments);
    EXPECT_EQ(o.code, 2) << arguments;
    EXPECT_THAT(o.err, HasSubstr(culprit)) << arguments;
  }

  fs::path dir_, binary_;
};

TEST_F(TextCliTest, GeneratesFromARunItsModelOrItsPlan) {
  const Strings letters = {"\n", "a", "b", "c"};
  Write(BuildRecurrentLanguageModel("gru", {.cell = "gru", .vocabulary = 4, .sequence = 8, .embedding = 4, .hidden = 8}),
        "run/model.ath", letters);
  const Outcome run = Run("generate run --prompt abc --length 40 --temperature 1 --seed 3");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, StartsWith("abc"));
  EXPECT_EQ(run.out.size(), 3 + 40 + 1u);
  EXPECT_EQ(Run("generate run/model.ath --prompt abc --length 40 --temperature 1 --seed 3").out, run.out);
  EXPECT_NE(Run("generate run --prompt abc --length 40 --temperature 1 --seed 4").out, run.out);
  EXPECT_EQ(Run("generate run --length 5 --temperature 0").out.size(), 6u);
  // The file of a plan is as good.
  ASSERT_EQ(Run("compile run/model.ath --entries step --batch 1 --threads 1 -o step.plan").code, 0)
      << ReadAll(dir_ / "err.txt");
  EXPECT_EQ(Run("generate step.plan --prompt abc --length 40 --temperature 1 --seed 3").out, run.out);

  ExpectUsageError("generate run --prompt xyz", "character 1, \"x\", is not among the 4");
  ExpectUsageError("generate run --temperature -0.5", "temperature = -0.5");
  ExpectUsageError("generate nowhere", "nowhere");
  Write(BuildModel("lenet5"), "lenet5.ath", {});
  ExpectUsageError("generate lenet5.ath", "model \"lenet5\" is no language model");
}

TEST_F(TextCliTest, TranslatesAndDrawsTheAttention) {
  Strings symbols = {"<pad>", "<s>", "</s>"};
  for (char c = 'a'; c <= 'z'; ++c) symbols.emplace_back(1, c);
  Write(BuildSeq2Seq("seq2seq", {.vocabulary = 29, .source = 10, .target = 11, .embedding = 4, .hidden = 8}),
        "run/model.ath", symbols);
  const Outcome one = Run("translate run --source hello --attention map.svg");
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_THAT(one.out, AllOf(HasSubstr("hello\n"), HasSubstr("wrote map.svg")));
  EXPECT_THAT(ReadAll(dir_ / "map.svg"), AllOf(StartsWith("<svg "), HasSubstr(">h</text>"), HasSubstr("</svg>")));
  const Outcome all = Run("translate run --data reverse --samples 60");
  ASSERT_EQ(all.code, 0) << all.err;
  EXPECT_THAT(all.out, HasSubstr("exact match 0.00 % of 60 texts"));

  ExpectUsageError("translate run", "either --source or --data");
  ExpectUsageError("translate run --source Hello", "character 1, \"H\"");
  ExpectUsageError("translate run --source abcdefghijkl", "has 12 characters, expected 1 to 10");
  ExpectUsageError("translate run --data sums", "no task \"sums\"");
}

}  // namespace
}  // namespace athanor
