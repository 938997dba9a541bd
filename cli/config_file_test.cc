// Flags from a file: what is taken, what the command line keeps, what is refused and where.
#include "cli/config_file.h"

#include <CLI/CLI.hpp>
#include <fstream>
#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A command with an option of each kind.
struct Command {
  CLI::App app{"test"};
  CLI::App* sub = app.add_subcommand("train", "");
  std::string model, data = "mnist", every = "1epoch", config;
  int64_t epochs = 3;
  uint64_t seed = 1;
  double lr = 0.1;
  std::optional<double> momentum;
  bool nesterov = false;
  std::vector<int64_t> hidden;
  std::vector<std::string> freeze;

  Command() {
    sub->add_option("model", model);
    sub->add_option("--data", data)->capture_default_str();
    sub->add_option("--eval-every", every)->type_name("STEPS|EPOCHS")->capture_default_str();
    sub->add_option("--epochs", epochs)->capture_default_str();
    sub->add_option("--seed", seed)->capture_default_str();
    sub->add_option("--lr", lr)->capture_default_str();
    sub->add_option("--momentum", momentum);
    sub->add_flag("--nesterov", nesterov);
    sub->add_option("--hidden", hidden)->delimiter(',');
    sub->add_option("--freeze", freeze)->delimiter(',');
    sub->add_option("--config", config);
  }
  void Parse(const std::string& arguments) { app.parse("train " + arguments); }
};

class ConfigFileTest : public testing::Test {
 protected:
  std::string Write(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  std::string ErrorOf(const std::string& text) {
    Command c;
    c.Parse("lenet5");
    return std::string(ReadConfigFile(Write(text), c.sub).message());
  }
  const std::string path_ = testing::TempDir() + "/run.toml";
};

TEST_F(ConfigFileTest, GivesWhatTheCommandLineDoesNot) {
  Command c;
  c.Parse("--epochs 7");
  absl::Status read = ReadConfigFile(Write(R"(
# a run
model = "lenet5"
epochs = 10
lr = 1
momentum = 0.9
nesterov = true
eval-every = 500
hidden = [512, 256]
freeze = ["conv*", "bn*"]
)"),
                                     c.sub);
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_EQ(c.model, "lenet5");
  EXPECT_EQ(c.epochs, 7);
  EXPECT_EQ(c.lr, 1);
  EXPECT_EQ(c.momentum, 0.9);
  EXPECT_TRUE(c.nesterov);
  EXPECT_EQ(c.every, "500");
  EXPECT_THAT(c.hidden, ElementsAre(512, 256));
  EXPECT_THAT(c.freeze, ElementsAre("conv*", "bn*"));
  EXPECT_EQ(c.data, "mnist");
}

TEST_F(ConfigFileTest, FaultsAreToldWithFileAndLine) {
  EXPECT_EQ(ErrorOf("epochs = 3\nepoch = 4\n"), "REQ: " + path_ + ":2: there is no key \"epoch\"; did you mean \"epochs\"?");
  EXPECT_EQ(ErrorOf("colour = 3\n"), "REQ: " + path_ + ":1: there is no key \"colour\"");
  EXPECT_EQ(ErrorOf("\n\nepochs = \"three\"\n"), "REQ: " + path_ + ":3: \"epochs\" takes a whole number");
  EXPECT_EQ(ErrorOf("epochs = 3.5\n"), "REQ: " + path_ + ":1: \"epochs\" takes a whole number");
  EXPECT_EQ(ErrorOf("lr = true\n"), "REQ: " + path_ + ":1: \"lr\" takes a number");
  EXPECT_EQ(ErrorOf("data = 5\n"), "REQ: " + path_ + ":1: \"data\" takes a text in quotes");
  EXPECT_EQ(ErrorOf("nesterov = 1\n"), "REQ: " + path_ + ":1: \"nesterov\" takes true or false");
  EXPECT_EQ(ErrorOf("hidden = [5, \"x\"]\n"), "REQ: " + path_ + ":1: \"hidden\" takes a whole number");
  EXPECT_EQ(ErrorOf("lr = [0.1, 0.2]\n"), "REQ: " + path_ + ":1: \"lr\" takes a number");
  EXPECT_EQ(ErrorOf("seed = -1\n"), "REQ: " + path_ + ":1: \"seed\" takes a whole number from 0");
  EXPECT_EQ(ErrorOf("[train]\nlr = 0.1\n"), "REQ: " + path_ + ":1: there is no key \"train\"");
  EXPECT_THAT(ErrorOf("lr = 0.1\nlr 0.2\n"), HasSubstr("FORMAT: " + path_ + ":2: "));
  EXPECT_THAT(ErrorOf("lr = 0.1\nlr = 0.2\n"), HasSubstr("FORMAT: " + path_ + ":2: "));
  Command c;
  EXPECT_THAT(std::string(ReadConfigFile("missing.toml", c.sub).message()), HasSubstr("PATH: missing.toml"));
}

TEST_F(ConfigFileTest, TheEffectiveConfigReadsBack) {
  Command c;
  c.Parse("lenet5 --data \"a b\" --lr 0.005 --nesterov --hidden 512,256 --freeze conv*");
  const std::string text = EffectiveConfig(*c.sub, {"seed"});
  EXPECT_EQ(text,
            "model = \"lenet5\"\ndata = \"a b\"\neval-every = \"1epoch\"\nepochs = 3\nlr = 0.005\nnesterov = true\n"
            "hidden = [512, 256]\nfreeze = [\"conv*\"]\n");
  Command again;
  again.Parse("");
  ASSERT_TRUE(ReadConfigFile(Write(text), again.sub).ok()) << ReadConfigFile(path_, again.sub);
  EXPECT_EQ(again.lr, 0.005);
  EXPECT_EQ(again.data, "a b");
  EXPECT_EQ(EffectiveConfig(*again.sub, {"seed"}), text);
}

TEST(NearestNameTest, IsNearEnoughOrNone) {
  EXPECT_EQ(NearestName("bacth", {"batch", "data"}), "batch");
  EXPECT_EQ(NearestName("learningrate", {"batch", "lr"}), "");
  EXPECT_EQ(NearestName("", {"batch"}), "");
}

}  // namespace
}  // namespace athanor
