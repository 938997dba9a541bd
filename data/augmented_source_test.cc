#include "data/augmented_source.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/loader.h"
#include "data/testing/allocation_count.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

constexpr char kAll[] = "flip,crop:2,jitter:0.3,cutout:3,mixup:0.4";

std::shared_ptr<const Dataset> Images(int64_t n, bool f32 = false) {
  auto d = std::make_shared<Dataset>();
  d->name = "images";
  d->features = Tensor::Create(f32 ? DType::kF32 : DType::kU8, {n, 3, 8, 8}).value();
  for (int64_t i = 0; i < d->features.num_elements(); ++i) {
    const auto byte = static_cast<uint8_t>(i * 2654435761u >> 13);
    if (f32) d->features.as<float>()[i] = static_cast<float>(byte) / 255;
    if (!f32) d->features.as<uint8_t>()[i] = byte;
  }
  d->labels = Tensor::Create(DType::kS32, {n}).value();
  d->classes = 10;
  for (int64_t i = 0; i < n; ++i) d->labels.as<int32_t>()[i] = static_cast<int32_t>(i % 10);
  return d;
}

AugmentedSourceOptions Options(const char* list) {
  AugmentedSourceOptions options;
  options.augmentation = Augmentation::Parse(list).value();
  options.seed = 7;
  options.normalization = Normalization::ScaleBy255();
  options.classes = 10;
  return options;
}

std::shared_ptr<const SampleSource> Source(std::shared_ptr<const Dataset> d, const AugmentedSourceOptions& options) {
  return MakeAugmentedSource(MakeStoredSource(std::move(d)).value(), options).value();
}

struct Sample {
  Tensor x, labels;
};
Sample Read(const SampleSource& source, int64_t index, int64_t epoch) {
  Sample s{Tensor::Create(source.fields()[0].dtype, source.fields()[0].shape).value(),
           Tensor::Create(source.fields()[1].dtype, source.fields()[1].shape).value()};
  const TensorView views[] = {s.x.view(), s.labels.view()};
  EXPECT_TRUE(source.Read(index, epoch, views).ok());
  return s;
}

// All batches as bytes.
std::string Bytes(std::shared_ptr<const SampleSource> source, int64_t threads) {
  LoaderOptions options{.batch_size = 7, .seed = 3, .end_epoch = 3, .threads = threads};
  auto loader = BatchLoader::Create(std::move(source), options).value();
  std::string all;
  while (const Batch* batch = loader->Next().value()) {
    for (const Tensor& t : batch->fields) all.append(static_cast<const char*>(t.data()), t.bytes());
  }
  return all;
}

TEST(AugmentedSourceTest, TheSameBitsWhateverTheThreads) {
  for (const char* list : {"flip", "crop:2", "crop:2:reflect", "jitter:0.3", "cutout:3", "mixup:0.4", kAll,
                           "mixup:1,flip,cutout:2"}) {
    for (bool f32 : {false, true}) {
      auto source = Source(Images(50, f32), Options(list));
      const std::string expected = Bytes(source, 1);
      for (int64_t threads : {2, 4}) EXPECT_TRUE(Bytes(source, threads) == expected) << list << " " << threads;
      AugmentedSourceOptions other = Options(list);
      other.seed = 8;
      EXPECT_TRUE(Bytes(Source(Images(50, f32), other), 1) != expected) << list;
    }
  }
}

TEST(AugmentedSourceTest, WithoutChangesItNormalizes) {
  auto d = Images(3);
  auto source = Source(d, Options("none"));
  EXPECT_EQ(source->size(), 3);
  EXPECT_EQ(source->fields(), (std::vector<FieldSpec>{{"x", DType::kF32, {3, 8, 8}}, {"labels", DType::kS32, {}}}));
  Sample s = Read(*source, 2, 5);
  for (int i = 0; i < 192; ++i) {
    EXPECT_EQ(s.x.as<float>()[i], static_cast<float>(d->features.as<uint8_t>()[2 * 192 + i]) * (1.0f / 255));
  }
  EXPECT_EQ(s.labels.as<int32_t>()[0], 2);
}

TEST(AugmentedSourceTest, OneHotLabels) {
  AugmentedSourceOptions options = Options("none");
  options.one_hot = true;
  auto source = Source(Images(12), options);
  EXPECT_EQ(source->fields()[1], (FieldSpec{"labels", DType::kF32, {10}}));
  Sample s = Read(*source, 11, 0);
  for (int c = 0; c < 10; ++c) EXPECT_EQ(s.labels.as<float>()[c], c == 1 ? 1 : 0);
}

TEST(AugmentedSourceTest, MixupIsTheBlendOfTwoSamplesAndOfTheirLabels) {
  auto plain = Source(Images(40), Options("flip"));
  auto mixed = Source(Images(40), Options("flip,mixup:1"));
  int others = 0;
  for (int64_t i = 0; i < 40; ++i) {
    Sample s = Read(*mixed, i, 2);
    const auto words = AugmentRandom(7, 2, i).Block(AugmentKind::kMixup);
    const uint64_t bits = uint64_t{words[0]} << 32 | words[1];
    const auto j = static_cast<int64_t>(static_cast<unsigned __int128>(bits) * 40 >> 64);
    const auto share = static_cast<float>(AugmentRandom(7, 2, i).Beta(AugmentKind::kMixup, 1));
    Sample a = Read(*plain, i, 2), b = Read(*plain, j, 2);
    others += i != j;
    for (int k = 0; k < 192; ++k) {
      EXPECT_NEAR(s.x.as<float>()[k], share * a.x.as<float>()[k] + (1 - share) * b.x.as<float>()[k], 1e-6);
    }
    for (int c = 0; c < 10; ++c) {
      EXPECT_NEAR(s.labels.as<float>()[c], (c == i % 10 ? share : 0) + (c == j % 10 ? 1 - share : 0), 1e-6);
    }
  }
  EXPECT_GT(others, 30);
}

TEST(AugmentedSourceTest, ReadsAllocateNothingAfterTheFirst) {
  auto source = Source(Images(20), Options(kAll));
  Sample s = Read(*source, 0, 0);
  const TensorView views[] = {s.x.view(), s.labels.view()};
  const int64_t before = testing::AllocationCount();
  bool ok = true;
  for (int64_t i = 0; i < 20; ++i) ok &= source->Read(i, 1, views).ok();
  EXPECT_EQ(testing::AllocationCount() - before, 0);
  EXPECT_TRUE(ok);
}

TEST(AugmentedSourceTest, OneMayReadAnother) {
  AugmentedSourceOptions scaled = Options("none");
  auto inner = Source(Images(20), Options("flip"));
  scaled.normalization = {};
  scaled.augmentation = Augmentation::Parse("flip:0,mixup:1").value();
  auto outer = MakeAugmentedSource(inner, scaled).value();
  auto direct = Source(Images(20), Options("flip,mixup:1"));
  for (int64_t i = 0; i < 20; ++i) {
    Sample a = Read(*outer, i, 0), b = Read(*direct, i, 0);
    for (int k = 0; k < 192; ++k) EXPECT_NEAR(a.x.as<float>()[k], b.x.as<float>()[k], 1e-6);
  }
}

TEST(AugmentedSourceTest, JitterRefusesFloatsThatAreNoColours) {
  const Augmentation jitter = Augmentation::Parse("flip,jitter:0.1").value();
  const Augmentation flip = Augmentation::Parse("flip").value();
  auto check = [](const Augmentation& a, std::shared_ptr<const Dataset> d) {
    return CheckJitterRange(a, *MakeStoredSource(std::move(d)).value());
  };
  EXPECT_TRUE(check(jitter, Images(4)).ok());
  EXPECT_TRUE(check(jitter, Images(4, /*f32=*/true)).ok());
  for (const float value : {1.5f, 255.0f, -0.25f}) {
    auto wild = std::const_pointer_cast<Dataset>(Images(4, /*f32=*/true));
    wild->features.as<float>()[2 * 192 + 5] = value;
    ExpectError(check(jitter, wild), "REQ", absl::StrCat("training sample 2 has the value ", value));
    EXPECT_TRUE(check(flip, wild).ok());
  }
}

TEST(AugmentedSourceTest, WithoutMixupThereIsNoRoomForAPartner) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer's own memory counts";
#endif
  constexpr int64_t kSide = 1024, kFloats = 3 * kSide * kSide * 4;
  auto d = std::make_shared<Dataset>();
  d->name = "large";
  d->features = Tensor::Create(DType::kU8, {1, 3, kSide, kSide}).value();
  d->labels = Tensor::Create(DType::kS32, {1}).value();
  d->classes = 10;
  auto growth = [&](const char* list) {
    auto source = Source(d, Options(list));
    Tensor x = Tensor::Create(DType::kF32, {3, kSide, kSide}).value();
    Tensor labels = Tensor::Create(source->fields()[1].dtype, source->fields()[1].shape).value();
    const TensorView views[] = {x.view(), labels.view()};
    return testing::PeakMemoryGrowth([&] { EXPECT_TRUE(source->Read(0, 0, views).ok()); });
  };
  EXPECT_LT(growth("none"), 5 * kFloats / 2);
  EXPECT_LT(growth("flip"), 7 * kFloats / 2);
  EXPECT_GT(growth("mixup:1"), 7 * kFloats / 2);
}

TEST(AugmentedSourceTest, RefusesWhatDoesNotFit) {
  auto create = [](const AugmentedSourceOptions& options) {
    return MakeAugmentedSource(MakeStoredSource(Images(4)).value(), options).status();
  };
  ExpectError(create(Options("crop:8")), "REQ", "crop by 8 pixels");
  AugmentedSourceOptions options = Options("mixup:1");
  options.classes = 0;
  ExpectError(create(options), "REQ", "one-hot labels need the number of classes");
  options = Options("none");
  options.normalization = Normalization::MeanStd({1, 2}, {1, 2});
  ExpectError(create(options), "ATTR", "2 values of mean for 3 channels");
  options = Options("mixup:1");
  options.classes = 2;
  auto source = Source(Images(4), options);
  Tensor x = Tensor::Create(DType::kF32, {3, 8, 8}).value(), labels = Tensor::Create(DType::kF32, {2}).value();
  const TensorView views[] = {x.view(), labels.view()};
  ExpectError(source->Read(3, 0, views), "DATA", "the label 3, outside 0 .. 1");
  auto soft = Source(Images(4), Options("mixup:1"));
  ExpectError(MakeAugmentedSource(soft, Options("mixup:1")).status(), "DATA",
              "need a class for each sample, not f32[10]");
}

}  // namespace
}  // namespace athanor
