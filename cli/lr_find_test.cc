// athanor lr-find as a user types it.
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class LrFindTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(dir_);
    fs::create_directories(dir_ / "work");
    binary_ = fs::absolute("cli/athanor");
  }
  // Runs in the folder "work"; output goes beside it.
  int Run(const std::string& arguments) {
    const std::string command = "cd '" + (dir_ / "work").string() + "' && '" + binary_.string() + "' " + arguments +
                                " >../out.txt 2>../err.txt </dev/null";
    const int status = std::system(command.c_str());
    out_ = ReadAll(dir_ / "out.txt");
    err_ = ReadAll(dir_ / "err.txt");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& e : fs::recursive_directory_iterator(dir_ / "work"))
      names.push_back(fs::relative(e.path(), dir_ / "work"));
    std::sort(names.begin(), names.end());
    return names;
  }

  fs::path dir_, binary_;
  std::string out_, err_;
};

TEST_F(LrFindTest, SuggestsARateForAPerceptronOnMnistAndWritesNothingButItsFiles) {
  EXPECT_EQ(Run("lr-find mlp --data mnist --optimizer sgd --batch 64 --steps 100 --min-lr 1e-4 --max-lr 100 --threads "
                "2 --progress none"),
            0)
      << out_ << err_;
  EXPECT_THAT(out_, HasSubstr("steepest descent at"));
  EXPECT_THAT(out_, HasSubstr("a tenth of the minimum at"));
  EXPECT_THAT(out_, HasSubstr("try --lr"));
  EXPECT_THAT(Files(), testing::IsEmpty());
  // Plain SGD of a perceptron on standardized images learns at rates around 0.1.
  const double suggested = std::stod(out_.substr(out_.find("try --lr") + 8));
  EXPECT_GT(suggested, 1e-3);
  EXPECT_LT(suggested, 1);

  const std::string first = out_;
  EXPECT_EQ(
      Run("lr-find mlp --optimizer sgd --steps 100 --min-lr 1e-4 --max-lr 100 --threads 2 --progress none --out lr"),
      0);
  EXPECT_THAT(Files(), testing::ElementsAre("lr", "lr/lr_find.csv", "lr/lr_find.svg"));
  EXPECT_EQ(out_.substr(0, first.size()), first);  // the same seed, the same sweep
  EXPECT_THAT(ReadAll(dir_ / "work/lr/lr_find.csv"), HasSubstr("lr,loss,smoothed\n0.0001,"));
  EXPECT_THAT(ReadAll(dir_ / "work/lr/lr_find.svg"), HasSubstr("</svg>"));
}

TEST_F(LrFindTest, SaysWhenTheRangeHoldsNoRateToSuggest) {
  EXPECT_EQ(Run("lr-find mlp --optimizer sgd --steps 20 --min-lr 1e-12 --max-lr 1e-11 --threads 2 --progress none"), 1)
      << out_ << err_;
  EXPECT_THAT(out_, HasSubstr("note: the loss falls nowhere"));
}

TEST_F(LrFindTest, HelpTeachesWithAnExample) {
  EXPECT_EQ(Run("lr-find --help"), 0);
  EXPECT_THAT(out_, HasSubstr("Example: athanor lr-find"));
  EXPECT_THAT(out_, HasSubstr("--augment"));
}

TEST_F(LrFindTest, RefusesBadFlagsBeforeAnything) {
  EXPECT_EQ(Run("lr-find mlp --min-lr 1 --max-lr 0.1"), 2);
  EXPECT_THAT(err_, HasSubstr("learning rates from 1 to 0.1"));
  EXPECT_EQ(Run("lr-find mlp --steps 3"), 2);
  EXPECT_EQ(Run("lr-find nothing"), 2);
  EXPECT_THAT(err_, HasSubstr("nothing"));
}

}  // namespace
}  // namespace athanor
