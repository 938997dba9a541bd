#include "data/idx.h"

#include <limits>
#include <string>

#include "data/gzip.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

std::string Bytes(std::initializer_list<int> values) {
  std::string s;
  for (int v : values) s.push_back(static_cast<char>(v));
  return s;
}

// u8[2,3]
const std::string kSmall = Bytes({0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255});

absl::Status Parse(absl::string_view bytes) { return ParseIdx(bytes, "f.idx").status(); }

template <typename T>
void ExpectRoundTrip(Shape shape, std::vector<T> values) {
  Tensor t = Tensor::Of<T>(shape, values);
  for (bool gzip : {false, true}) {
    std::string bytes = FormatIdx(t).value();
    Tensor back = ParseIdx(gzip ? Gzip(bytes).value() : bytes, "x").value();
    EXPECT_EQ(back.dtype(), t.dtype());
    EXPECT_EQ(back.shape(), shape);
    EXPECT_EQ(back.as<T>(), absl::MakeConstSpan(values));
  }
}

TEST(IdxTest, ParsesBytes) {
  Tensor t = ParseIdx(kSmall, "x").value();
  EXPECT_EQ(t.dtype(), DType::kU8);
  EXPECT_EQ(t.shape(), (Shape{2, 3}));
  EXPECT_EQ(t.as<uint8_t>()[5], 255);
}

TEST(IdxTest, ElementsAreBigEndian) {
  Tensor ints = ParseIdx(Bytes({0, 0, 12, 1, 0, 0, 0, 2, 0, 0, 1, 2, 0xff, 0xff, 0xff, 0xfe}), "x").value();
  EXPECT_EQ(ints.as<int32_t>(), absl::MakeConstSpan({258, -2}));
  Tensor floats = ParseIdx(Bytes({0, 0, 13, 1, 0, 0, 0, 1, 0x3f, 0x80, 0, 0}), "x").value();
  EXPECT_EQ(floats.as<float>()[0], 1.0f);
}

TEST(IdxTest, EveryDtypeMakesTheRoundTrip) {
  ExpectRoundTrip<uint8_t>({2, 2}, {0, 1, 128, 255});
  ExpectRoundTrip<int8_t>({4}, {0, 1, -128, 127});
  ExpectRoundTrip<int32_t>({1, 2, 1}, {std::numeric_limits<int32_t>::min(), 77});
  ExpectRoundTrip<float>({3}, {0.1f, -1e30f, std::numeric_limits<float>::infinity()});
  ExpectRoundTrip<double>({1, 1, 1, 1, 1, 1, 1, 2}, {0.1, -1e300});
  ExpectRoundTrip<uint8_t>({0, 28, 28}, {});
}

TEST(IdxTest, RefusesABadHeader) {
  ExpectError(Parse(""), "DATA", "f.idx: 0 bytes are too few for an IDX header");
  ExpectError(Parse(Bytes({0, 0, 8})), "DATA", "f.idx: 3 bytes are too few");
  ExpectError(Parse(Bytes({0, 1, 8, 1, 0, 0, 0, 0})), "DATA",
              "f.idx: magic 0x00010801 is not IDX (expected 0x00000801");
  ExpectError(Parse(Bytes({0, 0, 10, 1, 0, 0, 0, 0})), "DATA", "magic 0x00000a01 is not IDX");
  ExpectError(Parse(Bytes({0, 0, 8, 0})), "DATA", "magic 0x00000800 is not IDX");
  ExpectError(Parse(Bytes({0, 0, 11, 1, 0, 0, 0, 0})), "DATA", "16-bit integers is not supported");
  ExpectError(Parse(Bytes({0, 0, 8, 9}) + std::string(36, '\0')), "DATA", "9 dimensions are above the limit of 8");
  ExpectError(Parse(Bytes({0, 0, 8, 3, 0, 0, 0, 1})), "DATA", "header of 16 bytes (3 dimensions) is cut short after 8");
}

TEST(IdxTest, SaysWhatTheFileIsInstead) {
  ExpectError(Parse("version https://git-lfs.github.com/spec/v1\n"), "DATA", "git-LFS pointer");
  ExpectError(Parse("<!DOCTYPE html>"), "DATA", "web page");
  ExpectError(Parse("PK\x03\x04...."), "DATA", "zip archive");
  ExpectError(Parse("\x93NUMPY.."), "DATA", "NPY file");
  ExpectError(Parse(Gzip(Gzip(kSmall).value()).value()), "DATA", "gzip within gzip");
}

TEST(IdxTest, RefusesASizeThatIsNotTheHeaders) {
  std::string cut = kSmall.substr(0, kSmall.size() - 1), trailing = kSmall + "x";
  ExpectError(Parse(cut), "DATA", "f.idx: the header's u8[2,3] needs 18 bytes, there are 17");
  ExpectError(Parse(trailing), "DATA", "f.idx: bytes follow the 18 that the header's u8[2,3] needs");
  ExpectError(Parse(Gzip(cut).value()), "DATA", "needs 18 bytes, there are 17");
  ExpectError(Parse(Gzip(trailing).value()), "DATA", "bytes follow the 18");
  ExpectError(Parse(Gzip(kSmall).value() + "x"), "DATA", "garbage");
}

TEST(IdxTest, RefusesAHugeClaimWithoutAllocating) {
  std::string claim = Bytes({0, 0, 14, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 1, 2});
  ExpectError(Parse(claim), "DATA", "needs 2251765453422612 bytes, there are 14");
  ExpectError(Parse(Gzip(claim).value()), "LIMIT", "above the limit");
  std::string overflow = Bytes({0, 0, 8, 3}) + std::string(12, '\xff');
  ExpectError(Parse(overflow), "DATA", "size of the declared shape [4294967295,4294967295,4294967295] overflows");
  // A zero among them must not hide it.
  ExpectError(Parse(Bytes({0, 0, 8, 4}) + std::string(12, '\xff') + std::string(4, '\0')), "DATA", "overflows");
  std::string in_bytes = Bytes({0, 0, 14, 2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  ExpectError(Parse(in_bytes), "DATA", "overflows");
}

TEST(IdxTest, AFileThatDecodesToMuchCostsNoMemoryToReject) {
  std::string content = Bytes({0, 0, 8, 1, 4, 0, 0, 0}) + std::string(64 << 20, '\0');  // u8[2^26]
  std::string broken = Gzip(content).value(), longer = Gzip(content + "x").value();
  broken[broken.size() - 8] ^= 1;
  content[2] = 1;
  std::string no_idx = Gzip(content).value();
  for (const std::string& bytes : {broken, longer, no_idx}) {
    int64_t growth = testing::PeakMemoryGrowth([&] { EXPECT_FALSE(Parse(bytes).ok()); });
    EXPECT_LT(growth, testing::RejectionBudget(bytes));
  }
}

TEST(IdxTest, Sweeps) {
  for (const std::string& good : {kSmall, FormatIdx(Tensor::Of<float>({2, 1}, {1.5f, -2.0f})).value()}) {
    testing::ExpectEveryTruncationRefused(good, Parse);
    testing::ExpectEveryCorruptionSafe(good, Parse);
    testing::ExpectEveryTruncationRefused(Gzip(good).value(), Parse);
    testing::ExpectEveryCorruptionSafe(Gzip(good).value(), Parse);
  }
}

TEST(IdxTest, WritesAndReadsFiles) {
  TempDir dir;
  Tensor t = ParseIdx(kSmall, "x").value();
  ASSERT_TRUE(WriteIdx(dir / "a.idx", t).ok());
  ASSERT_TRUE(WriteIdx(dir / "a.idx.gz", t).ok());
  EXPECT_EQ(*ReadFile(dir / "a.idx", 1000), kSmall);
  EXPECT_TRUE(IsGzip(*ReadFile(dir / "a.idx.gz", 1000)));
  EXPECT_EQ(ReadIdx(dir / "a.idx")->shape(), t.shape());
  EXPECT_EQ(ReadIdx(dir / "a.idx.gz")->as<uint8_t>(), t.as<uint8_t>());
}

TEST(IdxTest, FileErrorsNameTheFile) {
  TempDir dir;
  ExpectError(ReadIdx(dir / "none").status(), "PATH", dir / "none");
  ExpectError(ReadIdx(dir.path()).status(), "PATH", "is a directory");
  ExpectError(ReadIdx(dir.Put("bad", "no IDX at all")).status(), "DATA", dir / "bad: magic 0x6e6f2049");
  Tensor t = Tensor::Of<int32_t>({1}, {1});
  ExpectError(WriteIdx(dir / "no/a.idx", t), "PATH", dir / "no/a.idx");
}

TEST(IdxTest, RefusesToWriteWhatIdxCannotHold) {
  ExpectError(WriteIdx("a.idx", Tensor::Of<int64_t>({1}, {1})), "DTYPE", "a.idx: IDX has no type for s64");
  ExpectError(WriteIdx("a.idx", Tensor::Scalar<float>(1)), "SHAPE", "a.idx: IDX has no scalars");
  ExpectError(FormatIdx(*Tensor::Create(DType::kU8, {0, int64_t{1} << 32})).status(), "SHAPE", "32 bits");
}

}  // namespace
}  // namespace athanor
