#include "data/image_folder.h"

#include <filesystem>
#include <string>
#include <vector>

#include "data/jpeg.h"
#include "data/png.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

Tensor Even(uint8_t value, Shape shape) {
  Tensor t = Tensor::Create(DType::kU8, std::move(shape)).value();
  for (uint8_t& v : t.as<uint8_t>()) v = value;
  return t;
}
std::string Png(uint8_t value, Shape shape = {2, 3, 3}) { return FormatPng(Even(value, std::move(shape))).value(); }
std::string Jpeg(uint8_t value, Shape shape = {2, 3, 3}) {
  return FormatJpeg(Even(value, std::move(shape)), 100).value();
}

// Files that are put into a folder and into a zip archive.
class Images {
 public:
  Images& Put(const std::string& name, std::string bytes) {
    files_.push_back({name, std::move(bytes)});
    return *this;
  }
  std::string Folder(const TempDir& dir) const {
    for (const ZipContent& f : files_) {
      std::filesystem::create_directories(std::filesystem::path(dir / "root/" + f.name).parent_path());
      if (f.name.back() != '/') dir.Put("root/" + f.name, f.bytes);
    }
    return dir / "root";
  }
  std::string Zip(const TempDir& dir, bool deflate = false) const {
    return dir.Put("root.zip", FormatZip(files_, deflate).value());
  }
  // The status of opening and loading, from the folder; the archive's is checked to be of the same class.
  absl::Status Load(const ImageFolderOptions& options = {}) const {
    TempDir dir;
    absl::Status status = LoadImageFolders(Folder(dir), options).status();
    absl::Status zipped = LoadImageFolders(Zip(dir), options).status();
    EXPECT_EQ(ErrorClassOf(status), ErrorClassOf(zipped)) << status << zipped;
    return status;
  }

 private:
  std::vector<ZipContent> files_;
};

Images CatsAndDogs() {
  return Images()
      .Put("dog/1.png", Png(10))
      .Put("dog/2.jpg", Jpeg(20))
      .Put("cat/b.JPEG", Jpeg(30))
      .Put("cat/a.png", Png(40))
      .Put("cat/c.png", Png(50));
}

TEST(ImageFolderTest, TheFolderIsTheClass) {
  TempDir dir;
  for (const std::string& path : {CatsAndDogs().Folder(dir), CatsAndDogs().Zip(dir), CatsAndDogs().Zip(dir, true)}) {
    TrainTest both = LoadImageFolders(path).value();
    EXPECT_EQ(both.test.size(), 0);
    const Dataset& d = both.train;
    EXPECT_TRUE(CheckDataset(d).ok());
    EXPECT_EQ(d.name, path);
    EXPECT_EQ(d.class_names, (std::vector<std::string>{"cat", "dog"}));
    EXPECT_EQ(d.labels.as<int32_t>(), absl::MakeConstSpan({0, 0, 0, 1, 1}));
    ASSERT_EQ(d.features.shape(), (Shape{5, 3, 2, 3}));
    for (int i = 0; i < 5; ++i) {
      EXPECT_NEAR(d.features.as<uint8_t>()[i * 18 + 7], (std::vector<int>{40, 30, 50, 10, 20})[i], 1) << i;
    }
  }
}

TEST(ImageFolderTest, TwoSets) {
  for (const char* test_name : {"test", "val", "valid", "validation"}) {
    for (const char* around : {"", "set-1/"}) {
      Images images;
      for (const char* file : {"train/a/1.png", "train/b/1.png", "train/b/2.png"}) {
        images.Put(std::string(around) + file, Png(1));
      }
      images.Put(std::string(around) + test_name + "/b/9.png", Png(2));  // class a is never seen there
      images.Put(std::string(around) + "README.txt", "beside the classes");
      TempDir dir;
      for (const std::string& path : {images.Folder(dir), images.Zip(dir)}) {
        TrainTest both = LoadImageFolders(path).value();
        EXPECT_EQ(both.train.labels.as<int32_t>(), absl::MakeConstSpan({0, 1, 1}));
        EXPECT_EQ(both.test.labels.as<int32_t>(), absl::MakeConstSpan({1}));
        EXPECT_EQ(both.test.classes, 2);
        EXPECT_EQ(both.test.features.as<uint8_t>()[0], 2);
      }
    }
  }
}

TEST(ImageFolderTest, ValidationIsTakenBeforeTest) {
  TempDir dir;
  Images images;
  images.Put("train/a/1.png", Png(1)).Put("test/a/1.png", Png(2)).Put("val/a/1.png", Png(3));
  EXPECT_EQ(LoadImageFolders(images.Folder(dir))->test.features.as<uint8_t>()[0], 3);
}

TEST(ImageFolderTest, PassesOverWhatSystemsLeaveBehind) {
  Images images = CatsAndDogs();
  for (const char* name : {"cat/.DS_Store", "cat/Thumbs.db", "dog/desktop.ini", "__MACOSX/cat/._a.png", ".git/x"}) {
    images.Put(name, "junk");
  }
  EXPECT_TRUE(images.Load().ok()) << images.Load();
}

TEST(ImageFolderTest, DecodesOnDemand) {
  TempDir dir;
  ImageFolders sets = OpenImageFolders(CatsAndDogs().Zip(dir)).value();
  ASSERT_EQ(sets.train->size(), 5);
  EXPECT_EQ(sets.test, nullptr);
  EXPECT_EQ(sets.train->sample_shape(), (Shape{3, 2, 3}));
  EXPECT_EQ(sets.train->label(3), 1);
  EXPECT_EQ(sets.train->SamplePath(3), dir / "root.zip:dog/1.png");
  std::vector<uint8_t> chw(18);
  EXPECT_TRUE(sets.train->Read(3, absl::MakeSpan(chw)).ok());
  EXPECT_EQ(chw, std::vector<uint8_t>(18, 10));
}

TEST(ImageFolderTest, TheNumberOfThreadsChangesNothing) {
  Images images;
  for (int i = 0; i < 100; ++i) images.Put("c" + std::to_string(i % 3) + "/" + std::to_string(i) + ".png", Png(i));
  TempDir dir;
  const std::string path = images.Zip(dir);
  TrainTest one = LoadImageFolders(path, {.threads = 1}).value(), many = LoadImageFolders(path, {.threads = 8}).value();
  EXPECT_EQ(one.train.features.as<uint8_t>(), absl::MakeConstSpan(many.train.features.as<uint8_t>()));
  EXPECT_EQ(one.train.labels.as<int32_t>(), absl::MakeConstSpan(many.train.labels.as<int32_t>()));
}

TEST(ImageFolderTest, GreyAndColourAreMadeWhatMostAreOrWhatIsAskedFor) {
  Images images;
  images.Put("a/1.png", Png(9, {2, 2, 1})).Put("a/2.jpg", Jpeg(9, {2, 2, 1})).Put("a/3.png", Png(9, {2, 2, 4}));
  TempDir dir;
  const std::string path = images.Folder(dir);
  EXPECT_EQ(LoadImageFolders(path)->train.sample_shape(), (Shape{1, 2, 2}));
  EXPECT_EQ(LoadImageFolders(path, {.channels = 3})->train.sample_shape(), (Shape{3, 2, 2}));
  ExpectError(OpenImageFolders(path, {.channels = 2}).status(), "ATTR", "channels is 2");
}

TEST(ImageFolderTest, MixedSizesAreAnErrorUnlessResized) {
  Images images = CatsAndDogs().Put("dog/3.png", Png(1, {5, 4, 3}));
  ExpectError(images.Load(), "DATA", "root/dog/3.png: the image is 5 x 4 (height x width), ");
  ExpectError(images.Load(), "DATA", "root/cat/a.png is 2 x 3; resize");
  for (ImageFit fit : {ImageFit::kStretch, ImageFit::kCrop}) {
    TempDir dir;
    TrainTest both = LoadImageFolders(images.Folder(dir), {.fit = fit, .height = 4, .width = 4}).value();
    EXPECT_EQ(both.train.features.shape(), (Shape{6, 3, 4, 4}));
    EXPECT_EQ(both.train.features.as<uint8_t>()[3 * 48], 10);  // dog/1.png
  }
  ExpectError(images.Load({.fit = ImageFit::kCrop, .height = 0, .width = 4}), "ATTR", "resizing to 0 x 4");
}

TEST(ImageFolderTest, TheTestSetHasTheTrainingSetsSizeAndClasses) {
  Images images;
  images.Put("train/a/1.png", Png(1));
  ExpectError(Images(images).Put("test/a/2.png", Png(1, {3, 3, 3})).Load(), "DATA", "test/a/2.png: the image is 3 x 3");
  ExpectError(Images(images).Put("test/b/2.png", Png(1)).Load(), "DATA", "root/test: the class \"b\" is not one of");
  ExpectError(Images(images).Put("other/b/2.png", Png(1)).Load(), "DATA",
              "root/other: a folder beside train is one of");
}

TEST(ImageFolderTest, RefusesFoldersThatAreNoDataSet) {
  ExpectError(Images().Put("README.txt", "x").Load(), "DATA", "root: no classes");
  ExpectError(CatsAndDogs().Put("emu/", "").Load(), "DATA", "root/emu: the class has no images");
  ExpectError(CatsAndDogs().Put("emu/.hidden", "x").Load(), "DATA", "root/emu: the class has no images");
  ExpectError(CatsAndDogs().Put("stray.png", Png(1)).Load(), "DATA", "root/stray.png: the image is in no class folder");
  ExpectError(CatsAndDogs().Put("cat/notes.txt", "x").Load(), "DATA", "root/cat/notes.txt: no image by its name");
  ExpectError(CatsAndDogs().Put("cat/more/1.png", Png(1)).Load(), "DATA", "root/cat/more: a folder within a class");
  ExpectError(OpenImageFolders("/nonexistent/x").status(), "PATH", "/nonexistent/x");
  TempDir dir;
  ExpectError(OpenImageFolders(dir.Put("a.tar", "no zip")).status(), "DATA", dir / "a.tar: not a ZIP archive");
}

TEST(ImageFolderTest, ABadSampleNamesItselfAndTheReason) {
  std::string jpeg = Jpeg(1, {2, 3, 3});
  // The header is broken: found at the open.
  Images no_header = CatsAndDogs().Put("dog/9.jpg", "<html>");
  ExpectError(no_header.Load(), "DATA",
              "root/dog/9.jpg: neither PNG nor JPEG: it starts with \"<html>\"; it looks like");
  TempDir dir;
  ExpectError(OpenImageFolders(no_header.Zip(dir)).status(), "DATA", dir / "root.zip:dog/9.jpg: neither PNG nor JPEG");
  // Cut short behind the header: found when decoded.
  Images cut = CatsAndDogs().Put("dog/9.jpg", jpeg.substr(0, jpeg.size() - 3));
  ExpectError(cut.Load(), "DATA", "root/dog/9.jpg: broken JPEG: Premature end");
  ImageFolders sets = OpenImageFolders(cut.Zip(dir)).value();
  std::vector<uint8_t> chw(18);
  ExpectError(sets.train->Read(5, absl::MakeSpan(chw)), "DATA", dir / "root.zip:dog/9.jpg: broken JPEG");
}

TEST(ImageFolderTest, AnImageReplacedAfterTheOpenByOneOfAnotherSizeIsAnError) {
  TempDir dir;
  ImageFolders sets = OpenImageFolders(CatsAndDogs().Folder(dir)).value();
  dir.Put("root/cat/a.png", Png(1, {9, 9, 3}));
  std::vector<uint8_t> chw(18);
  ExpectError(sets.train->Read(0, absl::MakeSpan(chw)), "SHAPE", dir / "root/cat/a.png: the image is 9 x 9");
  std::filesystem::remove(dir / "root/cat/a.png");
  ExpectError(sets.train->Read(0, absl::MakeSpan(chw)), "PATH", dir / "root/cat/a.png");
}

TEST(ImageFolderTest, LimitsHold) {
  ExpectError(CatsAndDogs().Load({.max_bytes = 89}), "LIMIT", "5 images of 18 bytes are more than the limit of 89");
  ExpectError(CatsAndDogs().Load({.fit = ImageFit::kStretch, .height = 16384, .width = 16384}), "LIMIT",
              "resizing to 16384 x 16384 (height x width): 805306368 bytes an image are above the limit of 268435456");
  TempDir dir;
  Images bomb = CatsAndDogs().Put("dog/9.png", Png(1) + std::string(8 << 20, '\0'));
  const std::string path = bomb.Zip(dir, /*deflate=*/true);
  ExpectError(OpenImageFolders(path).status(), "LIMIT", dir / "root.zip:dog/9.png: 83");
}

}  // namespace
}  // namespace athanor
