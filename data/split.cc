#include "data/split.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "data/sampler.h"

namespace athanor {
namespace {

// DO NOT CHANGE: no training has as many epochs, so that a split is independent of the order in an epoch.
constexpr uint64_t kSplitEpoch = ~uint64_t{0};

absl::StatusOr<Tensor> SelectRows(const Tensor& from, absl::Span<const int64_t> rows) {
  if (from.dtype() == DType::kUndefined) return Tensor();
  Shape shape = from.shape();
  const int64_t row_bytes = from.bytes() / shape[0];
  shape[0] = static_cast<int64_t>(rows.size());
  ATH_ASSIGN_OR_RETURN(Tensor out, Tensor::Create(from.dtype(), std::move(shape)));
  const auto* in = static_cast<const char*>(from.data());
  auto* to = static_cast<char*>(out.data());
  for (int64_t row : rows) {
    std::memcpy(to, in + row * row_bytes, row_bytes);
    to += row_bytes;
  }
  return out;
}

// The samples class by class, each class in random order: whatever is dealt out evenly along it is even in all classes.
std::vector<int64_t> ShuffledByClass(const Dataset& d, uint64_t seed) {
  std::vector<int64_t> order(d.size());
  RandomPermutation(seed, kSplitEpoch, absl::MakeSpan(order));
  if (d.has_targets()) return order;
  absl::Span<const int32_t> labels = d.labels.as<int32_t>();
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return labels[a] < labels[b]; });
  return order;
}

absl::StatusOr<TrainTest> Deal(const Dataset& d, uint64_t seed, absl::string_view what,
                               absl::FunctionRef<bool(int64_t)> is_test) {
  ATH_RETURN_IF_ERROR(CheckDataset(d));
  const std::vector<int64_t> order = ShuffledByClass(d, seed);
  std::vector<int64_t> train, test;
  for (int64_t place = 0; place < d.size(); ++place) (is_test(place) ? test : train).push_back(order[place]);
  if (train.empty() || test.empty()) {
    return MakeError(ErrorClass::kData, "%s: %d samples cannot be split: %s leaves a set empty", d.name, d.size(),
                     what);
  }
  std::sort(train.begin(), train.end());
  std::sort(test.begin(), test.end());
  TrainTest both;
  ATH_ASSIGN_OR_RETURN(both.train, SelectSamples(d, train));
  ATH_ASSIGN_OR_RETURN(both.test, SelectSamples(d, test));
  return both;
}

}  // namespace

absl::StatusOr<Dataset> SelectSamples(const Dataset& dataset, absl::Span<const int64_t> indices) {
  Dataset d;
  d.name = dataset.name;
  d.classes = dataset.classes;
  d.class_names = dataset.class_names;
  ATH_ASSIGN_OR_RETURN(d.features, SelectRows(dataset.features, indices));
  ATH_ASSIGN_OR_RETURN(d.labels, SelectRows(dataset.labels, indices));
  ATH_ASSIGN_OR_RETURN(d.targets, SelectRows(dataset.targets, indices));
  return d;
}

absl::StatusOr<TrainTest> SplitDataset(const Dataset& dataset, double test_fraction, uint64_t seed) {
  if (!(test_fraction > 0 && test_fraction < 1)) {
    return MakeError(ErrorClass::kAttr, "%s: the test fraction is %g, it must be between 0 and 1", dataset.name,
                     test_fraction);
  }
  // A fraction such as 0.2 is not exact: without the little more, 10 samples would give 1.
  auto dealt = [&](int64_t places) { return std::floor(static_cast<double>(places) * test_fraction + 1e-9); };
  return Deal(dataset, seed, absl::StrCat("a fraction of ", test_fraction),
              [&](int64_t place) { return dealt(place + 1) > dealt(place); });
}

absl::StatusOr<TrainTest> FoldDataset(const Dataset& dataset, int64_t fold, int64_t folds, uint64_t seed) {
  if (folds < 2 || fold < 0 || fold >= folds) {
    return MakeError(ErrorClass::kAttr, "%s: fold %d of %d: there are 2 or more, counted from 0", dataset.name, fold,
                     folds);
  }
  return Deal(dataset, seed, absl::StrCat("fold ", fold, " of ", folds),
              [&](int64_t place) { return place % folds == fold; });
}

}  // namespace athanor
