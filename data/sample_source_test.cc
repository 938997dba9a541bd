#include "data/sample_source.h"

#include <vector>

#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(DatasetSourceTest, AClassificationHasLabels) {
  Dataset d;
  d.features = Tensor::Of<uint8_t>({2, 2}, {0, 51, 102, 255});
  d.labels = Tensor::Of<int32_t>({2}, {0, 1});
  d.classes = 2;
  auto source = MakeDatasetSource(d, Normalization::ScaleBy255()).value();
  EXPECT_EQ(source->fields(), (std::vector<FieldSpec>{{"x", DType::kF32, {2}}, {"labels", DType::kS32, {}}}));
  Tensor x = Tensor::Of<float>({2}, {0, 0}), label = Tensor::Scalar<int32_t>(7);
  ASSERT_TRUE(source->Read(1, 0, {x.view(), label.view()}).ok());
  EXPECT_EQ(x.as<float>()[1], 1.0f);
  EXPECT_EQ(label.as<int32_t>()[0], 1);
}

TEST(DatasetSourceTest, ARegressionHasTargets) {
  Dataset d;
  d.features = Tensor::Of<float>({2, 1}, {3, 4});
  d.targets = Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  auto source = MakeDatasetSource(d, {}).value();
  EXPECT_EQ(source->fields(), (std::vector<FieldSpec>{{"x", DType::kF32, {1}}, {"targets", DType::kF32, {3}}}));
  Tensor x = Tensor::Of<float>({1}, {0}), targets = Tensor::Of<float>({3}, {0, 0, 0});
  ASSERT_TRUE(source->Read(1, 0, {x.view(), targets.view()}).ok());
  EXPECT_EQ(x.as<float>()[0], 4.0f);
  EXPECT_EQ(targets.as<float>(), absl::MakeConstSpan({4.0f, 5.0f, 6.0f}));
  EXPECT_EQ(FindField(source->fields(), "targets"), 1);
  EXPECT_EQ(FindField(source->fields(), "labels"), -1);
}

TEST(DatasetSourceTest, RefusesADataSetThatIsNotSound) {
  testing::ExpectError(MakeDatasetSource(Dataset(), {}).status(), "DATA", "");
}

}  // namespace
}  // namespace athanor
