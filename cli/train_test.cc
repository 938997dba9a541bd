// athanor train: configuration files, what a run leaves behind, fine-tuning, stopping and going on.
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/testing/cli_fixture.h"

namespace athanor {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class TrainTest : public CliTest {
 protected:
  Outcome Train(const std::string& more) {
    return Run("train lenet5 --batch 500 --epochs 1 --seed 1 --threads 1 --progress plain " + more);
  }
};

TEST_F(TrainTest, ARunLeavesItsConfigurationAndCanBeRepeatedFromIt) {
  WriteAll(dir_ / "run.toml",
           "model = \"lenet5\"\nepochs = 1\nbatch = 500\nlr = 0.002\nthreads = 1\nschedule = \"cosine\"\n");
  Outcome first = Run("train --config run.toml --seed 7 --out a");
  ASSERT_EQ(first.code, 0) << first.err;
  const std::string config = ReadAll(dir_ / "a" / "config.toml");
  EXPECT_THAT(config, AllOf(HasSubstr("model = \"lenet5\"\n"), HasSubstr("seed = 7\n"), HasSubstr("lr = 0.002\n"),
                            HasSubstr("schedule = \"cosine\"\n"), HasSubstr("out = \"a\"\n")));
  Outcome again = Run("train --config a/config.toml --out b");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(ReadAll(dir_ / "a" / "model.ath") == ReadAll(dir_ / "b" / "model.ath"));
}

TEST_F(TrainTest, FaultsInTheFileAreToldWithTheirLine) {
  WriteAll(dir_ / "run.toml", "model = \"lenet5\"\nepoch = 3\n");
  ExpectUsageError(Run("train --config run.toml"), "run.toml:2: there is no key \"epoch\"; did you mean \"epochs\"?");
  WriteAll(dir_ / "run.toml", "model = \"lenet5\"\nbatch = \"many\"\n");
  ExpectUsageError(Run("train --config run.toml"), "run.toml:2: \"batch\" takes a whole number");
  ExpectUsageError(Run("train --config none.toml"), "none.toml");
  ExpectUsageError(Run("train"), "no model");
}

TEST_F(TrainTest, KeepsCheckpointsAndLogs) {
  Outcome o = Train("--checkpoint-every 4 --keep 2 --eval-every 10 --out run");
  ASSERT_EQ(o.code, 0) << o.err;
  for (const char* name : {"last.ckpt", "best.ckpt", "step-00000016.ckpt", "step-00000020.ckpt", "metrics.csv",
                           "metrics.jsonl", "config.toml", "model.ath", "model.plan"}) {
    EXPECT_TRUE(fs::exists(dir_ / "run" / name)) << name;
  }
  EXPECT_FALSE(fs::exists(dir_ / "run" / "step-00000012.ckpt"));
  EXPECT_THAT(ReadAll(dir_ / "run" / "metrics.csv"), AllOf(HasSubstr("test/accuracy"), HasSubstr("train/loss")));
  EXPECT_THAT(o.err, HasSubstr("step 10"));
}

TEST_F(TrainTest, DiagnosesACopyThenLogsHistograms) {
  Outcome plain = Train("--out plain"), o = Train("--diagnose 2 --logs csv,jsonl,tensorboard --out run");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("Diagnosis of 2 steps"));
  EXPECT_THAT(ReadAll(dir_ / "run" / "metrics.jsonl"), HasSubstr("weights/conv1.weight"));
  EXPECT_THAT(ReadAll(dir_ / "plain" / "metrics.jsonl"), Not(HasSubstr("weights/")));
  EXPECT_TRUE(ReadAll(dir_ / "plain" / "model.ath") == ReadAll(dir_ / "run" / "model.ath"));
}

TEST_F(TrainTest, TwoRunsWithASignalBetweenAreOneRun) {
  ASSERT_EQ(Train("--ema 0.9 --accumulate 3 --out whole").code, 0);
  // --max-minutes ends a run after a step too; the signal is the parent's.
  const std::string command = "cd '" + dir_.string() + "' && timeout -s TERM 0.6 '" + binary_.string() +
                              "' train lenet5 --batch 500 --epochs 1 --seed 1 --threads 1 --progress plain --ema 0.9 "
                              "--accumulate 3 --checkpoint-every 1 --out parts >/dev/null 2>&1";
  const int code = WEXITSTATUS(std::system(command.c_str()));
  ASSERT_TRUE(code == 143 || code == 124 || code == 0) << code;
  const bool resume = fs::exists(dir_ / "parts" / "last.ckpt");
  Outcome rest = Train(std::string("--ema 0.9 --accumulate 3 --out parts") + (resume ? " --resume" : ""));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_TRUE(ReadAll(dir_ / "whole" / "model.ath") == ReadAll(dir_ / "parts" / "model.ath"));
}

TEST_F(TrainTest, EvaluateGivesTheRunsNumbersAndMore) {
  Outcome train = Train("--out run");
  ASSERT_EQ(train.code, 0) << train.err;
  Outcome o = Run("evaluate run --data mnist --batch 300");
  ASSERT_EQ(o.code, 0) << o.err;
  const std::string accuracy = train.out.substr(train.out.find("test accuracy ") + 5, 16);
  EXPECT_THAT(o.out, AllOf(HasSubstr(accuracy), HasSubstr("top 5"), HasSubstr("precision"), HasSubstr("2000 samples")));
  Outcome json = Run("evaluate run --data mnist --batch 300 --json");
  ASSERT_EQ(json.code, 0) << json.err;
  const auto figures = nlohmann::json::parse(json.out);
  EXPECT_EQ(figures["samples"], 2000);
  EXPECT_THAT(o.out, HasSubstr(absl::StrFormat("loss %.4f", figures["loss"].get<double>())));
  EXPECT_THAT(o.out, HasSubstr(absl::StrFormat("accuracy %.2f %%", 100 * figures["accuracy"].get<double>())));
  ASSERT_EQ(figures["confusion"].size(), 10u);
  int64_t support = 0, row = 0;
  for (const auto& c : figures["classes"]) support += c["support"].get<int64_t>();
  for (const auto& count : figures["confusion"][3]) row += count.get<int64_t>();
  EXPECT_EQ(support, 2000);
  EXPECT_EQ(row, figures["classes"][3]["support"].get<int64_t>());
  EXPECT_EQ(Run("evaluate run/model.ath --set train").code, 0);
  ExpectUsageError(Run("evaluate run --set validation"), "has no set \"validation\"");
  ExpectUsageError(Run("evaluate missing.ath"), "missing.ath");
  ExpectUsageError(Run("evaluate run --batch 0"), "batch");
}

TEST_F(TrainTest, AModelFileIsTrainedOn) {
  ASSERT_EQ(Train("--out first").code, 0);
  Outcome o = Run("train first/model.ath --batch 500 --epochs 1 --threads 1 --lr 1e-9");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("61,706"));
}

TEST_F(TrainTest, FineTuningListsTheDifferences) {
  ASSERT_EQ(Run("models lenet5 --classes 7 -o seven.ath").code, 0);
  Outcome o = Train("--from seven.ath --freeze 'conv*' --out run");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, AllOf(HasSubstr("weights from seven.ath: 8 of 10 tensors"),
                           HasSubstr("fc3.weight: [7,84] there, [10,84] here; starts anew")));
  ExpectUsageError(Train("--from seven.ath --freeze 'kernel*'"), "kernel*");
  ExpectUsageError(Train("--from missing.ckpt"), "missing.ckpt");
  Outcome again = Train("--from run");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("10 of 10 tensors"));
}

TEST_F(TrainTest, ADamagedNewestCheckpointIsToldWhenResuming) {
  ASSERT_EQ(Train("--checkpoint-every 5 --out run").code, 0);
  fs::resize_file(dir_ / "run" / "last.ckpt", 5000);
  Outcome o = Train("--checkpoint-every 5 --out run --resume");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.err, AllOf(HasSubstr("damaged checkpoint"), HasSubstr("going on from run/step-00000015.ckpt")));
}

TEST_F(TrainTest, ARunOfStepsIsRepeatedFromItsConfiguration) {
  Outcome first = Run("train lenet5 --batch 500 --steps 45 --seed 1 --threads 1 --lr 1.e-3 --amsgrad=false --out a");
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(ReadAll(dir_ / "a" / "config.toml"), AllOf(HasSubstr("lr = 0.001\n"), Not(HasSubstr("amsgrad"))));
  Outcome again = Run("train --config a/config.toml --out b");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("after 45 steps"));
  EXPECT_TRUE(ReadAll(dir_ / "a" / "model.ath") == ReadAll(dir_ / "b" / "model.ath"));
}

TEST_F(TrainTest, ARunThatFailsAtOnceLeavesTheFormerRunsRecords) {
  ASSERT_EQ(Train("--out run").code, 0);
  const std::string metrics = ReadAll(dir_ / "run" / "metrics.csv"), config = ReadAll(dir_ / "run" / "config.toml");
  EXPECT_EQ(Train("--classes 5 --out run").code, 2);  // labels beyond the logits
  EXPECT_EQ(ReadAll(dir_ / "run" / "metrics.csv"), metrics);
  EXPECT_EQ(ReadAll(dir_ / "run" / "config.toml"), config);
}

TEST_F(TrainTest, WithoutStandardFilesTheLogsHoldNumbersAlone) {
  ASSERT_EQ(std::system(("cd '" + dir_.string() + "' && '" + binary_.string() +
                         "' train lenet5 --batch 500 --epochs 1 --threads 1 --progress plain --out run <&- >&- 2>&-").c_str()), 0);
  EXPECT_THAT(ReadAll(dir_ / "run" / "metrics.csv"), Not(HasSubstr("epoch 1/1")));
  EXPECT_EQ(WEXITSTATUS(std::system(("'" + binary_.string() + "' ops >/dev/full 2>/dev/null").c_str())), 1);
  EXPECT_EQ(WEXITSTATUS(std::system(("bash -c \"set -o pipefail; '" + binary_.string() + "' ops | head -1 >/dev/null\"").c_str())), 0);
}

TEST_F(TrainTest, SoftLabelsAreDiagnosedToo) {
  Outcome o = Train("--one-hot --diagnose 2");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("Diagnosis of 2 steps"));
}

TEST_F(TrainTest, AValidationSetIsCalledByItsName) {
  Outcome o = Train("--val-split 0.1 --out run");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.err, AllOf(HasSubstr("validation loss"), Not(HasSubstr("test loss"))));
  EXPECT_THAT(ReadAll(dir_ / "run" / "metrics.csv"), HasSubstr("validation/loss"));
}

TEST_F(TrainTest, ALossThatIsNotFiniteEndsTheRunAndTheCheckpointStays) {
  ASSERT_EQ(Train("--out run").code, 0);
  Outcome o = Run("train lenet5 --batch 500 --epochs 3 --threads 1 --optimizer sgd --lr 1e18 --out bad");
  EXPECT_EQ(o.code, 1) << o.err;
  // The loss or, where rounding hides it there, the weights.
  EXPECT_THAT(o.err, AllOf(HasSubstr("\"conv1.weight\""), HasSubstr("not finite"), HasSubstr("(epoch 1, batch "),
                           HasSubstr("training stops")));
}

}  // namespace
}  // namespace athanor
