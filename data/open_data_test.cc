#include "data/open_data.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/loader.h"
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
  EXPECT_EQ(Opened(spec).test->fields()[1], (FieldSpec{"labels", DType::kF32, {10}}));
}

TEST(OpenDataTest, TheSameBatchesWhateverTheThreads) {
  DataSpec spec{.validation = 0.9, .augment = "flip,crop:1,jitter:0.2,cutout:2,mixup:0.3"};
  std::vector<std::string> all;
  for (int threads : {1, 2, 4}) {
    spec.threads = threads;
    LoaderOptions options{.batch_size = 70, .seed = 2, .end_epoch = 2, .threads = threads};
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
  ExpectError(OpenData({.path = odd}).status(), "PATH", absl::StrCat(odd, ": is no folder"));
  ExpectError(OpenData({.path = "mnist", .validation = 1}).status(), "REQ", "the share for validation is 1");
  ExpectError(OpenData({.path = "mnist", .validation = -0.1}).status(), "REQ", "-0.1");
  ExpectError(OpenData({.path = "mnist", .normalize = "x"}).status(), "REQ", "normalization \"x\"");
  ExpectError(OpenData({.path = "mnist", .augment = "turn"}).status(), "REQ", "item 1 \"turn\"");
  ExpectError(OpenData({.path = "mnist", .augment = "jitter:1,crop:28"}).status(), "REQ", "crop by 28 pixels");
  ExpectError(OpenData({.path = "mnist", .resize = "32"}).status(), "REQ", "folders and archives");
}

}  // namespace
}  // namespace athanor
