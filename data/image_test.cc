#include "data/image.h"

#include <string>
#include <vector>

#include "data/jpeg.h"
#include "data/limits.h"
#include "data/png.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

Tensor Image(Shape shape, const std::vector<uint8_t>& pixels) { return Tensor::Of<uint8_t>(shape, pixels); }

std::vector<uint8_t> Pixels(const Tensor& t) { return {t.as<uint8_t>().begin(), t.as<uint8_t>().end()}; }

std::vector<uint8_t> ChannelsFirst(const Tensor& hwc, int64_t channels) {
  std::vector<uint8_t> out(hwc.shape()[0] * hwc.shape()[1] * channels);
  ImageToChannelsFirst(hwc, channels, absl::MakeSpan(out));
  return out;
}

void ExpectNear(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1) << i;
}

TEST(ImageTest, TellsFormatsApartByTheirContent) {
  Tensor image = Tensor::Create(DType::kU8, {4, 6, 3}).value();
  for (const std::string& bytes : {FormatPng(image).value(), FormatJpeg(image, 90).value()}) {
    EXPECT_EQ(ParseImage(bytes, "x")->shape(), image.shape());
    ImageInfo info = ParseImageHeader(bytes, "x").value();
    EXPECT_EQ(Shape({info.height, info.width, info.channels}), image.shape());
  }
  Tensor grey = Tensor::Create(DType::kU8, {2, 3, 1}).value();
  EXPECT_EQ(ParseImageHeader(FormatPng(grey).value(), "x")->channels, 1);
  EXPECT_EQ(ParseImageHeader(FormatJpeg(grey, 90).value(), "x")->channels, 1);
}

TEST(ImageTest, RefusesOtherFormatsByName) {
  for (auto parse : {+[](absl::string_view b) { return ParseImage(b, "a.png").status(); },
                     +[](absl::string_view b) { return ParseImageHeader(b, "a.png").status(); }}) {
    ExpectError(parse("GIF89a...."), "DATA",
                "a.png: neither PNG nor JPEG: it starts with \"GIF89a..\"; it is a GIF image");
    ExpectError(parse("version https://git-lfs.github.com"), "DATA", "git-LFS pointer");
    ExpectError(parse(""), "DATA", "it starts with \"\"");
    ExpectError(parse("\x89PNG\r\n\x1a\n"), "DATA", "a.png: no PNG image header in 8 bytes");
  }
}

TEST(ImageTest, TheHeaderIsHeldToTheLimits) {
  std::string bytes = FormatPng(Tensor::Create(DType::kU8, {1, 1, 1}).value()).value();
  bytes[16] = 0x7f;
  ExpectError(ParseImageHeader(bytes, "a.png").status(), "LIMIT", "a.png: 2130706433x1 pixels");
  bytes.replace(16, 4, 4, '\0');
  ExpectError(ParseImageHeader(bytes, "a.png").status(), "DATA", "a.png: the PNG image has no pixels: 0x1");
  testing::ExpectEveryCorruptionSafe(bytes, [](absl::string_view b) { return ParseImageHeader(b, "x").status(); });
}

TEST(ImageTest, NamesOfImages) {
  for (const char* name : {"a.png", "a.JPG", "b.c.jpeg", "a.jpe", "a.JfIf"}) EXPECT_TRUE(HasImageName(name)) << name;
  for (const char* name : {"png", "a.gif", "a.png.txt", "", "a.pn"}) EXPECT_FALSE(HasImageName(name)) << name;
}

TEST(ResizeTest, AnEvenImageStaysEven) {
  Tensor even = Tensor::Create(DType::kU8, {5, 7, 3}).value();
  for (uint8_t& v : even.as<uint8_t>()) v = 201;
  for (auto [h, w] : {std::pair(1, 1), {3, 20}, {5, 7}, {40, 2}}) {
    Tensor resized = ResizeImage(even, h, w).value();
    EXPECT_EQ(resized.shape(), (Shape{h, w, 3}));
    EXPECT_EQ(Pixels(resized), std::vector<uint8_t>(h * w * 3, 201));
  }
}

// The numbers are those of Pillow's Image.resize((width, height), Image.BILINEAR), which also rounds between rows and
// columns.
TEST(ResizeTest, EqualsPillow) {
  std::vector<uint8_t> values;
  for (int i = 0; i < 30; ++i) values.push_back(static_cast<uint8_t>(i * i * 7 % 256));
  Tensor image = Image({5, 6, 1}, values);
  ExpectNear(Pixels(ResizeImage(image, 2, 3).value()), (std::vector<uint8_t>{125, 89, 119, 176, 124, 122}));
  ExpectNear(Pixels(ResizeImage(image, 7, 4).value()),
             (std::vector<uint8_t>{3,  25,  75,  151, 110, 92,  98,  133, 196, 132, 91,  127, 210, 108,
                                   32, 144, 218, 180, 48,  110, 182, 164, 110, 142, 129, 103, 184, 201}));
}

TEST(ResizeTest, GrowsByInterpolation) {
  EXPECT_EQ(Pixels(ResizeImage(Image({1, 2, 1}, {0, 100}), 1, 4).value()), (std::vector<uint8_t>{0, 25, 75, 100}));
}

TEST(FitTest, StretchesOrCropsOrRefuses) {
  Tensor wide = Image({2, 4, 1}, {10, 20, 30, 40, 10, 20, 30, 40});
  EXPECT_EQ(Pixels(FitImage(wide.Clone(), ImageFit::kStretch, 1, 2).value()).size(), 2u);
  // The centre: its left and right quarters are gone.
  EXPECT_EQ(Pixels(FitImage(wide.Clone(), ImageFit::kCrop, 2, 2).value()), (std::vector<uint8_t>{20, 30, 20, 30}));
  EXPECT_EQ(FitImage(wide.Clone(), ImageFit::kCrop, 5, 3)->shape(), (Shape{5, 3, 1}));
  EXPECT_EQ(FitImage(wide.Clone(), ImageFit::kNone, 2, 4)->shape(), (Shape{2, 4, 1}));
  ExpectError(FitImage(wide.Clone(), ImageFit::kNone, 2, 2).status(), "SHAPE",
              "the image is 2 x 4 (height x width), not 2 x 2");
  Tensor line = Tensor::Create(DType::kU8, {1, 100, 1}).value();
  ExpectError(FitImage(std::move(line), ImageFit::kCrop, 1000, 1000).status(), "LIMIT",
              "1000 x 100000, above the limit");
}

TEST(ChannelsTest, GreyIsRepeatedAndColourBecomesLuma) {
  EXPECT_EQ(ChannelsFirst(Image({1, 2, 1}, {5, 6}), 1), (std::vector<uint8_t>{5, 6}));
  EXPECT_EQ(ChannelsFirst(Image({1, 2, 1}, {5, 6}), 3), (std::vector<uint8_t>{5, 6, 5, 6, 5, 6}));
  EXPECT_EQ(ChannelsFirst(Image({1, 2, 3}, {1, 2, 3, 4, 5, 6}), 3), (std::vector<uint8_t>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(ChannelsFirst(Image({1, 1, 4}, {1, 2, 3, 200}), 3), (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_EQ(ChannelsFirst(Image({1, 2, 3}, {255, 0, 0, 255, 255, 255}), 1), (std::vector<uint8_t>{76, 255}));
}

}  // namespace
}  // namespace athanor
