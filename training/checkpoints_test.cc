// What a folder of checkpoints holds after saves, damage and killed processes.
#include "training/checkpoints.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(FolderLockTest, OneAtATime) {
  const std::string folder = testing::TempDir() + "lock";
  fs::create_directories(folder);
  {
    absl::StatusOr<FolderLock> first = FolderLock::Take(folder);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_THAT(std::string(FolderLock::Take(folder).status().message()), HasSubstr("another run trains in this folder"));
  }
  EXPECT_TRUE(FolderLock::Take(folder).ok());
}

Checkpoint At(int64_t step, float weight = 0.5f) {
  Checkpoint c;
  c.model_name = "m";
  c.step = step;
  c.tensors.emplace_back("w", Tensor::Of<float>({2}, {weight, static_cast<float>(step)}));
  return c;
}

void Damage(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-64, std::ios::end);
  file.write("damaged", 7);
}

class CheckpointsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(testing::TempDir(), "/checkpoints_test/",
                           testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string folder_;
};

TEST_F(CheckpointsTest, KeepsTheLastTheNewestAndTheBest) {
  CheckpointFolder folder(folder_, 2);
  for (int64_t step : {10, 20, 30, 40}) {
    absl::Status saved = folder.Save(At(step), /*best=*/step == 20);
    ASSERT_TRUE(saved.ok()) << saved;
  }
  EXPECT_THAT(Files(), ElementsAre("best.ckpt", "last.ckpt", "step-00000030.ckpt", "step-00000040.ckpt"));
  EXPECT_EQ(folder.LoadNewest()->checkpoint.step, 40);
  EXPECT_EQ(folder.LoadBest()->step, 20);
  EXPECT_EQ(CheckpointPathOf(folder_), folder.best_path());
}

TEST_F(CheckpointsTest, TheSameStepMayBeSavedTwice) {
  CheckpointFolder folder(folder_, 3);
  ASSERT_TRUE(folder.Save(At(5, 1.0f), true).ok());
  ASSERT_TRUE(folder.Save(At(5, 2.0f), true).ok());
  EXPECT_EQ(folder.LoadNewest()->checkpoint.tensors[0].second.as<float>()[0], 2.0f);
  EXPECT_EQ(folder.LoadBest()->tensors[0].second.as<float>()[0], 2.0f);
  EXPECT_THAT(Files(), ElementsAre("best.ckpt", "last.ckpt", "step-00000005.ckpt"));
}

TEST_F(CheckpointsTest, ADamagedNewestIsNamedAndTheNextOlderTaken) {
  CheckpointFolder folder(folder_, 3);
  for (int64_t step : {10, 20, 30}) ASSERT_TRUE(folder.Save(At(step), false).ok());
  Damage(folder.last_path());  // and with it step 30, the same file
  auto found = folder.LoadNewest();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->checkpoint.step, 20);
  ASSERT_EQ(found->skipped.size(), 1u);
  EXPECT_THAT(found->skipped[0], HasSubstr("last.ckpt"));
  fs::resize_file(folder.StepPath(20), 100);
  found = folder.LoadNewest();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->checkpoint.step, 10);
  fs::resize_file(folder.StepPath(10), 0);
  absl::Status none = folder.LoadNewest().status();
  EXPECT_THAT(std::string(none.message()), HasSubstr("last.ckpt"));
  fs::remove(folder.last_path());
  for (int64_t step : {10, 20, 30}) fs::remove(folder.StepPath(step));
  EXPECT_EQ(ErrorClassOf(folder.LoadNewest().status()), "PATH");
}

TEST_F(CheckpointsTest, NumbersThatAreNotFiniteAreNotSaved) {
  CheckpointFolder folder(folder_, 3);
  ASSERT_TRUE(folder.Save(At(1), false).ok());
  absl::Status bad = folder.Save(At(2, NAN), true);
  EXPECT_THAT(std::string(bad.message()), HasSubstr("\"w\" is not finite after step 2: no checkpoint is written"));
  EXPECT_EQ(folder.LoadNewest()->checkpoint.step, 1);
  EXPECT_FALSE(fs::exists(folder.best_path()));
}

TEST_F(CheckpointsTest, FilesOfKilledProcessesAreRemovedAndOthersStay) {
  CheckpointFolder folder(folder_, 3);
  ASSERT_TRUE(folder.Save(At(1), true).ok());
  pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  std::ofstream(absl::StrCat(folder_, "/last.ckpt.tmp-", child, "-7")) << "half";
  std::ofstream(absl::StrCat(folder_, "/last.ckpt.tmp-", ::getpid(), "-7")) << "being written";
  std::ofstream(folder_ + "/notes.txt") << "mine";
  ASSERT_TRUE(folder.Clean(/*forget=*/false).ok());
  EXPECT_EQ(Files().size(), 5u);
  ASSERT_TRUE(folder.Clean(/*forget=*/true).ok());
  EXPECT_THAT(Files(), ElementsAre(absl::StrCat("last.ckpt.tmp-", ::getpid(), "-7"), "notes.txt"));
}

}  // namespace
}  // namespace athanor
