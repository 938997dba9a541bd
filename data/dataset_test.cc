#include "data/dataset.h"

#include <limits>
#include <string>
#include <vector>

#include "data/idx.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

Tensor Images(int64_t n, int64_t height = 2, int64_t width = 3) {
  Tensor t = Tensor::Create(DType::kU8, {n, height, width}).value();
  for (int64_t i = 0; i < t.num_elements(); ++i) t.as<uint8_t>()[i] = static_cast<uint8_t>(i);
  return t;
}

Tensor Labels(const std::vector<uint8_t>& values) {
  return Tensor::Of<uint8_t>({static_cast<int64_t>(values.size())}, values);
}

// A folder with a small data set in the form of MNIST: 3 training and 2 test images.
class MnistFolder : public TempDir {
 public:
  MnistFolder() {
    Write("train-images-idx3-ubyte.gz", Images(3));
    Write("train-labels-idx1-ubyte", Labels({1, 0, 9}));
    Write("t10k-images-idx3-ubyte", Images(2));
    Write("t10k-labels-idx1-ubyte.gz", Labels({7, 7}));
  }
  void Write(absl::string_view name, const Tensor& t) const { EXPECT_TRUE(WriteIdx(*this / name, t).ok()); }
  absl::Status Load() const { return LoadMnist(path()).status(); }
};

TEST(LoadMnistTest, ReadsPlainAndGzippedFiles) {
  TrainTest both = LoadMnist(MnistFolder().path()).value();
  EXPECT_EQ(both.train.features.shape(), (Shape{3, 1, 2, 3}));
  EXPECT_EQ(both.train.features.as<uint8_t>()[17], 17);
  EXPECT_EQ(both.train.labels.as<int32_t>(), absl::MakeConstSpan({1, 0, 9}));
  EXPECT_EQ(both.train.sample_shape(), (Shape{1, 2, 3}));
  EXPECT_EQ(both.train.classes, 10);
  EXPECT_EQ(both.train.class_names[9], "9");
  EXPECT_EQ(both.test.size(), 2);
  EXPECT_EQ(ClassCounts(both.test), (std::vector<int64_t>{0, 0, 0, 0, 0, 0, 0, 2, 0, 0}));
  EXPECT_TRUE(CheckDataset(both.train).ok());
}

TEST(LoadMnistTest, ThePlainFileIsTakenBeforeTheGzippedOne) {
  MnistFolder dir;
  dir.Write("train-images-idx3-ubyte", Images(3, 2, 3));
  dir.Put("train-images-idx3-ubyte.gz", "no longer read");
  EXPECT_TRUE(dir.Load().ok());
}

TEST(LoadMnistTest, RefusesMissingFiles) {
  TempDir empty;
  ExpectError(LoadMnist(empty.path()).status(), "PATH",
              empty.path() + ": neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz is there");
  ExpectError(LoadMnist(empty / "none").status(), "PATH", empty / "none");
}

TEST(LoadMnistTest, RefusesOtherCounts) {
  MnistFolder dir;
  dir.Write("train-labels-idx1-ubyte", Labels({1, 2, 3, 4}));
  ExpectError(dir.Load(), "DATA",
              dir / "train-labels-idx1-ubyte: has 4 labels, but " + (dir / "train-images-idx3-ubyte.gz has 3 samples"));
}

TEST(LoadMnistTest, RefusesALabelOutOfRange) {
  MnistFolder dir;
  dir.Write("t10k-labels-idx1-ubyte.gz", Labels({0, 10}));
  ExpectError(dir.Load(), "DATA", dir / "t10k-labels-idx1-ubyte.gz: sample 1 has the label 10, outside 0 .. 9");
}

TEST(LoadMnistTest, RefusesFilesInEachOthersPlace) {
  MnistFolder dir;
  dir.Write("train-images-idx3-ubyte", Labels({1, 2, 3}));
  ExpectError(dir.Load(), "DATA", "train-images-idx3-ubyte: holds u8[3], not images");
  dir.Write("train-images-idx3-ubyte", Images(3));
  dir.Write("train-labels-idx1-ubyte", Images(3));
  ExpectError(dir.Load(), "DATA", "train-labels-idx1-ubyte: holds u8[3,2,3], not labels");
}

TEST(LoadMnistTest, RefusesEmptyData) {
  MnistFolder dir;
  dir.Write("train-images-idx3-ubyte", Images(0));
  dir.Write("train-labels-idx1-ubyte", Labels({}));
  ExpectError(dir.Load(), "DATA", dir / "train-images-idx3-ubyte: the shape [0,2,3] holds no samples, or empty ones");
  dir.Write("train-images-idx3-ubyte", Images(3, 0, 3));
  ExpectError(dir.Load(), "DATA", "[3,0,3]");
}

TEST(LoadMnistTest, RefusesTestImagesOfAnotherSize) {
  MnistFolder dir;
  dir.Write("t10k-images-idx3-ubyte", Images(2, 3, 2));
  ExpectError(dir.Load(), "DATA", "training images are [1,2,3], test images [1,3,2]");
}

TEST(LoadMnistTest, RefusesABrokenFile) {
  MnistFolder dir;
  dir.Put("t10k-images-idx3-ubyte", "not IDX");
  ExpectError(dir.Load(), "DATA", dir / "t10k-images-idx3-ubyte: magic");
}

TEST(LoadIdxDatasetTest, FindsTheNumberOfClasses) {
  TempDir dir;
  ASSERT_TRUE(WriteIdx(dir / "x", Tensor::Of<float>({3, 2}, {1, 2, 3, 4, 5, 6})).ok());
  ASSERT_TRUE(WriteIdx(dir / "y", Tensor::Of<int32_t>({3}, {0, 4, 1})).ok());
  Dataset d = LoadIdxDataset(dir / "x", dir / "y").value();
  EXPECT_EQ(d.classes, 5);
  EXPECT_EQ(d.features.shape(), (Shape{3, 2}));
  EXPECT_EQ(d.name, dir / "x");
  EXPECT_EQ(LoadIdxDataset(dir / "x", dir / "y", 7)->classes, 7);
  ExpectError(LoadIdxDataset(dir / "x", dir / "y", 4).status(), "DATA", "sample 1 has the label 4, outside 0 .. 3");
}

TEST(MakeDatasetTest, RefusesWildLabels) {
  auto make = [](const Tensor& labels) { return MakeDataset(Images(2), "x", labels, "y", 0).status(); };
  EXPECT_TRUE(make(Tensor::Of<int8_t>({2}, {0, 3})).ok());
  ExpectError(make(Tensor::Of<int8_t>({2}, {0, -1})), "DATA", "y: sample 1 has the label -1");
  ExpectError(make(Tensor::Of<int32_t>({2}, {0, 2000000000})), "DATA", "label 2000000000, outside 0 .. 1048575");
  ExpectError(make(Tensor::Of<float>({2}, {0, 1})), "DATA", "y: holds f32[2], not labels");
}

TEST(MakeDatasetTest, TakesLabelsOf64Bits) {
  auto make = [](const Tensor& labels) { return MakeDataset(Images(2), "x", labels, "y", 0); };
  EXPECT_EQ(make(Tensor::Of<int64_t>({2}, {0, 3}))->labels.as<int32_t>(), absl::MakeConstSpan({0, 3}));
  ExpectError(make(Tensor::Of<int64_t>({2}, {0, int64_t{1} << 32})).status(), "DATA",
              "sample 1 has the label 4294967296");
}

TEST(CheckDatasetTest, ARegressionHasTargetsInsteadOfLabels) {
  auto sound = [] {
    Dataset d;
    d.name = "d";
    d.features = Tensor::Of<float>({2, 2}, {1, 2, 3, 4});
    d.targets = Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
    return d;
  };
  EXPECT_TRUE(CheckDataset(sound()).ok());
  EXPECT_TRUE(ClassCounts(sound()).empty());
  Dataset d = sound();
  d.targets.as<float>()[4] = std::numeric_limits<float>::infinity();
  ExpectError(CheckDataset(d), "DATA", "d: sample 1: target 1 is inf");
  for (const Shape& shape : {Shape{1, 6}, Shape{6}, Shape{3, 2}}) {
    d = sound();
    ASSERT_TRUE(d.targets.Reshape(shape).ok());
    ExpectError(CheckDataset(d), "DATA", "not f32[2,outputs]");
  }
  d = sound();
  d.classes = 2;
  ExpectError(CheckDataset(d), "DATA", "labels or classes and also targets");
}

TEST(CheckDatasetTest, RefusesWhatIsNotSound) {
  auto sound = [] {
    Dataset d;
    d.name = "d";
    d.features = Tensor::Of<float>({2, 2}, {1, 2, 3, 4});
    d.labels = Tensor::Of<int32_t>({2}, {0, 1});
    d.classes = 2;
    return d;
  };
  EXPECT_TRUE(CheckDataset(sound()).ok());
  ExpectError(CheckDataset(Dataset()), "DATA", "");
  Dataset d = sound();
  d.features.as<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  ExpectError(CheckDataset(d), "DATA", "d: sample 1: feature 1 is nan");
  d = sound();
  d.features = Tensor::Of<int32_t>({2, 1}, {1, 2});
  ExpectError(CheckDataset(d), "DATA", "d: the features are s32, not u8 or f32");
  d.features = Tensor::Scalar<float>(1);
  ExpectError(CheckDataset(d), "DATA", "d: a scalar is no list of samples");
  d = sound();
  d.labels = Tensor::Of<int32_t>({1}, {0});
  ExpectError(CheckDataset(d), "DATA", "d: the labels are s32[1], not s32[2]");
  d = sound();
  d.classes = 1;
  ExpectError(CheckDataset(d), "DATA", "d: sample 1 has the label 1, outside 0 .. 0");
  d.classes = 0;
  ExpectError(CheckDataset(d), "DATA", "d: 0 classes are not 1 .. ");
  d = sound();
  d.class_names = {"only one"};
  ExpectError(CheckDataset(d), "DATA", "d: 1 class names for 2 classes");
}

}  // namespace
}  // namespace athanor
