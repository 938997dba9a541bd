#include "data/lazy_source.h"

#include <algorithm>
#include <string>
#include <vector>

#include "data/loader.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

// `n` images of 12 bytes, all of the image's number; image `bad` cannot be decoded.
LazyImages Images(int64_t n, int64_t bad = -1) {
  LazyImages images;
  images.shape = {3, 2, 2};
  for (int64_t i = 0; i < n; ++i) images.labels.push_back(static_cast<int32_t>(i % 3));
  images.decode = [bad](int64_t index, absl::Span<uint8_t> out) -> absl::Status {
    std::fill(out.begin(), out.end(), static_cast<uint8_t>(index));
    if (index == bad) return MakeError(ErrorClass::kData, "cats/%d.jpg: broken JPEG", index);
    return absl::OkStatus();
  };
  return images;
}

// All samples of an epoch through a loader, and whether they are what they should be.
void ReadEpochs(std::shared_ptr<const SampleSource> source, int64_t epochs, int64_t threads) {
  LoaderOptions options{.batch_size = 7, .shuffle = false, .end_epoch = epochs, .threads = threads};
  const int64_t n = source->size();
  auto loader = BatchLoader::Create(std::move(source), options).value();
  int64_t sample = 0;
  while (const Batch* batch = loader->Next().value()) {
    for (int64_t row = 0; row < batch->size; ++row, ++sample) {
      EXPECT_EQ(batch->fields[0].as<uint8_t>()[12 * row + 11], static_cast<uint8_t>(sample % n));
      EXPECT_EQ(batch->fields[1].as<int32_t>()[row], sample % n % 3);
    }
  }
  EXPECT_EQ(sample, epochs * n);
}

TEST(LazyImageSourceTest, DecodesEachImageOnceIfAllFit) {
  for (int64_t threads : {1, 4}) {
    auto source = LazyImageSource::Create(Images(50), 50 * 12).value();
    EXPECT_EQ(source->cached_images(), 50);
    EXPECT_EQ(source->cache_bytes(), 600);
    EXPECT_EQ(source->decodes(), 0);
    ReadEpochs(source, 1, threads);
    EXPECT_EQ(source->decodes(), 50);
    ReadEpochs(source, 3, threads);
    EXPECT_EQ(source->decodes(), 50);
  }
}

TEST(LazyImageSourceTest, KeepsTheFirstImagesThatFit) {
  auto source = LazyImageSource::Create(Images(50), 20 * 12 + 11).value();
  EXPECT_EQ(source->cached_images(), 20);
  ReadEpochs(source, 3, 2);
  EXPECT_EQ(source->decodes(), 50 + 30 + 30);
}

TEST(LazyImageSourceTest, KeepsNothingWithoutACache) {
  auto source = LazyImageSource::Create(Images(10), 0).value();
  EXPECT_EQ(source->cache_bytes(), 0);
  ReadEpochs(source, 2, 2);
  EXPECT_EQ(source->decodes(), 20);
}

TEST(LazyImageSourceTest, AnImageThatCannotBeDecodedIsNotKept) {
  auto source = LazyImageSource::Create(Images(10, 4), 1000).value();
  Tensor x = Tensor::Create(DType::kU8, {3, 2, 2}).value(), label = Tensor::Create(DType::kS32, {}).value();
  const TensorView views[] = {x.view(), label.view()};
  for (int time = 0; time < 2; ++time) ExpectError(source->Read(4, 0, views), "DATA", "cats/4.jpg: broken JPEG");
  EXPECT_TRUE(source->Read(5, 0, views).ok());
  EXPECT_EQ(source->decodes(), 3);
}

}  // namespace
}  // namespace athanor
