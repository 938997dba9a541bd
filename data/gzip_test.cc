#include "data/gzip.h"

#include <sys/stat.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

constexpr int64_t kMax = 1 << 20;

std::string Poem() {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "line " + std::to_string(i * i) + "\n";
  return text;
}

TEST(GzipTest, RoundTrip) {
  for (const std::string& content : {std::string(), std::string("x"), Poem(), std::string(300000, '\0')}) {
    std::string packed = Gzip(content).value();
    EXPECT_TRUE(IsGzip(packed));
    EXPECT_EQ(Gunzip(packed, "x", kMax).value(), content);
    EXPECT_EQ(GunzippedSize(packed, "x", kMax).value(), static_cast<int64_t>(content.size()));
  }
}

TEST(GzipTest, DependsOnTheContentAlone) {
  std::string packed = Gzip("abc").value();
  EXPECT_EQ(packed, Gzip("abc").value());
  EXPECT_EQ(packed.substr(3, 5), std::string(5, '\0'));  // no flags: no name; no time
}

TEST(GzipTest, ReaderGivesPiecesOfAnySize) {
  std::string content = Poem(), packed = Gzip(content).value(), got;
  GzipReader reader(packed, "x");
  char piece[7];
  int64_t n;
  do {
    n = reader.Read(absl::MakeSpan(piece)).value();
    got.append(piece, n);
  } while (n == sizeof(piece));
  EXPECT_EQ(got, content);
  EXPECT_EQ(reader.Read(absl::MakeSpan(piece)).value(), 0);
}

TEST(GzipTest, SeveralMembersAreOneContent) {
  std::string packed = Gzip("one ").value() + Gzip("").value() + Gzip("two").value();
  EXPECT_EQ(Gunzip(packed, "x", kMax).value(), "one two");
}

TEST(GzipTest, RefusesBrokenStreams) {
  std::string packed = Gzip(Poem()).value();
  ExpectError(Gunzip("plain", "a.gz", kMax).status(), "DATA", "a.gz: not gzip");
  ExpectError(Gunzip("", "a.gz", kMax).status(), "DATA", "a.gz: not gzip");
  ExpectError(Gunzip(packed.substr(0, packed.size() / 2), "a.gz", kMax).status(), "DATA", "a.gz: truncated gzip data");
  ExpectError(Gunzip(packed + "tail", "a.gz", kMax).status(), "DATA", "a.gz: 4 bytes of garbage follow");
  ExpectError(Gunzip(packed + '\x1f', "a.gz", kMax).status(), "DATA", "a.gz: 1 bytes of garbage follow");
  std::string wrong_crc = packed, wrong_length = packed;
  wrong_crc[packed.size() - 8] ^= 1;
  wrong_length[packed.size() - 4] ^= 1;
  ExpectError(Gunzip(wrong_crc, "a.gz", kMax).status(), "DATA", "incorrect data check");
  ExpectError(Gunzip(wrong_length, "a.gz", kMax).status(), "DATA", "incorrect length check");
}

TEST(GzipTest, AnErrorStays) {
  GzipReader reader("plain", "x");
  char piece[4];
  EXPECT_FALSE(reader.Read(absl::MakeSpan(piece)).ok());
  EXPECT_FALSE(reader.Read(absl::MakeSpan(piece)).ok());
}

TEST(GzipTest, LimitHoldsForTheDecodedBytes) {
  std::string packed = Gzip(std::string(1000, 'a')).value();
  EXPECT_TRUE(Gunzip(packed, "x", 1000).ok());
  ExpectError(Gunzip(packed, "x", 999).status(), "LIMIT", "x: decodes to more than the limit of 999 bytes");
}

TEST(GzipTest, AStreamBrokenNearItsEndCostsNoMemory) {
  std::string packed = Gzip(std::string(64 << 20, '\0')).value();
  auto decode = [&] { return Gunzip(packed, "x", int64_t{1} << 30).status(); };
  EXPECT_GT(testing::PeakMemoryGrowth([&] { EXPECT_TRUE(decode().ok()); }), 64 << 20);
  packed[packed.size() - 8] ^= 1;
  EXPECT_LT(testing::PeakMemoryGrowth([&] { EXPECT_FALSE(decode().ok()); }), testing::RejectionBudget(packed));
}

TEST(GzipTest, ContentIsCheckedInPiecesBeforeItIsKept) {
  const std::string text(300'000, 'a'), packed = Gzip(text + "b").value();
  std::string seen;
  int ends = 0;
  auto look = [&](absl::string_view piece) {
    absl::StrAppend(&seen, piece);
    ends += piece.empty();
    return absl::OkStatus();
  };
  EXPECT_EQ(Gunzip(packed, "x", kMax, look).value(), text + "b");
  EXPECT_EQ(seen, text + "b");
  EXPECT_EQ(ends, 1);
  auto no_b = [](absl::string_view piece) {
    return piece.find('b') == absl::string_view::npos ? absl::OkStatus() : MakeError(ErrorClass::kData, "a b");
  };
  ExpectError(Gunzip(packed, "x", kMax, no_b).status(), "DATA", "a b");
}

TEST(GzipTest, SweepsOfASmallStream) {
  std::string packed = Gzip("some small content, some small content").value();
  auto parse = [](absl::string_view bytes) { return Gunzip(bytes, "swept", kMax).status(); };
  testing::ExpectEveryTruncationRefused(packed, parse);
  testing::ExpectEveryCorruptionSafe(packed, parse);
}

TEST(GzipTest, ReadsFilesByTheirContentNotTheirName) {
  TempDir dir;
  EXPECT_EQ(*ReadFileMaybeGzip(dir.Put("plain.gz", "plain"), kMax), "plain");
  EXPECT_EQ(*ReadFileMaybeGzip(dir.Put("packed", Gzip("packed").value()), kMax), "packed");
  ExpectError(ReadFileMaybeGzip(dir / "none.gz", kMax).status(), "PATH", dir / "none.gz");
  ExpectError(ReadFileMaybeGzip(dir.path(), kMax).status(), "PATH", "is a directory");
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  ExpectError(ReadFileMaybeGzip(dir / "fifo", kMax).status(), "PATH", "is a FIFO");
  ExpectError(ReadFileMaybeGzip(dir.Put("cut.gz", "\x1f\x8b\x08"), kMax).status(), "DATA", dir / "cut.gz");
}

}  // namespace
}  // namespace athanor
