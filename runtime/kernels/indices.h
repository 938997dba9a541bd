// Operands that hold indices, s32 or s64: checks of them in a call and, at each run, of their values.
#ifndef ATHANOR_RUNTIME_KERNELS_INDICES_H_
#define ATHANOR_RUNTIME_KERNELS_INDICES_H_

#include <algorithm>
#include <atomic>
#include <string>

#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/parallel.h"

namespace athanor {

// PLAN error unless the operand has this type and these dimensions. They may hold a 0.
inline absl::Status CheckDesc(const CallSpec& spec, absl::string_view what, const MemoryDesc& desc, const Shape& dims,
                              DType dtype) {
  if (desc.dtype != dtype || desc.dims != dims) {
    return CallError(spec, "%s is %s, expected %s%s", what, desc.ToString(), DTypeName(dtype), ShapeToString(dims));
  }
  return NumBytes(dtype, dims).status();
}

// PLAN error unless it is s32 or s64.
inline absl::Status CheckIndexDtype(const CallSpec& spec, const MemoryDesc& desc) {
  if (desc.dtype == DType::kS32 || desc.dtype == DType::kS64) return absl::OkStatus();
  return CallError(spec, "the indices are %s, expected s32 or s64", desc.ToString());
}

// PLAN error unless the attribute "axis" is one of `rank`.
inline absl::StatusOr<int64_t> ReadAxisAttr(const CallSpec& spec, size_t rank) {
  int64_t axis = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "axis", &axis));
  if (axis >= 0 && axis < static_cast<int64_t>(rank)) return axis;
  return CallError(spec, "axis %d is not in [0, %d)", axis, rank);
}

// The indices of one call.
struct IndexOperand {
  MemoryDesc desc;
  int64_t limit = 0;  // each must be in [0, limit)
  std::string name;   // of the call
  int threads = 1;

  // INDEX error naming the first one that is not.
  absl::Status Check(const void* data) const {
    return desc.dtype == DType::kS32 ? CheckTyped(static_cast<const int32_t*>(data))
                                     : CheckTyped(static_cast<const int64_t*>(data));
  }

 private:
  template <typename Index>
  absl::Status CheckTyped(const Index* indices) const {
    constexpr int64_t kBlock = 1024;
    const int64_t count = *NumElements(desc.dims);
    std::atomic<int64_t> first{count};
    ParallelRanges(count, kBlock, sizeof(Index), threads, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; b += kBlock) {
        const int64_t block_end = std::min(b + kBlock, end);
        bool good = true;  // without a branch an element, so that it is vectorised
        for (int64_t i = b; i < block_end; ++i) good &= (indices[i] >= 0) & (indices[i] < limit);
        if (good) continue;
        int64_t bad = b;
        while (indices[bad] >= 0 && indices[bad] < limit) ++bad;
        int64_t known = first.load();
        while (bad < known && !first.compare_exchange_weak(known, bad)) {
        }
        return;
      }
    });
    return first == count ? absl::OkStatus() : Outside(first, static_cast<int64_t>(indices[first]));
  }

  absl::Status Outside(int64_t position, int64_t value) const {
    std::string at;
    for (size_t d = desc.dims.size(); d-- > 0;) {
      at = std::to_string(position % desc.dims[d]) + (at.empty() ? "" : ",") + at;
      position /= desc.dims[d];
    }
    return MakeError(ErrorClass::kIndex, "\"%s\": indices[%s] = %d is not in [0, %d)", name, at, value, limit);
  }
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_INDICES_H_
