#include "data/jpeg.h"

#include <turbojpeg.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "data/png.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

// A soft gradient, which JPEG keeps nearly as it is.
Tensor Gradient(Shape shape) {
  Tensor t = Tensor::Create(DType::kU8, shape).value();
  for (int64_t i = 0; i < t.num_elements(); ++i) {
    const int64_t c = i % shape[2], x = i / shape[2] % shape[1], y = i / shape[2] / shape[1];
    t.as<uint8_t>()[i] = static_cast<uint8_t>(20 + 6 * x + 4 * y + 30 * c);
  }
  return t;
}

absl::Status Parse(absl::string_view bytes) { return ParseJpeg(bytes, "a.jpg").status(); }

// The file's bytes made by the library itself with other options than FormatJpeg's.
std::string Encoded(int format, int subsampling, int flags) {
  std::vector<unsigned char> pixels(16 * 16 * 4, 90);
  tjhandle encoder = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  EXPECT_EQ(tjCompress2(encoder, pixels.data(), 16, 0, 16, format, &out, &size, subsampling, 90, flags), 0);
  std::string bytes(reinterpret_cast<const char*>(out), size);
  tjFree(out);
  tjDestroy(encoder);
  return bytes;
}

// The file with another size in its header.
std::string WithSize(std::string bytes, int width, int height) {
  const size_t at = bytes.find("\xff\xc0");
  EXPECT_NE(at, std::string::npos);
  for (auto [offset, v] : {std::pair(5, height), std::pair(7, width)}) {
    bytes[at + offset] = static_cast<char>(v >> 8);
    bytes[at + offset + 1] = static_cast<char>(v);
  }
  return bytes;
}

TEST(JpegTest, ReadsGreyAndRgb) {
  for (int64_t channels : {1, 3}) {
    Tensor image = Gradient({9, 14, channels});
    std::string bytes = FormatJpeg(image, 100).value();
    EXPECT_TRUE(IsJpeg(bytes));
    JpegInfo info = ParseJpegHeader(bytes, "x").value();
    EXPECT_EQ(Shape({info.height, info.width, info.channels}), image.shape());
    Tensor back = ParseJpeg(bytes, "x").value();
    ASSERT_EQ(back.shape(), image.shape());
    for (int64_t i = 0; i < back.num_elements(); ++i) {
      EXPECT_NEAR(back.as<uint8_t>()[i], image.as<uint8_t>()[i], 3) << i;
    }
  }
}

TEST(JpegTest, ReadsSubsampledAndProgressiveImages) {
  for (int subsampling : {TJSAMP_420, TJSAMP_422, TJSAMP_444}) {
    for (int flags : {0, TJFLAG_PROGRESSIVE}) {
      Tensor image = ParseJpeg(Encoded(TJPF_RGB, subsampling, flags), "x").value();
      EXPECT_EQ(image.shape(), (Shape{16, 16, 3}));
      EXPECT_NEAR(image.as<uint8_t>()[77], 90, 1);
    }
  }
}

TEST(JpegTest, RefusesCmykByName) {
  ExpectError(Parse(Encoded(TJPF_CMYK, TJSAMP_444, 0)), "DATA", "a.jpg: the image is CMYK");
}

TEST(JpegTest, RefusesWhatIsNoJpeg) {
  ExpectError(Parse(""), "DATA", "a.jpg: magic \"\" is not JPEG");
  ExpectError(Parse("GIF89a......"), "DATA", "it is a GIF image");
  ExpectError(Parse(FormatPng(Gradient({1, 1, 1})).value()), "DATA", "it is a PNG image");
  ExpectError(Parse("<!DOCTYPE html>"), "DATA", "web page");
  ExpectError(Parse("\xff\xd8\xff\xe0"), "DATA", "a.jpg: broken JPEG: ");
}

TEST(JpegTest, RefusesATruncatedImageThatViewersWouldFillWithGrey) {
  std::string bytes = FormatJpeg(Gradient({16, 16, 3}), 90).value();
  ExpectError(Parse(absl::string_view(bytes).substr(0, bytes.size() - 12)), "DATA",
              "a.jpg: broken JPEG: Premature end");
}

TEST(JpegTest, RefusesHugeImagesWithoutAllocating) {
  std::string bytes = FormatJpeg(Gradient({8, 8, 3}), 90).value();
  ExpectError(Parse(WithSize(bytes, 65500, 65500)), "LIMIT", "a.jpg: 65500x65500 pixels (width x height) are above");
  ExpectError(Parse(WithSize(bytes, 16384, 16384)), "LIMIT", "are 805306368 bytes, above the limit");
  std::string claim = WithSize(bytes, 9000, 9000);
  ExpectError(Parse(claim), "DATA", "bytes cannot hold the declared 9000x9000 pixels");
  EXPECT_LT(testing::PeakMemoryGrowth([&] { EXPECT_FALSE(Parse(claim).ok()); }), testing::RejectionBudget(claim));
}

TEST(JpegTest, ABrokenImageDoesNoHarmToTheNext) {
  const std::string good = FormatJpeg(Gradient({16, 16, 3}), 90).value();
  for (size_t n : {3, 20, 200, static_cast<int>(good.size()) - 1}) {
    EXPECT_FALSE(Parse(absl::string_view(good).substr(0, n)).ok());
    EXPECT_TRUE(Parse(good).ok()) << n;
  }
}

TEST(JpegTest, SweepsOfSmallImages) {
  std::string grey = FormatJpeg(Gradient({3, 5, 1}), 80).value();
  testing::ExpectEveryTruncationRefused(grey, Parse);
  testing::ExpectEveryCorruptionSafe(grey, Parse);
  std::string progressive = Encoded(TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE);
  testing::ExpectEveryTruncationRefused(progressive, Parse);
  testing::ExpectEveryCorruptionSafe(progressive, Parse);
}

TEST(JpegTest, ThreadsDecodeAtOnce) {
  std::string bytes = FormatJpeg(Gradient({24, 31, 3}), 90).value();
  Tensor expected = ParseJpeg(bytes, "x").value();
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_FALSE(ParseJpeg("\xff\xd8\xff", "x").ok());
        wrong[t] += ParseJpeg(bytes, "x")->as<uint8_t>() != absl::MakeConstSpan(expected.as<uint8_t>());
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(JpegTest, FileErrorsNameTheFile) {
  TempDir dir;
  ExpectError(ReadJpeg(dir / "none.jpg").status(), "PATH", dir / "none.jpg");
  ExpectError(ReadJpeg(dir.Put("bad.jpg", "\xff\xd8\xff")).status(), "DATA", dir / "bad.jpg: broken JPEG");
  EXPECT_TRUE(ReadJpeg(dir.Put("good.jpg", FormatJpeg(Gradient({2, 2, 1}), 90).value())).ok());
}

TEST(JpegTest, RefusesToWriteWhatJpegCannotHold) {
  ExpectError(FormatJpeg(Tensor::Of<float>({1, 1, 1}, {0}), 90).status(), "DTYPE", "not f32");
  ExpectError(FormatJpeg(Gradient({2, 2, 4}), 90).status(), "SHAPE", "[2,2,4]");
  ExpectError(FormatJpeg(Gradient({2, 2, 3}), 0).status(), "ATTR", "quality is 0");
  ExpectError(FormatJpeg(Gradient({1, 16385, 1}), 90).status(), "LIMIT", "16384");
}

}  // namespace
}  // namespace athanor
