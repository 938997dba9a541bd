#include "runtime/container/checkpoint_io.h"

#include <cstring>
#include <filesystem>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/container/testing/corrupt.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

Checkpoint Example() {
  Checkpoint c;
  c.model_hash = 0xfedcba9876543210;
  c.model_name = "lenet5";
  c.step = 471;
  c.epoch = 3;
  c.batch_index = 2;
  c.seed = ~uint64_t{0};
  c.meta = {{"schedule", std::string("cosine")}, {"lr", 1e-3}, {"sizes", Ints{1, 2}}};
  c.tensors.emplace_back("conv1.weight", Tensor::Of<float>({2, 2}, {1, -0.0f, 3, 4}));
  c.tensors.emplace_back("conv1.weight/m", Tensor::Of<float>({2, 2}, {5, 6, 7, 8}));
  c.tensors.emplace_back("step", Tensor::Scalar(int64_t{471}));
  c.tensors.emplace_back("nothing", Tensor::Of<float>({0, 4}, {}));
  return c;
}

const std::vector<TensorSpec> kSpecs = {{"conv1.weight", DType::kF32, {2, 2}},
                                        {"conv1.weight/m", DType::kF32, {2, 2}},
                                        {"step", DType::kS64, {}},
                                        {"nothing", DType::kF32, {0, 4}}};

void ExpectError(const absl::Status& status, absl::string_view error_class, const std::string& part) {
  EXPECT_EQ(ErrorClassOf(status), error_class) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

void ExpectEqual(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.model_hash, b.model_hash);
  EXPECT_EQ(a.model_name, b.model_name);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.batch_index, b.batch_index);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.meta, b.meta);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_EQ(a.tensors[i].first, b.tensors[i].first);
    const Tensor &x = a.tensors[i].second, &y = b.tensors[i].second;
    EXPECT_EQ(x.dtype(), y.dtype());
    EXPECT_EQ(x.shape(), y.shape());
    EXPECT_EQ(std::memcmp(x.data(), y.data(), x.bytes()), 0);
  }
}

TEST(CheckpointIoTest, KeepsEverything) {
  auto bytes = SerializeCheckpoint(Example());
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  auto back = ParseCheckpoint(*bytes, "f");
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectEqual(*back, Example());
  EXPECT_TRUE(DiffAgainst(*back, kSpecs, "the plan").ok());
}

TEST(CheckpointIoTest, WritesAndReadsFiles) {
  std::string path = ::testing::TempDir() + "/checkpoint_io_test.ckpt";
  ASSERT_TRUE(WriteCheckpoint(Example(), path).ok());
  auto back = ReadCheckpoint(path);
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectEqual(*back, Example());
  std::filesystem::remove(path);
  ExpectError(ReadCheckpoint(path).status(), "PATH", path);
}

TEST(CheckpointIoTest, AnotherModelsCheckpointIsToldByItsFirstDifferences) {
  Checkpoint c = Example();
  std::vector<TensorSpec> specs = kSpecs;
  specs[0].shape = {4};
  specs[1].name = "renamed";
  specs[2].dtype = DType::kS32;
  absl::Status status = DiffAgainst(c, specs, "plan \"mlp\"");
  ExpectError(
      status, "CKPT",
      "the checkpoint of model \"lenet5\" does not fit plan \"mlp\": 4 differences: \"conv1.weight\" is f32[2,2] "
      "instead of f32[4]; \"renamed\" is missing; \"step\" is s64[] instead of s32[]; \"conv1.weight/m\" "
      "(f32[2,2]) is too many");
  for (int i = 0; i < 10; ++i) specs.push_back({"x" + std::to_string(i), DType::kF32, {}});
  ExpectError(DiffAgainst(c, specs, "p"), "CKPT", "14 differences");
  ExpectError(DiffAgainst(c, specs, "p"), "CKPT", "\"x1\" is missing; and 9 more");
}

TEST(CheckpointIoTest, BadStatesAreNeitherWrittenNorRead) {
  Checkpoint c = Example();
  c.step = -1;
  ExpectError(SerializeCheckpoint(c).status(), "CKPT", "the step is -1");
  c = Example();
  c.tensors.emplace_back("step", Tensor::Scalar(1.0f));
  ExpectError(SerializeCheckpoint(c).status(), "CKPT", "tensor \"step\" is there twice");
  c = Example();
  c.tensors[0].first = "a\nb";
  ExpectError(WriteCheckpoint(c, "x.ckpt"), "CKPT", "x.ckpt: the tensor's name \"a\\nb\"");
  c = Example();
  c.tensors[0].second = Tensor();
  ExpectError(SerializeCheckpoint(c).status(), "CKPT", "tensor \"conv1.weight\" has no element type");
}

TEST(CheckpointIoTest, NonFiniteWeightsNeedAFlag) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    Checkpoint c = Example();
    c.tensors[1].second.as<float>()[3] = bad;
    std::string bytes = *SerializeCheckpoint(c);
    ExpectError(ParseCheckpoint(bytes, "f").status(), "CKPT",
                "f: tensor \"conv1.weight/m\" holds a NaN or an infinity");
    EXPECT_TRUE(ParseCheckpoint(bytes, "f", {.allow_nonfinite = true}).ok());
  }
  Checkpoint c;
  c.tensors.emplace_back("d", Tensor::Scalar(std::numeric_limits<double>::infinity()));
  EXPECT_EQ(FirstNonFinite(c), "d");
  c.tensors[0] = {"b", *Tensor::Create(DType::kBF16, {2})};
  EXPECT_EQ(FirstNonFinite(c), "");
  static_cast<uint16_t*>(c.tensors[0].second.data())[1] = 0xff80;
  EXPECT_EQ(FirstNonFinite(c), "b");
}

TEST(CheckpointIoTest, OtherFilesAreNamedAndNeverLoaded) {
  ExpectError(ParseCheckpoint("PK\x03\x04.....", "model.pt").status(), "FORMAT",
              "model.pt: is a zip archive (.npz, .pt or .keras), expected an Athanor checkpoint");
  ExpectError(ParseCheckpoint("\x80\x02}q", "old.pt").status(), "FORMAT", "is a Python pickle, which is never loaded");
}

TEST(CheckpointIoTest, EveryTruncationAndFlippedBitIsFound) {
  const std::string good = *SerializeCheckpoint(Example());
  for (size_t n = 8; n < good.size(); ++n) {
    EXPECT_EQ(ErrorClassOf(ParseCheckpoint(good.substr(0, n), "f").status()), "CKPT") << n;
  }
  for (size_t i = 8; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 1 << (i % 8);
    absl::Status status = ParseCheckpoint(bad, "f").status();
    EXPECT_TRUE(ErrorClassOf(status) == "CKPT" || ErrorClassOf(status) == "VERSION") << i << ": " << status;
  }
}

TEST(CheckpointIoTest, NoCorruptionCrashes) {
  int read = 0, refused = 0;
  ForEachCorruption(*SerializeCheckpoint(Example()), [&](const std::string& bad, size_t at) {
    auto c = ParseCheckpoint(bad, "f");
    if (c.ok()) {
      ++read;
      EXPECT_TRUE(SerializeCheckpoint(*c).ok()) << at;
    } else {
      ++refused;
      EXPECT_NE(ErrorClassOf(c.status()), "") << at << ": " << c.status();
    }
  });
  EXPECT_GT(read, 50);
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace athanor
