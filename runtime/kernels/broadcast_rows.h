// Walks a row-major result together with the operands that broadcast to it.
#ifndef ATHANOR_RUNTIME_KERNELS_BROADCAST_ROWS_H_
#define ATHANOR_RUNTIME_KERNELS_BROADCAST_ROWS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "runtime/core/shape.h"
#include "runtime/kernels/parallel.h"

namespace athanor {

class BroadcastRows {
 public:
  static constexpr int kMaxOperands = 3;
  // A piece of one row of the result: `count` elements from number `result` on. Operand k's begin at from[k]; it has as
  // many where repeats[k] is false, else one for all.
  struct Piece {
    int64_t result, count;
    std::array<int64_t, kMaxOperands> from;
    std::array<bool, kMaxOperands> repeats;
  };

  // Every operand broadcasts to the result. At most kMaxOperands.
  BroadcastRows(const Shape& result, absl::Span<const Shape> operands) {
    for (size_t d = 0; d < result.size(); ++d) {
      Dimension dimension{result[d], {}};
      for (size_t k = 0; k < operands.size(); ++k) dimension.strides[k] = StrideOf(operands[k], result.size(), d);
      if (dimension.size != 1) Append(dimension);
    }
    for (const Dimension& d : dims_) elements_ *= d.size;
    if (dims_.empty()) dims_.push_back({1, {}});
  }

  int64_t elements() const { return elements_; }

  // Calls f(piece) for pieces that cover the result, from several threads. Allocates nothing.
  template <typename F>
  void Run(int threads, int64_t bytes_per_element, const F& f) const {
    ParallelRanges(elements_, 64, bytes_per_element, threads, [&](int64_t begin, int64_t end) { Walk(begin, end, f); });
  }

 private:
  struct Dimension {
    int64_t size;
    std::array<int64_t, kMaxOperands> strides;
  };

  // In elements; 0 where the operand repeats.
  static int64_t StrideOf(const Shape& operand, size_t rank, size_t d) {
    const size_t missing = rank - operand.size();
    if (d < missing || operand[d - missing] == 1) return 0;
    int64_t stride = 1;
    for (size_t e = d - missing + 1; e < operand.size(); ++e) stride *= operand[e];
    return stride;
  }

  // Behind the last one, or as one with it where all operands go on as if they were.
  void Append(const Dimension& next) {
    if (!dims_.empty()) {
      Dimension& last = dims_.back();
      bool joins = true;
      for (int k = 0; k < kMaxOperands; ++k) joins = joins && last.strides[k] == next.strides[k] * next.size;
      if (joins) {
        last = {last.size * next.size, next.strides};
        return;
      }
    }
    dims_.push_back(next);
  }

  template <typename F>
  void Walk(int64_t begin, int64_t end, const F& f) const {
    const Dimension& row = dims_.back();
    const int outer = static_cast<int>(dims_.size()) - 1;
    std::array<int64_t, kMaxRank> index = {};
    int64_t rest = begin / row.size;
    for (int d = outer; d-- > 0;) {
      index[d] = rest % dims_[d].size;
      rest /= dims_[d].size;
    }
    Piece piece{begin, 0, {}, {}};
    for (int k = 0; k < kMaxOperands; ++k) piece.repeats[k] = row.strides[k] == 0;
    while (piece.result < end) {
      const int64_t column = piece.result % row.size;
      piece.count = std::min(row.size - column, end - piece.result);
      for (int k = 0; k < kMaxOperands; ++k) {
        piece.from[k] = column * row.strides[k];
        for (int d = 0; d < outer; ++d) piece.from[k] += index[d] * dims_[d].strides[k];
      }
      f(static_cast<const Piece&>(piece));
      piece.result += piece.count;
      for (int d = outer; d-- > 0;) {
        if (++index[d] < dims_[d].size) break;
        index[d] = 0;
      }
    }
  }

  std::vector<Dimension> dims_;  // the last one is a row: every stride there is 0 or 1
  int64_t elements_ = 1;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_BROADCAST_ROWS_H_
