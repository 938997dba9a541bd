// The athanor command as a user types it: what it prints, what it leaves behind, what it exits with.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <nlohmann/json.hpp>

#include "cli/testing/cli_fixture.h"

namespace athanor {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

TEST_F(CliTest, HelpTeachesWithAnExampleForEverySubCommand) {
  Outcome all = Run("--help");
  EXPECT_EQ(all.code, 0);
  for (const char* name : {"train", "compile", "run", "inspect", "bench", "gradcheck", "gradients", "export", "lesson",
                           "models", "version"}) {
    EXPECT_THAT(all.out, HasSubstr(name));
    Outcome one = Run(std::string(name) + " --help");
    EXPECT_EQ(one.code, 0);
    EXPECT_THAT(one.out, HasSubstr(std::string("Example: athanor ") + name));
  }
}

TEST_F(CliTest, VersionNamesEveryPart) {
  Outcome o = Run("version");
  EXPECT_EQ(o.code, 0);
  EXPECT_THAT(o.out, AllOf(HasSubstr("athanor "), HasSubstr("oneDNN 3."), HasSubstr("ISA "), HasSubstr("threads ")));
}

TEST_F(CliTest, DiagnoseStatesItsCostAndShowsTheLayers) {
  Outcome o = Run("diagnose lenet5 --steps 3 --batch 32 --threads 2");
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, AllOf(HasSubstr("a diagnosed step has "), HasSubstr("Diagnosis of 3 steps"), HasSubstr("conv1.weight")));
  EXPECT_THAT(Run("diagnose --help").out, HasSubstr("Example: athanor diagnose"));
  EXPECT_EQ(Run("diagnose lenet5 --steps 0").code, 2);
}

TEST_F(CliTest, WrongUsageExitsWithTwo) {
  EXPECT_EQ(Run("").code, 2);
  EXPECT_EQ(Run("forge").code, 2);
  EXPECT_EQ(Run("train lenet5 --no-such-flag").code, 2);
  EXPECT_EQ(Run("train lenet5 --epochs three").code, 2);
  ExpectUsageError(Run("train lenet6"), "lenet6");
  ExpectUsageError(Run("train lenet5 --optimizer lyon"), "lyon");
  ExpectUsageError(Run("train lenet5 --lr -1"), "learning rate");
  ExpectUsageError(Run("train lenet5 --lr nan"), "learning rate");
  ExpectUsageError(Run("train lenet5 --batch 0"), "batch");
  ExpectUsageError(Run("train lenet5 --batch 20000"), "fewer than one batch");
  ExpectUsageError(Run("train lenet5 --progress loud"), "loud");
  ExpectUsageError(Run("train lenet5 --resume"), "resume");
  ExpectUsageError(Run("run nothing.plan --input x.npy"), "x.npy");
}

TEST_F(CliTest, TrainsThenAnotherProcessGivesTheSameBits) {
  Outcome train = TrainShortly();
  ASSERT_EQ(train.code, 0) << train.err;
  EXPECT_THAT(train.out, AllOf(HasSubstr("61,706"), HasSubstr("peak memory"), HasSubstr("test accuracy")));
  EXPECT_THAT(train.err, Not(HasSubstr("\r")));  // plain lines in a pipe
  for (const char* name : {"model.ath", "model.plan", "last.ckpt"}) EXPECT_TRUE(fs::exists(dir_ / "run" / name)) << name;
  auto digest = [](const std::string& text) { return text.substr(text.find("logits digest ") + 14, 16); };
  Outcome plan = Run("run run/model.plan --data mnist --output logits.npy");
  ASSERT_EQ(plan.code, 0) << plan.err;
  EXPECT_EQ(digest(plan.out), digest(train.out));
  Outcome model = Run("run run/model.ath --data mnist");
  ASSERT_EQ(model.code, 0) << model.err;
  auto accuracy = [](const std::string& text) { return text.substr(text.find("test accuracy "), 20); };
  EXPECT_EQ(accuracy(model.out), accuracy(plan.out));
}

TEST_F(CliTest, InspectKnowsAllThreeKinds) {
  ASSERT_EQ(TrainShortly().code, 0);
  EXPECT_THAT(Run("inspect run/model.ath").out, AllOf(HasSubstr("conv1"), HasSubstr("FLOP/sample"), HasSubstr("61,706")));
  EXPECT_THAT(Run("inspect run/model.plan").out, AllOf(HasSubstr("convolution"), HasSubstr("reorders"), HasSubstr("live")));
  EXPECT_THAT(Run("inspect run/last.ckpt").out, AllOf(HasSubstr("conv1.weight"), HasSubstr("step")));
  for (const char* file : {"run/model.ath", "run/model.plan", "run/last.ckpt"}) {
    Outcome o = Run(std::string("inspect --json ") + file);
    ASSERT_EQ(o.code, 0) << o.err;
    EXPECT_TRUE(nlohmann::json::accept(o.out)) << file;
  }
}

TEST_F(CliTest, CompilesRunsAndBenchesAModel) {
  ASSERT_EQ(Run("models lenet5 -o m.ath").code, 0);
  Outcome compile = Run("compile m.ath -o m.plan --entries infer --batch 1,8 --threads 2 --dump-after=all --dump-dir d");
  ASSERT_EQ(compile.code, 0) << compile.err;
  EXPECT_THAT(compile.out, AllOf(HasSubstr("infer@N=8"), HasSubstr("reorders"), HasSubstr("peak memory"), HasSubstr("time")));
  EXPECT_GT(std::distance(fs::directory_iterator(dir_ / "d"), fs::directory_iterator()), 20);
  Outcome bench = Run("bench m.plan --seconds 0.05 --json");
  ASSERT_EQ(bench.code, 0) << bench.err;
  auto json = nlohmann::json::parse(bench.out);
  ASSERT_EQ(json["results"].size(), 2u);
  EXPECT_GT(json["results"][0]["median_ms"].get<double>(), 0);
  if (!json["results"][0]["allocations_per_run"].is_null()) {
    EXPECT_EQ(json["results"][0]["allocations_per_run"].get<double>(), 0);
  }
  Outcome train = Run("bench m.ath --train --batch 16 --threads 1 --seconds 0.05");
  EXPECT_EQ(train.code, 0) << train.err;
  EXPECT_THAT(train.out, HasSubstr("roofline"));
  Outcome bare = Run("bench m.plan --seconds 0.05 --no-roofline --json");
  ASSERT_EQ(bare.code, 0) << bare.err;
  EXPECT_TRUE(nlohmann::json::parse(bare.out)["results"][0]["roofline_share"].is_null());
  EXPECT_TRUE(json["results"][0]["roofline_share"].is_number());
  ExpectUsageError(Run("bench m.plan --train --seconds 0.05"), "no entry to train");
}

TEST_F(CliTest, TextFormGoesThereAndBack) {
  ASSERT_EQ(Run("models lenet5 -o a.ath").code, 0);
  ASSERT_EQ(Run("export a.ath --text -o a.txt").code, 0);
  Outcome back = Run("export a.txt -o b.ath");
  ASSERT_EQ(back.code, 0) << back.err;
  ASSERT_EQ(Run("export b.ath --text -o b.txt").code, 0);
  EXPECT_TRUE(ReadAll(dir_ / "a.txt") == ReadAll(dir_ / "b.txt"));
  WriteAll(dir_ / "bad.txt", "graph \"x\" {\n  %x : input f33[1]\n}\n");
  ExpectUsageError(Run("export bad.txt -o c.ath"), "bad.txt");
  EXPECT_FALSE(fs::exists(dir_ / "c.ath"));
}

TEST_F(CliTest, GradcheckFindsTheGradientsOfTheNetworksRight) {
  for (const char* name : {"lenet5", "mlp"}) {
    Outcome o = Run(std::string("gradcheck ") + name + " --batch 1 --samples 2 --compiled --worst 3");
    EXPECT_EQ(o.code, 0) << o.out << o.err;
    EXPECT_THAT(o.out, AllOf(HasSubstr("entry train, loss "), HasSubstr("input labels in [0, 9]"), HasSubstr("fc1.weight"),
                             HasSubstr("worst entries"), HasSubstr("all gradients agree")));
  }
  ASSERT_EQ(Run("models lenet5 -o m.ath").code, 0);
  Outcome o = Run("gradcheck m.ath --entry evaluate --batch 1 --samples 1 --worst 2 --range labels=3:3 --json");
  EXPECT_EQ(o.code, 0) << o.err;
  nlohmann::json report = nlohmann::json::parse(o.out);
  EXPECT_EQ(report["passed"], true);
  EXPECT_EQ(report["entry"], "evaluate");
  EXPECT_EQ(report["inputs"]["labels"], nlohmann::json({3, 3}));
  EXPECT_EQ(report["parameters"].size(), 10);
  EXPECT_EQ(report["worst"].size(), 2);
}

TEST_F(CliTest, GradcheckExitsWithOneAndNamesTheParameter) {
  Outcome o = Run("gradcheck mlp --batch 1 --samples 2 --compiled --compiled-tolerance 1e-12");
  EXPECT_EQ(o.code, 1) << o.out << o.err;
  EXPECT_THAT(o.err, AllOf(HasSubstr("mlp: the compiled gradient of parameter \"fc"), HasSubstr("tolerance 1e-12")));
  ExpectUsageError(Run("gradcheck lenet6"), "lenet6");
  ExpectUsageError(Run("gradcheck mlp --entry infer"), "\"infer\" has no loss");
  ExpectUsageError(Run("gradcheck mlp --batch 0"), "batch = 0");
  ExpectUsageError(Run("gradcheck mlp --samples 0"), "samples = 0");
  ExpectUsageError(Run("gradcheck mlp --step -1"), "step = -1");
  ExpectUsageError(Run("gradcheck mlp --range labels"), "--range labels");
  ExpectUsageError(Run("gradcheck mlp --range labels=1"), "--range labels=1");
  ExpectUsageError(Run("gradcheck mlp --range labels=50:60"), "ranges");
  ExpectUsageError(Run("gradcheck mlp --range label=0:9"), "\"label\"");
  ExpectUsageError(Run("gradcheck mlp --dim T"), "--dim T");
}

TEST_F(CliTest, DamagedFilesAreRefusedByName) {
  ASSERT_EQ(TrainShortly().code, 0);
  const std::string plan = ReadAll(dir_ / "run" / "model.plan");
  std::string flipped = plan;
  flipped[flipped.size() / 2] ^= 0x10;
  const std::pair<const char*, std::string> files[] = {{"empty.plan", ""},
                                                       {"cut.plan", plan.substr(0, plan.size() / 3)},
                                                       {"flipped.plan", flipped},
                                                       {"png.plan", "\x89PNG\r\n\x1a\n...."}};
  for (const auto& [name, bytes] : files) {
    WriteAll(dir_ / name, bytes);
    ExpectUsageError(Run(std::string("run ") + name + " --data mnist"), name);
    ExpectUsageError(Run(std::string("inspect ") + name), name);
  }
  ExpectUsageError(Run("run missing.plan --data mnist"), "missing.plan");
  ExpectUsageError(Run("run run/last.ckpt --data mnist"), "checkpoint");
  ExpectUsageError(Run("compile run/model.plan -o x.plan"), "plan");
  EXPECT_FALSE(fs::exists(dir_ / "x.plan"));
}

TEST_F(CliTest, APlanForAnotherIsaIsRefused) {
  ASSERT_EQ(Run("models lenet5 -o m.ath").code, 0);
  ASSERT_EQ(Run("compile m.ath -o m.plan", "ONEDNN_MAX_CPU_ISA=SSE41").code, 0);
  Outcome o = Run("run m.plan --data mnist");
  ExpectUsageError(o, "sse41");
  EXPECT_THAT(o.err, HasSubstr("compile the model again"));
}

TEST_F(CliTest, BadInputsToRunAreRefused) {
  ASSERT_EQ(Run("models lenet5 -o m.ath").code, 0);
  WriteAll(dir_ / "junk.npy", "not an array");
  ExpectUsageError(Run("run m.ath --input junk.npy"), "junk.npy");
  WriteAll(dir_ / "junk.png", "not an image");
  ExpectUsageError(Run("run m.ath --input junk.png"), "junk.png");
  // A well-formed array of another shape: f32 [2,3].
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  header.resize(117, ' ');
  std::string npy = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + std::string(24, '\0');
  WriteAll(dir_ / "shape.npy", npy);
  Outcome o = Run("run m.ath --input shape.npy");
  ExpectUsageError(o, "[2,3]");
  EXPECT_THAT(o.err, HasSubstr("[1,28,28]"));
}

TEST_F(CliTest, AnUnwritableFolderIsFoundBeforeTraining) {
  WriteAll(dir_ / "file", "");
  Outcome o = Run("train lenet5 --epochs 100 --out file/run");
  ExpectUsageError(o, "file");
  EXPECT_EQ(o.out, "");
  ASSERT_EQ(Run("models lenet5 -o m.ath").code, 0);
  ExpectUsageError(Run("compile m.ath -o file/m.plan"), "file");
}

TEST_F(CliTest, ASignalSavesAndResumeEndsAsIfNothingHappened) {
  const std::string flags = "train mlp --epochs 2 --batch 100 --seed 3 --threads 2 --progress plain ";
  Outcome whole = Run(flags + "--out whole");
  ASSERT_EQ(whole.code, 0) << whole.err;
  // Ctrl-C after a moment, then on to the end.
  std::string command = "cd '" + dir_.string() + "' && timeout -s INT 0.7 '" + binary_.string() + "' " + flags +
                        "--out part >/dev/null 2>&1";
  int status = std::system(command.c_str());
  int code = WEXITSTATUS(status);
  ASSERT_TRUE(code == 130 || code == 124 || code == 0) << code;
  if (fs::exists(dir_ / "part" / "last.ckpt")) {
    Outcome resumed = Run(flags + "--out part --resume");
    ASSERT_EQ(resumed.code, 0) << resumed.err;
  } else {
    ASSERT_EQ(Run(flags + "--out part").code, 0);
  }
  EXPECT_TRUE(ReadAll(dir_ / "whole" / "model.ath") == ReadAll(dir_ / "part" / "model.ath"));
}

TEST_F(CliTest, RunsHeldToAvx2) {
  ASSERT_EQ(Run("models lenet5 -o m.ath").code, 0);
  Outcome o = Run("run m.ath --data mnist", "ONEDNN_MAX_CPU_ISA=AVX2");
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("test accuracy"));
}

}  // namespace
}  // namespace athanor
