#include "data/fingerprint.h"

#include <utility>

#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;

Dataset Numbered(int64_t n) {
  Dataset d;
  d.name = "numbered";
  d.features = Tensor::Create(DType::kF32, {n, 2}).value();
  for (int64_t i = 0; i < 2 * n; ++i) d.features.as<float>()[i] = static_cast<float>(i);
  d.labels = Tensor::Create(DType::kS32, {n}).value();
  for (int64_t i = 0; i < n; ++i) d.labels.as<int32_t>()[i] = static_cast<int32_t>(i % 10);
  d.classes = 10;
  return d;
}

uint64_t Of(const Dataset& d, const Normalization& normalization = {}) {
  return Fingerprint(**MakeDatasetSource(d, normalization)).value();
}

TEST(FingerprintTest, TellsSamplesLabelsSizesAndNormalizationsApart) {
  const Dataset d = Numbered(1000);
  EXPECT_EQ(Of(d), Of(Numbered(1000)));
  EXPECT_NE(Of(d), Of(Numbered(1001)));
  EXPECT_NE(Of(Numbered(1)), Of(Numbered(2)));
  Dataset labels = Numbered(1000);
  labels.labels.as<int32_t>()[999] = 3;
  EXPECT_NE(Of(d), Of(labels));
  Dataset swapped = Numbered(1000);
  for (int64_t i = 0; i < 1000; ++i) std::swap(swapped.features.as<float>()[2 * i], swapped.features.as<float>()[2 * i + 1]);
  EXPECT_NE(Of(d), Of(swapped));
  EXPECT_NE(Of(d), Of(d, {0.5f, {}, {}}));
}

class Broken : public SampleSource {
 public:
  int64_t size() const override { return 3; }
  const std::vector<FieldSpec>& fields() const override { return fields_; }
  absl::Status Read(int64_t index, int64_t, absl::Span<const TensorView>) const override {
    return index == 2 ? MakeError(ErrorClass::kData, "is torn") : absl::OkStatus();
  }

 private:
  const std::vector<FieldSpec> fields_ = {{"x", DType::kF32, {2}}};
};

TEST(FingerprintTest, ASampleThatCannotBeReadIsNamed) {
  ExpectError(Fingerprint(Broken()).status(), "DATA", "DATA: sample 2: is torn");
}

}  // namespace
}  // namespace athanor
