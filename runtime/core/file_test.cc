#include "runtime/core/file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr int64_t kMax = 1 << 20;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = ::testing::TempDir() + "/file_test_XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~FileTest() override { fs::remove_all(dir_); }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  std::string Put(const std::string& name, const std::string& content) const {
    std::ofstream(Path(name), std::ios::binary) << content;
    return Path(name);
  }
  int64_t FilesInDir() const { return std::distance(fs::directory_iterator(dir_), fs::directory_iterator()); }

  std::string dir_;
};

void ExpectError(const absl::Status& status, absl::string_view error_class, const std::string& part) {
  EXPECT_EQ(ErrorClassOf(status), error_class) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

TEST_F(FileTest, ReadsAllBytes) {
  std::string content("a\0b\xff\n", 5);
  EXPECT_EQ(*ReadFile(Put("x", content), kMax), content);
  EXPECT_EQ(*ReadFile(Put("empty", ""), kMax), "");
  EXPECT_EQ(*ReadFile(Put("exact", "12345"), 5), "12345");
}

TEST_F(FileTest, ReadsAFileWhoseSizeIsNotKnownBefore) {
  EXPECT_THAT(*ReadFile("/proc/self/status", kMax), HasSubstr("Pid:"));
  ExpectError(ReadFile("/proc/self/status", 10).status(), "LIMIT", "/proc/self/status");
}

TEST_F(FileTest, RefusesWhatIsNotAReadableFile) {
  ExpectError(ReadFile(Path("none"), kMax).status(), "PATH", Path("none") + ": cannot open: No such file");
  ExpectError(ReadFile(dir_, kMax).status(), "PATH", dir_ + ": is a directory");
  ExpectError(ReadFile("/dev/zero", kMax).status(), "PATH", "/dev/zero: is a device");
  ExpectError(ReadFile("", kMax).status(), "PATH", "empty");
  ExpectError(ReadFile(std::string("a\0b", 3), kMax).status(), "PATH", "NUL");
  ASSERT_EQ(::mkfifo(Path("fifo").c_str(), 0600), 0);
  ExpectError(ReadFile(Path("fifo"), kMax).status(), "PATH", "is a FIFO");
  ExpectError(ReadFile(Put("x", "") + "/y", kMax).status(), "PATH", "Not a directory");
  if (::geteuid() != 0) {
    ::chmod(Put("locked", "x").c_str(), 0);
    ExpectError(ReadFile(Path("locked"), kMax).status(), "PATH", "Permission denied");
  }
}

TEST_F(FileTest, ReadsAnyPlaceOfAnOpenFile) {
  std::string path = Put("x", "0123456789");
  auto file = InputFile::Open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->size(), 10);
  char bytes[4] = {};
  ASSERT_TRUE(file->ReadAt(6, bytes, 4).ok());
  EXPECT_EQ(std::string(bytes, 4), "6789");
  ASSERT_TRUE(file->ReadAt(10, bytes, 0).ok());
  fs::resize_file(path, 8);
  ExpectError(file->ReadAt(6, bytes, 4), "FORMAT", path + ": ends at byte 8, having been cut short");
  ExpectError(InputFile::Open(dir_).status(), "PATH", "is a directory");
  ExpectError(InputFile::Open(Path("none")).status(), "PATH", "No such file");
}

TEST_F(FileTest, RefusesAFileAboveTheLimitWithoutReadingIt) {
  std::string path = Put("sparse", "");
  fs::resize_file(path, int64_t{1} << 40);
  ExpectError(ReadFile(path, kMax).status(), "LIMIT", "1099511627776 bytes or more are above the limit of 1048576");
}

TEST_F(FileTest, WritesPiecesAndReplaces) {
  ASSERT_TRUE(WriteFileAtomic(Path("x"), {"one ", "", "two"}).ok());
  EXPECT_EQ(*ReadFile(Path("x"), kMax), "one two");
  ASSERT_TRUE(WriteFileAtomic(Path("x"), {"new"}).ok());
  EXPECT_EQ(*ReadFile(Path("x"), kMax), "new");
  EXPECT_EQ(FilesInDir(), 1);
}

TEST_F(FileTest, WritesThroughALink) {
  fs::create_directory(Path("elsewhere"));
  Put("elsewhere/real", "old");
  fs::create_symlink("elsewhere/real", Path("link"));
  ASSERT_TRUE(WriteFileAtomic(Path("link"), {"new"}).ok());
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_EQ(*ReadFile(Path("elsewhere/real"), kMax), "new");
}

TEST_F(FileTest, RefusesToReplaceWhatIsNotAFile) {
  ExpectError(WriteFileAtomic(dir_, {"x"}), "PATH", "is a directory");
  ExpectError(WriteFileAtomic("/dev/null", {"x"}), "PATH", "/dev/null: is a device");
  fs::create_symlink("nowhere", Path("dangling"));
  ExpectError(WriteFileAtomic(Path("dangling"), {"x"}), "PATH", "cannot follow the link");
  fs::create_symlink(dir_, Path("to_dir"));
  ExpectError(WriteFileAtomic(Path("to_dir"), {"x"}), "PATH", "is a directory");
  ExpectError(WriteFileAtomic(Path("no/such/x"), {"x"}), "PATH", Path("no/such/x") + ": cannot create: No such file");
}

TEST_F(FileTest, AFailedWriteLeavesTheOldContentAndNoTemporaryFile) {
  ASSERT_TRUE(WriteFileAtomic(Path("x"), {"old"}).ok());
  // A file size limit stands for a full disk: the write fails after some bytes.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small{1000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string big(5000, 'x');
  absl::Status status = WriteFileAtomic(Path("x"), {"head", big});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ExpectError(status, "PATH", Path("x") + ": cannot write: File too large");
  EXPECT_EQ(*ReadFile(Path("x"), kMax), "old");
  EXPECT_EQ(FilesInDir(), 1);
}

TEST_F(FileTest, AKilledWriterLeavesTheOldContentOrTheNew) {
  const std::string a(200000, 'a'), b(300000, 'b');
  std::string path = Put("x", a);
  for (int i = 0; i < 20; ++i) {
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      while (WriteFileAtomic(path, {b}).ok() && WriteFileAtomic(path, {a}).ok()) {
      }
      ::_exit(1);
    }
    ::usleep(1000 + 487 * i);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    std::string content = *ReadFile(path, kMax);
    EXPECT_TRUE(content == a || content == b) << "a mixture of " << content.size() << " bytes";
  }
}

TEST_F(FileTest, ProbeMakesFoldersAndLeavesThemEmpty) {
  EXPECT_TRUE(ProbeWritableDir(dir_).ok());
  EXPECT_TRUE(ProbeWritableDir(Path("a/b/c/")).ok());
  EXPECT_TRUE(fs::is_empty(Path("a/b/c")));
  fs::create_directory_symlink("a", Path("link"));
  EXPECT_TRUE(ProbeWritableDir(Path("link")).ok());
}

TEST_F(FileTest, ProbeRefuses) {
  ExpectError(ProbeWritableDir(Put("x", "")), "PATH", Path("x") + ": is not a directory");
  ExpectError(ProbeWritableDir(Path("x/y")), "PATH", "Not a directory");
  ExpectError(ProbeWritableDir("/proc/none"), "PATH", "/proc/none: cannot make the folder");
  ExpectError(ProbeWritableDir("/proc/self"), "PATH", "cannot create a file in the folder");
}

}  // namespace
}  // namespace athanor
