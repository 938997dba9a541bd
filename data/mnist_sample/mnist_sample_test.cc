#include "data/mnist_sample/mnist_sample.h"

#include "data/normalize.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(MnistSampleTest, IsSoundAndWhole) {
  TrainTest both = LoadMnistSample().value();
  EXPECT_TRUE(CheckDataset(both.train).ok());
  EXPECT_TRUE(CheckDataset(both.test).ok());
  EXPECT_EQ(both.train.features.shape(), (Shape{10000, 1, 28, 28}));
  EXPECT_EQ(both.test.features.shape(), (Shape{2000, 1, 28, 28}));
  EXPECT_EQ(both.train.name, "embedded MNIST sample (train)");
  EXPECT_EQ(both.train.class_names.size(), 10u);
}

TEST(MnistSampleTest, LooksLikeMnist) {
  TrainTest both = LoadMnistSample().value();
  for (const Dataset* d : {&both.train, &both.test}) {
    for (int64_t count : ClassCounts(*d)) EXPECT_NEAR(static_cast<double>(count), 0.1 * d->size(), 0.025 * d->size());
    Normalization n = ComputeMeanStd(*d, 1.0f / 255.0f);
    EXPECT_NEAR(n.mean[0], 0.1307, 0.005);  // of the whole MNIST
    EXPECT_NEAR(n.std[0], 0.3081, 0.005);
  }
}

}  // namespace
}  // namespace athanor
