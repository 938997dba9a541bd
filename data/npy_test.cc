#include "data/npy.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

// A file with this header text, laid out as NumPy does.
std::string Npy(const std::string& text, const std::string& elements, int major = 1) {
  size_t before = major == 1 ? 10 : 12;
  std::string padded = text + std::string(63 - (before + text.size()) % 64, ' ') + "\n";
  std::string out = std::string("\x93NUMPY") + static_cast<char>(major) + '\0';
  out += static_cast<char>(padded.size() & 0xff);
  out += static_cast<char>(padded.size() >> 8);
  if (major > 1) out += std::string(2, '\0');
  return out + padded + elements;
}

std::string Text(absl::string_view descr, absl::string_view shape, absl::string_view fortran = "False") {
  return absl::StrCat("{'descr': '", descr, "', 'fortran_order': ", fortran, ", 'shape': ", shape, ", }");
}

absl::Status Parse(absl::string_view bytes) { return ParseNpy(bytes, "a.npy").status(); }
void ExpectBadHeader(const std::string& text, absl::string_view part) {
  ExpectError(Parse(Npy(text, "")), "DATA", part);
}

template <typename T>
void ExpectRoundTrip(const Shape& shape, const std::vector<T>& values) {
  TempDir dir;
  auto t = Tensor::Create(DTypeOf<T>(), shape);
  std::copy(values.begin(), values.end(), t->template as<T>().begin());
  ASSERT_TRUE(WriteNpy(dir / "a.npy", *t).ok());
  Tensor back = ReadNpy(dir / "a.npy").value();
  EXPECT_EQ(back.dtype(), DTypeOf<T>());
  EXPECT_EQ(back.shape(), shape);
  EXPECT_TRUE(std::equal(values.begin(), values.end(), back.as<T>().begin()));
  EXPECT_EQ(FormatNpyHeader(*t)->size() % 64, 0u);
}

TEST(NpyTest, EveryDtypeMakesTheRoundTrip) {
  ExpectRoundTrip<float>({2, 3}, {0, 1, -2.5f, 3e30f, 0.1f, 7});
  ExpectRoundTrip<double>({1}, {0.1});
  ExpectRoundTrip<int32_t>({2}, {-1, 1 << 30});
  ExpectRoundTrip<int64_t>({}, {int64_t{-1} << 62});
  ExpectRoundTrip<uint8_t>({1, 2, 1, 2}, {0, 1, 128, 255});
  ExpectRoundTrip<int8_t>({2}, {-128, 127});
  ExpectRoundTrip<bool>({3}, {true, false, true});
  ExpectRoundTrip<float>({0, 4}, {});
}

TEST(NpyTest, WritesWhatNumpyWrites) {
  // numpy.save of numpy.array([[1, 2, 3], [4, 5, 6]], "<f4"), NumPy 2.4
  std::string header = std::string("\x93NUMPY\x01\0v\0", 10) +  // a text of 118 bytes
                       "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  header.resize(127, ' ');
  EXPECT_EQ(*FormatNpyHeader(*Tensor::Create(DType::kF32, {2, 3})), header + "\n");
}

TEST(NpyTest, ReadsAllVersionsAndSpellings) {
  std::string four("\x01\0\0\0", 4);
  for (int version : {1, 2, 3}) EXPECT_TRUE(Parse(Npy(Text("<i4", "(1,)"), four, version)).ok());
  EXPECT_TRUE(Parse(Npy("{\"shape\":(1,1),'fortran_order':False,'descr':'=i4'}", four)).ok());
  EXPECT_TRUE(Parse(Npy(Text("<i4", "( 1 , )"), four)).ok());
  EXPECT_TRUE(Parse(Npy(Text("<i4", "()"), four)).ok());
  EXPECT_TRUE(Parse(Npy(Text("<u1", "(4,)"), four)).ok());
  EXPECT_TRUE(Parse(Npy(Text(">i1", "(4,)"), four)).ok());
}

TEST(NpyTest, RefusesABadEnvelope) {
  std::string good = Npy(Text("<f4", "(1,)"), "1234");
  ExpectError(Parse(""), "DATA", "a.npy: magic \"\" is not NPY");
  ExpectError(Parse("PK\x03\x04 zip"), "DATA", "it is a zip archive (an NPZ file?)");
  ExpectError(Parse("\x93NUMPY"), "DATA", "6 bytes are too few");
  ExpectError(Parse(good.substr(0, 9)), "DATA", "9 bytes are too few");
  for (int version : {0, 4, 255}) {
    std::string bad = good;
    bad[6] = static_cast<char>(version);
    ExpectError(Parse(bad), "DATA", absl::StrCat("a.npy: NPY version ", version, ".0 is not supported"));
  }
  std::string long_header = good;
  long_header[9] = '\x7f';
  ExpectError(Parse(long_header), "DATA", "header's length of 32630 is more than the 122 bytes there are");
  std::string huge = Npy(Text("<f4", "(1,)"), std::string(100 << 10, ' '), 2);
  huge[10] = 1;
  ExpectError(Parse(huge), "DATA", "above the limit of 65536");
}

TEST(NpyTest, RefusesUnsupportedArrays) {
  ExpectBadHeader(Text("|O", "(1,)"), "dtype \"|O\": Python objects are pickled, and pickles are never read");
  ExpectBadHeader(Text(">f4", "(1,)"), "dtype \">f4\" is big-endian");
  ExpectBadHeader(Text("<f4", "(2, 2)", "True"), "Fortran order");
  ExpectBadHeader("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,), }", "arrays of records");
  for (absl::string_view descr : {"<f2", "<u4", "<c8", "<U3", "", "<", "<f44", "\n\\x00"}) {
    ExpectBadHeader(Text(descr, "(1,)"), "is not supported (only f4 f8 i4 i8 u1 i1 b1)");
  }
}

TEST(NpyTest, RefusesABadLiteral) {
  ExpectBadHeader("", "has \"\" where '{' should be");
  ExpectBadHeader("{}", "no 'descr'");
  ExpectBadHeader("{'descr': '<f4', 'shape': (1,)}", "no 'fortran_order'");
  ExpectBadHeader("{'descr': '<f4', 'fortran_order': False}", "no 'shape'");
  ExpectBadHeader("{'descr': '<f4', 'descr': '<f4'}", "\"descr\" is unknown or there twice");
  ExpectBadHeader("{'more': 1}", "\"more\" is unknown");
  ExpectBadHeader("{'descr' '<f4'}", "where ':' should be");
  ExpectBadHeader("{'descr': '<f4", "where a string should be");
  ExpectBadHeader("{'descr': '<f4' 'shape'", "where ',' or '}' should be");
  ExpectBadHeader(Text("<f4", "(1,)", "Maybe"), "where True or False should be");
  ExpectBadHeader(Text("<f4", "(1,)") + " x", "where nothing more should be");
  ExpectBadHeader(Text("<f4", "[1]"), "where '(' should be");
  ExpectBadHeader(Text("<f4", "(1 2)"), "where ',' or ')' should be");
  ExpectBadHeader(Text("<f4", "(,)"), "where a dimension");
  ExpectBadHeader(Text("<f4", "(1,"), "where a dimension");
  ExpectBadHeader(Text("<f4", "(-1,)"), "negative dimension -1");
  ExpectBadHeader(Text("<f4", "(99999999999999999999,)"), "at most 64 bits");
  ExpectBadHeader(Text("<f4", "(1,1,1,1,1,1,1,1,1)"), "more than 8 dimensions");
}

TEST(NpyTest, RefusesASizeThatIsNotTheHeaders) {
  ExpectError(Parse(Npy(Text("<f4", "(65536, 65536)"), "")), "DATA",
              "a.npy: the header's f32[65536,65536] needs 17179869184 bytes of elements, there are 0");
  ExpectError(Parse(Npy(Text("<f4", "(1,)"), "123")), "DATA", "needs 4 bytes of elements, there are 3");
  ExpectError(Parse(Npy(Text("<f4", "(1,)"), "12345")), "DATA", "needs 4 bytes of elements, there are 5");
  ExpectBadHeader(Text("<f4", "(4294967296, 4294967296)"), "overflows");
  ExpectBadHeader(Text("<f8", "(0, 4611686018427387904, 4)"), "overflows");
}

TEST(NpyTest, RefusesABoolThatIsNone) {
  ExpectError(Parse(Npy(Text("|b1", "(3,)"), "\x01\x01\x02")), "DATA", "a.npy: element 2 is 2, a bool is 0 or 1");
}

TEST(NpyTest, Sweeps) {
  for (const std::string& good : {Npy(Text("<f4", "(1, 2)"), "12345678"), Npy(Text("|b1", "(1,)"), "\x01", 2)}) {
    ASSERT_TRUE(Parse(good).ok());
    testing::ExpectEveryTruncationRefused(good, Parse);
    testing::ExpectEveryCorruptionSafe(good, Parse);
  }
}

TEST(NpyTest, FileErrorsNameTheFile) {
  TempDir dir;
  ExpectError(ReadNpy(dir / "none.npy").status(), "PATH", dir / "none.npy");
  ExpectError(ReadNpy(dir.Put("bad.npy", "text")).status(), "DATA", dir / "bad.npy: magic \"text\" is not NPY");
  ExpectError(WriteNpy(dir / "no/a.npy", Tensor::Scalar<float>(1)), "PATH", dir / "no/a.npy");
  ExpectError(WriteNpy(dir / "a.npy", *Tensor::Create(DType::kBF16, {1})), "DTYPE", "a.npy: NPY has no type for bf16");
}

TEST(NpyTest, TheHeaderTellsTheSizeOfTheFile) {
  Tensor t = Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const std::string header = FormatNpyHeader(t).value();
  EXPECT_EQ(NpyFileBytes(header, "x").value(), static_cast<int64_t>(header.size()) + 24);
  EXPECT_EQ(NpyFileBytes(header + "elements", "x").value(), static_cast<int64_t>(header.size()) + 24);
  ExpectError(NpyFileBytes(header.substr(0, 20), "a.npy").status(), "DATA", "a.npy: ");
}

}  // namespace
}  // namespace athanor
