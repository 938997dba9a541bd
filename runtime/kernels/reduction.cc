// Sum, mean and maximum over any dimensions; row-major. (oneDNN's reduction is a thousand times slower where the
// dimensions are not the innermost.)
//   reduction  (x) -> y    attrs: algorithm ("sum", "mean", "max"), axes (ascending, not negative), keepdims
// Long sums are made of short ones in float, added up in double in a fixed order: the result does not depend on the
// number of threads. A maximum with a NaN is NaN.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/reduction.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/reduction_nest.h"
#include "runtime/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

template <bool kMax>
Vec Combine(Vec a, Vec x) {
  // The larger, or NaN: comparisons with NaN are false, so a NaN stays once it is there.
  if (kMax) return hn::IfThenElse(hn::Or(hn::Gt(x, a), hn::IsNaN(x)), x, a);
  return hn::Add(a, x);
}

template <bool kMax>
float Combine(float a, float x) {
  if (kMax) return x > a || std::isnan(x) ? x : a;
  return a + x;
}

template <bool kMax>
float RowReduce(const float* x, int64_t n) {
  const Tag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr float kStart = kMax ? -std::numeric_limits<float>::infinity() : 0.0f;
  Vec a = hn::Set(d, kStart), b = a, c = a, e = a;
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a = Combine<kMax>(a, hn::LoadU(d, x + i));
    b = Combine<kMax>(b, hn::LoadU(d, x + i + lanes));
    c = Combine<kMax>(c, hn::LoadU(d, x + i + 2 * lanes));
    e = Combine<kMax>(e, hn::LoadU(d, x + i + 3 * lanes));
  }
  for (; i + lanes <= n; i += lanes) a = Combine<kMax>(a, hn::LoadU(d, x + i));
  HWY_ALIGN float all[hn::MaxLanes(d)];
  hn::Store(Combine<kMax>(Combine<kMax>(a, b), Combine<kMax>(c, e)), d, all);
  float result = kStart;
  for (int64_t k = 0; k < lanes; ++k) result = Combine<kMax>(result, all[k]);
  for (; i < n; ++i) result = Combine<kMax>(result, x[i]);
  return result;
}

template <bool kMax>
void AddRow(const float* x, int64_t n, float* sum) {
  const Tag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(Combine<kMax>(hn::LoadU(d, sum + i), hn::LoadU(d, x + i)), d, sum + i);
  for (; i < n; ++i) sum[i] = Combine<kMax>(sum[i], x[i]);
}

float SumRow(const float* x, int64_t n) { return RowReduce<false>(x, n); }
float MaxRow(const float* x, int64_t n) { return RowReduce<true>(x, n); }
void AddSumRow(const float* x, int64_t n, float* sum) { AddRow<false>(x, n, sum); }
void AddMaxRow(const float* x, int64_t n, float* max) { AddRow<true>(x, n, max); }

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(SumRow);
HWY_EXPORT(MaxRow);
HWY_EXPORT(AddSumRow);
HWY_EXPORT(AddMaxRow);

constexpr int64_t kPiece = 4096;  // elements summed in float before double takes over
constexpr int64_t kRows = 64;     // likewise rows of a column sum
constexpr int64_t kTile = 256;    // columns summed together

// The part of one element's terms that is summed in float.
struct Pieces {
  int64_t rows = 1;    // of the nest's `reduced` a piece
  int64_t length = 1;  // of the nest's `inner` a piece
  int64_t count = 1;   // pieces an element
};

Pieces Split(const ReductionNest& nest) {
  Pieces p;
  if (!nest.inner_reduced) return p;
  p.length = nest.reduced.count == 1 ? std::min(nest.inner, kPiece) : nest.inner;
  p.rows = std::max<int64_t>(1, kPiece / p.length);
  p.count =
      nest.reduced.count == 1 ? (nest.inner + p.length - 1) / p.length : (nest.reduced.count + p.rows - 1) / p.rows;
  return p;
}

class ReductionKernel final : public Kernel {
 public:
  ReductionKernel(const ReductionNest& nest, const std::string& algorithm, int threads)
      : nest_(nest),
        pieces_(Split(nest)),
        max_(algorithm == "max"),
        scale_(algorithm == "mean" ? 1.0 / static_cast<double>(nest.count()) : 1.0),
        threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    x_ = static_cast<const float*>(inputs[0]);
    y_ = static_cast<float*>(outputs[0]);
    partial_ = static_cast<double*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    if (!nest_.inner_reduced) {
      const int64_t tiles = (nest_.inner + kTile - 1) / kTile;
      const int64_t bytes = std::min(kTile, nest_.inner) * nest_.reduced.count * 4;
      ParallelRanges(nest_.kept.count * tiles, 1, bytes, threads_, [=, this](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) ReduceTile(t / tiles, t % tiles * kTile);
      });
      return absl::OkStatus();
    }
    ParallelRanges(nest_.kept.count * pieces_.count, 1, pieces_.rows * pieces_.length * 4, threads_,
                   [this](int64_t begin, int64_t end) {
                     for (int64_t p = begin; p < end; ++p)
                       partial_[p] = ReducePiece(p / pieces_.count, p % pieces_.count);
                   });
    for (int64_t k = 0; k < nest_.kept.count; ++k) {
      double result = partial_[k * pieces_.count];
      for (int64_t p = 1; p < pieces_.count; ++p) result = Join(result, partial_[k * pieces_.count + p]);
      y_[k] = static_cast<float>(result * scale_);
    }
    return absl::OkStatus();
  }

 private:
  double Join(double a, double b) const { return max_ ? (b > a || std::isnan(b) ? b : a) : a + b; }

  double ReducePiece(int64_t k, int64_t piece) const {
    const float* base = x_ + nest_.kept.Offset(k);
    if (nest_.reduced.count == 1) {
      const int64_t first = piece * pieces_.length;
      return ReduceRow(base + first, std::min(pieces_.length, nest_.inner - first));
    }
    const int64_t first = piece * pieces_.rows, end = std::min(first + pieces_.rows, nest_.reduced.count);
    double result = ReduceRow(base + nest_.reduced.Offset(first), nest_.inner);
    for (int64_t r = first + 1; r < end; ++r) {
      result = Join(result, ReduceRow(base + nest_.reduced.Offset(r), nest_.inner));
    }
    return result;
  }

  float ReduceRow(const float* x, int64_t n) const {
    return max_ ? HWY_DYNAMIC_DISPATCH(MaxRow)(x, n) : HWY_DYNAMIC_DISPATCH(SumRow)(x, n);
  }

  void ReduceTile(int64_t k, int64_t column) const {
    const int64_t width = std::min(kTile, nest_.inner - column);
    const float* base = x_ + nest_.kept.Offset(k) + column;
    double total[kTile] = {};
    float part[kTile];
    for (int64_t first = 0; first < nest_.reduced.count; first += kRows) {
      std::copy_n(base + nest_.reduced.Offset(first), width, part);
      const int64_t end = std::min(first + kRows, nest_.reduced.count);
      for (int64_t r = first + 1; r < end; ++r) {
        const float* row = base + nest_.reduced.Offset(r);
        max_ ? HWY_DYNAMIC_DISPATCH(AddMaxRow)(row, width, part) : HWY_DYNAMIC_DISPATCH(AddSumRow)(row, width, part);
      }
      for (int64_t j = 0; j < width; ++j) total[j] = first == 0 ? part[j] : Join(total[j], part[j]);
    }
    float* y = y_ + k * nest_.inner + column;
    for (int64_t j = 0; j < width; ++j) y[j] = static_cast<float>(total[j] * scale_);
  }

  const ReductionNest nest_;
  const Pieces pieces_;
  const bool max_;
  const double scale_;
  const int threads_;
  const float* x_ = nullptr;
  float* y_ = nullptr;
  double* partial_ = nullptr;  // by element and piece
};

struct Call {
  std::string algorithm;
  ReductionNest nest;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  Call call;
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "algorithm", &call.algorithm));
  if (call.algorithm != "sum" && call.algorithm != "mean" && call.algorithm != "max") {
    return CallError(spec, "unknown algorithm \"%s\"", call.algorithm);
  }
  ATH_RETURN_IF_ERROR(ReadReduction(spec, spec.inputs[0], spec.outputs[0], &call.nest));
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:simd"));
  info.flops = static_cast<double>(call.nest.count()) * static_cast<double>(call.nest.results());
  if (call.nest.inner_reduced) {
    ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kF64, {call.nest.kept.count, Split(call.nest).count}));
  }
  return info;
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  return std::make_unique<ReductionKernel>(call.nest, call.algorithm, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"reduction", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
