// How a tensor lies in memory, as plan files and dumps write it.
#ifndef ATHANOR_RUNTIME_CORE_MEMORY_DESC_H_
#define ATHANOR_RUNTIME_CORE_MEMORY_DESC_H_

#include <string>

#include "runtime/core/dtype.h"
#include "runtime/core/shape.h"

namespace athanor {

// `layout` is a oneDNN format tag by its canonical letters: "abcd" is row-major, "acdb" channels-last, "aBcd16b"
// blocked by 16 channels, "Acdb16a" and so on for weights. The empty string means "any": not decided yet, allowed only
// while compiling. A scalar (rank 0) has the layout "a" and is passed to oneDNN as one dimension of 1.
struct MemoryDesc {
  DType dtype = DType::kUndefined;
  Shape dims;
  std::string layout;

  bool operator==(const MemoryDesc&) const = default;
  bool any() const { return layout.empty(); }
  bool plain() const { return layout == PlainLayout(dims.size()); }
  // "a", "ab", "abc", ... for a rank; "a" for rank 0.
  static std::string PlainLayout(size_t rank) { return std::string("abcdefghijkl", rank == 0 ? 1 : rank); }
  static MemoryDesc Plain(DType dtype, Shape dims) {
    std::string layout = PlainLayout(dims.size());
    return MemoryDesc{dtype, std::move(dims), std::move(layout)};
  }
  // "f32[64,6,28,28]:aBcd16b"; ":any" while undecided.
  std::string ToString() const;
  // The reverse of ToString.
  static absl::StatusOr<MemoryDesc> Parse(absl::string_view text);
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_MEMORY_DESC_H_
