// The loops of softmax_cross_entropy.cc, for the instruction set being compiled: Highway's foreach_target.h includes
// this file once for each.
#ifndef ATHANOR_RUNTIME_KERNELS_SOFTMAX_CROSS_ENTROPY_ARGS_
#define ATHANOR_RUNTIME_KERNELS_SOFTMAX_CROSS_ENTROPY_ARGS_

#include "runtime/kernels/class_labels.h"

namespace athanor {
namespace softmax_cross_entropy {

// The loss of one target is the sum over classes of share[c] * -log(p[c]), where
//   share[c] = weight[c] (keep target[c] + spread)                       for probabilities as targets,
//   share[c] = weight[c] (keep onehot(label)[c] + spread)                for labels,
// with keep = 1 - smoothing, spread = smoothing / classes. All is 0 for an ignored label.
struct Args {
  const ClassLabels* labels = nullptr;  // null: the targets are probabilities
  const float* targets = nullptr;
  const float* weights = nullptr;  // null: 1
  ClassSizes sizes;
  float keep = 1, spread = 0;

  const float* x = nullptr;  // forward
  float* p = nullptr;        // forward: softmax(x), may be x
  double* losses = nullptr;

  const float* dloss = nullptr;  // backward: dx = gradient (p * sum(share) - share)
  const float* probabilities = nullptr;
  float* dx = nullptr;  // may be probabilities
  double denominator = 1;
  LossReduction reduction = LossReduction::kMean;

  bool dense() const { return labels == nullptr; }
  bool spreads() const { return dense() || spread > 0; }  // share is not 0 outside of the label
  bool Ignored(int64_t i) const { return !dense() && labels->Ignored(i); }
  // Of a label: its share beside what is spread.
  double Spike(int64_t i) const { return static_cast<double>(keep) * labels->Weight(i); }
  double Gradient(int64_t i) const {
    if (!dense()) return labels->Gradient(dloss, denominator, i);
    return reduction == LossReduction::kNone ? dloss[i] : static_cast<double>(*dloss) / denominator;
  }
};

}  // namespace softmax_cross_entropy
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_SOFTMAX_CROSS_ENTROPY_ARGS_

#if defined(ATHANOR_RUNTIME_KERNELS_SOFTMAX_CROSS_ENTROPY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_SOFTMAX_CROSS_ENTROPY_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_SOFTMAX_CROSS_ENTROPY_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_SOFTMAX_CROSS_ENTROPY_INL_H_
#endif

#include "runtime/kernels/vector_loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

using softmax_cross_entropy::Args;

// Shares of `count` classes from c on, of a row whose targets begin at `at`, without a label's spike.
inline FloatVec RowShares(const Args& a, int64_t at, int64_t c, int64_t count) {
  const FloatTag d;
  FloatVec share = hn::Set(d, a.spread);
  if (a.dense()) share = hn::MulAdd(LoadSome(a.targets + at + c, count), hn::Set(d, a.keep), share);
  if (a.weights != nullptr) share = hn::Mul(share, LoadSome(a.weights + c, count));
  return KeepSome(share, count);
}

// Without the products that would make NaN of an infinite distance that has no share.
inline FloatVec AddShared(FloatVec share, FloatVec distance, FloatVec sum) {
  return hn::IfThenElse(hn::Eq(share, hn::Zero(FloatTag())), sum, hn::MulAdd(share, distance, sum));
}

// Target i of a class dimension that is the innermost one.
inline double CrossEntropyRow(const Args& a, int64_t i) {
  const int64_t classes = a.sizes.classes, at = i * classes;
  const float* x = a.x + at;
  const bool ignored = a.Ignored(i);
  const double correct = a.dense() || ignored ? 0 : x[a.labels->labels()[i]];  // before p is written
  Sums shared;                                                                  // shares; shares of x - max
  if (a.spreads() && !ignored) {
    const FloatVec max = hn::Set(FloatTag(), RowMax(x, classes));
    shared = AddUpVectors(classes, [&](int64_t c, int64_t count, FloatVec& total, FloatVec& below) ATH_INLINE {
      const FloatVec share = RowShares(a, at, c, count);
      total = hn::Add(total, share);
      below = AddShared(share, hn::Sub(LoadSome(x + c, count), max), below);
    });
  }
  const RowSums sums = RowSoftmax(x, classes, /*log=*/false, a.p + at);
  if (ignored) return 0;
  const double log_sum = std::log(static_cast<double>(sums.sum));
  const double spread = shared.a * log_sum - shared.b;
  if (a.dense()) return spread;
  const double sure = a.Spike(i) * (log_sum - (correct - sums.max));
  return a.spreads() ? sure + spread : sure;
}

inline void CrossEntropyBackwardRow(const Args& a, int64_t i) {
  const int64_t classes = a.sizes.classes, at = i * classes;
  const float* p = a.probabilities + at;
  float* dx = a.dx + at;
  if (a.Ignored(i)) {
    std::fill_n(dx, classes, 0.0f);
    return;
  }
  const double gradient = a.Gradient(i), spike = a.dense() ? 0 : a.Spike(i);
  if (!a.spreads()) {
    const int32_t label = a.labels->labels()[i];
    const float correct = p[label], scale = static_cast<float>(gradient * spike);
    RowShiftScale(p, classes, 0, scale, dx);
    dx[label] = (correct - 1) * scale;
    return;
  }
  const FloatTag d;
  const Sums shared = AddUpVectors(classes, [&](int64_t c, int64_t count, FloatVec& total, FloatVec&) ATH_INLINE {
    total = hn::Add(total, RowShares(a, at, c, count));
  });
  const FloatVec scale = hn::Set(d, static_cast<float>(gradient));
  const FloatVec total = hn::Set(d, static_cast<float>(shared.a + spike));
  ForEachVector(classes, [&](int64_t c, int64_t count) ATH_INLINE {
    const FloatVec v = hn::MulSub(LoadSome(p + c, count), total, RowShares(a, at, c, count));
    StoreSome(hn::Mul(v, scale), dx + c, count);
  });
  if (!a.dense()) dx[a.labels->labels()[i]] -= static_cast<float>(gradient * spike);
}

// `count` neighbouring targets from i on, whose classes are a.sizes.inner apart: each lane is a target.
inline FloatVec ColumnShares(const Args& a, int64_t at, int64_t c, int64_t count) {
  const FloatTag d;
  FloatVec share = hn::Set(d, a.spread);
  if (a.dense()) share = hn::MulAdd(LoadSome(a.targets + at, count), hn::Set(d, a.keep), share);
  return a.weights == nullptr ? share : hn::Mul(share, hn::Set(d, a.weights[c]));
}

inline void CrossEntropyColumns(const Args& a, int64_t i, int64_t count) {
  const FloatTag d;
  const int64_t first = a.sizes.First(i), stride = a.sizes.inner;
  FloatVec max = LoadSome(a.x + first, count);
  for (int64_t c = 1; c < a.sizes.classes; ++c) max = hn::Max(max, LoadSome(a.x + first + c * stride, count));
  HWY_ALIGN float maxima[hn::MaxLanes(d)], sums[hn::MaxLanes(d)], totals[hn::MaxLanes(d)], belows[hn::MaxLanes(d)];
  hn::Store(max, d, maxima);
  for (int64_t k = 0; k < count; ++k) {  // before p is written
    const bool sure = !a.dense() && !a.Ignored(i + k);
    a.losses[i + k] = sure ? maxima[k] - static_cast<double>(a.x[first + k + a.labels->labels()[i + k] * stride]) : 0;
  }
  FloatVec sum = hn::Zero(d), total = sum, below = sum;
  for (int64_t c = 0; c < a.sizes.classes; ++c) {
    const int64_t at = first + c * stride;
    const FloatVec shifted = hn::Sub(LoadSome(a.x + at, count), max), e = ExpOrNaN(shifted);
    sum = hn::Add(sum, e);
    if (a.spreads()) {
      const FloatVec share = ColumnShares(a, at, c, count);
      total = hn::Add(total, share);
      below = AddShared(share, shifted, below);
    }
    StoreSome(e, a.p + at, count);
  }
  hn::Store(sum, d, sums), hn::Store(total, d, totals), hn::Store(below, d, belows);
  const FloatVec inverse = hn::Div(hn::Set(d, 1), sum);
  for (int64_t c = 0; c < a.sizes.classes; ++c) {
    float* p = a.p + first + c * stride;
    StoreSome(hn::Mul(LoadSome(p, count), inverse), p, count);
  }
  for (int64_t k = 0; k < count; ++k) {
    if (a.Ignored(i + k)) continue;
    const double log_sum = std::log(static_cast<double>(sums[k]));
    double& loss = a.losses[i + k];
    loss = a.dense() ? 0 : a.Spike(i + k) * (log_sum + loss);
    if (a.spreads()) loss += totals[k] * log_sum - belows[k];
  }
}

inline void CrossEntropyBackwardColumns(const Args& a, int64_t i, int64_t count) {
  const FloatTag d;
  const int64_t first = a.sizes.First(i), stride = a.sizes.inner;
  HWY_ALIGN float gradients[hn::MaxLanes(d)] = {}, spikes[hn::MaxLanes(d)] = {};
  for (int64_t k = 0; k < count; ++k) {
    if (a.Ignored(i + k)) continue;
    gradients[k] = static_cast<float>(a.Gradient(i + k));
    if (!a.dense()) spikes[k] = static_cast<float>(a.Spike(i + k));
  }
  FloatVec total = hn::Load(d, spikes);
  for (int64_t c = 0; c < a.sizes.classes && a.spreads(); ++c) {
    total = hn::Add(total, ColumnShares(a, first + c * stride, c, count));
  }
  const FloatVec gradient = hn::Load(d, gradients);
  for (int64_t c = 0; c < a.sizes.classes; ++c) {
    const int64_t at = first + c * stride;
    FloatVec v = hn::Mul(LoadSome(a.probabilities + at, count), total);
    if (a.spreads()) v = hn::Sub(v, ColumnShares(a, at, c, count));
    StoreSome(hn::Mul(v, gradient), a.dx + at, count);
  }
  for (int64_t k = 0; k < count && !a.dense(); ++k) {
    if (!a.Ignored(i + k)) a.dx[first + k + a.labels->labels()[i + k] * stride] -= gradients[k] * spikes[k];
  }
}

// f(first target, how many): as many neighbours as a vector holds, out of targets [begin, end).
template <typename F>
inline void ForEachColumns(const Args& a, int64_t begin, int64_t end, const F& f) {
  for (int64_t i = begin; i < end;) {
    const int64_t rest = a.sizes.inner - i % a.sizes.inner;
    const int64_t count = std::min({FloatLanes(), rest, end - i});
    f(i, count);
    i += count;
  }
}

void CrossEntropyRange(const Args& a, int64_t begin, int64_t end) {
  if (a.sizes.inner == 1) {
    for (int64_t i = begin; i < end; ++i) a.losses[i] = CrossEntropyRow(a, i);
  } else {
    ForEachColumns(a, begin, end, [&](int64_t i, int64_t count) { CrossEntropyColumns(a, i, count); });
  }
}

void CrossEntropyBackwardRange(const Args& a, int64_t begin, int64_t end) {
  if (a.sizes.inner == 1) {
    for (int64_t i = begin; i < end; ++i) CrossEntropyBackwardRow(a, i);
  } else {
    ForEachColumns(a, begin, end, [&](int64_t i, int64_t count) { CrossEntropyBackwardColumns(a, i, count); });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif  // ATHANOR_RUNTIME_KERNELS_SOFTMAX_CROSS_ENTROPY_INL_H_
