#include "data/open_data.h"

#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/loader.h"
#include "data/npz.h"
#include "data/png.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

OpenedData Opened(const DataSpec& spec) {
  absl::StatusOr<OpenedData> data = OpenData(spec);
  EXPECT_TRUE(data.ok()) << data.status();
  return data.ok() ? *std::move(data) : OpenedData{};
}

// The tensors of one sample.
std::vector<Tensor> Read(const SampleSource& source, int64_t index, int64_t epoch = 0) {
  std::vector<Tensor> sample;
  std::vector<TensorView> views;
  for (const FieldSpec& f : source.fields()) {
    sample.push_back(Tensor::Create(f.dtype, f.shape).value());
    views.push_back(sample.back().view());
  }
  EXPECT_TRUE(source.Read(index, epoch, views).ok());
  return sample;
}

// ROOT/train/{cat,dog} and ROOT/test/{cat,dog} with images of 4 x 4 pixels, grey value `10 * number`.
void PutImages(const TempDir& dir, int train, int test) {
  for (const char* set : {"train", "test"}) {
    ::mkdir((dir / set).c_str(), 0700);
    for (const char* name : {"cat", "dog"}) {
      ::mkdir((dir / absl::StrCat(set, "/", name)).c_str(), 0700);
      for (int i = 0; i < (set == std::string("train") ? train : test); ++i) {
        Tensor image = Tensor::Create(DType::kU8, {4, 4, 3}).value();
        for (uint8_t& x : image.as<uint8_t>()) x = static_cast<uint8_t>(10 * i);
        EXPECT_TRUE(WritePng(dir / absl::StrCat(set, "/", name, "/", i, ".png"), image).ok());
      }
    }
  }
}

TEST(OpenDataTest, TheMnistSample) {
  OpenedData data = Opened({.validation = 0.1});
  EXPECT_EQ(data.task, "classification");
  EXPECT_EQ(data.classes, 10);
  EXPECT_EQ(data.class_names.size(), 10u);
  EXPECT_EQ(data.train->size(), 9000);
  EXPECT_EQ(data.validation->size(), 1000);
  EXPECT_EQ(data.test->size(), 2000);
  EXPECT_EQ(data.train, data.train_plain);
  EXPECT_EQ(data.fields(), (std::vector<FieldSpec>{{"x", DType::kF32, {1, 28, 28}}, {"labels", DType::kS32, {}}}));
  ASSERT_EQ(data.normalization.mean.size(), 1u);
  EXPECT_NEAR(data.normalization.mean[0], 0.13, 0.01);  // 0.1307 of the whole set
  EXPECT_NEAR(data.normalization.std[0], 0.308, 0.01);
  EXPECT_GT(data.memory_bytes, 9000000);
}

TEST(OpenDataTest, PreparesAsATrainedModelHasIt) {
  const Normalization trained = Normalization::MeanStd({0.25f}, {0.5f}, 1.0f / 128);
  OpenedData data = Opened({.normalization = trained});
  EXPECT_EQ(data.normalization, trained);
  EXPECT_EQ(Read(*data.test, 0)[0].as<float>()[0], -0.5f);  // a black corner
  TempDir dir;
  const std::string path = dir.Put("t.txt", "abcabcabc");
  data = Opened({.path = path, .sequence = 2, .vocabulary = {"z", "c", "b", "a"}});
  EXPECT_EQ(data.classes, 4);
  EXPECT_EQ(Read(*data.train_plain, 0)[0].as<int32_t>()[0], 3);
  ExpectError(OpenData({.path = path, .vocabulary = {"a", "b"}}).status(), "DATA", path);
}

TEST(OpenDataTest, AugmentsTheTrainingSamplesAlone) {
  DataSpec spec{.validation = 0.2};
  OpenedData plain = Opened(spec);
  spec.augment = "crop:3,mixup:0.5";
  OpenedData data = Opened(spec);
  EXPECT_EQ(data.augmentation, "crop:3,mixup:0.5");
  EXPECT_EQ(data.train->fields()[1], (FieldSpec{"labels", DType::kF32, {10}}));
  EXPECT_EQ(data.validation->fields()[1], (FieldSpec{"labels", DType::kS32, {}}));
  int changed = 0;
  auto same = [](const Tensor& a, const Tensor& b) { return a.as<float>() == b.as<float>(); };
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_TRUE(same(Read(*data.validation, i)[0], Read(*plain.validation, i)[0]));
    EXPECT_TRUE(same(Read(*data.test, i)[0], Read(*plain.test, i)[0]));
    EXPECT_TRUE(same(Read(*data.train_plain, i)[0], Read(*plain.train, i)[0]));
    changed += !same(Read(*data.train, i)[0], Read(*plain.train, i)[0]);
  }
  EXPECT_GT(changed, 15);
  spec.augment = "";
  spec.one_hot = true;
  EXPECT_EQ(Opened(spec).train->fields()[1], (FieldSpec{"labels", DType::kF32, {10}}));
  EXPECT_EQ(Opened(spec).test->fields()[1], (FieldSpec{"labels", DType::kS32, {}}));
}

TEST(OpenDataTest, JitterIsForSharesOfWhite) {
  TempDir dir;
  for (float white : {1.0f, 255.0f}) {
    std::vector<NamedTensor> arrays;
    arrays.push_back({"x", Tensor::Of<float>({2, 1, 1, 2}, {0, white, white, 0})});
    arrays.push_back({"y", Tensor::Of<int32_t>({2}, {0, 1})});
    ASSERT_TRUE(WriteNpz(dir / "d.npz", arrays, true).ok());
    absl::StatusOr<OpenedData> data = OpenData({.path = dir / "d.npz", .augment = "jitter:0.1"});
    if (white == 1) {
      EXPECT_TRUE(data.ok()) << data.status();
    } else {
      ExpectError(data.status(), "REQ", "training sample 0 has the value 255");
    }
  }
}

TEST(OpenDataTest, FoldersOfImages) {
  TempDir dir;
  PutImages(dir, 6, 2);
  for (int64_t cache : {0, 100}) {
    DataSpec spec{.path = dir.path(), .validation = 0.25, .normalize = "scale255", .cache_mib = cache};
    OpenedData data = Opened(spec);
    EXPECT_EQ(data.task, "classification");
    EXPECT_EQ(data.class_names, (std::vector<std::string>{"cat", "dog"}));
    EXPECT_EQ(data.train->size(), 9);
    EXPECT_EQ(data.validation->size(), 3);
    EXPECT_EQ(data.test->size(), 4);
    EXPECT_EQ(data.memory_bytes, cache == 0 ? 0 : 16 * 48);
    std::vector<Tensor> sample = Read(*data.test, 3);
    EXPECT_EQ(sample[0].shape(), (Shape{3, 4, 4}));
    EXPECT_FLOAT_EQ(sample[0].as<float>()[0], 10.0f / 255);
    EXPECT_EQ(sample[1].as<int32_t>()[0], 1);
  }
  // As a model has them that knows another class.
  OpenedData known = Opened({.path = dir.path(), .class_names = {"bird", "cat", "dog"}});
  EXPECT_EQ(known.classes, 3);
  EXPECT_EQ(Read(*known.test, 3)[1].as<int32_t>()[0], 2);
  ExpectError(OpenData({.path = dir.path(), .class_names = {"cat", "cow"}}).status(), "DATA",
              "the class \"dog\" is none of the 2 classes that are expected");
  OpenedData resized = Opened({.path = dir.path(), .resize = "2x3", .channels = 1});
  EXPECT_EQ(resized.fields()[0].shape, (Shape{1, 2, 3}));
  ExpectError(OpenData({.path = dir.path(), .resize = "16384"}).status(), "LIMIT", "above the limit of 268435456");
  ExpectError(OpenData({.path = dir.path(), .resize = "2y3"}).status(), "REQ", "resize \"2y3\" is no size");
}

// Test images need not have every class; they are numbered as the training images are.
TEST(OpenDataTest, TestImagesOfSomeClasses) {
  TempDir dir, other;
  PutImages(dir, 6, 2);
  ::mkdir((other / "dog").c_str(), 0700);
  const Tensor image = Tensor::Create(DType::kU8, {4, 4, 3}).value();
  ASSERT_TRUE(WritePng(other / "dog/0.png", image).ok());
  OpenedData data = Opened({.path = dir.path(), .test_path = other.path()});
  ASSERT_NE(data.test, nullptr);
  EXPECT_EQ(data.test->size(), 1);
  EXPECT_EQ(Read(*data.test, 0)[1].as<int32_t>()[0], 1);
  EXPECT_EQ(data.classes, 2);
  ::mkdir((other / "emu").c_str(), 0700);
  ASSERT_TRUE(WritePng(other / "emu/0.png", image).ok());
  ExpectError(OpenData({.path = dir.path(), .test_path = other.path()}).status(), "DATA",
              "the class \"emu\" is none of the 2 classes that are expected");
}

TEST(OpenDataTest, Tables) {
  TempDir dir;
  const std::string train = dir.Put("train.csv", "a,b,kind\n1,2,red\n3,4,blue\n5,6,red\n7,9,green\n");
  const std::string test = dir.Put("test.csv", "a,b,kind\n1,2,red\n");
  OpenedData data = Opened({.path = train, .test_path = test, .normalize = "none"});
  EXPECT_EQ(data.task, "classification");
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"blue", "green", "red"}));
  EXPECT_EQ(data.fields()[0], (FieldSpec{"x", DType::kF32, {2}}));
  EXPECT_EQ(Read(*data.test, 0)[1].as<int32_t>()[0], 2);
  EXPECT_EQ(Read(*data.train, 3)[0].as<float>()[1], 9);
  const std::string numbers = dir.Put("numbers.csv", "1;2;0.5\n3;4;1.5\n");
  data = Opened({.path = numbers, .separator = ";", .regression = true});
  EXPECT_EQ(data.task, "regression");
  EXPECT_EQ(data.fields()[1], (FieldSpec{"targets", DType::kF32, {1}}));
  EXPECT_EQ(Read(*data.train, 1)[1].as<float>()[0], 1.5f);
  EXPECT_EQ(Read(*data.train, 1)[0].as<float>()[0], 1);  // standardized: (3 - 2) / 1
  const std::string swapped = dir.Put("swapped.csv", "kind,b,a\nred,2,1\n");
  data = Opened({.path = train, .test_path = swapped, .normalize = "none", .label_column = "kind"});
  EXPECT_EQ(data.feature_names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(Read(*data.test, 0)[0].as<float>()[0], 1);
  ExpectError(OpenData({.path = numbers, .separator = ";;"}).status(), "REQ", "separator \";;\"");
  ExpectError(OpenData({.path = numbers, .one_hot = true, .regression = true}).status(), "REQ", "one-hot");
}

TEST(OpenDataTest, NamedArrays) {
  TempDir dir;
  std::vector<NamedTensor> arrays;
  arrays.push_back({"x_train", Tensor::Of<uint8_t>({4, 2, 2}, {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3})});
  arrays.push_back({"y_train", Tensor::Of<int32_t>({4}, {0, 1, 2, 1})});
  arrays.push_back({"x_test", Tensor::Of<uint8_t>({1, 2, 2}, {9, 9, 9, 9})});
  arrays.push_back({"y_test", Tensor::Of<int32_t>({1}, {2})});
  const std::string path = dir / "d.npz";
  ASSERT_TRUE(WriteNpz(path, arrays, /*deflate=*/true).ok());
  OpenedData data = Opened({.path = path, .normalize = "none", .augment = "flip"});
  EXPECT_EQ(data.task, "classification");
  EXPECT_EQ(data.classes, 3);
  EXPECT_EQ(data.fields()[0], (FieldSpec{"x", DType::kF32, {1, 2, 2}}));
  EXPECT_EQ(Read(*data.train, 3)[0].as<float>()[0], 3);
  EXPECT_EQ(Read(*data.test, 0)[0].as<float>()[0], 9);
}

TEST(OpenDataTest, Texts) {
  TempDir dir;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "abcde";
  const std::string path = dir.Put("t.txt", text);
  OpenedData data = Opened({.path = path, .test_path = path, .validation = 0.2, .sequence = 8});
  EXPECT_EQ(data.task, "language");
  EXPECT_EQ(data.vocabulary, (std::vector<std::string>{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(data.classes, 5);
  EXPECT_EQ(data.train_plain->size(), 49);  // of 400 characters
  EXPECT_EQ(data.train->size(), 49);
  EXPECT_EQ(data.validation->size(), 12);  // of 100
  EXPECT_EQ(data.test->size(), 62);
  std::vector<Tensor> sample = Read(*data.validation, 0);
  EXPECT_EQ(sample[0].as<int32_t>()[0], 0);
  EXPECT_EQ(sample[1].as<int32_t>()[0], 1);
  EXPECT_EQ(data.normalization, Normalization());
  ExpectError(OpenData({.path = path, .augment = "flip"}).status(), "REQ", "augment = \"flip\" does not fit a text");
  ExpectError(OpenData({.path = path, .resize = "3"}).status(), "REQ", "resize");
  ExpectError(OpenData({.path = path, .sequence = 1000}).status(), "DATA", "do not hold a sequence of 1000");
  const std::string other = dir.Put("o.txt", "abcdefg");
  ExpectError(OpenData({.path = path, .test_path = other}).status(), "DATA", other);
}

TEST(OpenDataTest, GeneratedTasks) {
  OpenedData data = Opened({.path = "task:reverse", .validation = 0.1});
  EXPECT_EQ(data.task, "sequence");
  EXPECT_EQ(data.vocabulary[1], "<s>");
  EXPECT_EQ(data.fields()[0].name, "source");
  EXPECT_GT(data.train->size(), data.validation->size());
  EXPECT_NE(data.test, nullptr);
  ExpectError(OpenData({.path = "task:sums"}).status(), "REQ", "sums");
}

TEST(OpenDataTest, TheSameBatchesWhateverTheThreads) {
  TempDir dir;
  PutImages(dir, 20, 2);
  DataSpec spec{.path = dir.path(), .augment = "flip,crop:1,jitter:0.2,cutout:2,mixup:0.3"};
  std::vector<std::string> all;
  for (int threads : {1, 2, 4}) {
    spec.threads = threads;
    LoaderOptions options{.batch_size = 7, .seed = 2, .end_epoch = 2, .threads = threads};
    auto loader = BatchLoader::Create(Opened(spec).train, options).value();
    std::string bytes;
    while (const Batch* batch = loader->Next().value()) {
      for (const Tensor& t : batch->fields) bytes.append(static_cast<const char*>(t.data()), t.bytes());
    }
    all.push_back(bytes);
  }
  EXPECT_TRUE(all[0] == all[1]);
  EXPECT_TRUE(all[0] == all[2]);
}

TEST(OpenDataTest, RefusesWhatItDoesNotKnow) {
  TempDir dir;
  ExpectError(OpenData({.path = "/no/such"}).status(), "PATH", "/no/such: there is no such file or folder");
  const std::string odd = dir.Put("x.dat", "x");
  ExpectError(OpenData({.path = odd}).status(), "PATH", absl::StrCat(odd, ": the name tells no kind of data"));
  ExpectError(OpenData({.path = "mnist", .validation = 1}).status(), "REQ", "the share for validation is 1");
  ExpectError(OpenData({.path = "mnist", .validation = -0.1}).status(), "REQ", "-0.1");
  ExpectError(OpenData({.path = "mnist", .normalize = "x"}).status(), "REQ", "normalization \"x\"");
  ExpectError(OpenData({.path = "mnist", .augment = "turn"}).status(), "REQ", "item 1 \"turn\"");
  ExpectError(OpenData({.path = "mnist", .augment = "jitter:1,crop:28"}).status(), "REQ", "crop by 28 pixels");
  ExpectError(OpenData({.path = "mnist", .resize = "32"}).status(), "REQ", "folders and archives");
  // 1 / 1e-40 is not finite, though 1 / 255 / 1e-40 is.
  ExpectError(OpenData({.path = "mnist", .normalize = "0/1e-40"}).status(), "ATTR", "the std of channel 0 is");
}

}  // namespace
}  // namespace athanor
