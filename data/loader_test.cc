#include "data/loader.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "data/sampler.h"
#include "data/testing/allocation_count.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

// Sample i has the features {i, i + 0.5} and the label i % 10.
Dataset Numbered(int64_t n) {
  Dataset d;
  d.name = "numbered";
  d.features = Tensor::Create(DType::kF32, {n, 2}).value();
  d.labels = Tensor::Create(DType::kS32, {n}).value();
  d.classes = 10;
  for (int64_t i = 0; i < n; ++i) {
    d.features.as<float>()[2 * i] = static_cast<float>(i);
    d.features.as<float>()[2 * i + 1] = static_cast<float>(i) + 0.5f;
    d.labels.as<int32_t>()[i] = static_cast<int32_t>(i % 10);
  }
  return d;
}

// What a consumer saw of a batch.
struct Seen {
  int64_t epoch, index, size;
  std::vector<float> features;
  std::vector<int32_t> labels;
  bool operator==(const Seen&) const = default;
};

Seen Copy(const Batch& b) {
  absl::Span<const float> x = b.fields[0].as<float>();
  absl::Span<const int32_t> y = b.fields[1].as<int32_t>();
  return {b.epoch, b.index, b.size, {x.begin(), x.end()}, {y.begin(), y.end()}};
}

std::vector<Seen> ReadAll(const Dataset& d, const LoaderOptions& options) {
  auto loader = BatchLoader::Create(d, {}, options).value();
  std::vector<Seen> all;
  while (const Batch* batch = loader->Next().value()) all.push_back(Copy(*batch));
  EXPECT_EQ(loader->Next().value(), nullptr);
  return all;
}

// A source of 100 samples that does what a test needs when it comes to sample `at`.
class FaultySource : public SampleSource {
 public:
  FaultySource(int64_t at, std::function<absl::Status()> fault) : at_(at), fault_(std::move(fault)) {}
  int64_t size() const override { return 100; }
  const std::vector<FieldSpec>& fields() const override { return fields_; }
  absl::Status Read(int64_t index, int64_t, absl::Span<const TensorView> out) const override {
    out[0].as<float>()[0] = static_cast<float>(index);
    return index == at_ ? fault_() : absl::OkStatus();
  }

 private:
  const std::vector<FieldSpec> fields_ = {{"x", DType::kF32, {1}}};
  int64_t at_;
  std::function<absl::Status()> fault_;
};

std::unique_ptr<BatchLoader> Faulty(int64_t at, std::function<absl::Status()> fault, int64_t threads = 1) {
  LoaderOptions options{.batch_size = 10, .shuffle = false, .end_epoch = 2, .threads = threads};
  return BatchLoader::Create(std::make_unique<FaultySource>(at, std::move(fault)), options).value();
}

TEST(BatchLoaderTest, GivesTheSamplesInOrderWithoutShuffling) {
  std::vector<Seen> all = ReadAll(Numbered(5), {.batch_size = 2, .shuffle = false, .end_epoch = 2});
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all[0], (Seen{0, 0, 2, {0, 0.5f, 1, 1.5f}, {0, 1}}));
  EXPECT_EQ(all[1], (Seen{0, 1, 2, {2, 2.5f, 3, 3.5f}, {2, 3}}));
  EXPECT_EQ(all[2], (Seen{0, 2, 1, {4, 4.5f, 0, 0}, {4, 0}}));  // smaller, the rest is zero
  EXPECT_EQ(all[3], (Seen{1, 0, 2, {0, 0.5f, 1, 1.5f}, {0, 1}}));
}

TEST(BatchLoaderTest, DropLastLeavesTheRestOut) {
  EXPECT_EQ(ReadAll(Numbered(5), {.batch_size = 2, .drop_last = true, .end_epoch = 3}).size(), 6u);
  EXPECT_EQ(ReadAll(Numbered(4), {.batch_size = 2, .drop_last = true, .end_epoch = 3}).size(), 6u);
}

TEST(BatchLoaderTest, ShufflesByThePermutationOfTheEpoch) {
  std::vector<Seen> all = ReadAll(Numbered(6), {.batch_size = 6, .seed = 9, .end_epoch = 2});
  for (int64_t epoch : {0, 1}) {
    std::vector<int64_t> order(6);
    RandomPermutation(9, epoch, absl::MakeSpan(order));
    for (int i = 0; i < 6; ++i) EXPECT_EQ(all[epoch].features[2 * i], static_cast<float>(order[i]));
  }
}

TEST(BatchLoaderTest, BatchesDependOnTheOptionsAloneNotOnPrefetchingOrThreads) {
  Dataset d = Numbered(103);
  LoaderOptions options{.batch_size = 8, .seed = 5, .end_epoch = 3};
  std::vector<Seen> expected = ReadAll(d, options);
  for (int64_t prefetch : {1, 3, 64}) {
    for (int64_t threads : {1, 2, 4}) {
      options.prefetch = prefetch;
      options.threads = threads;
      EXPECT_EQ(ReadAll(d, options), expected);
    }
  }
  options.seed = 6;
  EXPECT_NE(ReadAll(d, options), expected);
}

TEST(BatchLoaderTest, ResumedAnywhereItGivesTheVeryBatchesThatWereLeft) {
  Dataset d = Numbered(23);
  LoaderOptions options{.batch_size = 5, .seed = 77, .end_epoch = 3};
  const std::vector<Seen> whole = ReadAll(d, options);
  ASSERT_EQ(whole.size(), 15u);
  for (int64_t done = 0; done <= 15; ++done) {
    options.first_epoch = done / 5;
    options.first_batch = done % 5;
    EXPECT_EQ(ReadAll(d, options), std::vector<Seen>(whole.begin() + done, whole.end())) << done;
  }
  // The position behind an epoch's last batch is the start of the next.
  options.first_epoch = 1;
  options.first_batch = 5;
  EXPECT_EQ(ReadAll(d, options), std::vector<Seen>(whole.begin() + 10, whole.end()));
}

// Fields of several types and shapes; the content tells the sample and the epoch.
class ManyFields : public SampleSource {
 public:
  int64_t size() const override { return 7; }
  const std::vector<FieldSpec>& fields() const override { return fields_; }
  absl::Status Read(int64_t index, int64_t epoch, absl::Span<const TensorView> out) const override {
    EXPECT_EQ(out.size(), 3u);
    for (int i = 0; i < 3; ++i) out[0].as<int32_t>()[i] = static_cast<int32_t>(100 * epoch + 10 * index + i);
    out[1].as<uint8_t>()[0] = static_cast<uint8_t>(index);
    out[2].as<float>()[3] = static_cast<float>(index) / 2;
    return absl::OkStatus();
  }

 private:
  const std::vector<FieldSpec> fields_ = {
      {"source", DType::kS32, {3}}, {"flag", DType::kU8, {}}, {"labels", DType::kF32, {2, 2}}};
};

TEST(BatchLoaderTest, HasTheFieldsOfItsSource) {
  auto loader = BatchLoader::Create(std::make_shared<ManyFields>(),
                                    {.batch_size = 3, .shuffle = false, .end_epoch = 2, .threads = 2})
                    .value();
  ASSERT_EQ(loader->fields().size(), 3u);
  EXPECT_EQ(FindField(loader->fields(), "labels"), 2);
  EXPECT_EQ(FindField(loader->fields(), "x"), -1);
  for (int64_t number = 0; number < 6; ++number) {
    const Batch* batch = loader->Next().value();
    ASSERT_EQ(batch->fields.size(), 3u);
    EXPECT_EQ(batch->fields[0].shape(), (Shape{3, 3}));
    EXPECT_EQ(batch->fields[1].shape(), (Shape{3}));
    EXPECT_EQ(batch->fields[2].shape(), (Shape{3, 2, 2}));
    EXPECT_EQ(batch->size, number % 3 == 2 ? 1 : 3);
    for (int64_t row = 0; row < 3; ++row) {
      const int64_t sample = number % 3 * 3 + row, there = row < batch->size ? 1 : 0;
      EXPECT_EQ(batch->fields[0].as<int32_t>()[3 * row + 2], there * (number / 3 * 100 + 10 * sample + 2));
      EXPECT_EQ(batch->fields[1].as<uint8_t>()[row], there * sample);
      EXPECT_EQ(batch->fields[2].as<float>()[4 * row + 3], static_cast<float>(there * sample) / 2);
    }
  }
}

TEST(BatchLoaderTest, NormalizesBytes) {
  Dataset d = Numbered(2);
  d.features = Tensor::Of<uint8_t>({2, 1, 1, 2}, {0, 255, 51, 102});
  auto loader = BatchLoader::Create(d, Normalization::ScaleBy255(), {.batch_size = 2, .shuffle = false}).value();
  const Batch* batch = loader->Next().value();
  EXPECT_EQ(batch->fields[0].shape(), (Shape{2, 1, 1, 2}));
  EXPECT_EQ(Copy(*batch).features, (std::vector<float>{0, 1, 51 * (1.0f / 255.0f), 102 * (1.0f / 255.0f)}));
}

TEST(BatchLoaderTest, AllocatesNothingAfterItsStart) {
  Dataset d = Numbered(1000);
  auto loader = BatchLoader::Create(d, {}, {.batch_size = 8, .end_epoch = 20, .threads = 2}).value();
  std::set<const void*> buffers;
  for (int i = 0; i < 10; ++i) buffers.insert(loader->Next().value()->fields[0].data());
  EXPECT_LE(buffers.size(), 3u);  // prefetch + 1
  const int64_t before = testing::AllocationCount();
  bool same_buffers = true;
  int64_t batches = 10;
  while (const Batch* batch = loader->Next().value()) {
    same_buffers &= buffers.count(batch->fields[0].data()) == 1;
    ++batches;
  }
  EXPECT_EQ(testing::AllocationCount() - before, 0);
  EXPECT_TRUE(same_buffers);
  EXPECT_EQ(batches, 20 * loader->batches_per_epoch());
}

TEST(BatchLoaderTest, TheConsumersBatchIsNotOverwrittenWhileItIsUsed) {
  Dataset d = Numbered(200);
  auto loader = BatchLoader::Create(d, {}, {.batch_size = 4, .shuffle = false, .threads = 3}).value();
  for (int64_t i = 0; i < 20; ++i) {
    const Batch* batch = loader->Next().value();
    Seen first = Copy(*batch);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(Copy(*batch), first);
    EXPECT_EQ(first.features[0], static_cast<float>(4 * i));
  }
}

TEST(BatchLoaderTest, EndsAtAnyTime) {
  Dataset d = Numbered(1000);
  for (int taken : {0, 1, 7}) {
    auto loader = BatchLoader::Create(d, {}, {.batch_size = 3, .end_epoch = 1000000, .threads = 1 + taken}).value();
    for (int i = 0; i < taken; ++i) EXPECT_TRUE(loader->Next().ok());
  }
}

TEST(BatchLoaderTest, AnErrorComesBehindTheGoodBatchesAndStays) {
  for (int64_t threads : {1, 4}) {
    auto loader = Faulty(37, [] { return MakeError(ErrorClass::kData, "cats/37.png: broken PNG"); }, threads);
    for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(loader->Next().value()->index, i);
    for (int time = 0; time < 2; ++time) {
      ExpectError(loader->Next().status(), "DATA", "DATA: epoch 0, batch 3, sample 37: cats/37.png: broken PNG");
    }
  }
}

// Every sample from 25 on is bad, and the later ones are found first.
class ManyFaults : public SampleSource {
 public:
  int64_t size() const override { return 100; }
  const std::vector<FieldSpec>& fields() const override { return fields_; }
  absl::Status Read(int64_t index, int64_t, absl::Span<const TensorView>) const override {
    if (index < 25) {
      if (index >= 20) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      return absl::OkStatus();
    }
    return MakeError(ErrorClass::kData, "bad.csv:%d", index);
  }

 private:
  const std::vector<FieldSpec> fields_ = {{"x", DType::kF32, {1}}};
};

TEST(BatchLoaderTest, TheErrorOfTheEarliestBatchIsGiven) {
  for (int64_t threads : {1, 2, 4}) {
    auto loader = BatchLoader::Create(std::make_shared<ManyFaults>(),
                                      {.batch_size = 10, .shuffle = false, .threads = threads})
                      .value();
    for (int64_t i = 0; i < 2; ++i) EXPECT_EQ(loader->Next().value()->index, i);
    ExpectError(loader->Next().status(), "DATA", "DATA: epoch 0, batch 2, sample 25: bad.csv:25");
  }
}

TEST(BatchLoaderTest, AnExceptionOfTheSourceIsAnError) {
  auto loader = Faulty(0, []() -> absl::Status { throw std::runtime_error("cats/0.png vanished"); });
  ExpectError(loader->Next().status(), "DATA", "epoch 0, batch 0, sample 0: exception: cats/0.png vanished");
  loader = Faulty(12, []() -> absl::Status { throw 7; });
  EXPECT_TRUE(loader->Next().ok());
  ExpectError(loader->Next().status(), "DATA", "epoch 0, batch 1, sample 12: unknown exception");
}

TEST(BatchLoaderTest, AnErrorThatNobodyFetchesIsNoHarm) {
  auto loader = Faulty(5, [] { return MakeError(ErrorClass::kData, "x"); });
}

TEST(BatchLoaderTest, MeasuresTheWait) {
  std::atomic<bool> consumer_comes = false;
  auto loader = Faulty(0, [&] {
    while (!consumer_comes) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return absl::OkStatus();
  });
  EXPECT_EQ(loader->seconds_waited(), 0);
  consumer_comes = true;
  EXPECT_TRUE(loader->Next().ok());
  EXPECT_GT(loader->seconds_waited(), 0);
  EXPECT_LT(loader->seconds_waited(), 100);
}

TEST(BatchLoaderTest, RefusesOptionsThatDoNotFit) {
  Dataset d = Numbered(10);
  auto create = [&](const LoaderOptions& options) { return BatchLoader::Create(d, {}, options).status(); };
  ExpectError(create({.batch_size = 0}), "REQ", "loader: batch_size is 0");
  ExpectError(create({.batch_size = -3}), "REQ", "batch_size is -3");
  ExpectError(create({.prefetch = 0}), "REQ", "prefetch is 0, it must be 1 .. 64");
  ExpectError(create({.threads = 0}), "REQ", "threads is 0, it must be 1 .. 64");
  ExpectError(create({.threads = 65}), "REQ", "threads is 65");
  ExpectError(create({.first_epoch = -1}), "REQ", "first_epoch is -1");
  ExpectError(create({.batch_size = 4, .first_batch = 4}), "REQ", "first_batch is 4, it must be 0 .. 3");
  ExpectError(create({.batch_size = 11, .drop_last = true}), "DATA", "10 samples do not fill one batch of 11");
  EXPECT_TRUE(create({.batch_size = 11}).ok());
  EXPECT_TRUE(ReadAll(d, {.first_epoch = 3, .end_epoch = 3}).empty());
  EXPECT_TRUE(ReadAll(d, {.first_epoch = 3, .end_epoch = 1}).empty());
}

TEST(BatchLoaderTest, RefusesDataThatIsNotSound) {
  Dataset d = Numbered(10);
  ExpectError(BatchLoader::Create(d, Normalization::MeanStd({1, 2, 3}, {}), {}).status(), "ATTR", "3 values of mean");
  d.labels.as<int32_t>()[3] = 10;
  ExpectError(BatchLoader::Create(d, {}, {}).status(), "DATA", "numbered: sample 3 has the label 10");
  ExpectError(BatchLoader::Create(Dataset(), {}, {}).status(), "DATA", "");
}

}  // namespace
}  // namespace athanor
