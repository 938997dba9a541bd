#include "runtime/kernels/strided_copy.h"

#include <algorithm>
#include <cstring>

#include "runtime/kernels/parallel.h"

namespace athanor {
namespace {

template <typename T>
inline void CopyRun(const T* src, int64_t src_stride, T* dst, int64_t dst_stride, int64_t n) {
  if (dst_stride == 1 && src_stride == 1) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else if (dst_stride == 1 && src_stride == 0) {
    std::fill_n(dst, n, *src);
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * dst_stride] = src[i * src_stride];
  }
}

}  // namespace

StridedCopy::StridedCopy(size_t element_size, const Shape& dims, const std::vector<int64_t>& src_strides,
                         int64_t src_offset, const std::vector<int64_t>& dst_strides, int64_t dst_offset)
    : element_size_(element_size), elements_(1), src_offset_(src_offset), dst_offset_(dst_offset) {
  ATH_CHECK(dims.size() <= size_t{kMaxRank} && src_strides.size() == dims.size() && dst_strides.size() == dims.size());
  std::array<Dimension, kMaxRank> merged;
  int rank = 0;
  for (size_t d = 0; d < dims.size(); ++d) {
    elements_ *= dims[d];
    if (dims[d] == 1) continue;
    Dimension next{dims[d], src_strides[d], dst_strides[d]};
    if (rank > 0) {
      Dimension& last = merged[rank - 1];
      if (last.src == next.src * next.size && last.dst == next.dst * next.size) {
        last = {last.size * next.size, next.src, next.dst};
        continue;
      }
    }
    merged[rank++] = next;
  }
  if (rank > 0) inner_ = merged[--rank];
  outer_rank_ = rank;
  std::copy_n(merged.begin(), rank, outer_.begin());
}

template <typename T>
void StridedCopy::RunTyped(const T* src, T* dst, int threads) const {
  src += src_offset_;
  dst += dst_offset_;
  // Ranges of elements, not of rows: one long row is shared too.
  ParallelRanges(elements_, 1, 2 * sizeof(T), threads, [&](int64_t begin, int64_t end) {
    std::array<int64_t, kMaxRank> index;
    int64_t row = begin / inner_.size, column = begin % inner_.size;
    int64_t from = 0, to = 0;
    for (int d = outer_rank_ - 1; d >= 0; --d) {
      index[d] = row % outer_[d].size;
      row /= outer_[d].size;
      from += index[d] * outer_[d].src;
      to += index[d] * outer_[d].dst;
    }
    while (begin < end) {
      const int64_t n = std::min(inner_.size - column, end - begin);
      CopyRun(src + from + column * inner_.src, inner_.src, dst + to + column * inner_.dst, inner_.dst, n);
      begin += n;
      column = 0;
      for (int d = outer_rank_ - 1; d >= 0; --d) {
        from += outer_[d].src;
        to += outer_[d].dst;
        if (++index[d] < outer_[d].size) break;
        from -= outer_[d].size * outer_[d].src;
        to -= outer_[d].size * outer_[d].dst;
        index[d] = 0;
      }
    }
  });
}

void StridedCopy::Run(const void* src, void* dst, int threads) const {
  if (elements_ == 0) return;
  switch (element_size_) {
    case 1:
      return RunTyped(static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst), threads);
    case 2:
      return RunTyped(static_cast<const uint16_t*>(src), static_cast<uint16_t*>(dst), threads);
    case 4:
      return RunTyped(static_cast<const uint32_t*>(src), static_cast<uint32_t*>(dst), threads);
    case 8:
      return RunTyped(static_cast<const uint64_t*>(src), static_cast<uint64_t*>(dst), threads);
    default:
      ATH_CHECK(false);
  }
}

absl::Status StridedCopyKernel::Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) {
  from_ = inputs[0];
  to_ = outputs[0];
  return absl::OkStatus();
}

absl::Status StridedCopyKernel::Run() {
  copy_.Run(from_, to_, threads_);
  return absl::OkStatus();
}

}  // namespace athanor
