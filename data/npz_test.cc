#include "data/npz.h"

#include <string>
#include <vector>

#include "data/npy.h"
#include "data/testing/test_util.h"
#include "data/zip.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

std::vector<NamedTensor> Arrays() {
  std::vector<NamedTensor> a;
  a.push_back({"y", Tensor::Of<int64_t>({3}, {1, 0, 4})});
  a.push_back({"x", Tensor::Of<float>({3, 2}, {1, 2, 3, 4, 5, 6})});
  return a;
}

std::string Npz(const std::vector<NamedTensor>& arrays, bool deflate = true) {
  return FormatNpz(arrays, deflate).value();
}

absl::Status ReadAll(absl::string_view bytes) {
  ATH_ASSIGN_OR_RETURN(NpzFile file, NpzFile::OpenBytes(bytes, "a.npz"));
  for (const std::string& name : file.names()) ATH_RETURN_IF_ERROR(file.Read(name).status());
  return absl::OkStatus();
}

// A data set of arrays written to a file.
class DataFile {
 public:
  template <typename T>
  DataFile& Add(const std::string& name, Shape shape, std::vector<T> values) {
    arrays_.push_back({name, Tensor::Of<T>(std::move(shape), values)});
    return *this;
  }
  absl::StatusOr<TrainTest> Load(int64_t classes = 0) const {
    EXPECT_TRUE(WriteNpz(dir_ / "a.npz", arrays_, true).ok());
    return LoadNpzDataset(dir_ / "a.npz", {classes, false});
  }

 private:
  TempDir dir_;
  std::vector<NamedTensor> arrays_;
};

TEST(NpzTest, ReadsWhatWasWritten) {
  TempDir dir;
  for (bool deflate : {false, true}) {
    ASSERT_TRUE(WriteNpz(dir / "a.npz", Arrays(), deflate).ok());
    std::vector<NamedTensor> back = ReadNpz(dir / "a.npz").value();
    ASSERT_EQ(back.size(), 2u);
    EXPECT_EQ(back[0].name, "x");
    EXPECT_EQ(back[0].tensor.shape(), (Shape{3, 2}));
    EXPECT_EQ(back[0].tensor.as<float>()[5], 6);
    EXPECT_EQ(back[1].name, "y");
    EXPECT_EQ(back[1].tensor.as<int64_t>()[2], 4);
  }
  EXPECT_EQ(Npz(Arrays()), Npz(Arrays()));
}

TEST(NpzTest, ReadsOneArrayByName) {
  const std::string bytes = Npz(Arrays());
  NpzFile file = NpzFile::OpenBytes(bytes, "a.npz").value();
  EXPECT_EQ(file.names(), (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(file.Has("x"));
  EXPECT_FALSE(file.Has("z"));
  EXPECT_EQ(file.Read("y")->as<int64_t>()[0], 1);
  ExpectError(file.Read("z").status(), "DATA", "a.npz: there is no array \"z\", only x, y");
}

TEST(NpzTest, RefusesWhatIsNoNpz) {
  ExpectError(ReadAll("\x93NUMPY"), "DATA", "a.npz: not a ZIP archive");
  ExpectError(ReadAll(FormatZip({{"x.txt", "hello"}}, true).value()), "DATA",
              "the entry \"x.txt\" is no array (NAME.npy)");
  ExpectError(ReadAll(FormatZip({{"../x.npy", "hello"}}, true).value()), "PATH", "a.npz: the entry \"../x.npy\"");
  ExpectError(ReadAll(FormatZip({{"x.npy", "hello"}}, true).value()), "DATA",
              "a.npz:x.npy: magic \"hello\" is not NPY");
  ExpectError(ReadNpz("/nonexistent/a.npz").status(), "PATH", "/nonexistent/a.npz");
}

TEST(NpzTest, AnArrayOfAnotherSizeThanItsHeaderSaysCostsNoMemory) {
  Tensor t = Tensor::Of<float>({2}, {1, 2});
  std::string npy = FormatNpyHeader(t).value() + std::string(100 << 20, '\0');
  const std::string bytes = FormatZip({{"x.npy", npy}}, true).value();
  npy.clear();
  npy.shrink_to_fit();
  auto read = [&] {
    ExpectError(ReadAll(bytes), "DATA", "a.npz:x.npy: by its header the array has 136 bytes, there are 104857728");
  };
  EXPECT_LT(testing::PeakMemoryGrowth(read), testing::RejectionBudget(bytes));
}

TEST(NpzTest, SweepsOfASmallFile) {
  for (bool deflate : {false, true}) {
    std::vector<NamedTensor> arrays;
    arrays.push_back({"x", Tensor::Of<float>({2}, {1, 2})});
    const std::string bytes = Npz(arrays, deflate);
    testing::ExpectEveryTruncationRefused(bytes, ReadAll);
    testing::ExpectEveryCorruptionSafe(bytes, ReadAll);
  }
}

TEST(NpzDatasetTest, OneSet) {
  for (auto [x, y] : {std::pair("x", "y"), {"images", "labels"}, {"arr_0", "arr_1"}}) {
    TrainTest both =
        DataFile().Add<float>(x, {3, 2}, {1, 2, 3, 4, 5, 6}).Add<int64_t>(y, {3}, {1, 0, 4}).Load().value();
    EXPECT_TRUE(CheckDataset(both.train).ok());
    EXPECT_EQ(both.train.labels.as<int32_t>(), absl::MakeConstSpan({1, 0, 4}));
    EXPECT_EQ(both.train.classes, 5);
    EXPECT_EQ(both.test.size(), 0);
  }
}

TEST(NpzDatasetTest, TwoSetsAsKerasStoresThem) {
  // [n,height,width,channels], labels [n,1]
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 12; ++i) pixels.push_back(i);
  TrainTest both = DataFile()
                       .Add<uint8_t>("x_train", {1, 2, 2, 3}, pixels)
                       .Add<uint8_t>("y_train", {1, 1}, {2})
                       .Add<uint8_t>("x_test", {1, 2, 2, 3}, pixels)
                       .Add<uint8_t>("y_test", {1, 1}, {7})
                       .Load()
                       .value();
  EXPECT_EQ(both.train.features.shape(), (Shape{1, 3, 2, 2}));
  EXPECT_EQ(both.train.features.as<uint8_t>(),
            absl::MakeConstSpan(std::vector<uint8_t>{0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11}));
  EXPECT_EQ(both.train.classes, 8);  // also those that only the other set has
  EXPECT_EQ(both.test.labels.as<int32_t>()[0], 7);
}

TEST(NpzDatasetTest, OtherTypesBecomeF32) {
  TrainTest both = DataFile().Add<double>("x", {2}, {0.5, 2}).Add<int32_t>("y", {2}, {0, 1}).Load().value();
  EXPECT_EQ(both.train.features.as<float>()[0], 0.5f);
  both = DataFile().Add<int64_t>("x", {2}, {5, 2}).Add<int32_t>("y", {2}, {0, 1}).Load().value();
  EXPECT_EQ(both.train.features.as<float>()[0], 5);
  ExpectError(DataFile().Add<double>("x", {2}, {0, 1e300}).Add<int32_t>("y", {2}, {0, 1}).Load().status(), "DATA",
              "a.npz:x: sample 1: feature 0 is inf");
}

TEST(NpzDatasetTest, FloatingLabelsAreTargets) {
  TrainTest both = DataFile().Add<float>("x", {2, 1}, {1, 2}).Add<double>("y", {2}, {0.5, -1}).Load().value();
  EXPECT_TRUE(CheckDataset(both.train).ok());
  EXPECT_EQ(both.train.targets.shape(), (Shape{2, 1}));
  EXPECT_EQ(both.train.targets.as<float>()[1], -1);
  ExpectError(DataFile().Add<float>("x", {2, 1}, {1, 2}).Add<double>("y", {3}, {0.5, -1, 2}).Load().status(), "DATA",
              "a.npz:y: ");
}

TEST(NpzDatasetTest, IntegersAreTargetsWhereARegressionIsAskedFor) {
  TempDir dir;
  const NamedTensor arrays[] = {{"x", Tensor::Of<float>({2, 1}, {1, 2})}, {"y", Tensor::Of<int64_t>({2}, {-5, 19000})}};
  ASSERT_TRUE(WriteNpz(dir / "a.npz", arrays, true).ok());
  absl::StatusOr<TrainTest> data = LoadNpzDataset(dir / "a.npz", {0, true});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train.targets.as<float>(), absl::MakeConstSpan({-5.0f, 19000.0f}));
  EXPECT_EQ(data->train.classes, 0);
}

TEST(NpzDatasetTest, WhatIsWrongIsNamed) {
  ExpectError(DataFile().Add<float>("x", {1}, {1}).Add<float>("z", {1}, {1}).Load().status(), "DATA",
              "a.npz: no data set: there are the arrays x z, and none of the pairs x_train y_train, ");
  ExpectError(DataFile().Add<float>("x", {2}, {1, 2}).Add<int32_t>("y", {3}, {0, 1, 2}).Load().status(), "DATA",
              "a.npz:y: has 3 labels, but ");
  ExpectError(DataFile().Add<float>("x", {2}, {1, 2}).Add<int32_t>("y", {2}, {0, 5}).Load(3).status(), "DATA",
              "a.npz:y: sample 1 has the label 5, outside 0 .. 2");
  ExpectError(DataFile()
                  .Add<float>("x_train", {1, 2}, {1, 2})
                  .Add<int32_t>("y_train", {1}, {0})
                  .Add<float>("x_test", {1, 3}, {1, 2, 3})
                  .Add<int32_t>("y_test", {1}, {0})
                  .Load()
                  .status(),
              "DATA", "x_train holds samples [2], x_test holds [3]");
  ExpectError(DataFile().Add<float>("x", {0, 2}, {}).Add<int32_t>("y", {0}, {}).Load().status(), "DATA",
              "a.npz:x: the shape [0,2] holds no samples");
}

TEST(NpzDatasetTest, AnotherNumberOfLabelsCostsNoMemory) {
  TempDir dir;
  std::vector<NamedTensor> arrays;
  arrays.push_back({"x", Tensor::Create(DType::kU8, {1 << 20, 64}).value()});
  arrays.push_back({"y", Tensor::Of<int32_t>({3}, {0, 1, 2})});
  const std::string bytes = Npz(arrays);
  arrays.clear();
  const std::string path = dir.Put("a.npz", bytes);
  auto read = [&] {
    ExpectError(LoadNpzDataset(path).status(), "DATA",
                path + ":y: has 3 labels, but " + path + ":x has 1048576 samples");
  };
  EXPECT_LT(testing::PeakMemoryGrowth(read), testing::RejectionBudget(bytes));
}

TEST(NpzDatasetTest, ATrainingSetAloneWillDo) {
  TrainTest both = DataFile().Add<float>("x_train", {1}, {1}).Add<int32_t>("y_train", {1}, {0}).Load().value();
  EXPECT_EQ(both.train.size(), 1);
  EXPECT_EQ(both.test.size(), 0);
}

}  // namespace
}  // namespace athanor
