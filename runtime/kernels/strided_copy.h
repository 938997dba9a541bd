// Copies between two strided views of the same dims: what slice, expand, transpose and concat come down to.
#ifndef ATHANOR_RUNTIME_KERNELS_STRIDED_COPY_H_
#define ATHANOR_RUNTIME_KERNELS_STRIDED_COPY_H_

#include <array>
#include <cstdint>
#include <vector>

#include "runtime/core/shape.h"
#include "runtime/kernels/kernel.h"

namespace athanor {

// For every index i in `dims`: dst[dst_offset + i . dst_strides] = src[src_offset + i . src_strides]. Offsets and
// strides are in elements. A source stride may be 0 (broadcast). Source and destination must not overlap.
class StridedCopy {
 public:
  StridedCopy() = default;
  // All vectors have the rank of `dims`, at most kMaxRank.
  StridedCopy(size_t element_size, const Shape& dims, const std::vector<int64_t>& src_strides, int64_t src_offset,
              const std::vector<int64_t>& dst_strides, int64_t dst_offset);
  // Allocates nothing; each element is written once, by one thread.
  void Run(const void* src, void* dst, int threads) const;
  int64_t elements() const { return elements_; }

 private:
  struct Dimension {
    int64_t size, src, dst;  // strides in elements
  };
  template <typename T>
  void RunTyped(const T* src, T* dst, int threads) const;

  size_t element_size_ = 1;
  int64_t elements_ = 0, src_offset_ = 0, dst_offset_ = 0;
  int outer_rank_ = 0;
  std::array<Dimension, kMaxRank> outer_ = {};  // adjacent dimensions merged, without those of size 1
  Dimension inner_ = {1, 1, 1};
};

// A call that is one copy, from input 0 to output 0.
class StridedCopyKernel final : public Kernel {
 public:
  StridedCopyKernel(StridedCopy copy, int threads) : copy_(copy), threads_(threads) {}
  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override;
  absl::Status Run() override;

 private:
  const StridedCopy copy_;
  const int threads_;
  const void* from_ = nullptr;
  void* to_ = nullptr;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_STRIDED_COPY_H_
