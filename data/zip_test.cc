#include "data/zip.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

constexpr int64_t kMax = 1 << 20;

std::string Poem() {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "line " + std::to_string(i * i) + "\n";
  return text;
}

std::string Zip(const std::vector<ZipContent>& entries, bool deflate = true) {
  return FormatZip(entries, deflate).value();
}

absl::Status Open(absl::string_view bytes) { return ZipArchive::OpenBytes(bytes, "a.zip").status(); }

// Opens the archive and reads all entries.
absl::Status ReadAll(absl::string_view bytes) {
  auto zip = ZipArchive::OpenBytes(bytes, "a.zip");
  if (!zip.ok()) return zip.status();
  for (size_t i = 0; i < (*zip)->entries().size(); ++i) ATH_RETURN_IF_ERROR((*zip)->Read(i, kMax).status());
  return absl::OkStatus();
}

// The archive with `from` replaced everywhere by `to`, of the same length.
std::string Replaced(std::string bytes, const std::string& from, const std::string& to) {
  EXPECT_EQ(from.size(), to.size());
  size_t count = 0;
  for (size_t at = 0; (at = bytes.find(from, at)) != std::string::npos; ++at, ++count) bytes.replace(at, to.size(), to);
  EXPECT_GE(count, 1u);
  return bytes;
}

// Sets `n` bytes of the only entry's record in the directory, and in its local header where that has the same field.
std::string WithField(std::string bytes, int offset_in_directory, int n, uint32_t value) {
  const size_t central = bytes.find("PK\x01\x02");
  for (int i = 0; i < n; ++i) {
    const char byte = static_cast<char>(value >> 8 * i);
    bytes[central + offset_in_directory + i] = byte;
    bytes[offset_in_directory - 2 + i] = byte;  // the directory's record has two bytes more before it
  }
  return bytes;
}
constexpr int kFlagsAt = 8, kMethodAt = 10, kCrcAt = 16, kSizeAt = 24;

TEST(ZipTest, ReadsWhatWasWritten) {
  for (bool deflate : {false, true}) {
    std::string bytes = Zip({{"b/poem.txt", Poem()}, {"a.bin", std::string("\0\1\2", 3)}, {"empty", ""}}, deflate);
    EXPECT_TRUE(IsZip(bytes));
    auto zip = ZipArchive::OpenBytes(bytes, "a.zip").value();
    ASSERT_EQ(zip->entries().size(), 3u);
    EXPECT_EQ(zip->entries()[0].name, "a.bin");  // sorted
    EXPECT_EQ(zip->entries()[1].size, static_cast<int64_t>(Poem().size()));
    EXPECT_EQ(zip->entries()[1].compressed_size < zip->entries()[1].size, deflate);
    EXPECT_EQ(zip->Read(*zip->Find("b/poem.txt"), kMax).value(), Poem());
    EXPECT_EQ(zip->Read(*zip->Find("a.bin"), kMax).value(), std::string("\0\1\2", 3));
    EXPECT_EQ(zip->Read(*zip->Find("empty"), kMax).value(), "");
    EXPECT_EQ(zip->ReadStart(1, 6).value(), "line 0");
    EXPECT_EQ(zip->ReadStart(1, kMax).value(), Poem());
    EXPECT_FALSE(zip->Find("poem.txt"));
    EXPECT_EQ(zip->EntryPath(1), "a.zip:b/poem.txt");
  }
}

TEST(ZipTest, DependsOnTheContentAlone) {
  std::string bytes = Zip({{"a", "x"}});
  ASSERT_EQ(::setenv("TZ", "Asia/Tokyo", 1), 0);
  ::tzset();
  EXPECT_EQ(Zip({{"a", "x"}}), bytes);
}

TEST(ZipTest, AnArchiveWithoutEntriesIsSound) {
  std::string bytes = Zip({});
  EXPECT_TRUE(IsZip(bytes));
  EXPECT_TRUE(ZipArchive::OpenBytes(bytes, "a.zip").value()->entries().empty());
}

TEST(ZipTest, RefusesWhatIsNoArchive) {
  ExpectError(Open(""), "DATA", "a.zip: not a ZIP archive, or a truncated one: no end record in its 0 bytes");
  ExpectError(Open("PK\x03\x04 and no more"), "DATA", "a.zip: not a ZIP archive, or a truncated one");
  ExpectError(Open("PK\x05\x06"), "DATA", "a.zip: broken ZIP archive");
  ExpectError(ZipArchive::Open("/nonexistent/a.zip").status(), "PATH", "/nonexistent/a.zip");
}

TEST(ZipTest, RefusesNamesThatLeadOutside) {
  const std::string good = Zip({{"ab/cd.e", "x"}});
  for (const char* name : {"../cd.e", "/b/cd.e", "ab\\cd.e", "ab/../e", "a:/cd.e", "ab//d.e", "./ cd.e"}) {
    ExpectError(Open(Replaced(good, "ab/cd.e", name)), "PATH", "a.zip: the entry \"");
  }
}

TEST(ZipTest, RefusesOneNameTwice) {
  std::string bytes = Replaced(Zip({{"one", "x"}, {"two", "y"}}), "two", "one");
  ExpectError(Open(bytes), "DATA", "a.zip: the entry \"one\" is there twice");
  ExpectError(FormatZip({{"one", "x"}, {"one", "y"}}, true).status(), "REQ", "\"one\" is there twice");
}

TEST(ZipTest, RefusesEncryptionAndOtherCompressions) {
  std::string bytes = Zip({{"one", Poem()}});
  ExpectError(Open(WithField(bytes, kFlagsAt, 2, 1)), "DATA", "a.zip:one: the entry is encrypted");
  ExpectError(Open(WithField(bytes, kMethodAt, 2, 12)), "DATA", "a.zip:one: compression method 12 is not read");
}

TEST(ZipTest, AWrongCrcNamesArchiveAndEntry) {
  for (bool deflate : {false, true}) {
    std::string bytes = WithField(Zip({{"d/one", Poem()}}, deflate), kCrcAt, 4, 0x12345678);
    ExpectError(ReadAll(bytes), "DATA", "a.zip:d/one: broken entry: ");
  }
}

TEST(ZipTest, WrongSizesAreFoundAndCostNoMemory) {
  std::string bytes = Zip({{"one", std::string(100000, 'a')}});
  ExpectError(ReadAll(WithField(bytes, kSizeAt, 4, 99999)), "DATA", "a.zip:one: broken entry");
  ExpectError(ReadAll(WithField(bytes, kSizeAt, 4, 100001)), "DATA", "a.zip:one: broken entry");
  ExpectError(Open(WithField(bytes, kSizeAt, 4, 0xfffffff0)), "DATA", "compressed bytes cannot hold the declared");
  // A size that the bytes could hold, but do not.
  std::string noise;
  for (uint32_t i = 0, v = 1; i < 200000; ++i) noise.push_back(static_cast<char>((v = v * 1664525 + 1013904223) >> 24));
  std::string claim = WithField(Zip({{"one", noise}}), kSizeAt, 4, 200000000);
  auto read = [&] {
    auto zip = ZipArchive::OpenBytes(claim, "a.zip").value();
    EXPECT_FALSE(zip->Read(0, int64_t{1} << 30).ok());
  };
  EXPECT_LT(testing::PeakMemoryGrowth(read), testing::RejectionBudget(claim));
}

TEST(ZipTest, ALimitHoldsBeforeAnythingIsDecoded) {
  std::string bomb = Zip({{"bomb", std::string(50 << 20, '\0')}});
  EXPECT_LT(bomb.size(), 100u << 10);
  auto zip = ZipArchive::OpenBytes(bomb, "a.zip").value();
  auto read = [&] {
    ExpectError(zip->Read(0, kMax).status(), "LIMIT", "a.zip:bomb: 52428800 bytes are above the limit");
  };
  EXPECT_LT(testing::PeakMemoryGrowth(read), testing::RejectionBudget(bomb));
}

TEST(ZipTest, RefusesEntriesThatOverlap) {
  // Two entries of the directory that point to the same 40 kB.
  std::string noise;
  for (uint32_t i = 0, v = 1; i < 40000; ++i) noise.push_back(static_cast<char>((v = v * 1664525 + 1013904223) >> 24));
  std::string bytes = Zip({{"one", noise}}, false);
  const size_t central = bytes.find("PK\x01\x02"), end = bytes.find("PK\x05\x06");
  std::string record = bytes.substr(central, end - central), end_record = bytes.substr(end);
  end_record[8] = end_record[10] = 2;
  const uint32_t directory_size = 2 * record.size();
  for (int i = 0; i < 4; ++i) end_record[12 + i] = static_cast<char>(directory_size >> 8 * i);
  std::string second = Replaced(record, "one", "two");
  ExpectError(Open(bytes.substr(0, central) + record + second + end_record), "DATA", "they overlap");
}

TEST(ZipTest, AWildNumberOfEntriesCostsNoMemory) {
  std::string bytes = Zip({{"one", "x"}});
  const size_t end = bytes.find("PK\x05\x06");
  std::string end64 = std::string("PK\x06\x06", 4) + std::string(52, '\0');
  end64[4] = 44;
  for (int i : {27, 35}) end64[i] = 0x40;  // 2^30 entries, on this disk and in total
  std::string locator = std::string("PK\x06\x07", 4) + std::string(16, '\0');
  for (int i = 0; i < 4; ++i) locator[8 + i] = static_cast<char>(end >> 8 * i);
  locator[16] = 1;
  std::string end_record = bytes.substr(end);
  for (int i = 8; i < 20; ++i) end_record[i] = '\xff';
  std::string claim = bytes.substr(0, end) + end64 + locator + end_record;
  ExpectError(Open(claim), "DATA", "bytes cannot hold the declared 1073741824 entries");
}

TEST(ZipTest, SweepsOfASmallArchive) {
  for (bool deflate : {false, true}) {
    std::string bytes = Zip({{"a/b", "some small content"}, {"c", "x"}}, deflate);
    testing::ExpectEveryTruncationRefused(bytes, ReadAll);
    testing::ExpectEveryCorruptionSafe(bytes, ReadAll);
  }
}

TEST(ZipTest, ThreadsReadAtOnce) {
  TempDir dir;
  std::vector<ZipContent> entries;
  for (int i = 0; i < 50; ++i) entries.push_back({"e" + std::to_string(100 + i), Poem() + std::to_string(i)});
  auto zip = ZipArchive::Open(dir.Put("a.zip", Zip(entries))).value();
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) wrong[t] += zip->Read(i, kMax).value() != entries[i].bytes;
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(ZipTest, AnArchiveReplacedOrCutShortWhileOpenIsNoHarm) {
  TempDir dir;
  const std::string bytes = Zip({{"one", Poem()}}, false);
  std::string path = dir.Put("a.zip", bytes);
  auto zip = ZipArchive::Open(path).value();
  std::filesystem::rename(dir.Put("other", "other"), path);
  EXPECT_EQ(zip->Read(0, kMax).value(), Poem());

  path = dir.Put("b.zip", bytes);
  zip = ZipArchive::Open(path).value();
  ASSERT_EQ(::truncate(path.c_str(), 100), 0);
  absl::Status status = zip->Read(0, kMax).status();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("b.zip"), std::string::npos) << status;
}

}  // namespace
}  // namespace athanor
