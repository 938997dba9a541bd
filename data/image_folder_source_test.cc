#include "data/image_folder_source.h"

#include <string>
#include <vector>

#include "data/png.h"
#include "data/testing/test_util.h"
#include "data/zip.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

std::string Png(uint8_t value) { return FormatPng(Tensor::Of<uint8_t>({1, 2, 1}, {value, 255})).value(); }

TEST(ImageFolderSourceTest, GivesTheSamplesOfTheLoadedSet) {
  TempDir dir;
  const std::string bytes = FormatZip({{"a/1.png", Png(0)}, {"a/2.png", Png(51)}, {"b/1.png", Png(102)}}, true).value();
  auto folder = OpenImageFolders(dir.Put("a.zip", bytes)).value().train;
  const Dataset loaded = folder->Load().value();
  auto lazy = MakeImageFolderSource(folder, Normalization::ScaleBy255()).value();
  auto eager = MakeDatasetSource(loaded, Normalization::ScaleBy255()).value();
  ASSERT_EQ(lazy->size(), 3);
  EXPECT_EQ(lazy->fields(), eager->fields());
  for (int64_t i = 0; i < 3; ++i) {
    Tensor x = Tensor::Of<float>({1, 1, 2}, {0, 0}), y = x.Clone();
    Tensor label = Tensor::Scalar<int32_t>(-1), other = Tensor::Scalar<int32_t>(-2);
    ASSERT_TRUE(lazy->Read(i, 0, {x.view(), label.view()}).ok());
    ASSERT_TRUE(eager->Read(i, 0, {y.view(), other.view()}).ok());
    EXPECT_EQ(x.as<float>(), absl::MakeConstSpan(y.as<float>()));
    EXPECT_EQ(label.as<int32_t>()[0], other.as<int32_t>()[0]);
  }
}

TEST(ImageFolderSourceTest, ABadImageNamesArchiveAndEntry) {
  TempDir dir;
  const std::string cut = Png(7).substr(0, 50);
  auto folder = OpenImageFolders(dir.Put("a.zip", FormatZip({{"a/1.png", cut}}, true).value())).value().train;
  auto source = MakeImageFolderSource(folder, {}).value();
  Tensor x = Tensor::Of<float>({1, 1, 2}, {0, 0}), label = Tensor::Scalar<int32_t>(0);
  ExpectError(source->Read(0, 0, {x.view(), label.view()}), "DATA", dir / "a.zip:a/1.png: broken PNG");
}

TEST(ImageFolderSourceTest, TheNormalizationMustFit) {
  TempDir dir;
  auto folder = OpenImageFolders(dir.Put("a.zip", FormatZip({{"a/1.png", Png(1)}}, true).value())).value().train;
  ExpectError(MakeImageFolderSource(folder, Normalization::MeanStd({1, 2, 3}, {})).status(), "ATTR",
              "3 values of mean");
}

}  // namespace
}  // namespace athanor
