// Sums, products and the like over any dimensions; row-major. (oneDNN's reduction is a thousand times slower where the
// dimensions are not the innermost.)
//   reduction  (x) -> y    attrs: algorithm, axes (ascending, not negative), keepdims
// Algorithms: sum, mean, max, min, prod, norm1 (of absolute values), norm2 (root of the sum of squares), sum_square,
// logsumexp (the maximum is found first and subtracted). Long sums are made of short ones in float, added up in double
// in a fixed order: the result does not depend on the number of threads. A maximum or minimum with a NaN is NaN.
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
#include "runtime/kernels/softmax_rows-inl.h"

#ifndef ATHANOR_RUNTIME_KERNELS_REDUCTION_ARGS_
#define ATHANOR_RUNTIME_KERNELS_REDUCTION_ARGS_
namespace athanor {
namespace reduction {

enum class Term { kValue, kAbs, kSquare, kExp };  // kExp: e^(x - shift)
enum class Join { kSum, kProduct, kMax, kMin };

struct Args {
  const ReductionNest* nest = nullptr;
  const float* x = nullptr;
  const float* shift = nullptr;  // one a result, for kExp
  double* partial = nullptr;     // by result, from this one on, and piece
  int64_t first_result = 0;
  int64_t pieces = 1;            // of a result, or of a tile of them
  int64_t rows = 1;              // of the nest's `reduced` a piece
  int64_t length = 1;            // of the nest's `inner` a piece, if that is reduced
};

constexpr int64_t kPiece = 4096;        // elements of a row joined in float before double takes over
constexpr int64_t kRows = 64;           // likewise rows of a column sum
constexpr int64_t kTile = 256;          // columns joined side by side
constexpr int64_t kColumnPiece = 1 << 16;  // elements of a tile that one thread joins without a break

inline int64_t Tiles(const ReductionNest& nest) { return (nest.inner + kTile - 1) / kTile; }

inline double StartOf(Join join) {
  switch (join) {
    case Join::kSum: return 0;
    case Join::kProduct: return 1;
    case Join::kMax: return -std::numeric_limits<double>::infinity();
    default: return std::numeric_limits<double>::infinity();
  }
}

inline double JoinOf(Join join, double a, double x) {
  switch (join) {
    case Join::kSum: return a + x;
    case Join::kProduct: return a * x;
    case Join::kMax: return x > a || std::isnan(x) ? x : a;
    default: return x < a || std::isnan(x) ? x : a;
  }
}

}  // namespace reduction
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_REDUCTION_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using reduction::Args;
using reduction::Join;
using reduction::Term;

// One way to reduce, by vectors.
template <Join kJoin, Term kTerm>
struct Way {
  static FloatVec Start() { return hn::Set(FloatTag(), static_cast<float>(reduction::StartOf(kJoin))); }
  static FloatVec Of(FloatVec x, FloatVec shift) {
    if constexpr (kTerm == Term::kAbs) return hn::Abs(x);
    if constexpr (kTerm == Term::kSquare) return hn::Mul(x, x);
    if constexpr (kTerm == Term::kExp) return ExpOrNaN(hn::Sub(x, shift));
    return x;
  }
  static FloatVec Join2(FloatVec a, FloatVec x) {
    // The better, or NaN: comparisons with NaN are false, so a NaN stays once it is there.
    if constexpr (kJoin == Join::kMax) return hn::IfThenElse(hn::Or(hn::Gt(x, a), hn::IsNaN(x)), x, a);
    if constexpr (kJoin == Join::kMin) return hn::IfThenElse(hn::Or(hn::Lt(x, a), hn::IsNaN(x)), x, a);
    if constexpr (kJoin == Join::kProduct) return hn::Mul(a, x);
    return hn::Add(a, x);
  }
};

template <Join kJoin, Term kTerm>
double ReduceRow(const float* x, int64_t n, float shift_by) {
  using W = Way<kJoin, kTerm>;
  const FloatTag d;
  const int64_t lanes = FloatLanes();
  const FloatVec shift = hn::Set(d, shift_by);
  FloatVec a = W::Start(), b = a, c = a, e = a;
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a = W::Join2(a, W::Of(hn::LoadU(d, x + i), shift));
    b = W::Join2(b, W::Of(hn::LoadU(d, x + i + lanes), shift));
    c = W::Join2(c, W::Of(hn::LoadU(d, x + i + 2 * lanes), shift));
    e = W::Join2(e, W::Of(hn::LoadU(d, x + i + 3 * lanes), shift));
  }
  for (; i + lanes <= n; i += lanes) a = W::Join2(a, W::Of(hn::LoadU(d, x + i), shift));
  if (i < n) {
    const FloatVec rest = W::Of(LoadPart(x + i, n - i, 0), shift);
    b = W::Join2(b, hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(n - i)), rest, W::Start()));
  }
  const FloatVec all = W::Join2(W::Join2(a, b), W::Join2(c, e));
  if constexpr (kJoin == Join::kSum) return hn::GetLane(hn::SumOfLanes(d, all));
  HWY_ALIGN float each[hn::MaxLanes(d)];
  hn::Store(all, d, each);
  double result = each[0];
  for (int64_t k = 1; k < lanes; ++k) result = reduction::JoinOf(kJoin, result, each[k]);
  return result;
}

// Where the innermost dimension is reduced: pieces [begin, end) of the results.
template <Join kJoin, Term kTerm>
void RowPieces(const Args& a, int64_t begin, int64_t end) {
  const ReductionNest& nest = *a.nest;
  for (int64_t p = begin; p < end; ++p) {
    const int64_t k = a.pieces == 1 ? p : p / a.pieces, piece = p - k * a.pieces;
    const float* base = a.x + nest.kept.Offset(k);
    const float shift = kTerm == Term::kExp ? a.shift[k] : 0;
    double& to = a.partial[p - a.first_result * a.pieces];
    if (nest.reduced.count == 1) {
      const int64_t first = piece * a.length;
      to = ReduceRow<kJoin, kTerm>(base + first, std::min(a.length, nest.inner - first), shift);
      continue;
    }
    const int64_t first = piece * a.rows, last = std::min(first + a.rows, nest.reduced.count);
    double result = ReduceRow<kJoin, kTerm>(base + nest.reduced.Offset(first), nest.inner, shift);
    for (int64_t r = first + 1; r < last; ++r) {
      const double row = ReduceRow<kJoin, kTerm>(base + nest.reduced.Offset(r), nest.inner, shift);
      result = reduction::JoinOf(kJoin, result, row);
    }
    to = result;
  }
}

// part[j] = join(part[j], x[j]), `n` of them; starts with those of x if `first`.
template <Join kJoin, Term kTerm>
void JoinRow(const float* x, int64_t n, const float* shift, bool first, float* part) {
  using W = Way<kJoin, kTerm>;
  const FloatTag d;
  const int64_t lanes = FloatLanes();
  auto term = [&](FloatVec v, int64_t j, int64_t count) {
    return W::Of(v, kTerm == Term::kExp ? LoadPart(shift + j, count, 0) : hn::Zero(d));
  };
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const FloatVec v = term(hn::LoadU(d, x + j), j, lanes);
    hn::StoreU(first ? v : W::Join2(hn::LoadU(d, part + j), v), d, part + j);
  }
  if (j == n) return;
  const FloatVec v = term(LoadPart(x + j, n - j, 0), j, n - j);
  StorePart(first ? v : W::Join2(LoadPart(part + j, n - j, 0), v), part + j, n - j);
}

// Rows that are neighbours in memory are taken several at a time, so that narrow ones fill vectors: one row of `fold`
// groups, each of which holds the columns, and they are joined at the end.
template <Join kJoin, Term kTerm>
void JoinFolded(const float* x, int64_t rows, int64_t width, double* total) {
  const int64_t fold = reduction::kTile / width, wide = fold * width;
  float part[reduction::kTile];
  int64_t r = 0;
  while (r + fold <= rows) {
    int64_t joined = 0;
    for (; joined < reduction::kRows && r + fold <= rows; ++joined, r += fold) {
      JoinRow<kJoin, kTerm>(x + r * width, wide, nullptr, joined == 0, part);
    }
    for (int64_t j = 0; j < wide; ++j) total[j % width] = reduction::JoinOf(kJoin, total[j % width], part[j]);
  }
  if (r == rows) return;
  const int64_t first = r;
  for (; r < rows; ++r) JoinRow<kJoin, kTerm>(x + r * width, width, nullptr, r == first, part);
  for (int64_t j = 0; j < width; ++j) total[j] = reduction::JoinOf(kJoin, total[j], part[j]);
}

// Where the innermost dimension stays: units [begin, end), each one piece of the rows of a tile of columns.
template <Join kJoin, Term kTerm>
void ColumnPieces(const Args& a, int64_t begin, int64_t end) {
  const ReductionNest& nest = *a.nest;
  const int64_t tiles = reduction::Tiles(nest);
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t piece = unit % a.pieces, tile = unit / a.pieces % tiles, k = unit / a.pieces / tiles;
    const int64_t column = tile * reduction::kTile, width = std::min(reduction::kTile, nest.inner - column);
    const float* base = a.x + nest.kept.Offset(k) + column;
    const float* shift = kTerm == Term::kExp ? a.shift + k * nest.inner + column : nullptr;
    const int64_t begin_row = piece * a.rows, end_row = std::min(begin_row + a.rows, nest.reduced.count);
    double total[reduction::kTile];
    std::fill_n(total, width, reduction::StartOf(kJoin));
    if (kTerm != Term::kExp && nest.reduced.rank == 1 && nest.reduced.strides[0] == nest.inner &&
        nest.inner <= reduction::kTile / 4) {
      JoinFolded<kJoin, kTerm>(base + begin_row * nest.inner, end_row - begin_row, width, total);
    } else {
      float part[reduction::kTile];
      for (int64_t r = begin_row; r < end_row;) {
        const int64_t stop = std::min(r + reduction::kRows, end_row);
        for (const int64_t first = r; r < stop; ++r) {
          JoinRow<kJoin, kTerm>(base + nest.reduced.Offset(r), width, shift, r == first, part);
        }
        for (int64_t j = 0; j < width; ++j) total[j] = reduction::JoinOf(kJoin, total[j], part[j]);
      }
    }
    // Results side by side, then pieces.
    double* to = a.partial + (k * nest.inner + column - a.first_result) * a.pieces + piece;
    for (int64_t j = 0; j < width; ++j) to[j * a.pieces] = total[j];
  }
}

template <Join kJoin, Term kTerm>
void Pieces(const Args& a, int64_t begin, int64_t end) {
  a.nest->inner_reduced ? RowPieces<kJoin, kTerm>(a, begin, end) : ColumnPieces<kJoin, kTerm>(a, begin, end);
}

void ReducePieces(Join join, Term term, const Args& a, int64_t begin, int64_t end) {
  switch (join) {
    case Join::kProduct: return Pieces<Join::kProduct, Term::kValue>(a, begin, end);
    case Join::kMax: return Pieces<Join::kMax, Term::kValue>(a, begin, end);
    case Join::kMin: return Pieces<Join::kMin, Term::kValue>(a, begin, end);
    case Join::kSum: break;
  }
  switch (term) {
    case Term::kValue: return Pieces<Join::kSum, Term::kValue>(a, begin, end);
    case Term::kAbs: return Pieces<Join::kSum, Term::kAbs>(a, begin, end);
    case Term::kSquare: return Pieces<Join::kSum, Term::kSquare>(a, begin, end);
    case Term::kExp: return Pieces<Join::kSum, Term::kExp>(a, begin, end);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

using reduction::Join;
using reduction::Term;

HWY_EXPORT(ReducePieces);

struct Algorithm {
  const char* name;
  Join join;
  Term term;
};
constexpr Algorithm kAlgorithms[] = {
    {"sum", Join::kSum, Term::kValue},        {"mean", Join::kSum, Term::kValue},
    {"max", Join::kMax, Term::kValue},        {"min", Join::kMin, Term::kValue},
    {"prod", Join::kProduct, Term::kValue},   {"norm1", Join::kSum, Term::kAbs},
    {"norm2", Join::kSum, Term::kSquare},     {"sum_square", Join::kSum, Term::kSquare},
    {"logsumexp", Join::kSum, Term::kExp},
};

// The pieces depend on the shape alone, never on the threads.
void Split(const ReductionNest& nest, reduction::Args* a) {
  if (!nest.inner_reduced) {
    a->rows = std::max(reduction::kRows, reduction::kColumnPiece / std::min(nest.inner, reduction::kTile));
    a->pieces = (nest.reduced.count + a->rows - 1) / a->rows;
    return;
  }
  a->length = nest.reduced.count == 1 ? std::min(nest.inner, reduction::kPiece) : nest.inner;
  a->rows = std::max<int64_t>(1, reduction::kPiece / a->length);
  a->pieces =
      nest.reduced.count == 1 ? (nest.inner + a->length - 1) / a->length : (nest.reduced.count + a->rows - 1) / a->rows;
}

class ReductionKernel final : public Kernel {
 public:
  ReductionKernel(const ReductionNest& nest, const Algorithm& algorithm, int threads)
      : nest_(nest), algorithm_(algorithm), name_(algorithm.name), threads_(threads) {
    args_.nest = &nest_;
    Split(nest_, &args_);
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    args_.x = static_cast<const float*>(inputs[0]);
    args_.shift = y_ = static_cast<float*>(outputs[0]);
    args_.partial = static_cast<double*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    if (algorithm_.term == Term::kExp) {
      Reduce(Join::kMax, Term::kValue, [](double max, float) { return static_cast<float>(max); });
      // An infinite maximum, or one that is NaN, is the result.
      Reduce(Join::kSum, Term::kExp, [](double sum, float max) {
        return std::isfinite(max) ? static_cast<float>(std::log(sum) + static_cast<double>(max)) : max;
      });
      return absl::OkStatus();
    }
    const double scale = name_ == "mean" ? 1.0 / static_cast<double>(nest_.count()) : 1.0;
    const bool root = name_ == "norm2";
    Reduce(algorithm_.join, algorithm_.term,
           [=](double v, float) { return static_cast<float>(root ? std::sqrt(v) : v * scale); });
    return absl::OkStatus();
  }

 private:
  // y = finish(joined terms, y as it was).
  template <typename F>
  void Reduce(Join join, Term term, const F& finish) const {
    const bool rows = nest_.inner_reduced;
    const int64_t units = nest_.kept.count * args_.pieces * (rows ? 1 : reduction::Tiles(nest_));
    const int64_t columns = std::min(nest_.inner, reduction::kTile);
    const int64_t bytes = 4 * (rows ? args_.rows * args_.length : std::min(args_.rows, nest_.reduced.count) * columns);
    ParallelRanges(units, 1, bytes, threads_, [&](int64_t begin, int64_t end) {
      if (args_.pieces > 1) {
        HWY_DYNAMIC_DISPATCH(ReducePieces)(join, term, args_, begin, end);
      } else {
        ReduceWhole(join, term, begin, end, finish);
      }
    });
    if (args_.pieces == 1) return;
    ParallelRanges(nest_.results(), 16, 8 * args_.pieces, threads_, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const double* partial = args_.partial + k * args_.pieces;
        double result = partial[0];
        for (int64_t p = 1; p < args_.pieces; ++p) result = reduction::JoinOf(join, result, partial[p]);
        y_[k] = finish(result, y_[k]);
      }
    });
  }

  // Units that are whole results, some at a time.
  template <typename F>
  void ReduceWhole(Join join, Term term, int64_t begin, int64_t end, const F& finish) const {
    double results[reduction::kTile];
    reduction::Args args = args_;
    args.partial = results;
    const int64_t tiles = reduction::Tiles(nest_);
    while (begin < end) {
      int64_t units = 1, count = 1;
      if (nest_.inner_reduced) {
        args.first_result = begin;
        count = units = std::min(reduction::kTile, end - begin);
      } else {
        const int64_t column = begin % tiles * reduction::kTile;
        args.first_result = begin / tiles * nest_.inner + column;
        count = std::min(reduction::kTile, nest_.inner - column);
      }
      HWY_DYNAMIC_DISPATCH(ReducePieces)(join, term, args, begin, begin + units);
      float* y = y_ + args.first_result;
      for (int64_t j = 0; j < count; ++j) y[j] = finish(results[j], y[j]);
      begin += units;
    }
  }

  const ReductionNest nest_;
  const Algorithm algorithm_;
  const std::string name_;
  const int threads_;
  reduction::Args args_;
  float* y_ = nullptr;
};

struct Call {
  Algorithm algorithm;
  ReductionNest nest;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  Call call{kAlgorithms[0], {}};
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  std::string name;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "algorithm", &name));
  const Algorithm* found =
      std::find_if(std::begin(kAlgorithms), std::end(kAlgorithms), [&](const Algorithm& a) { return a.name == name; });
  if (found == std::end(kAlgorithms)) return CallError(spec, "unknown algorithm \"%s\"", name);
  call.algorithm = *found;
  ATH_RETURN_IF_ERROR(ReadReduction(spec, spec.inputs[0], spec.outputs[0], &call.nest));
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:simd"));
  info.flops = static_cast<double>(call.nest.count()) * static_cast<double>(call.nest.results());
  reduction::Args args;
  Split(call.nest, &args);
  if (args.pieces > 1) {
    ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kF64, {call.nest.results(), args.pieces}));
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
