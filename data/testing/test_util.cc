#include "data/testing/test_util.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/core/status.h"

namespace athanor::testing {
namespace {

// On the heap and no larger than the bytes, so that AddressSanitizer sees a read behind the end.
absl::Status ParseExactCopy(absl::string_view bytes, const std::function<absl::Status(absl::string_view)>& parse) {
  std::unique_ptr<char[]> copy(new char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), copy.get());
  return parse(absl::string_view(copy.get(), bytes.size()));
}

}  // namespace

TempDir::TempDir() {
  path_ = ::testing::TempDir() + "/athanor_data_XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) path_ = "/nonexistent";
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::operator/(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

std::string TempDir::Put(absl::string_view name, absl::string_view content) const {
  std::string path = *this / name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

void ExpectError(const absl::Status& status, absl::string_view error_class, absl::string_view part) {
  EXPECT_EQ(ErrorClassOf(status), error_class) << status;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(std::string(part)));
}

void ExpectEveryTruncationRefused(absl::string_view bytes,
                                  const std::function<absl::Status(absl::string_view)>& parse) {
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_NE(ErrorClassOf(ParseExactCopy(bytes.substr(0, n), parse)), "") << "the first " << n << " bytes";
  }
}

void ExpectEveryCorruptionSafe(absl::string_view bytes, const std::function<absl::Status(absl::string_view)>& parse) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto old = static_cast<uint8_t>(bytes[i]);
    std::vector<int> values = {0, 0xff, old + 1, ~old};
    for (int bit = 0; bit < 8; ++bit) values.push_back(old ^ 1 << bit);
    for (int value : values) {
      std::string corrupt(bytes);
      corrupt[i] = static_cast<char>(value);
      absl::Status status = ParseExactCopy(corrupt, parse);
      EXPECT_TRUE(status.ok() || !ErrorClassOf(status).empty())
          << "byte " << i << " = " << (value & 0xff) << ": " << status;
    }
  }
}

int64_t PeakMemoryGrowth(const std::function<void()>& f) {
  auto peak_bytes = [] {
    rusage usage;
    ::getrusage(RUSAGE_SELF, &usage);
    return int64_t{usage.ru_maxrss} << 10;
  };
  int ends[2];
  if (::pipe(ends) != 0) return INT64_MAX;
  const pid_t child = ::fork();
  if (child == 0) {
    const int64_t before = peak_bytes();  // a new process starts with what it has in use
    f();
    const int64_t growth = peak_bytes() - before;
    ::_exit(::write(ends[1], &growth, sizeof(growth)) == sizeof(growth) && !::testing::Test::HasFailure() ? 0 : 1);
  }
  ::close(ends[1]);
  int64_t growth = INT64_MAX;
  if (child < 0 || ::read(ends[0], &growth, sizeof(growth)) != sizeof(growth)) growth = INT64_MAX;
  ::close(ends[0]);
  int status = 1;
  if (child > 0) ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << "the child process failed";
  return growth;
}

}  // namespace athanor::testing
