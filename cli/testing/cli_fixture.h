// Runs the athanor command as a user types it, each test in a folder of its own.
#ifndef ATHANOR_CLI_TESTING_CLI_FIXTURE_H_
#define ATHANOR_CLI_TESTING_CLI_FIXTURE_H_

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {

namespace fs = std::filesystem;

inline std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void WriteAll(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

struct Outcome {
  int code = -1;
  std::string out, err;
};

class CliTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    binary_ = fs::absolute("cli/athanor");
  }

  // Runs in the test's own folder.
  Outcome Run(const std::string& arguments, const std::string& environment = "") {
    std::string command = "cd '" + dir_.string() + "' && " + environment + " '" + binary_.string() + "' " + arguments +
                          " >out.txt 2>err.txt </dev/null";
    int status = std::system(command.c_str());
    Outcome o;
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    o.out = ReadAll(dir_ / "out.txt");
    o.err = ReadAll(dir_ / "err.txt");
    return o;
  }

  // A short run of LeNet-5: two epochs over the sample at a large batch.
  Outcome TrainShortly(const std::string& more = "") {
    return Run("train lenet5 --data mnist --epochs 1 --batch 500 --seed 1 --threads 2 --out run " + more);
  }

  void ExpectUsageError(const Outcome& o, const std::string& culprit) {
    EXPECT_EQ(o.code, 2) << o.out << o.err;
    EXPECT_THAT(o.err, testing::HasSubstr(culprit));
  }

  fs::path dir_, binary_;
};

}  // namespace athanor

#endif  // ATHANOR_CLI_TESTING_CLI_FIXTURE_H_
