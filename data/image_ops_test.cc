#include "data/image_ops.h"

#include <vector>

#include "gtest/gtest.h"

namespace athanor {
namespace {

using Bytes = std::vector<uint8_t>;
using Floats = std::vector<float>;

// Two channels of 2 x 3.
const ImageSize kSize{2, 2, 3};
const Bytes kImage = {1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16};

Bytes Shifted(int64_t dy, int64_t dx, bool reflect) {
  Bytes out(kImage.size(), 99);
  ShiftImage(kImage.data(), kSize, dy, dx, reflect, out.data());
  return out;
}

TEST(ImageOpsTest, FlipTurnsEveryRow) {
  Bytes out(12);
  FlipImage(kImage.data(), kSize, out.data());
  EXPECT_EQ(out, (Bytes{3, 2, 1, 6, 5, 4, 13, 12, 11, 16, 15, 14}));
}

TEST(ImageOpsTest, ShiftBringsZerosIn) {
  EXPECT_EQ(Shifted(0, 0, false), kImage);
  EXPECT_EQ(Shifted(1, 0, false), (Bytes{4, 5, 6, 0, 0, 0, 14, 15, 16, 0, 0, 0}));
  EXPECT_EQ(Shifted(-1, 1, false), (Bytes{0, 0, 0, 2, 3, 0, 0, 0, 0, 12, 13, 0}));
  EXPECT_EQ(Shifted(0, -2, false), (Bytes{0, 0, 1, 0, 0, 4, 0, 0, 11, 0, 0, 14}));
}

TEST(ImageOpsTest, ShiftMirrorsAtTheEdgePixel) {
  EXPECT_EQ(Shifted(0, -2, true), (Bytes{3, 2, 1, 6, 5, 4, 13, 12, 11, 16, 15, 14}));
  EXPECT_EQ(Shifted(1, 1, true), (Bytes{5, 6, 5, 2, 3, 2, 15, 16, 15, 12, 13, 12}));
  EXPECT_EQ(Shifted(-1, 0, true), (Bytes{4, 5, 6, 1, 2, 3, 14, 15, 16, 11, 12, 13}));
}

TEST(ImageOpsTest, CutOutZeroesWhatLiesInside) {
  Bytes image = kImage;
  CutOut(image.data(), kSize, 0, 1, 1);
  EXPECT_EQ(image, (Bytes{1, 0, 3, 4, 5, 6, 11, 0, 13, 14, 15, 16}));
  image = kImage;
  CutOut(image.data(), kSize, -1, -1, 2);
  EXPECT_EQ(image, (Bytes{0, 2, 3, 4, 5, 6, 0, 12, 13, 14, 15, 16}));
  image = kImage;
  CutOut(image.data(), kSize, 1, 2, 5);
  EXPECT_EQ(image, (Bytes{1, 2, 3, 4, 5, 0, 11, 12, 13, 14, 15, 0}));
}

// One row of two pixels: (100, 50, 0) and (200, 200, 200); grey is 59.24 and 199.98.
const ImageSize kColour{3, 1, 2};
const Floats kPixels = {100, 200, 50, 200, 0, 200};

void ExpectNear(const Floats& a, const Floats& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-3) << i;
}

TEST(ImageOpsTest, Brightness) {
  Floats x = kPixels;
  AdjustBrightness(x.data(), kColour, 1.5f, 255);
  ExpectNear(x, {150, 255, 75, 255, 0, 255});
}

TEST(ImageOpsTest, ContrastBlendsWithTheMeanOfGrey) {
  Floats x = kPixels;
  AdjustContrast(x.data(), kColour, 0.5f, 255);  // the mean of grey is 129.61
  ExpectNear(x, {114.805f, 164.805f, 89.805f, 164.805f, 64.805f, 164.805f});
  x = kPixels;
  AdjustContrast(x.data(), kColour, 3, 255);
  ExpectNear(x, {40.78f, 255, 0, 255, 0, 255});
  Floats grey = {1, 3};
  AdjustContrast(grey.data(), {1, 1, 2}, 0.5f, 255);
  ExpectNear(grey, {1.5f, 2.5f});
}

TEST(ImageOpsTest, SaturationBlendsWithGrey) {
  Floats x = kPixels;
  AdjustSaturation(x.data(), kColour, 0, 255);
  ExpectNear(x, {59.24f, 199.98f, 59.24f, 199.98f, 59.24f, 199.98f});
  x = kPixels;
  AdjustSaturation(x.data(), kColour, 2, 255);
  ExpectNear(x, {140.76f, 200.02f, 40.76f, 200.02f, 0, 200.02f});
  Floats grey = {1, 3};
  AdjustSaturation(grey.data(), {1, 1, 2}, 0, 255);
  ExpectNear(grey, {1, 3});
}

}  // namespace
}  // namespace athanor
