#include "data/subset.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "data/sampler.h"

namespace athanor {
namespace {

// DO NOT CHANGE: an epoch that no training reaches, for the permutation that chooses validation samples.
constexpr uint64_t kSplitEpoch = uint64_t{1} << 31;

class Subset : public SampleSource {
 public:
  Subset(std::shared_ptr<const SampleSource> base, std::vector<int64_t> indices)
      : base_(std::move(base)), indices_(std::move(indices)) {
    for (int64_t i : indices_) ATH_CHECK(i >= 0 && i < base_->size());
  }

  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const std::vector<FieldSpec>& fields() const override { return base_->fields(); }
  absl::Status Read(int64_t index, int64_t epoch, absl::Span<const TensorView> out) const override {
    absl::Status status = base_->Read(indices_[index], epoch, out);
    if (status.ok()) [[likely]] return status;
    return AddContext(status, absl::StrCat("sample ", indices_[index], " before the split"));
  }

 private:
  const std::shared_ptr<const SampleSource> base_;
  const std::vector<int64_t> indices_;
};

}  // namespace

std::shared_ptr<const SampleSource> MakeSubset(std::shared_ptr<const SampleSource> base, std::vector<int64_t> indices) {
  return std::make_shared<Subset>(std::move(base), std::move(indices));
}

absl::StatusOr<Split> SplitForValidation(int64_t samples, double share, uint64_t seed) {
  if (!(share > 0 && share < 1)) {
    return MakeError(ErrorClass::kReq, "the share for validation is %g, it must be above 0 and below 1", share);
  }
  const auto count = std::max<int64_t>(1, std::llround(share * static_cast<double>(samples)));
  if (count >= samples) {
    return MakeError(ErrorClass::kData, "%d of %d samples for validation leave none to train with", count, samples);
  }
  std::vector<int64_t> order(samples);
  RandomPermutation(seed, kSplitEpoch, absl::MakeSpan(order));
  Split split{{order.begin(), order.end() - count}, {order.end() - count, order.end()}};
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.validation.begin(), split.validation.end());
  return split;
}

}  // namespace athanor
