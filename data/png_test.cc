#include "data/png.h"

#include <zlib.h>

#include <string>
#include <vector>

#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

constexpr int kGrey = 0, kRgb = 2, kPalette = 3, kGreyAlpha = 4, kRgba = 6;  // PNG's colour types

std::string Word(uint32_t v) {
  std::string s;
  for (int shift = 24; shift >= 0; shift -= 8) s.push_back(static_cast<char>(v >> shift));
  return s;
}

std::string Chunk(const std::string& type, const std::string& data) {
  std::string body = type + data;
  uLong crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), body.size());
  return Word(data.size()) + body + Word(crc);
}

std::string Deflate(const std::string& raw) {
  uLongf size = compressBound(raw.size());
  std::string out(size, '\0');
  compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(raw.data()), raw.size(), 9);
  return out.substr(0, size);
}

// A PNG put together by hand, for what the writer does not make.
struct Png {
  uint32_t width = 1, height = 1;
  int depth = 8, color = kGrey, interlace = 0;
  std::string before = "";  // chunks between IHDR and IDAT
  std::string raw = "";     // rows, each with its filter byte

  std::string Header() const {
    std::string ihdr = Word(width) + Word(height);
    for (int v : {depth, color, 0, 0, interlace}) ihdr.push_back(static_cast<char>(v));
    return "\x89PNG\r\n\x1a\n" + Chunk("IHDR", ihdr) + before;
  }
  std::string Bytes() const { return Header() + Chunk("IDAT", Deflate(raw)) + Chunk("IEND", ""); }
};

std::string Raw(std::initializer_list<int> values) {
  std::string s;
  for (int v : values) s.push_back(static_cast<char>(v));
  return s;
}

Tensor Image(Shape shape) {
  Tensor t = Tensor::Create(DType::kU8, std::move(shape)).value();
  for (int64_t i = 0; i < t.num_elements(); ++i) t.as<uint8_t>()[i] = static_cast<uint8_t>(i * 37 + i / 7);
  return t;
}

absl::Status Parse(absl::string_view bytes) { return ParsePng(bytes, "a.png").status(); }

void ExpectPixels(const Png& png, const Shape& shape, const std::vector<uint8_t>& pixels) {
  absl::StatusOr<Tensor> t = ParsePng(png.Bytes(), "x");
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_EQ(t->shape(), shape);
  EXPECT_EQ(t->as<uint8_t>(), absl::MakeConstSpan(pixels));
}

TEST(PngTest, RoundTrip) {
  for (int64_t channels : {1, 3, 4}) {
    Tensor image = Image({5, 7, channels});
    Tensor back = ParsePng(FormatPng(image).value(), "x").value();
    EXPECT_EQ(back.shape(), image.shape());
    EXPECT_EQ(back.as<uint8_t>(), absl::MakeConstSpan(image.as<uint8_t>()));
  }
}

TEST(PngTest, ALargeImageIsVerifiedFirstAndThenRead) {
  Tensor image = Image({1500, 2000, 3});
  std::string bytes = FormatPng(image).value();
  EXPECT_EQ(ParsePng(bytes, "x")->as<uint8_t>(), absl::MakeConstSpan(image.as<uint8_t>()));
  ExpectError(Parse(absl::string_view(bytes).substr(0, bytes.size() - 20)), "DATA", "a.png: broken PNG: ");
}

TEST(PngTest, ExpandsFewerThanEightBits) {
  ExpectPixels({.width = 4, .depth = 1, .raw = Raw({0, 0b10100000})}, {1, 4, 1}, {255, 0, 255, 0});
  ExpectPixels({.width = 4, .depth = 2, .raw = Raw({0, 0b00011011})}, {1, 4, 1}, {0, 85, 170, 255});
  ExpectPixels({.width = 2, .depth = 4, .raw = Raw({0, 0x1f})}, {1, 2, 1}, {17, 255});
}

TEST(PngTest, ReducesSixteenBits) {
  ExpectPixels({.width = 2, .depth = 16, .raw = Raw({0, 0x80, 0x80, 0xff, 0xff})}, {1, 2, 1}, {128, 255});
  ExpectPixels({.depth = 16, .color = kRgba, .raw = Raw({0, 1, 1, 2, 2, 3, 3, 4, 4})}, {1, 1, 4}, {1, 2, 3, 4});
}

TEST(PngTest, ExpandsPalettes) {
  std::string colors = Chunk("PLTE", Raw({10, 11, 12, 20, 21, 22}));
  Png png{.width = 2, .color = kPalette, .before = colors, .raw = Raw({0, 1, 0})};
  ExpectPixels(png, {1, 2, 3}, {20, 21, 22, 10, 11, 12});
  png.depth = 1;
  png.raw = Raw({0, 0b01000000});
  ExpectPixels(png, {1, 2, 3}, {10, 11, 12, 20, 21, 22});
  png.before += Chunk("tRNS", Raw({7}));
  ExpectPixels(png, {1, 2, 4}, {10, 11, 12, 7, 20, 21, 22, 255});
}

TEST(PngTest, TransparencyMakesFourChannels) {
  ExpectPixels({.color = kGreyAlpha, .raw = Raw({0, 50, 9})}, {1, 1, 4}, {50, 50, 50, 9});
  Png keyed{.width = 2, .before = Chunk("tRNS", Raw({0, 5})), .raw = Raw({0, 5, 6})};
  ExpectPixels(keyed, {1, 2, 4}, {5, 5, 5, 0, 6, 6, 6, 255});
}

TEST(PngTest, ReadsInterlacedImages) {
  // Adam7 of 3 x 3 pixels 1..9: pass 1 (0,0); 4: (0,2); 5: row 2 even columns; 6: odd columns of rows 0, 2; 7: row 1.
  Png png{.width = 3, .height = 3, .interlace = 1, .raw = Raw({0, 1, 0, 3, 0, 7, 9, 0, 2, 0, 8, 0, 4, 5, 6})};
  ExpectPixels(png, {3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST(PngTest, RefusesWhatIsNoPng) {
  ExpectError(Parse(""), "DATA", "a.png: magic \"\" is not PNG");
  ExpectError(Parse("GIF89a......"), "DATA", "it is a GIF image");
  ExpectError(Parse("\xff\xd8\xff\xe0...."), "DATA", "it is a JPEG image");
  ExpectError(Parse("BM......"), "DATA", "BMP");
  ExpectError(Parse("\x89PNG\r\n\x1a\n"), "DATA", "a.png: no PNG image header in 8 bytes");
}

TEST(PngTest, RefusesHugeImagesWithoutAllocating) {
  Png png{.width = 0x7fffffff, .height = 0x7fffffff, .raw = Raw({0, 0})};
  ExpectError(Parse(png.Bytes()), "LIMIT", "a.png: 2147483647x2147483647 pixels");
  png.width = 16385;
  png.height = 1;
  ExpectError(Parse(png.Bytes()), "LIMIT", "16385x1 pixels (width x height) are above the limit of 16384 a side");
  png.width = png.height = 16384;
  png.color = kRgba;
  ExpectError(Parse(png.Bytes()), "LIMIT", "are 1073741824 bytes, above the limit");
  png.color = kGrey;
  ExpectError(Parse(png.Bytes()), "DATA", "bytes cannot hold the declared 16384x16384 pixels");
  png.width = 0;
  ExpectError(Parse(png.Bytes()), "DATA", "a.png: broken PNG");
}

TEST(PngTest, ALargeImageBrokenAtItsEndCostsNoMemoryToReject) {
  for (int interlace : {0, 1}) {
    Png png{.width = 8192, .height = 8192, .interlace = interlace};
    png.raw.resize(8193 * 8192 - 1);  // one byte too few; interlaced there would be more filter bytes
    std::string bytes = png.Bytes();
    int64_t growth = testing::PeakMemoryGrowth([&] { EXPECT_FALSE(Parse(bytes).ok()); });
    EXPECT_LT(growth, testing::RejectionBudget(bytes));
  }
}

TEST(PngTest, RefusesBrokenData) {
  Png png{.width = 2, .height = 2, .raw = Raw({0, 1, 2, 0, 3, 4})};
  std::string good = png.Bytes();
  EXPECT_TRUE(Parse(good).ok());
  std::string crc = good;
  crc[png.Header().size() + 9] ^= 1;
  ExpectError(Parse(crc), "DATA", "a.png: broken PNG: IDAT: ");
  png.raw.pop_back();
  ExpectError(Parse(png.Bytes()), "DATA", "a.png: broken PNG: Not enough image data");
  png.raw = Raw({9, 1, 2, 0, 3, 4});
  ExpectError(Parse(png.Bytes()), "DATA", "bad adaptive filter value");
  ExpectError(Parse(png.Header() + Chunk("IEND", "")), "DATA", "a.png: broken PNG");
}

TEST(PngTest, RefusesACrcErrorInAnyChunk) {
  std::string text = Chunk("tEXt", std::string("k\0v", 3));
  Png png{.before = text, .raw = Raw({0, 1})};
  EXPECT_TRUE(Parse(png.Bytes()).ok());
  png.before.back() ^= 1;
  ExpectError(Parse(png.Bytes()), "DATA", "CRC error");
}

TEST(PngTest, RefusesBadPalettes) {
  Png png{.width = 2, .color = kPalette, .before = Chunk("PLTE", Raw({1, 2, 3, 4, 5, 6})), .raw = Raw({0, 1, 2})};
  ExpectError(Parse(png.Bytes()), "DATA", "a.png: the pixel in row 0, column 1 has palette index 2 of 2");
  png.before = "";
  ExpectError(Parse(png.Bytes()), "DATA", "Missing PLTE");
}

TEST(PngTest, CompressedTextIsSkippedNotExpanded) {
  std::string bomb = Deflate(std::string(50 << 20, 'a'));
  Png png{.before = Chunk("zTXt", std::string("k\0\0", 3) + bomb) + Chunk("iCCP", std::string("p\0\0", 3) + bomb),
          .raw = Raw({0, 1})};
  EXPECT_TRUE(Parse(png.Bytes()).ok());
}

TEST(PngTest, Sweeps) {
  std::string colors = Chunk("PLTE", Raw({1, 2, 3, 4, 5, 6})) + Chunk("tRNS", Raw({1}));
  for (const Png& png :
       {Png{.width = 2, .height = 2, .color = kRgb, .raw = Raw({0, 1, 2, 3, 4, 5, 6, 1, 1, 2, 3, 4, 5, 6})},
        Png{.width = 2, .depth = 1, .color = kPalette, .before = colors, .raw = Raw({0, 64})},
        Png{.width = 3, .height = 1, .depth = 16, .interlace = 1, .raw = Raw({0, 1, 2, 0, 5, 6, 0, 3, 4})}}) {
    std::string good = png.Bytes();
    ASSERT_TRUE(Parse(good).ok()) << Parse(good);
    testing::ExpectEveryTruncationRefused(good, Parse);
    testing::ExpectEveryCorruptionSafe(good, Parse);
  }
}

// A CRC hides most corruptions from libpng's inside, so here each one is given a good CRC.
TEST(PngTest, HeaderSweepWithGoodCrc) {
  for (int at = 0; at < 13; ++at) {
    for (int value = 0; value < 256; ++value) {
      Png png{.width = 2, .height = 2, .raw = Raw({0, 1, 2, 0, 3, 4})};
      std::string ihdr = png.Header().substr(16, 13);
      ihdr[at] = static_cast<char>(value);
      std::string bytes = png.Bytes().substr(0, 8) + Chunk("IHDR", ihdr) + png.Bytes().substr(33);
      absl::Status status = Parse(bytes);
      EXPECT_TRUE(status.ok() || !ErrorClassOf(status).empty()) << status;
    }
  }
}

TEST(PngTest, WritesAndReadsFiles) {
  TempDir dir;
  ASSERT_TRUE(WritePng(dir / "a.png", Image({2, 3, 3})).ok());
  EXPECT_EQ(ReadPng(dir / "a.png")->shape(), (Shape{2, 3, 3}));
  ExpectError(ReadPng(dir / "none.png").status(), "PATH", dir / "none.png");
  ExpectError(ReadPng(dir.Put("bad.png", "text")).status(), "DATA", dir / "bad.png: magic \"text\" is not PNG");
  ExpectError(WritePng(dir / "no/a.png", Image({1, 1, 1})), "PATH", dir / "no/a.png");
}

TEST(PngTest, RefusesToWriteWhatIsNoImage) {
  ExpectError(FormatPng(Tensor::Of<float>({1, 1, 1}, {1})).status(), "DTYPE", "an image is u8, not f32");
  ExpectError(FormatPng(Image({2, 2})).status(), "SHAPE", "[2,2] is not the shape of an image");
  ExpectError(FormatPng(Image({2, 2, 2})).status(), "SHAPE", "channels 1, 3 or 4");
  ExpectError(FormatPng(Image({0, 2, 3})).status(), "SHAPE", "[0,2,3]");
  ExpectError(WritePng("a.png", Image({1, 16385, 1})), "LIMIT", "a.png: the image [1,16385,1] is above");
}

std::vector<float> Input(const Tensor& image, const Shape& chw) {
  Tensor t = ImageToInput(image, chw).value();
  return std::vector<float>(t.as<float>().begin(), t.as<float>().end());
}

TEST(ImageToInputTest, ConvertsChannels) {
  const float k51 = 51 * (1.0f / 255.0f);
  Tensor grey = Tensor::Of<uint8_t>({1, 2, 1}, {0, 255});
  Tensor rgb = Tensor::Of<uint8_t>({1, 2, 3}, {255, 0, 51, 255, 255, 255});
  Tensor rgba = Tensor::Of<uint8_t>({1, 1, 4}, {255, 0, 51, 102});
  EXPECT_EQ(Input(grey, {1, 1, 2}), (std::vector<float>{0, 1}));
  EXPECT_EQ(Input(grey, {3, 1, 2}), (std::vector<float>{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(Input(rgb, {3, 1, 2}), (std::vector<float>{1, 1, 0, 1, k51, 1}));
  EXPECT_EQ(Input(rgba, {3, 1, 1}), (std::vector<float>{1, 0, k51}));
  EXPECT_EQ(Input(rgba, {4, 1, 1}), (std::vector<float>{1, 0, k51, 102 * (1.0f / 255.0f)}));
  EXPECT_NEAR(Input(rgb, {1, 1, 2})[0], 0.299 + 0.114 * 0.2, 1e-6);
  EXPECT_NEAR(Input(rgba, {1, 1, 1})[0], 0.299 + 0.114 * 0.2, 1e-6);
  EXPECT_EQ(ImageToInput(grey, {3, 1, 2})->shape(), (Shape{1, 3, 1, 2}));
}

TEST(ImageToInputTest, RefusesWhatDoesNotFit) {
  Tensor grey = Image({30, 28, 1});
  ExpectError(ImageToInput(grey, {1, 28, 28}).status(), "SHAPE",
              "the image is 30 x 28 (height x width), the network takes 28 x 28");
  ExpectError(ImageToInput(grey, {2, 30, 28}).status(), "SHAPE", "cannot be made an input of shape [2,30,28]");
  ExpectError(ImageToInput(grey, {4, 30, 28}).status(), "SHAPE", "an image of 1 channels");
  ExpectError(ImageToInput(grey, {784}).status(), "SHAPE", "[784]");
  ExpectError(ImageToInput(grey, {}).status(), "SHAPE", "[]");
  ExpectError(ImageToInput(Tensor::Of<float>({1}, {1}), {1, 1, 1}).status(), "DTYPE", "u8");
}

}  // namespace
}  // namespace athanor
